//! How long each wait of a run may take.

use control::StopMode;
use units::Nanos;

/// The bounds on every wait of a run. When one passes, the run goes on to its end with what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until all workers are prepared; 60 s, which holds a preflight with every name and handshake timing out.
    pub prepare: Nanos,
    /// For a task that is executed once before the load; 60 s.
    pub once: Nanos,
    /// From the last worker's being prepared to slot 0, at least; 50 ms, long enough for the order to arrive before. Where
    /// workers are not in this process it is no shorter than the lead of a revision.
    pub start_lead: Nanos,
    /// From slot 0 until all workers have said that they began; 5 s.
    pub started: Nanos,
    /// How long a worker may say nothing under load; 60 s, so that one held up by a user's task is
    /// not given up too soon. Only time in which the controller itself was awake counts.
    pub silence: Nanos,
    /// How long the load may be paused before the run ends; `None` for as long as nobody resumes or stops it.
    pub paused: Option<Nanos>,
    /// How long a run that nobody carries any more waits for a worker that left to come back; 30 s.
    pub rejoin: Nanos,
    /// Beyond `graceful_stop`, until a worker that was not stopped has to be told to cancel; 1 s.
    pub grace_margin: Nanos,
    /// From the end of a natural drain to the last word of every worker, and for what those hold who were lost and came
    /// back; 15 s.
    pub collect: Nanos,
    /// The same for a run that was told to stop.
    pub stop: StopBudget,
}

/// What the parts of a stop may take. The result is on disk 5 s after the signal: after these come the last flush of the
/// conducting side ([`AFTER_STOP`](crate::observe::AFTER_STOP)) and at most 0.5 s to write it, and the rest is spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopBudget {
    /// For what is in flight to end; 2 s. The second signal cuts it short.
    pub drain: Nanos,
    /// For users' teardown; 1 s.
    pub teardown: Nanos,
    /// For the last facts, and telemetry beside them; 1 s.
    pub collect: Nanos,
}

impl StopBudget {
    /// From the end of the drain to the seal.
    pub fn after_drain(&self) -> Nanos {
        self.teardown + self.collect
    }
}

impl Default for StopBudget {
    fn default() -> Self {
        Self { drain: StopMode::DRAIN, teardown: Nanos::SECOND, collect: Nanos::SECOND }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            prepare: Nanos::from_secs(60),
            once: Nanos::from_secs(60),
            start_lead: Nanos::from_millis(50),
            started: Nanos::from_secs(5),
            silence: Nanos::from_secs(60),
            paused: None,
            rejoin: Nanos::from_secs(30),
            grace_margin: Nanos::SECOND,
            collect: Nanos::from_secs(15),
            stop: StopBudget::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::AFTER_STOP;

    #[test]
    fn a_stop_leaves_time_to_write_the_result() {
        let stop = Limits::default().stop;
        let (result, spare) = (Nanos::from_millis(500), Nanos::from_millis(100));
        let sealed = stop.drain + stop.after_drain();
        assert_eq!(sealed + AFTER_STOP + result + spare, Nanos::from_secs(5));
    }
}
