//! Which executions of a thread are kept, and their records while they run.
//!
//! What is known at its start marks an iteration: whether it was drawn, whether the target is told, whether its requests
//! are written down. A record is taken at the end of its first request, or of its first failed one where only that makes
//! it worth a line; at the end of the iteration it is handed over or used again.
//!
//! Without a tracer, and for an iteration without marks, this costs a branch a request and one an iteration.

mod budget;
mod lots;
mod recent;

use metrics::{
    ErrorClass, ExecutionLog, ExecutionSender, IterationOutcome, Kept, MOST_REQUESTS, Propagation,
    RequestRecord, RequestSample, Sampling, ScenarioKey, SlowBound, TraceOptions, TraceParent,
};
use plan::{Op, RequestId, RunPlan, ScenarioBody, ScenarioPlan, Share};
use units::{Nanos, Ratio, Timestamp};

use crate::user::{Iteration, User};
use budget::Budget;
use lots::Lots;
use recent::RecentTimes;

/// What an engine thread needs to keep executions; [`crate::run_thread`] takes it.
#[derive(Debug)]
pub struct Tracer {
    keys: Vec<ScenarioKey>,
    options: TraceOptions,
    log: ExecutionLog,
    sender: ExecutionSender,
}

impl Tracer {
    /// Keeps executions as `options` and `log` say, and hands them over by `sender`. `keys` has the names of each
    /// scenario's spans, in plan order.
    ///
    /// The budget of `options` is the whole run's: the thread takes the part of it that its share and the number of its
    /// worker's threads give.
    pub fn new(
        keys: Vec<ScenarioKey>,
        options: TraceOptions,
        log: ExecutionLog,
        sender: ExecutionSender,
    ) -> Self {
        Self { keys, options, log, sender }
    }
}

/// What is decided when an iteration starts; nothing without a tracer. In one byte of the user's own memory, made once:
/// most iterations have the same, and nothing else is looked at where it says no.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks(u8);

impl Marks {
    /// Its spans leave, or may yet: what the target is told.
    const SAMPLED: u8 = 1;
    /// The target is told which span its requests belong to.
    const PROPAGATED: u8 = 2;
    /// Its requests are written down, …
    const RECORDED: u8 = 4;
    /// … or are from the first that fails on.
    const RECORDS_FAILURE: u8 = 8;

    /// Those of an iteration that is sampled or not.
    fn new(sampled: bool, propagation: Propagation, log: &ExecutionLog) -> Self {
        let propagated = match propagation {
            Propagation::Sampled => sampled,
            Propagation::Always => true,
            Propagation::Never => false,
        };
        let marks = [
            (sampled, Self::SAMPLED),
            (propagated, Self::PROPAGATED),
            (sampled || log.all, Self::RECORDED),
            (log.failed, Self::RECORDS_FAILURE),
        ];
        Self(marks.iter().filter(|(set, _)| *set).map(|(_, mark)| mark).sum())
    }

    /// Whether the target is told which span its requests belong to.
    #[inline]
    pub(crate) fn is_told(self) -> bool {
        self.has(Self::PROPAGATED)
    }

    /// Whether its requests are written down from now on.
    #[inline]
    pub(crate) fn is_recorded(self) -> bool {
        self.has(Self::RECORDED)
    }

    /// Notes that a request of it failed.
    pub(crate) fn fail(&mut self) {
        if self.has(Self::RECORDS_FAILURE) {
            self.0 |= Self::RECORDED;
        }
    }

    #[inline]
    fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }
}

/// How iterations of one scenario are marked at their start: by a draw, or all alike. Without a tracer all with nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marking {
    /// Those of iterations that are not drawn.
    pub(crate) marks: Marks,
    lot: Option<Lot>,
}

/// Which iterations of one scenario are drawn.
#[derive(Clone, Copy, Debug)]
struct Lot {
    key: ScenarioKey,
    /// The highest draw that is taken.
    highest: u64,
}

impl Marking {
    /// What iteration `n` drew, if that is taken.
    ///
    /// # Cost
    /// A branch; under a ratio one draw, about 1 ns.
    #[inline]
    pub(crate) fn draw(&self, n: u64) -> Option<u64> {
        let lot = self.lot.as_ref()?;
        let draw = lot.key.draw(n);
        (draw <= lot.highest).then_some(draw)
    }
}

/// A [`Tracer`] at work on one thread's part of a plan.
#[derive(Debug)]
pub(crate) struct Tracing {
    scenarios: Vec<TracedScenario>,
    sampler: Sampler,
    /// The marks of an iteration that is sampled, …
    sampled: Marks,
    /// … and of one that is not.
    unsampled: Marks,
    log: ExecutionLog,
    budget: Budget,
    /// Lines of failed executions in the second at hand, by class.
    lines: [u32; ErrorClass::COUNT],
    sender: ExecutionSender,
}

