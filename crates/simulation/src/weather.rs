//! What goes wrong in one schedule, drawn from its seed before it begins.
//!
//! Each class of fault is on or off as a whole ("swarm testing"): with all of them on in every schedule, the gravest would
//! hide what the others do.

use control::{LeaseTerms, LeaveMode};
use controller::cluster::RunControl;
use scenario::{LossPolicy, OnWorkerLoss, Rejoin};
use units::{Nanos, Rate, Ratio, Timestamp};

use crate::dice::Dice;
use crate::worker_run::Machine;
use crate::wrong_clock::WrongClock;

/// Something that happens to the cluster from outside.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A worker's process dies, and comes back after so long, if at all.
    Crash { worker: usize, back: Option<Nanos> },
    /// A worker's process is stopped for so long.
    Freeze { worker: usize, span: Nanos },
    /// The controller's is.
    FreezeController { span: Nanos },
    /// One more worker comes.
    Join,
    /// A second process comes up under the name of one that is there.
    Twin { worker: usize },
    /// A worker is told by its operator to leave, or to hurry.
    Signal { worker: usize, mode: LeaveMode },
    /// The controller is told to let one go.
    Drain { worker: usize, mode: LeaveMode },
    /// Somebody changes the load, or stops the run.
    Control(RunControl),
    /// What was said long ago comes again, and words of an earlier controller.
    Past,
    /// A cut begins that both ends of a stream notice.
    Break { cut: usize },
}

/// Which way between a worker and the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Streams, enrolments and residual facts.
    Session,
    /// Signs of life.
    Beats,
}

/// A time in which nothing gets through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// `None` for all.
    pub(crate) worker: Option<usize>,
    pub(crate) up: bool,
    pub(crate) down: bool,
    pub(crate) session: bool,
    pub(crate) beats: bool,
}

/// Which classes of faults there are in a schedule.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Classes {
    pub(crate) loss: bool,
    pub(crate) copies: bool,
    /// Messages of one stream overtake each other.
    pub(crate) disorder: bool,
    pub(crate) cuts: bool,
    pub(crate) crashes: bool,
    pub(crate) freezes: bool,
    pub(crate) controller_freezes: bool,
    pub(crate) clocks: bool,
    pub(crate) joins: bool,
    pub(crate) twins: bool,
    pub(crate) leaves: bool,
    pub(crate) drains: bool,
    pub(crate) changes: bool,
    pub(crate) stops: bool,
    pub(crate) past: bool,
}

impl Classes {
    fn drawn(dice: &mut Dice) -> Self {
        // One in eight has harmless ones only: everything else must then be as if there were none.
        let harm = if dice.one_in(8) { 0 } else { dice.pick(&[150, 300, 500]) };
        Self {
            loss: dice.per_mille(harm),
            copies: dice.one_in(3),
            disorder: dice.per_mille(harm),
            cuts: dice.per_mille(harm),
            crashes: dice.per_mille(harm),
            freezes: dice.per_mille(harm),
            controller_freezes: dice.per_mille(harm / 2),
            clocks: dice.one_in(2),
            joins: dice.one_in(4),
            twins: dice.per_mille(harm / 6),
            leaves: dice.per_mille(harm),
            drains: dice.per_mille(harm / 2),
            changes: dice.one_in(3),
            stops: dice.per_mille(harm / 4),
            past: dice.one_in(3),
        }
    }

    /// Whether nothing of it may leave a trace in a result but changes and newcomers.
    pub(crate) const fn are_harmless(self) -> bool {
        let Self {
            loss,
            disorder,
            cuts,
            crashes,
            freezes,
            controller_freezes,
            twins,
            leaves,
            drains,
            stops,
            ..
        } = self;
        !(loss
            || disorder
            || cuts
            || crashes
            || freezes
            || controller_freezes
            || twins
            || leaves
            || drains
            || stops)
    }
}

