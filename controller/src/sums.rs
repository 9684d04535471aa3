//! What one session measured: little enough to be kept for each of many workers for as long as a run lasts.

use metrics::{Layout, ShapeMismatch, Snapshot, StepTime, TimeStats};
use units::Nanos;

/// The sums of one session's snapshots. Warm-up counts in all but the response times: it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sums {
    /// Iterations started.
    pub iterations_started: u64,
    /// Requests attempted.
    pub requests_attempted: u64,
    /// Measured requests that failed.
    pub requests_failed: u64,
    /// Response times of all measured requests.
    pub response_time: TimeStats,
    /// The last second it told about.
    pub through: Option<u32>,
    /// By scenario slot of the layout.
    scenarios: Vec<Standing>,
    /// Measured requests under way, by step slot of the layout.
    steps_in_flight: Vec<i64>,
}

/// How far a session is with its part of one scenario, warm-up included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Slots that came due.
    pub due: u64,
    /// Of these, iterations that were started.
    pub started: u64,
    /// Slots that wait for a user, measured.
    pub waiting: i64,
    /// Iterations that run, measured.
    pub in_flight: i64,
    /// The same of warm-up.
    pub warm_up_waiting: i64,
    /// The same of warm-up.
    pub warm_up_in_flight: i64,
    /// Requests of warm-up under way.
    pub warm_up_requests_in_flight: i64,
}

impl Standing {
    /// Slots that may still become an iteration and iterations that may still send something.
    pub fn open(&self) -> u64 {
        let levels = [self.waiting, self.in_flight, self.warm_up_waiting, self.warm_up_in_flight];
        levels.into_iter().map(|level| u64::try_from(level).unwrap_or(0)).sum()
    }
}

impl Sums {
    /// The sums of nothing.
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            iterations_started: 0,
            requests_attempted: 0,
            requests_failed: 0,
            response_time: TimeStats::new(StepTime::ResponseTime.shape()),
            through: None,
            scenarios: vec![Standing::default(); layout.scenario_slots()],
            steps_in_flight: vec![0; layout.step_slots()],
        }
    }

    /// Adds a snapshot that the run's totals have taken. What a lying worker makes of its own sums stays in them.
    ///
    /// # Errors
    /// When another layout recorded it.
    pub(crate) fn add(&mut self, snapshot: &Snapshot, layout: &Layout) -> Result<(), ShapeMismatch> {
        self.response_time.add_steps(snapshot, layout, StepTime::ResponseTime)?;
        self.iterations_started = self.iterations_started.saturating_add(snapshot.iterations_started());
        self.requests_attempted = self.requests_attempted.saturating_add(snapshot.requests_attempted());
        self.through = self.through.max(Some(snapshot.last));
        for (slot, counts) in &snapshot.steps {
            self.requests_failed = self.requests_failed.saturating_add(counts.requests.failed_total());
            let in_flight = &mut self.steps_in_flight[*slot as usize];
            *in_flight = in_flight.saturating_add(counts.requests.in_flight);
        }
        for (slot, counts) in &snapshot.scenarios {
            let standing = &mut self.scenarios[*slot as usize];
            let (measured, warm_up) = (&counts.iterations, &counts.warm_up_iterations);
            standing.due = standing.due.saturating_add(measured.due.count + warm_up.due.count);
            standing.started =
                standing.started.saturating_add(measured.started.count + warm_up.started.count);
            standing.waiting = standing.waiting.saturating_add(measured.waiting);
            standing.in_flight = standing.in_flight.saturating_add(measured.in_flight);
            standing.warm_up_waiting = standing.warm_up_waiting.saturating_add(warm_up.waiting);
            standing.warm_up_in_flight = standing.warm_up_in_flight.saturating_add(warm_up.in_flight);
            standing.warm_up_requests_in_flight =
                standing.warm_up_requests_in_flight.saturating_add(counts.warm_up_requests.in_flight);
        }
        Ok(())
    }

    /// How far the session is with the scenarios of a slot of the layout.
    pub fn scenario(&self, slot: usize) -> Standing {
        self.scenarios[slot]
    }

    /// How far it is with every scenario slot of the layout.
    pub fn scenarios(&self) -> &[Standing] {
        &self.scenarios
    }

    /// Measured requests under way, by step slot of the layout.
    pub fn steps_in_flight(&self) -> &[i64] {
        &self.steps_in_flight
    }

    /// The end of the last second it told about, in run time.
    pub fn told_until(&self) -> Nanos {
        self.through.map_or(Nanos::ZERO, |second| Nanos::from_secs(u64::from(second) + 1))
    }
}
