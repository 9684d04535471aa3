//! The right to send load, as one deadline that one side moves and the engine's threads read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use units::Timestamp;

/// Until when load may be sent. Clones are of the same lease.
///
/// What it ends is new work: a thread that finds it over starts nothing and sends no further request, but one request
/// per thread may be on its way between the look and the system call, and what is in flight may end.
#[derive(Clone, Debug)]
pub struct Lease {
    /// In nanoseconds of the worker's clock.
    deadline: Arc<AtomicU64>,
}

/// The side of a [`Lease`] that moves its deadline.
#[derive(Debug)]
pub struct LeaseKeeper {
    lease: Lease,
}

impl Lease {
    /// A lease without end: of a run that no one else has a say in.
    pub fn forever() -> Self {
        Self::ending_at(Timestamp::NEVER)
    }

    /// A lease that ends at `deadline` unless its keeper renews it before.
    pub fn until(deadline: Timestamp) -> (LeaseKeeper, Self) {
        let lease = Self::ending_at(deadline);
        (LeaseKeeper { lease: lease.clone() }, lease)
    }

    /// Whether load may be sent at `now`.
    ///
    /// # Cost
    /// A relaxed load of a word that is written once a second, and a comparison.
    #[inline]
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.deadline()
    }

    /// When it ends, as it stands.
    #[inline]
    pub fn deadline(&self) -> Timestamp {
        // Relaxed: nothing else is read because of it.
        Timestamp::from_nanos(self.deadline.load(Ordering::Relaxed))
    }

    fn ending_at(deadline: Timestamp) -> Self {
        Self { deadline: Arc::new(AtomicU64::new(deadline.as_nanos())) }
    }
}

impl LeaseKeeper {
    /// Lets the lease end at `until`, if that is later than it would. Whether it still holds at `now`: a lease that was
    /// over stays over, so that no thread goes on where another has stopped.
    pub fn renew(&mut self, now: Timestamp, until: Timestamp) -> bool {
        let holds = self.lease.holds(now);
        if holds && until > self.lease.deadline() {
            self.lease.deadline.store(until.as_nanos(), Ordering::Relaxed);
        }
        holds
    }

    /// Ends the lease for good at `now`, unless it is over already: its deadline tells since when.
    pub fn end(&mut self, now: Timestamp) {
        if self.lease.holds(now) {
            self.lease.deadline.store(now.as_nanos(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn a_lease_holds_until_its_deadline_and_is_renewed_forward_only() {
        let (mut keeper, lease) = Lease::until(at(100));
        assert!(lease.holds(at(99)) && !lease.holds(at(100)));
        assert!(keeper.renew(at(50), at(200)));
        assert!(keeper.renew(at(60), at(150)), "an answer that was overtaken does not shorten it");
        assert_eq!(lease.deadline(), at(200));
        assert!(Lease::forever().holds(at(u64::MAX - 1)));
    }

    #[test]
    fn a_lease_that_was_over_stays_over() {
        let (mut keeper, lease) = Lease::until(at(100));
        assert!(!keeper.renew(at(100), at(300)));
        assert!(!lease.holds(at(100)));
        let (mut keeper, lease) = Lease::until(at(100));
        keeper.end(at(40));
        assert!(!keeper.renew(at(41), at(300)));
        assert_eq!(lease.deadline(), at(40), "it was over from then on");
        keeper.end(at(50));
        assert_eq!(lease.deadline(), at(40));
    }
}
