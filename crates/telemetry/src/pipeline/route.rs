//! The way of one signal: a bounded queue and its books.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Signal, SinkReport};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::closing::Closing;
use crate::ledger::{Exposure, Fate, Ledger};
use crate::settings::Batches;

/// Something that waits in a queue.
pub(crate) trait Item: Send + 'static {
    /// What it is.
    const SIGNAL: Signal;

    /// Which items are lost when there is no room.
    const FULL: WhenFull;

    /// How many items it counts as.
    fn items(&self) -> u64;
}

/// Which items are lost when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// Those that come.
    LoseNew,
    /// Those that wait longest.
    LoseOld,
}

impl Item for SpanData {
    const SIGNAL: Signal = Signal::Traces;
    const FULL: WhenFull = WhenFull::LoseNew;

    fn items(&self) -> u64 {
        1
    }
}

impl Item for LogRecord {
    const SIGNAL: Signal = Signal::Logs;
    const FULL: WhenFull = WhenFull::LoseNew;

    fn items(&self) -> u64 {
        1
    }
}

impl Item for Metric {
    const SIGNAL: Signal = Signal::Metrics;
    // A newer cumulative point says what the older one said, and the last one of a run matters most.
    const FULL: WhenFull = WhenFull::LoseOld;

    fn items(&self) -> u64 {
        let points = match &self.data {
            None => 0,
            Some(Data::Gauge(data)) => data.data_points.len(),
            Some(Data::Sum(data)) => data.data_points.len(),
            Some(Data::Histogram(data)) => data.data_points.len(),
            Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
            Some(Data::Summary(data)) => data.data_points.len(),
        };
        points as u64
    }
}

/// The queue of one signal and its books, between those who make items and the exporter.
#[derive(Debug)]
pub(crate) struct Route<T> {
    endpoint: String,
    batches: Batches,
    state: Mutex<State<T>>,
    changed: Notify,
    closing: Arc<Closing>,
}

#[derive(Debug)]
struct State<T> {
    ledger: Ledger,
    queue: VecDeque<T>,
    /// Items in the queue.
    waiting: u64,
    /// Whether nothing more is taken.
    is_closing: bool,
}

impl<T: Item> Route<T> {
    pub(crate) fn new(endpoint: String, batches: Batches, closing: Arc<Closing>) -> Self {
        let state =
            State { ledger: Ledger::default(), queue: VecDeque::new(), waiting: 0, is_closing: false };
        Self { endpoint, batches, state: Mutex::new(state), changed: Notify::new(), closing }
    }

    /// Takes what there is room for and books the rest as lost.
    pub(crate) fn push(&self, items: Vec<T>) {
        let mut state = self.lock();
        for item in items {
            state.push(item, self.batches.queue as u64);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Books items that were lost before they came here.
    pub(crate) fn lost_before(&self, items: u64) {
        let mut state = self.lock();
        state.ledger.produce(items);
        state.ledger.lose(items);
    }

    /// Waits for a batch: a full one, or what there is after the delay or when no more will come. `None` when all has
    /// been taken and no more will come.
    pub(crate) async fn next_batch(&self) -> Option<Vec<T>> {
        loop {
            match self.readiness() {
                Readiness::Over => return None,
                Readiness::Full => return Some(self.take()),
                Readiness::Empty => self.changed.notified().await,
                Readiness::Some => {
                    let full = async {
                        while matches!(self.readiness(), Readiness::Some) {
                            self.changed.notified().await;
                        }
                    };
                    if timeout(self.batches.delay.into(), full).await.is_err() {
                        return Some(self.take());
                    }
                }
            }
        }
    }

    fn readiness(&self) -> Readiness {
        let state = self.lock();
        match (state.waiting, state.is_closing) {
            (0, true) => Readiness::Over,
            (0, false) => Readiness::Empty,
            (_, true) => Readiness::Full,
            (waiting, false) if waiting >= self.batches.most as u64 => Readiness::Full,
            _ => Readiness::Some,
        }
    }

    /// Takes a batch from the queue, which is under way from now on.
    fn take(&self) -> Vec<T> {
        let mut state = self.lock();
        let mut batch = Vec::new();
        let mut items = 0;
        while let Some(next) = state.queue.front().map(Item::items) {
            if !batch.is_empty() && items + next > self.batches.most as u64 {
                break;
            }
            items += next;
            batch.extend(state.queue.pop_front());
        }
        state.waiting -= items;
        state.ledger.take_up(items);
        batch
    }

    /// An attempt begins to send the batch under way; `None` when the books are closed, and it must not be sent.
    pub(crate) fn expose(&self) -> Option<Exposure> {
        self.lock().ledger.expose()
    }

    /// The attempt came to nothing at the receiver, for certain.
    pub(crate) fn withdraw(&self, before: Exposure) {
        self.lock().ledger.withdraw(before);
    }

    /// The batch under way is sent once more.
    pub(crate) fn retry(&self) {
        self.lock().ledger.retry();
    }

    /// The attempt was answered, which ends the batch under way.
    pub(crate) fn answered(&self, before: Exposure, fate: Fate) {
        self.lock().ledger.answered(before, fate);
        self.closing.nudge();
    }

    /// The batch under way is given up.
    pub(crate) fn give_up(&self) {
        self.lock().ledger.settle(Fate::GivenUp);
        self.closing.nudge();
    }

    /// Takes no more; what waits is still sent.
    pub(crate) fn close(&self) {
        self.lock().is_closing = true;
        self.changed.notify_one();
    }

    /// Whether nothing waits and nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.queue.is_empty() && !state.ledger.has_in_flight()
    }

    /// Whether a batch is under way, and whether bytes of it may have left.
    #[cfg(test)]
    pub(crate) fn is_under_way(&self, is_exposed: bool) -> bool {
        self.lock().ledger.is_under_way(is_exposed)
    }

    /// Books what waits and what is under way, for good.
    pub(crate) fn seal(&self) {
        let mut state = self.lock();
        let waiting = std::mem::take(&mut state.waiting);
        let queue = std::mem::take(&mut state.queue);
        state.is_closing = true;
        state.ledger.close(waiting);
        drop(state);
        drop(queue);
    }

    /// What became of the items so far.
    pub(crate) fn report(&self) -> SinkReport {
        SinkReport {
            signal: T::SIGNAL,
            endpoint: self.endpoint.clone(),
            delivery: self.lock().ledger.delivery(),
        }
    }

    /// Where it leads.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The sizes and times of its batches.
    pub(crate) fn batches(&self) -> Batches {
        self.batches
    }

    /// Where the end of the pipeline is told.
    pub(crate) fn closing(&self) -> &Closing {
        &self.closing
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Item> State<T> {
    fn push(&mut self, item: T, room: u64) {
        let items = item.items();
        if items == 0 {
            return;
        }
        self.ledger.produce(items);
        if T::FULL == WhenFull::LoseOld && items <= room && !self.is_closing {
            while self.waiting + items > room {
                let Some(oldest) = self.queue.pop_front() else { break };
                self.waiting -= oldest.items();
                self.ledger.lose(oldest.items());
            }
        }
        if self.is_closing || self.waiting + items > room {
            self.ledger.lose(items);
        } else {
            self.waiting += items;
            self.queue.push_back(item);
        }
    }
}

/// What a queue has for its exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    /// Nothing yet.
    Empty,
    /// Less than a batch, for which more may come.
    Some,
    /// A batch, or all there will be.
    Full,
    /// Nothing, and nothing will come.
    Over,
}
