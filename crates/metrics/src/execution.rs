//! One execution of a scenario or task as it is kept: a record of bounded size. It leaves its engine thread by an
//! [`execution_queue`](crate::execution_queue).

use units::Timestamp;

use crate::{ErrorClass, IterationOutcome, Outcome, Period, RequestSample, SpanId, TraceContext, TraceId};

/// Requests of one execution that are kept one by one; the rest are counted.
pub const MOST_REQUESTS: usize = 16;

/// Why an execution is kept. Several may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its spans leave: it was drawn, was slow or failed, as sampling says, and the budget had room.
    pub traced: bool,
    /// It was slower than the bound of tail sampling.
    pub slow: bool,
    /// A line of it is wanted in the log.
    pub logged: bool,
}

/// One execution.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRecord {
    /// The scenario's position in the plan.
    pub scenario: u32,
    /// The virtual user's number in the scenario, over all workers.
    pub vu: u32,
    /// The iteration's number in the scenario, over all workers.
    pub iteration: u64,
    /// The execution's span.
    pub context: TraceContext,
    /// Whether it counts.
    pub period: Period,
    /// How it ended.
    pub outcome: IterationOutcome,
    /// When it was due.
    pub intended_start: Timestamp,
    /// When the pacer took it up.
    pub released_at: Timestamp,
    /// When a virtual user began it.
    pub started_at: Timestamp,
    /// When it was over.
    pub ended_at: Timestamp,
    /// Why it is kept.
    pub kept: Kept,
    /// Its first requests, at most [`MOST_REQUESTS`], in order; where the first that failed comes later than these, it
    /// has the place of the last. Of an execution that only its failure made worth keeping, those from the first failed
    /// one on.
    pub requests: Vec<RequestRecord>,
    /// Requests that are not in `requests`.
    pub more_requests: u32,
}

/// One request of an execution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestRecord {
    /// Its place among the requests of the execution, from 0: the number its span is named by.
    pub index: u32,
    /// The step it is measured under.
    pub step: u32,
    /// The request's position in the plan; `None` for a task's execution.
    pub request: Option<u32>,
    /// What was measured.
    pub sample: RequestSample,
}

/// What an engine thread did not hand over, in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceTally {
    /// Executions that would have been kept but for the budget of spans.
    pub over_budget: u64,
    /// Spans of executions that found the queue full.
    pub lost_spans: u64,
    /// Log lines of executions that found the queue full.
    pub lost_lines: u64,
    /// Failed executions without a line of their own, by the class of their first failed request: there were enough of
    /// the kind in that second.
    pub suppressed: [u64; ErrorClass::COUNT],
}

impl Default for TraceTally {
    fn default() -> Self {
        Self { over_budget: 0, lost_spans: 0, lost_lines: 0, suppressed: [0; ErrorClass::COUNT] }
    }
}

impl TraceTally {
    /// Adds another one.
    pub fn merge(&mut self, other: &Self) {
        self.over_budget += other.over_budget;
        self.lost_spans += other.lost_spans;
        self.lost_lines += other.lost_lines;
        for (mine, theirs) in self.suppressed.iter_mut().zip(other.suppressed) {
            *mine += theirs;
        }
    }
}

impl ExecutionRecord {
    /// One that says nothing yet, with room for `requests` requests.
    pub(crate) fn empty(requests: usize) -> Self {
        Self {
            scenario: 0,
            vu: 0,
            iteration: 0,
            context: TraceContext { trace: TraceId(1), span: SpanId(1) },
            period: Period::Measured,
            outcome: IterationOutcome::Succeeded,
            intended_start: Timestamp::ORIGIN,
            released_at: Timestamp::ORIGIN,
            started_at: Timestamp::ORIGIN,
            ended_at: Timestamp::ORIGIN,
            kept: Kept::default(),
            requests: Vec::with_capacity(requests),
            more_requests: 0,
        }
    }

