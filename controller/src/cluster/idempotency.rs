//! Which keys were used for which runs.

use std::collections::{HashMap, VecDeque};

use control::{ContentDigest, RunId};
use units::{Nanos, Timestamp};

use super::Request;

/// The keys of the last 24 hours, at most 10,000. One that is not kept any more is as if it had never been.
#[derive(Debug, Default)]
pub(super) struct Requests {
    taken: HashMap<String, Taken>,
    /// Keys in the order in which they came.
    order: VecDeque<String>,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    body: ContentDigest,
    run: RunId,
    at: Timestamp,
}

/// What a request is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its key was not used.
    New,
    /// It came before and made this run.
    Repeated(RunId),
    /// Its key stands for another body, which made this run.
    Conflict(RunId),
}

impl Requests {
    /// Keys that are kept.
    pub(super) const MOST: usize = 10_000;
    /// How long they are kept.
    pub(super) const KEPT: Nanos = Nanos::from_secs(24 * 3_600);
    /// Characters a key may have.
    pub(super) const LONGEST_KEY: usize = 128;

    pub(super) fn standing(&self, now: Timestamp, request: &Request) -> Standing {
        match self.taken.get(&request.key) {
            Some(taken) if now.saturating_since(taken.at) < Self::KEPT => {
                if taken.body == request.body {
                    Standing::Repeated(taken.run)
                } else {
                    Standing::Conflict(taken.run)
                }
            }
            _ => Standing::New,
        }
    }

    /// Notes that a request that was [`Standing::New`] made `run`.
    pub(super) fn take(&mut self, now: Timestamp, request: Request, run: RunId) {
        let is_old = |taken: &Taken| now.saturating_since(taken.at) >= Self::KEPT;
        while let Some(oldest) = self.order.front() {
            let known = self.taken.get(oldest);
            if self.order.len() < Self::MOST && !known.is_none_or(is_old) {
                break;
            }
            self.taken.remove(oldest);
            self.order.pop_front();
        }
        self.order.push_back(request.key.clone());
        self.taken.insert(request.key, Taken { body: request.body, run, at: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: u64, body: u8) -> Request {
        Request { key: key.to_string(), body: ContentDigest([body; 32]) }
    }

    fn run(n: u128) -> RunId {
        RunId::new(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn the_same_key_is_the_same_run_unless_the_body_differs() {
        let mut requests = Requests::default();
        let now = Timestamp::ORIGIN;
        assert_eq!(requests.standing(now, &request(1, 1)), Standing::New);
        requests.take(now, request(1, 1), run(7));
        assert_eq!(requests.standing(now, &request(1, 1)), Standing::Repeated(run(7)));
        assert_eq!(requests.standing(now, &request(1, 2)), Standing::Conflict(run(7)));
        assert_eq!(requests.standing(now, &request(2, 1)), Standing::New);
    }

    #[test]
    fn keys_are_forgotten_after_a_day_and_when_there_are_too_many() {
        let mut requests = Requests::default();
        let start = Timestamp::ORIGIN;
        requests.take(start, request(0, 1), run(0));
        let last = start + Requests::KEPT.saturating_sub(Nanos::new(1));
        assert_eq!(requests.standing(last, &request(0, 1)), Standing::Repeated(run(0)));
        let after = start + Requests::KEPT;
        assert_eq!(requests.standing(after, &request(0, 1)), Standing::New);
        // Taken again, under its old place in the order or not: it is kept from now on.
        requests.take(after, request(0, 2), run(1));
        for key in 1..Requests::MOST as u64 {
            requests.take(after, request(key, 1), run(2));
        }
        assert_eq!(requests.standing(after, &request(0, 2)), Standing::Repeated(run(1)));
        requests.take(after, request(Requests::MOST as u64, 1), run(2));
        assert_eq!(requests.standing(after, &request(0, 2)), Standing::New);
        assert_eq!(requests.taken.len(), Requests::MOST);
        assert_eq!(requests.order.len(), Requests::MOST);
    }
}