/// Everything about one schedule that is drawn beforehand.
#[derive(Debug)]
pub(crate) struct Weather {
    pub(crate) classes: Classes,
    pub(crate) terms: LeaseTerms,
    pub(crate) workers: usize,
    /// Which workloads are run, one after the other, under which policy, by at least how many workers.
    pub(crate) runs: Vec<(usize, LossPolicy, u32)>,
    /// The way takes so long at least …
    pub(crate) latency: Nanos,
    /// … and up to so much longer, by chance: what is sent later may come earlier.
    pub(crate) jitter: Nanos,
    pub(crate) loss_per_mille: u64,
    pub(crate) copies_per_mille: u64,
    /// By how much timers may be late.
    pub(crate) slack: Nanos,
    pub(crate) faults: Vec<(Timestamp, Fault)>,
    pub(crate) cuts: Vec<Cut>,
    /// From then on nothing goes wrong any more.
    pub(crate) calm: Timestamp,
}

fn at(span: Nanos) -> Timestamp {
    Timestamp::ORIGIN + span
}

impl Weather {
    pub(crate) fn drawn(dice: &mut Dice, workloads: usize) -> Self {
        let classes = Classes::drawn(dice);
        let terms = dice.pick(&[
            LeaseTerms::default(),
            LeaseTerms { beat: Nanos::from_millis(200), ttl: Nanos::SECOND, guard: Nanos::from_millis(100) },
            LeaseTerms {
                beat: Nanos::from_millis(500),
                ttl: Nanos::from_secs(3),
                guard: Nanos::from_millis(150),
            },
        ]);
        let workers = dice.between(1, 5) as usize;
        let runs = (0..dice.pick(&[1, 1, 1, 2])).map(|_| {
            let workload = dice.below(workloads as u64) as usize;
            (workload, policy(dice), dice.between(1, workers as u64) as u32)
        });
        let mut weather = Self {
            classes,
            terms,
            workers,
            runs: runs.collect(),
            latency: dice.pick(&[Nanos::from_micros(100), Nanos::from_millis(2), Nanos::from_millis(15)]),
            jitter: dice.pick(&[Nanos::from_micros(50), Nanos::from_millis(5), Nanos::from_millis(30)]),
            loss_per_mille: if classes.loss { dice.pick(&[5, 30, 120]) } else { 0 },
            copies_per_mille: if classes.copies { dice.pick(&[10, 100]) } else { 0 },
            slack: dice.pick(&[Nanos::new(1), Nanos::from_millis(1), Nanos::from_millis(10)]),
            faults: Vec::new(),
            cuts: Vec::new(),
            calm: at(dice.millis(6_000, 20_000)),
        };
        if classes.loss && dice.one_in(2) {
            weather.jitter = Nanos::from_millis(400);
        }
        weather.draw_cuts(dice);
        weather.draw_faults(dice);
        weather.faults.sort_by_key(|(at, _)| *at);
        weather
    }

    /// An instant at which something may go wrong.
    fn moment(&self, dice: &mut Dice) -> Timestamp {
        at(dice.millis(200, self.calm.as_nanos() / 1_000_000))
    }

    /// A time that is short, about as long as a lease, or long, and over when all is to be calm.
    fn span(&self, dice: &mut Dice, from: Timestamp) -> Nanos {
        let ttl = self.terms.ttl.as_u64() / 1_000_000;
        let span = match dice.below(3) {
            0 => dice.millis(10, ttl / 3),
            1 => dice.millis(ttl / 2, ttl * 3 / 2),
            _ => dice.millis(ttl, ttl * 4),
        };
        span.min(self.calm.saturating_since(from))
    }

    fn draw_cuts(&mut self, dice: &mut Dice) {
        if !self.classes.cuts {
            return;
        }
        for _ in 0..dice.between(1, 4) {
            let worker = (!dice.one_in(4)).then(|| dice.below(self.workers as u64) as usize);
            let (up, down) = dice.pick(&[(true, true), (true, true), (true, false), (false, true)]);
            let (session, beats) = dice.pick(&[(true, true), (true, true), (true, false), (false, true)]);
            let mut from = self.moment(dice);
            // Once, or flapping.
            for _ in 0..dice.pick(&[1, 1, 6]) {
                let to = from + self.span(dice, from);
                if session && dice.one_in(2) {
                    self.faults.push((from, Fault::Break { cut: self.cuts.len() }));
                }
                self.cuts.push(Cut { from, to, worker, up, down, session, beats });
                from = (to + dice.millis(20, 800)).min(self.calm);
            }
        }
    }

