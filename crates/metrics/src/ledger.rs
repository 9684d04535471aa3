//! The two ledgers: every planned iteration and every attempted request ends in exactly one class.

use serde::{Deserialize, Serialize};

use crate::{DropReason, ErrorClass, IterationOutcome, Outcome, UnsentReason};

/// A number of slots, and which ones they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotTally {
    /// How many.
    pub count: u64,
    /// The sum of their digests modulo 2^128: the same for the same slots in any order and grouping.
    #[serde(with = "crate::hex_u128")]
    pub digest: u128,
}

impl SlotTally {
    /// Adds one slot.
    #[inline]
    pub fn add(&mut self, slot: u128) {
        self.count += 1;
        self.digest = self.digest.wrapping_add(slot);
    }

    /// Adds other slots.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// Where the due slots of a scenario went.
///
/// `due = started + dropped + unsent + waiting + unaccounted` and `started = succeeded + failed + cancelled +
/// in_flight`. Over an interval, `waiting` and `in_flight` are changes; over a whole run they end at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IterationLedger {
    /// Slots that came due.
    pub due: SlotTally,
    /// Slots that became an iteration.
    pub started: SlotTally,
    /// Slots given up although the generator was on time, by [`DropReason`].
    pub dropped: [SlotTally; DropReason::COUNT],
    /// Slots never released, by [`UnsentReason`].
    pub unsent: [SlotTally; UnsentReason::COUNT],
    /// Slots whose fate is unknown since their worker was lost.
    pub unaccounted: u64,
    /// Slots that are due and wait for a user.
    pub waiting: i64,
    /// Iterations in which every request succeeded.
    pub succeeded: u64,
    /// Iterations in which a request or the task failed.
    pub failed: u64,
    /// Iterations ended by us at the stop.
    pub cancelled: u64,
    /// Iterations that still run.
    pub in_flight: i64,
}

impl IterationLedger {
    /// Books a slot that came due.
    #[inline]
    pub fn slot_due(&mut self, slot: u128) {
        self.due.add(slot);
        self.waiting += 1;
    }

    /// Books a due slot as dropped.
    #[inline]
    pub fn slot_dropped(&mut self, reason: DropReason, slot: u128) {
        self.dropped[reason.index()].add(slot);
        self.waiting -= 1;
    }

    /// Books a due slot as unsent.
    #[inline]
    pub fn slot_unsent(&mut self, reason: UnsentReason, slot: u128) {
        self.unsent[reason.index()].add(slot);
        self.waiting -= 1;
    }

    /// Books so many slots of a stopped schedule as due and unsent, without their digests.
    #[inline]
    pub fn slots_stopped(&mut self, count: u64) {
        self.due.count += count;
        self.unsent[UnsentReason::Stopped.index()].count += count;
    }

    /// Books a due slot as started.
    #[inline]
    pub fn started(&mut self, slot: u128) {
        self.started.add(slot);
        self.waiting -= 1;
        self.in_flight += 1;
    }

    /// Books a started iteration as over.
    #[inline]
    pub fn ended(&mut self, outcome: IterationOutcome) {
        match outcome {
            IterationOutcome::Succeeded => self.succeeded += 1,
            IterationOutcome::Failed => self.failed += 1,
            IterationOutcome::Cancelled => self.cancelled += 1,
        }
        self.in_flight -= 1;
    }

    /// Adds what another thread, interval or scenario booked.
    pub fn merge(&mut self, other: &Self) {
        self.due.merge(&other.due);
        self.started.merge(&other.started);
        for (mine, theirs) in self.dropped.iter_mut().zip(&other.dropped) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.unsent.iter_mut().zip(&other.unsent) {
            mine.merge(theirs);
        }
        self.unaccounted += other.unaccounted;
        self.waiting += other.waiting;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.in_flight += other.in_flight;
    }

    /// All dropped slots.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(|tally| tally.count).sum()
    }

    /// All unsent slots.
    pub fn unsent_total(&self) -> u64 {
        self.unsent.iter().map(|tally| tally.count).sum()
    }

    /// Iterations that are over.
    pub fn ended_total(&self) -> u64 {
        self.succeeded + self.failed + self.cancelled
    }

    /// Checks both identities, and that the classes hold exactly the slots that were due.
    ///
    /// # Errors
    /// The first identity that does not hold, and by how much. Slots that wait or are unaccounted for keep the
    /// digests from being compared.
    pub fn check(&self) -> Result<(), LedgerError> {
        self.check_counts()?;
        let classes = [&self.started].into_iter().chain(&self.dropped).chain(&self.unsent);
        let digest = classes.fold(0_u128, |sum, tally| sum.wrapping_add(tally.digest));
        if self.waiting == 0 && self.unaccounted == 0 && digest != self.due.digest {
            return Err(LedgerError::OtherSlots { due: self.due.digest, accounted: digest });
        }
        Ok(())
    }

    /// Checks both identities, whichever slots they are about.
    pub(crate) fn check_counts(&self) -> Result<(), LedgerError> {
        let accounted = i128::from(self.started.count + self.dropped_total() + self.unsent_total())
            + i128::from(self.unaccounted)
            + i128::from(self.waiting);
        if i128::from(self.due.count) != accounted {
            return Err(LedgerError::Slots { due: self.due.count, accounted });
        }
        let accounted = i128::from(self.ended_total()) + i128::from(self.in_flight);
        if i128::from(self.started.count) != accounted {
            return Err(LedgerError::Iterations { started: self.started.count, accounted });
        }
        Ok(())
    }

    /// Checks the ledger of a run that is over: as [`IterationLedger::check`], and nothing waits or runs any more.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check_closed(&self) -> Result<(), LedgerError> {
        self.check()?;
        match (self.waiting, self.in_flight) {
            (0, 0) => Ok(()),
            (0, in_flight) => Err(LedgerError::IterationsLeft { in_flight }),
            (waiting, _) => Err(LedgerError::SlotsLeft { waiting }),
        }
    }
}