#[derive(Debug)]
struct TracedScenario {
    key: ScenarioKey,
    /// The most spans one of its executions makes.
    spans: u64,
    /// A longer response time is slow.
    slow_above: Nanos,
    /// What `slow_above` follows, if it does.
    recent: Option<RecentTimes>,
}

/// [`Sampling`], made ready.
#[derive(Clone, Copy, Debug)]
enum Sampler {
    Off,
    Drawn(Lots),
    /// Those that failed or were slow; the quantile from which they are, if it is one.
    Tail(Option<Ratio>),
}

impl Sampler {
    fn new(sampling: Sampling) -> Self {
        match sampling {
            Sampling::Off => Self::Off,
            Sampling::Ratio(ratio) => Lots::new(ratio).map_or(Self::Off, Self::Drawn),
            Sampling::Tail(SlowBound::Time(_)) => Self::Tail(None),
            Sampling::Tail(SlowBound::Quantile(quantile)) => Self::Tail(Some(quantile)),
        }
    }
}

impl TracedScenario {
    fn new(key: ScenarioKey, scenario: &ScenarioPlan, sampling: Sampling) -> Self {
        let (slow_above, recent) = match sampling {
            Sampling::Tail(SlowBound::Time(bound)) => (bound, None),
            Sampling::Tail(SlowBound::Quantile(_)) => (Nanos::MAX, Some(RecentTimes::default())),
            Sampling::Off | Sampling::Ratio(_) => (Nanos::MAX, None),
        };
        Self { key, spans: most_spans(scenario), slow_above, recent }
    }
}

/// The most spans that one execution of `scenario` makes.
fn most_spans(scenario: &ScenarioPlan) -> u64 {
    let requests = match &scenario.body {
        ScenarioBody::Program(program) => {
            program.ops.iter().filter(|op| matches!(op, Op::Request(_))).count().min(MOST_REQUESTS)
        }
        ScenarioBody::Task { .. } => 1,
    };
    1 + requests as u64
}

impl Tracing {
    /// Lets `tracer` work on `plan`, of which `share` is the worker's and a part by `threads` the thread's.
    pub(crate) fn new(tracer: Tracer, plan: &RunPlan, share: &Share, threads: u32) -> Self {
        let Tracer { keys, options, log, sender } = tracer;
        let sampling = options.sampling;
        assert_eq!(keys.len(), plan.scenarios.len(), "every scenario of the plan has its names");
        let with_keys = keys.into_iter().zip(&plan.scenarios);
        let scenarios: Vec<_> =
            with_keys.map(|(key, scenario)| TracedScenario::new(key, scenario, sampling)).collect();
        let largest = scenarios.iter().map(|scenario| scenario.spans).max().unwrap_or_default();
        let sampler = Sampler::new(sampling);
        // Under tail sampling a failed one and a slow one.
        let executions = if matches!(sampler, Sampler::Tail(_)) { 2 } else { 1 };
        let mut budget = Budget::new(options.spans_per_second, executions * largest);
        budget.set_share(share, threads);
        let lines = [0; ErrorClass::COUNT];
        let marks = |sampled| Marks::new(sampled, options.propagation, &log);
        let (sampled, unsampled) = (marks(true), marks(false));
        Self { scenarios, sampler, sampled, unsampled, log, budget, lines, sender }
    }

    /// Goes on with the part of the budget that another share gives.
    pub(crate) fn set_share(&mut self, share: &Share, threads: u32) {
        self.budget.set_share(share, threads);
    }

    /// How iterations of `scenario` are marked.
    pub(crate) fn marking(&self, scenario: usize) -> Marking {
        match &self.sampler {
            Sampler::Off => Marking { marks: self.unsampled, lot: None },
            Sampler::Drawn(lots) => {
                let lot = Lot { key: self.scenarios[scenario].key, highest: lots.highest() };
                Marking { marks: self.unsampled, lot: Some(lot) }
            }
            Sampler::Tail(_) => Marking { marks: self.sampled, lot: None },
        }
    }

    /// The marks of an iteration of `scenario` that drew `draw` and so is to be sampled: where there is room for it.
    #[inline(never)]
    pub(crate) fn mark_drawn(&mut self, scenario: usize, draw: u64) -> Marks {
        if self.reserve(scenario, draw) { self.sampled } else { self.unsampled }
    }

    /// Takes from the budget what an execution of `scenario` may come to, before the target is told that it is sampled.
    fn reserve(&mut self, scenario: usize, draw: u64) -> bool {
        let spans = self.scenarios[scenario].spans;
        let affordable = match &mut self.sampler {
            Sampler::Drawn(lots) => lots.can_afford(draw, spans),
            Sampler::Off | Sampler::Tail(_) => true,
        };
        let fits = affordable && self.budget.spend(spans);
        self.sender.tally().over_budget += u64::from(!fits);
        fits
    }