    /// Adds its next request, if it is one of those that are kept.
    ///
    /// # Cost
    /// A copy of 152 bytes; no allocation, where there is room for the requests of the plan's longest program.
    #[inline]
    pub fn add(&mut self, request: RequestRecord) {
        if self.requests.len() < MOST_REQUESTS {
            self.requests.push(request);
        } else if request.failure().is_some() && self.first_failure().is_none() {
            self.requests[MOST_REQUESTS - 1] = request;
        }
    }

    /// The spans it makes: its own and one for each request that is kept.
    pub fn spans(&self) -> u64 {
        1 + self.requests.len() as u64
    }

    /// How its first failed request ended, if one did.
    pub fn first_failure(&self) -> Option<ErrorClass> {
        self.requests.iter().find_map(RequestRecord::failure)
    }
}

impl RequestRecord {
    /// How it failed, if it did.
    pub fn failure(&self) -> Option<ErrorClass> {
        match self.sample.outcome {
            Outcome::Failed(class) => Some(class),
            Outcome::Succeeded | Outcome::Cancelled => None,
        }
    }
}

// Copied for every request of an execution that may be kept.
const _: () = assert!(size_of::<RequestRecord>() <= 152);

#[cfg(test)]
mod tests {
    use units::Nanos;

    use super::*;
    use crate::{Phases, RequestTimes};

    fn request(index: u32, outcome: Outcome) -> RequestRecord {
        let at = Timestamp::ORIGIN + Nanos::from_millis(u64::from(index));
        let times = RequestTimes { intended_start: at, released_at: at, actual_start: at, completed_at: at };
        let phases = Phases::default();
        let sample = RequestSample {
            times,
            phases,
            outcome,
            status: 0,
            sent_bytes: 0,
            received_bytes: 0,
            resent: false,
        };
        RequestRecord { index, step: 0, request: None, sample }
    }

    /// The numbers of the requests that are kept of `count`, where those in `failed` fail.
    fn kept(count: u32, failed: &[u32]) -> Vec<u32> {
        let mut record = ExecutionRecord::empty(MOST_REQUESTS);
        for index in 0..count {
            let is_failed = failed.contains(&index);
            let class = if index % 2 == 0 { ErrorClass::Timeout } else { ErrorClass::Reset };
            record.add(request(index, if is_failed { Outcome::Failed(class) } else { Outcome::Succeeded }));
        }
        let class =
            failed.first().map(|first| if first % 2 == 0 { ErrorClass::Timeout } else { ErrorClass::Reset });
        assert_eq!(record.first_failure(), class, "the first that failed is always there");
        assert_eq!(record.spans(), 1 + record.requests.len() as u64);
        record.requests.iter().map(|request| request.index).collect()
    }

    #[test]
    fn the_first_sixteen_requests_are_kept_and_the_first_failed_one() {
        assert_eq!(kept(3, &[]), [0, 1, 2]);
        assert_eq!(kept(40, &[]), (0..16).collect::<Vec<_>>());
        assert_eq!(kept(40, &[7, 20]), (0..16).collect::<Vec<_>>());
        assert_eq!(kept(40, &[21, 30]), (0..15).chain([21]).collect::<Vec<_>>());
        assert_eq!(kept(40, &[16]), (0..15).chain([16]).collect::<Vec<_>>());
    }

    #[test]
    fn tallies_add_up() {
        let mut suppressed = [0; ErrorClass::COUNT];
        suppressed[ErrorClass::Reset.index()] = 4;
        let one = TraceTally { over_budget: 1, lost_spans: 2, lost_lines: 3, suppressed };
        let mut sum = one;
        sum.merge(&one);
        sum.merge(&TraceTally::default());
        suppressed[ErrorClass::Reset.index()] = 8;
        assert_eq!(sum, TraceTally { over_budget: 2, lost_spans: 4, lost_lines: 6, suppressed });
    }
}
