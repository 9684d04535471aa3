//! Where a run's records are kept.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Record, RecordSeq, RunFold};

/// Keeps the records of one run. What was appended can be told again from the last checkpoint on.
pub trait Store {
    /// Keeps `record` and numbers it. When this returns, whatever rests on it may be acknowledged.
    fn append(&mut self, record: Arc<Record>) -> RecordSeq;

    /// The last checkpoint: the number of the last record in it, and the fold of all records up to that; `None` before
    /// the first one.
    fn latest_checkpoint(&self) -> Option<(RecordSeq, &RunFold)>;

    /// The records after `seq` with their numbers, in order; none that stand in a checkpoint any more.
    fn read_after(&self, seq: RecordSeq) -> Vec<(RecordSeq, Arc<Record>)>;

    /// Takes note that `fold` is that of all records so far: they need not be kept any longer.
    fn checkpoint(&mut self, fold: &RunFold);
}

/// Keeps records in memory, for as long as this controller lives: never more than the machine lets come together between
/// two checkpoints.
#[derive(Debug, Default)]
pub struct MemoryStore {
    last: RecordSeq,
    records: VecDeque<Arc<Record>>,
    checkpoint: Option<Box<(RecordSeq, RunFold)>>,
}

impl Store for MemoryStore {
    fn append(&mut self, record: Arc<Record>) -> RecordSeq {
        self.last.0 += 1;
        self.records.push_back(record);
        self.last
    }

    fn latest_checkpoint(&self) -> Option<(RecordSeq, &RunFold)> {
        self.checkpoint.as_ref().map(|kept| (kept.0, &kept.1))
    }

    fn read_after(&self, seq: RecordSeq) -> Vec<(RecordSeq, Arc<Record>)> {
        let first = self.last.0 + 1 - self.records.len() as u64;
        let numbered = (first..).map(RecordSeq).zip(&self.records);
        numbered
            .filter(|(number, _)| *number > seq)
            .map(|(number, record)| (number, Arc::clone(record)))
            .collect()
    }

    fn checkpoint(&mut self, fold: &RunFold) {
        self.records.clear();
        self.checkpoint = Some(Box::new((self.last, fold.clone())));
    }
}