    /// What the target is told with request number `index` of an iteration of `scenario`, where it is told.
    ///
    /// # Cost
    /// Five rounds of mixing, about 10 ns.
    #[inline(always)]
    pub(crate) fn parent(&self, scenario: u32, iteration: &Iteration, index: u32) -> TraceParent {
        let execution = self.scenarios[scenario as usize].key.execution(iteration.n);
        TraceParent { context: execution.request(index), sampled: iteration.marks.has(Marks::SAMPLED) }
    }

    /// Writes down a request of `user` that is over, of an iteration of which they are.
    #[inline(never)]
    pub(crate) fn request_ended(
        &mut self,
        user: &mut User,
        step: usize,
        request: Option<RequestId>,
        sample: &RequestSample,
    ) {
        let record = user.record.get_or_insert_with(|| self.sender.take());
        record.add(RequestRecord {
            index: user.calls - 1,
            step: step as u32,
            request: request.map(|request| request.0),
            sample: *sample,
        });
    }

    /// Keeps the iteration of `user` that is over, or does not; one of which requests are written down.
    #[inline(never)]
    pub(crate) fn iteration_ended(
        &mut self,
        user: &mut User,
        outcome: IterationOutcome,
        ended_at: Timestamp,
    ) {
        let mut record = user.record.take().unwrap_or_else(|| self.sender.take());
        let Iteration { n, intended, released, started, period, marks, .. } = user.iteration;
        let scenario = &mut self.scenarios[user.scenario as usize];
        let response_time = ended_at.saturating_since(intended);
        let slow = response_time > scenario.slow_above;
        if let (Some(recent), IterationOutcome::Succeeded) = (&mut scenario.recent, outcome) {
            recent.add(response_time);
        }
        let failed = outcome == IterationOutcome::Failed;
        let traced = match self.sampler {
            Sampler::Off => false,
            Sampler::Drawn(_) => marks.has(Marks::SAMPLED),
            Sampler::Tail(_) => (failed || slow) && self.afford(failed, record.spans()),
        };
        let has_line = self.log.all || (traced && self.log.sampled) || (failed && self.log.failed);
        let class = if failed { record.first_failure() } else { None };
        let logged = has_line && class.is_none_or(|class| self.has_room_for_line(class));
        if !traced && !logged {
            return self.sender.discard(record);
        }
        record.scenario = user.scenario;
        record.vu = user.number;
        record.iteration = n;
        record.context = self.scenarios[user.scenario as usize].key.execution(n);
        record.period = period;
        record.outcome = outcome;
        record.intended_start = intended;
        record.released_at = released;
        record.started_at = started;
        record.ended_at = ended_at;
        record.kept = Kept { traced, slow, logged };
        record.more_requests = user.calls - record.requests.len() as u32;
        self.sender.send(record);
    }

    /// Whether the budget has room for `spans` of an execution that is worth keeping.
    fn afford(&mut self, failed: bool, spans: u64) -> bool {
        let fits = if failed { self.budget.spend_on_failure(spans) } else { self.budget.spend(spans) };
        self.sender.tally().over_budget += u64::from(!fits);
        fits
    }

    /// Whether another failed execution of the kind has a line in this second; counts it where it has not.
    fn has_room_for_line(&mut self, class: ErrorClass) -> bool {
        let lines = &mut self.lines[class.index()];
        let has_room = *lines < self.log.lines_per_error;
        if has_room {
            *lines += 1;
        } else {
            self.sender.tally().suppressed[class.index()] += 1;
        }
        has_room
    }

    /// Begins another second, the last having been `seconds` long: with a new budget, new lines and new bounds, and tells
    /// what was not handed over.
    pub(crate) fn rotate(&mut self, seconds: u32) {
        self.budget.refill();
        self.lines = [0; ErrorClass::COUNT];
        match &mut self.sampler {
            Sampler::Off | Sampler::Tail(None) => {}
            Sampler::Drawn(lots) => lots.adapt(seconds, self.budget.per_second()),
            Sampler::Tail(Some(quantile)) => {
                let quantile = quantile.as_f64();
                self.follow(quantile, seconds);
            }
        }
        self.sender.tell();
    }

    /// Moves the bounds above which executions are slow: to `quantile`, or to a higher one so that those above take half
    /// of the budget on average. One slow execution then finds room among them.
    fn follow(&mut self, quantile: f64, seconds: u32) {
        let mut spans_per_second = 0.0;
        for scenario in &mut self.scenarios {
            if let Some(recent) = &mut scenario.recent {
                recent.pass(seconds);
                spans_per_second += recent.per_second() * scenario.spans as f64;
            }
        }
        let affordable = self.budget.per_second() as f64 / 2.0 / spans_per_second;
        // With no spans at all it is infinite or no number: the quantile stands.
        let quantile = quantile.max(1.0 - affordable);
        for scenario in &mut self.scenarios {
            if let Some(recent) = &mut scenario.recent {
                scenario.slow_above = recent.bound(quantile);
                recent.forget();
            }
        }
    }
}