    fn draw_faults(&mut self, dice: &mut Dice) {
        let Classes {
            crashes,
            freezes,
            controller_freezes,
            joins,
            twins,
            leaves,
            drains,
            changes,
            stops,
            past,
            ..
        } = self.classes;
        let workers = self.workers as u64;
        let some = |is_on: bool, most: u64, dice: &mut Dice| if is_on { dice.between(1, most) } else { 0 };
        let counts = [
            some(crashes, 3, dice),
            some(freezes, 4, dice),
            some(controller_freezes, 2, dice),
            some(joins, 2, dice),
            some(twins, 1, dice),
            some(leaves, 2, dice),
            some(drains, 2, dice),
            some(changes, 5, dice),
            some(stops, 2, dice),
            some(past, 8, dice),
        ];
        for (class, count) in counts.into_iter().enumerate() {
            for _ in 0..count {
                let from = self.moment(dice);
                let worker = dice.below(workers) as usize;
                let mode = dice.pick(&[LeaveMode::Graceful, LeaveMode::Fast]);
                let fault = match class {
                    0 => {
                        let back = (!dice.one_in(3)).then(|| dice.millis(50, 9_000));
                        Fault::Crash { worker, back }
                    }
                    1 => Fault::Freeze { worker, span: self.span(dice, from) },
                    2 => Fault::FreezeController { span: self.span(dice, from) },
                    3 => Fault::Join,
                    4 => Fault::Twin { worker },
                    5 => Fault::Signal { worker, mode },
                    6 => Fault::Drain { worker, mode },
                    7 => Fault::Control(change(dice)),
                    8 => Fault::Control(RunControl::Stop { cancel: dice.one_in(2) }),
                    _ => Fault::Past,
                };
                self.faults.push((from, fault));
            }
        }
    }

    /// A clock, a machine and a weight for one life of a worker.
    pub(crate) fn circumstances(&self, dice: &mut Dice) -> (WrongClock, Machine, u32) {
        let origin = 1_000_000_000 * dice.between(1, 2_000_000);
        let drift_ppm = if self.classes.clocks { dice.between(0, 400) as i64 - 200 } else { 0 };
        let machine = Machine {
            threads: dice.pick(&[1, 1, 2]),
            preparing: dice.millis(1, 400),
            service: dice.pick(&[Nanos::from_millis(3), Nanos::from_millis(40), Nanos::from_millis(250)]),
        };
        (WrongClock { origin, drift_ppm }, machine, dice.between(1, 4) as u32)
    }

    /// Whether nothing gets through on this way at `now`.
    pub(crate) fn is_cut(&self, now: Timestamp, worker: usize, path: Path, is_up: bool) -> bool {
        self.cuts.iter().any(|cut| {
            let is_there = if is_up { cut.up } else { cut.down };
            let is_path = if path == Path::Beats { cut.beats } else { cut.session };
            (cut.from..cut.to).contains(&now)
                && cut.worker.is_none_or(|of| of == worker)
                && is_there
                && is_path
        })
    }
}

fn policy(dice: &mut Dice) -> LossPolicy {
    LossPolicy {
        on_worker_loss: dice.pick(&[
            OnWorkerLoss::Redistribute,
            OnWorkerLoss::Redistribute,
            OnWorkerLoss::Continue,
            OnWorkerLoss::Fail,
        ]),
        max_lost: Ratio::new(dice.pick(&[0.4, 1.0, 1.0])),
        rejoin: dice.pick(&[Rejoin::NextRevision, Rejoin::NextRevision, Rejoin::Never]),
        allow_degraded: dice.one_in(2),
    }
}

fn change(dice: &mut Dice) -> RunControl {
    match dice.below(6) {
        0 | 1 => RunControl::Rate {
            scenario: Some("a".to_owned()),
            rate: Rate::from_per_second(dice.between(1, 60)),
        },
        2 | 3 => RunControl::Scale { scenario: None, factor: dice.pick(&[0.0, 0.5, 2.0, 1.5]) },
        4 => RunControl::Pause,
        _ => RunControl::Resume,
    }
}
