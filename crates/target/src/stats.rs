//! What the target says it counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::StallSpan;

/// Everything counted since the start or the last reset. `GET /stats` answers with this as JSON.
///
/// A request counts as an arrival when its head has been read, and under its status when the answer is handed to
/// the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests on all paths but `/stats…` and `/control/…`: the load.
    pub arrivals: u64,
    /// How many of them were answered.
    pub answered: u64,
    /// The load by the second in which it arrived.
    pub arrivals_per_second: PerSecond,
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections open now; not touched by a reset.
    pub connections_open: u64,
    /// The instant on the kernel's monotonic clock from which seconds are counted.
    pub epoch_ns: u64,
    /// Every stall declared so far; not touched by a reset.
    pub stalls: Vec<StallSpan>,
    /// Counts by path, without the query; paths beyond the thousandth count as `other`.
    pub paths: BTreeMap<String, PathStats>,
}

/// What was counted on one path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStats {
    /// Requests.
    pub arrivals: u64,
    /// Requests not answered: still in progress, given up by the client, or aborted by declaration.
    pub unanswered: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests by the second in which they arrived.
    pub arrivals_per_second: PerSecond,
}

/// Counts of consecutive seconds, at most the last [`PerSecond::MAX_SECONDS`] in which something was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerSecond {
    /// The second, counted from the epoch, that the first count belongs to.
    pub first_second: u64,
    /// One count for each second from there on.
    pub counts: Vec<u64>,
}

impl Stats {
    /// Number of answers with `status` on `path`.
    pub fn count(&self, path: &str, status: u16) -> u64 {
        self.paths.get(path).and_then(|p| p.statuses.get(&status)).copied().unwrap_or(0)
    }

    /// Number of requests on `path`.
    pub fn arrivals_on(&self, path: &str) -> u64 {
        self.paths.get(path).map_or(0, |p| p.arrivals)
    }
}

impl PerSecond {
    /// How many seconds are kept: an hour.
    pub const MAX_SECONDS: usize = 3_600;

    /// The count of one second after the epoch.
    pub fn at(&self, second: u64) -> u64 {
        let index = second.checked_sub(self.first_second).and_then(|i| usize::try_from(i).ok());
        index.and_then(|i| self.counts.get(i)).copied().unwrap_or(0)
    }

    /// Counts `count` in `second`; what is older than the seconds kept is not counted.
    pub(crate) fn add(&mut self, second: u64, count: u64) {
        if self.counts.is_empty() {
            self.first_second = second;
        }
        if second < self.first_second {
            let missing = self.first_second - second;
            if missing as usize + self.counts.len() > Self::MAX_SECONDS {
                return;
            }
            self.counts.splice(0..0, std::iter::repeat_n(0, missing as usize));
            self.first_second = second;
        }
        // Old seconds go in blocks, so that keeping an hour costs nothing per second.
        let past_end = (second - self.first_second).saturating_sub(Self::MAX_SECONDS as u64 - 1);
        if past_end > 0 {
            let block = past_end.max(Self::MAX_SECONDS as u64 / 10).min(self.counts.len() as u64);
            self.counts.drain(..block as usize);
            self.first_second = if self.counts.is_empty() { second } else { self.first_second + block };
        }
        let index = (second - self.first_second) as usize;
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += count;
    }

    /// Adds every count of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (i, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add(other.first_second + i as u64, *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_counted_where_they_belong() {
        let mut seconds = PerSecond::default();
        for second in [7, 9, 7, 5] {
            seconds.add(second, 1);
        }
        assert_eq!(seconds, PerSecond { first_second: 5, counts: vec![1, 0, 2, 0, 1] });
        assert_eq!([4, 5, 7, 9, 10].map(|s| seconds.at(s)), [0, 1, 2, 1, 0]);
    }

    #[test]
    fn only_the_last_hour_is_kept() {
        let mut seconds = PerSecond::default();
        for second in 0..10_000 {
            seconds.add(second, second);
            assert!(seconds.counts.len() <= PerSecond::MAX_SECONDS);
            assert_eq!(seconds.at(second), second);
        }
        assert_eq!(seconds.at(7_000), 7_000);
        assert_eq!(seconds.at(5_000), 0);
        seconds.add(1_000_000, 3);
        assert_eq!(seconds, PerSecond { first_second: 1_000_000, counts: vec![3] });
        seconds.add(10, 3);
        assert_eq!(seconds.counts, [3], "what is too old is not counted");
    }

    #[test]
    fn merging_adds_second_by_second() {
        let mut left = PerSecond { first_second: 2, counts: vec![1, 2] };
        left.merge(&PerSecond { first_second: 1, counts: vec![5, 0, 7] });
        assert_eq!(left, PerSecond { first_second: 1, counts: vec![5, 1, 9] });
    }
}