/// Where the attempted requests went: `attempted = succeeded + failed + cancelled + in_flight`.
///
/// Redirects and requests sent again are included. Over an interval `in_flight` is a change; over a run it ends at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestLedger {
    /// Requests that were begun.
    pub attempted: u64,
    /// Complete, in time and of an expected status.
    pub succeeded: u64,
    /// Failed, by [`ErrorClass`].
    pub failed: [u64; ErrorClass::COUNT],
    /// Ended by us at the stop.
    pub cancelled: u64,
    /// Begun and not over.
    pub in_flight: i64,
    /// Of the attempted: sent a second time since a kept connection turned out to be closed.
    pub resent: u64,
}

impl RequestLedger {
    /// Books a request as begun.
    #[inline]
    pub fn started(&mut self) {
        self.attempted += 1;
        self.in_flight += 1;
    }

    /// Books a begun request as over.
    #[inline]
    pub fn ended(&mut self, outcome: Outcome, resent: bool) {
        match outcome {
            Outcome::Succeeded => self.succeeded += 1,
            Outcome::Failed(class) => self.failed[class.index()] += 1,
            Outcome::Cancelled => self.cancelled += 1,
        }
        // A branch: added without one it is joined with `in_flight` to a 16-byte load, which has to wait for the
        // 8-byte store of `started`.
        if resent {
            self.resent += 1;
        }
        self.in_flight -= 1;
    }

    /// Adds what another thread, interval or step booked.
    pub fn merge(&mut self, other: &Self) {
        self.attempted += other.attempted;
        self.succeeded += other.succeeded;
        for (mine, theirs) in self.failed.iter_mut().zip(&other.failed) {
            *mine += theirs;
        }
        self.cancelled += other.cancelled;
        self.in_flight += other.in_flight;
        self.resent += other.resent;
    }

    /// All failed requests.
    pub fn failed_total(&self) -> u64 {
        self.failed.iter().sum()
    }

    /// Failed requests for which the generator is to blame.
    pub fn own_faults(&self) -> u64 {
        ErrorClass::ALL
            .iter()
            .filter(|class| class.is_own_fault())
            .map(|class| self.failed[class.index()])
            .sum()
    }

    /// Requests that are over.
    pub fn ended_total(&self) -> u64 {
        self.succeeded + self.failed_total() + self.cancelled
    }

    /// Checks the identity.
    ///
    /// # Errors
    /// By how much it is broken.
    pub fn check(&self) -> Result<(), LedgerError> {
        let accounted = i128::from(self.ended_total()) + i128::from(self.in_flight);
        if i128::from(self.attempted) == accounted {
            Ok(())
        } else {
            Err(LedgerError::Requests { attempted: self.attempted, accounted })
        }
    }

    /// Checks the ledger of a run that is over: as [`RequestLedger::check`], and nothing is in flight.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check_closed(&self) -> Result<(), LedgerError> {
        self.check()?;
        match self.in_flight {
            0 => Ok(()),
            in_flight => Err(LedgerError::RequestsLeft { in_flight }),
        }
    }
}

/// What does not hold in a ledger. Each makes the measurement invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Slots were lost or counted twice.
    #[error("{due} slots were due but {accounted} are accounted for, {} apart", apart(.due, .accounted))]
    Slots {
        /// Slots that came due.
        due: u64,
        /// The sum of all classes.
        accounted: i128,
    },
    /// Iterations were lost or counted twice.
    #[error("{started} iterations were started but {accounted} are accounted for, {} apart", apart(.started, .accounted))]
    Iterations {
        /// Iterations that were started.
        started: u64,
        /// The sum of all outcomes and what is in flight.
        accounted: i128,
    },
    /// The numbers agree, but the slots accounted for are not those that were due.
    #[error(
        "the slots that were due (digest {due:032x}) are not those accounted for (digest {accounted:032x})"
    )]
    OtherSlots {
        /// Digest of the due slots.
        due: u128,
        /// Digest of all classes.
        accounted: u128,
    },
    /// Slots still wait although the run is over; below zero: started without being due.
    #[error("{waiting} due slots were never taken up or given up")]
    SlotsLeft {
        /// How many.
        waiting: i64,
    },
    /// Iterations still run although the run is over; below zero: ended without a start.
    #[error("{in_flight} iterations were started and never ended")]
    IterationsLeft {
        /// How many.
        in_flight: i64,
    },
    /// Requests were lost or counted twice.
    #[error("{attempted} requests were attempted but {accounted} are accounted for, {} apart", apart(.attempted, .accounted))]
    Requests {
        /// Requests that were begun.
        attempted: u64,
        /// The sum of all outcomes and what is in flight.
        accounted: i128,
    },
    /// Requests are still in flight although the run is over; below zero: ended without a start.
    #[error("{in_flight} requests were attempted and never ended")]
    RequestsLeft {
        /// How many.
        in_flight: i64,
    },
}

fn apart(expected: &u64, accounted: &i128) -> u128 {
    (i128::from(*expected) - accounted).unsigned_abs()
}

#[cfg(test)]
mod tests;
