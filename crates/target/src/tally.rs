//! Counting on one serving thread.

use std::collections::{HashMap, VecDeque};

use units::Timestamp;

use crate::stats::{PathStats, Stats};

/// The counts of one serving thread: one writer, locked only against those who read or reset it.
#[derive(Debug)]
pub(crate) struct Tally {
    epoch: Timestamp,
    rows: Vec<Row>,
    row_by_path: HashMap<String, usize>,
    log: VecDeque<u64>,
    log_capacity: usize,
    connections_accepted: u64,
    connections_open: u64,
    /// Grows at each reset: an answer to an arrival from before is not counted.
    generation: u64,
}

#[derive(Debug)]
struct Row {
    path: String,
    is_load: bool,
    counts: PathStats,
}

/// Where the answer to an arrival is to be counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArrivalId {
    generation: u64,
    row: usize,
}

/// So many paths are counted apart, the others together.
const MAX_PATHS: usize = 1_000;
/// The row of all paths beyond [`MAX_PATHS`].
const OTHER: &str = "other";

impl Tally {
    /// Makes a tally that counts seconds from `epoch` and keeps the last `log_capacity` arrivals.
    pub(crate) fn new(epoch: Timestamp, log_capacity: usize) -> Self {
        Self {
            epoch,
            rows: Vec::new(),
            row_by_path: HashMap::new(),
            log: VecDeque::with_capacity(log_capacity),
            log_capacity,
            connections_accepted: 0,
            connections_open: 0,
            generation: 0,
        }
    }

    /// Counts a request on `path` that arrived `at`.
    pub(crate) fn arrive(&mut self, path: &str, at: Timestamp) -> ArrivalId {
        let row = self.row(path);
        let counts = &mut self.rows[row].counts;
        counts.arrivals += 1;
        let second = at.saturating_since(self.epoch).as_u64() / 1_000_000_000;
        counts.arrivals_per_second.add(second, 1);
        if self.rows[row].is_load && self.log_capacity > 0 {
            if self.log.len() == self.log_capacity {
                self.log.pop_front();
            }
            self.log.push_back(at.as_nanos());
        }
        ArrivalId { generation: self.generation, row }
    }

    /// Counts the answer to an arrival.
    pub(crate) fn answer(&mut self, arrival: ArrivalId, status: u16) {
        if arrival.generation == self.generation {
            *self.rows[arrival.row].counts.statuses.entry(status).or_default() += 1;
        }
    }

    /// Counts a connection that was accepted.
    pub(crate) fn connect(&mut self) {
        self.connections_accepted += 1;
        self.connections_open += 1;
    }

    /// Counts a connection that is gone.
    pub(crate) fn disconnect(&mut self) {
        self.connections_open -= 1;
    }

    /// Adds what was counted here to `stats`.
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.connections_accepted += self.connections_accepted;
        stats.connections_open += self.connections_open;
        for Row { path, is_load, counts } in &self.rows {
            let sum = stats.paths.entry(path.clone()).or_default();
            let mut answered = 0;
            for (status, count) in &counts.statuses {
                *sum.statuses.entry(*status).or_default() += count;
                answered += count;
            }
            sum.arrivals += counts.arrivals;
            sum.unanswered += counts.arrivals - answered;
            sum.arrivals_per_second.merge(&counts.arrivals_per_second);
            if *is_load {
                stats.arrivals += counts.arrivals;
                stats.answered += answered;
                stats.arrivals_per_second.merge(&counts.arrivals_per_second);
            }
        }
    }

    /// When the latest requests arrived, the oldest first.
    pub(crate) fn log(&self) -> impl Iterator<Item = u64> {
        self.log.iter().copied()
    }

    /// Starts all counts anew but that of open connections.
    pub(crate) fn reset(&mut self) {
        self.rows.clear();
        self.row_by_path.clear();
        self.log.clear();
        self.connections_accepted = 0;
        self.generation += 1;
    }

    fn row(&mut self, path: &str) -> usize {
        if let Some(row) = self.row_by_path.get(path) {
            return *row;
        }
        let path = if self.rows.len() < MAX_PATHS { path } else { OTHER };
        if let Some(row) = self.row_by_path.get(path) {
            return *row;
        }
        let is_load = path != "/stats" && !path.starts_with("/stats/") && !path.starts_with("/control/");
        self.rows.push(Row { path: path.to_owned(), is_load, counts: PathStats::default() });
        self.row_by_path.insert(path.to_owned(), self.rows.len() - 1);
        self.rows.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(tally: &Tally) -> Stats {
        let mut stats = Stats::default();
        tally.add_to(&mut stats);
        stats
    }

    #[test]
    fn requests_are_counted_by_path_status_and_second() {
        let second = |s: u64| Timestamp::from_nanos(s * 1_000_000_000);
        let mut tally = Tally::new(second(100), 2);
        let first = tally.arrive("/a", second(100));
        tally.answer(first, 200);
        let second_one = tally.arrive("/a", second(103));
        tally.answer(second_one, 500);
        tally.arrive("/b", second(103));
        tally.arrive("/stats", second(104));
        let stats = stats(&tally);
        assert_eq!((stats.arrivals, stats.answered), (3, 2));
        assert_eq!((stats.count("/a", 200), stats.count("/a", 500), stats.count("/b", 200)), (1, 1, 0));
        assert_eq!((stats.arrivals_on("/a"), stats.arrivals_on("/stats")), (2, 1));
        assert_eq!(stats.paths["/b"].unanswered, 1);
        assert_eq!([0, 1, 3, 4].map(|s| stats.arrivals_per_second.at(s)), [1, 0, 2, 0]);
        assert_eq!(tally.log().collect::<Vec<_>>(), [103_000_000_000; 2], "the latest two of the load");
    }

    #[test]
    fn a_reset_forgets_also_what_is_in_progress() {
        let mut tally = Tally::new(Timestamp::ORIGIN, 0);
        tally.connect();
        let before = tally.arrive("/a", Timestamp::ORIGIN);
        tally.reset();
        tally.arrive("/b", Timestamp::ORIGIN);
        tally.answer(before, 200);
        let stats = stats(&tally);
        assert_eq!((stats.arrivals, stats.answered), (1, 0));
        assert_eq!((stats.connections_accepted, stats.connections_open), (0, 1));
    }

    #[test]
    fn endless_paths_are_counted_together() {
        let mut tally = Tally::new(Timestamp::ORIGIN, 0);
        for n in 0..3_000 {
            tally.arrive(&format!("/{n}"), Timestamp::ORIGIN);
        }
        let stats = stats(&tally);
        assert_eq!(stats.arrivals, 3_000);
        assert_eq!(stats.paths.len(), MAX_PATHS + 1);
        assert_eq!(stats.arrivals_on(OTHER), 2_000);
    }
}
