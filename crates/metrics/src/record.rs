//! What an engine thread tells a recorder.

use serde::{Deserialize, Serialize};
use units::Nanos;

use crate::{DropReason, IterationOutcome, RequestSample, UnsentReason};

/// Whether what happens counts. It belongs to an iteration from its slot to its end, so a request that outlives the
/// warm-up is still warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// Sent and counted in ledgers of its own, in no statistic.
    WarmUp,
    /// In every statistic.
    Measured,
}

impl Period {
    /// The period of something that is measured or not.
    pub const fn from_measured(measured: bool) -> Self {
        if measured { Self::Measured } else { Self::WarmUp }
    }
}

/// The start of one iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IterationStart {
    /// The generator's own lateness: released − intended start.
    pub dispatch_lag: Nanos,
    /// Waiting for a free virtual user: started − released.
    pub queue_wait: Nanos,
}

/// How long one iteration took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IterationTimes {
    /// End − intended start of its slot.
    pub response_time: Nanos,
    /// End − actual start, think times included.
    pub duration: Nanos,
}

/// Levels of one engine thread, taken at the end of an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauges {
    /// Virtual users: those that are active in a closed model, the most that were busy at once in an open one.
    pub users: u64,
    /// Iterations that run.
    pub iterations_in_flight: u64,
    /// Requests that wait for their response.
    pub requests_in_flight: u64,
    /// Slots that are due and wait for a user.
    pub queued: u64,
    /// Connections that are open.
    pub open_connections: u64,
}

impl Gauges {
    /// Adds the levels of another thread at the same instant; no level goes above the highest number.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.users, other.users),
            (&mut self.iterations_in_flight, other.iterations_in_flight),
            (&mut self.requests_in_flight, other.requests_in_flight),
            (&mut self.queued, other.queued),
            (&mut self.open_connections, other.open_connections),
        ];
        for (mine, theirs) in pairs {
            *mine = mine.saturating_add(theirs);
        }
    }
}

/// What one engine thread did since the last rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Connections that were opened.
    pub connections_opened: u64,
    /// Requests that were sent on a connection that had carried one before.
    pub connections_reused: u64,
    /// Time in which the thread was not waiting for events.
    pub busy: Nanos,
    /// Processor time of the thread.
    pub cpu: Nanos,
    /// Time in which the thread stood still although something was due: the lateness of its turns beyond 100 ms.
    pub stalled: Nanos,
    /// Time between the rotations: what `busy` and `cpu` are parts of.
    pub wall: Nanos,
}

impl Activity {
    /// Adds what the same thread did in another interval.
    pub fn merge(&mut self, other: &Self) {
        self.connections_opened += other.connections_opened;
        self.connections_reused += other.connections_reused;
        self.busy += other.busy;
        self.cpu += other.cpu;
        self.stalled += other.stalled;
        self.wall += other.wall;
    }
}

/// Takes what an engine thread measures. Steps, scenarios and checks are indices into the run's [`crate::Catalog`].
///
/// The engine is generic over it, so that a run with [`NoRecorder`] shows what recording costs.
///
/// Legal orders, which keep the ledgers balanced: `slot_due`, then exactly one of `slot_dropped`, `slot_unsent` or
/// `iteration_started`; after a start, one `iteration_ended`. `request_started`, then one `request`. All calls about
/// one iteration carry its period. `slot` is the additive digest of that one slot.
///
/// # Cost
/// No implementation allocates, locks, writes shared memory or makes a system call in any of these methods.
pub trait Record {
    /// A request has been attempted: counts it as in flight.
    fn request_started(&mut self, step: usize, period: Period);

    /// An attempted request is over.
    ///
    /// # Cost
    /// At most 25 ns on a kept connection; measured in `benches/micro`.
    fn request(&mut self, step: usize, sample: &RequestSample, period: Period);

    /// A check on a response held or did not.
    fn check(&mut self, check: usize, passed: bool, period: Period);

    /// A slot has come due (in a closed model: a user is free for an iteration).
    fn slot_due(&mut self, scenario: usize, slot: u128, period: Period);

    /// A due slot was given up although the generator was on time.
    fn slot_dropped(&mut self, scenario: usize, reason: DropReason, slot: u128, period: Period);

    /// A due slot was never released.
    fn slot_unsent(&mut self, scenario: usize, reason: UnsentReason, slot: u128, period: Period);

    /// So many slots of a stopped schedule are due and `unsent{stopped}`, without their digests.
    fn slots_stopped(&mut self, scenario: usize, count: u64, period: Period);

    /// A due slot became an iteration.
    fn iteration_started(&mut self, scenario: usize, start: IterationStart, slot: u128, period: Period);

    /// Something else than the start of an iteration was taken up `lag` after its instant: a step after think time, or
    /// a slot that then found no user.
    fn dispatch_lag(&mut self, scenario: usize, lag: Nanos, period: Period);

    /// A started iteration is over.
    fn iteration_ended(
        &mut self,
        scenario: usize,
        outcome: IterationOutcome,
        times: IterationTimes,
        period: Period,
    );

    /// Ends interval `ended` (seconds since the run's start): what comes later belongs to the next one.
    ///
    /// Intervals may be left out, when the thread came late: the record then covers all up to `ended`.
    ///
    /// # Cost
    /// One pointer swap; independent of the number of series.
    fn rotate(&mut self, ended: u32, gauges: Gauges, activity: Activity);

    /// Ends the recording with interval `last`. Nothing recorded is lost, whatever the collector does.
    fn finish(self, last: u32, gauges: Gauges, activity: Activity)
    where
        Self: Sized;
}

/// Records nothing: what remains when the cost of recording is taken away.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecorder;

impl Record for NoRecorder {
    fn request_started(&mut self, _: usize, _: Period) {}
    fn request(&mut self, _: usize, _: &RequestSample, _: Period) {}
    fn check(&mut self, _: usize, _: bool, _: Period) {}
    fn slot_due(&mut self, _: usize, _: u128, _: Period) {}
    fn slot_dropped(&mut self, _: usize, _: DropReason, _: u128, _: Period) {}
    fn slot_unsent(&mut self, _: usize, _: UnsentReason, _: u128, _: Period) {}
    fn slots_stopped(&mut self, _: usize, _: u64, _: Period) {}
    fn dispatch_lag(&mut self, _: usize, _: Nanos, _: Period) {}
    fn iteration_started(&mut self, _: usize, _: IterationStart, _: u128, _: Period) {}
    fn iteration_ended(&mut self, _: usize, _: IterationOutcome, _: IterationTimes, _: Period) {}
    fn rotate(&mut self, _: u32, _: Gauges, _: Activity) {}
    fn finish(self, _: u32, _: Gauges, _: Activity) {}
}
