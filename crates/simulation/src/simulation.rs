//! The event loop: time goes from one event to the next, and everything that happens is one.

mod faults;
mod hub;
mod network;

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

use controller::cluster::ClusterOutput;
use units::{Nanos, Timestamp};

use self::hub::Hub;
use crate::dice::Dice;
use crate::judgement::{self, Verdict};
use crate::life::{Birth, Down, Life, Up};
use crate::sink::Sink;
use crate::trace::Trace;
use crate::weather::{Fault, Weather};
use crate::worker_run::Submissions;
use crate::workloads::Workloads;
use control::WorkerId;

/// What came of one schedule.
#[derive(Debug)]
pub struct Outcome {
    /// The same for the same seed, and hardly for another one.
    pub hash: u64,
    /// What did not hold.
    pub broken: Option<String>,
    /// How its runs ended, one for each.
    pub verdicts: Vec<Verdict>,
    /// What happened, one line for each event; empty unless asked for.
    pub lines: Vec<String>,
}

/// Something that happens.
#[derive(Debug)]
enum Event {
    /// The workers begin, and the first run is submitted.
    Begin,
    ToController {
        life: usize,
        up: Up,
    },
    ToWorker {
        life: usize,
        down: Down,
    },
    WakeController,
    WakeWorker {
        life: usize,
    },
    Fault(Fault),
    /// A worker that died comes back.
    Back {
        worker: usize,
    },
    /// The next run is submitted.
    Submit {
        run: usize,
    },
    /// Nothing goes wrong from now on.
    Calm,
}

/// An event at its instant; of two at the same one, the one that was planned first comes first.
struct Planned {
    at: Timestamp,
    number: u64,
    event: Event,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// One life of a worker as the world sees it.
struct Process {
    life: Life,
    worker: usize,
    is_dead: bool,
    /// Whether it is a second one under a name that is taken.
    is_twin: bool,
    asleep_until: Timestamp,
    /// When it is to be called.
    wake: Timestamp,
    /// When what was sent last arrives: down and up, on either path.
    arrived: [[Timestamp; 2]; 2],
}

pub(crate) struct Simulation {
    dice: Dice,
    weather: Weather,
    now: Timestamp,
    number: u64,
    planned: BinaryHeap<Reverse<Planned>>,
    submissions: Submissions,
    hub: Hub,
    processes: Vec<Process>,
    names: u64,
    sink: Sink,
    trace: Trace,
    is_calm: bool,
    /// What was said before, to be said again.
    past: Vec<(usize, Event)>,
    verdicts: Vec<Verdict>,
    broken: Option<String>,
    /// Events since time went on, and when that was.
    at_once: (Timestamp, u64),
    seals: BTreeMap<control::RunId, judgement::Seal>,
}

/// Runs the schedule of `seed`; with `is_readable` also with what happened as text.
pub fn simulate(workloads: &Workloads, seed: u64, is_readable: bool) -> Outcome {
    let mut simulation = Simulation::new(workloads, seed, is_readable);
    simulation.run();
    let mut trace = simulation.trace;
    for seal in simulation.seals.values() {
        trace.note(simulation.now, seal.fingerprint, &"sealed");
    }
    let (hash, broken, verdicts) = (trace.hash(), simulation.broken, simulation.verdicts);
    Outcome { hash, broken, verdicts, lines: trace.into_lines() }
}

impl Simulation {
    fn new(workloads: &Workloads, seed: u64, is_readable: bool) -> Self {
        let mut dice = Dice::new(seed);
        let weather = Weather::drawn(&mut dice, workloads.count());
        let mut trace = Trace::new(is_readable);
        trace.note(Timestamp::ORIGIN, seed, &weather);
        let submissions: Submissions = (0..)
            .zip(&weather.runs)
            .map(|(run, (workload, loss, expect))| {
                let submission = workloads.submission(*workload, run, *loss, *expect);
                (submission.run_id, std::sync::Arc::new(submission))
            })
            .collect();
        let hub = Hub::new(weather.terms);
        let mut simulation = Self {
            dice,
            weather,
            now: Timestamp::ORIGIN,
            number: 0,
            planned: BinaryHeap::new(),
            submissions,
            hub,
            processes: Vec::new(),
            names: 0,
            sink: Sink::default(),
            trace,
            is_calm: false,
            past: Vec::new(),
            verdicts: Vec::new(),
            broken: None,
            at_once: (Timestamp::ORIGIN, 0),
            seals: BTreeMap::new(),
        };
        simulation.plan(Timestamp::ORIGIN, Event::Begin);
        for (at, fault) in std::mem::take(&mut simulation.weather.faults) {
            simulation.plan(at, Event::Fault(fault));
        }
        simulation.plan(simulation.weather.calm, Event::Calm);
        simulation
    }

    fn run(&mut self) {
        while self.broken.is_none() && self.verdicts.len() < self.weather.runs.len() {
            let Some(Reverse(Planned { at, event, .. })) = self.planned.pop() else {
                return self.break_with("nothing happens any more, and a run has not ended".to_owned());
            };
            if at > self.weather.calm + LONGEST {
                return self.break_with(format!("I-14: a run has not ended {LONGEST} after faults did"));
            }
            self.now = self.now.max(at);
            self.watch_for_spinning();
            self.happen(event);
        }
        if self.broken.is_none() {
            self.advance_everybody();
            self.broken = judgement::afterwards(&self.seals, &self.sink);
        }
    }

    /// Somebody who wants to be called again at once, for ever, would keep a processor busy.
    fn watch_for_spinning(&mut self) {
        if self.now.saturating_since(self.at_once.0) > Nanos::from_millis(1) {
            self.at_once = (self.now, 0);
        }
        self.at_once.1 += 1;
        if self.at_once.1 > MOST_AT_ONCE {
            self.break_with(format!("more than {MOST_AT_ONCE} events in a millisecond: something spins"));
        }
    }

    fn break_with(&mut self, why: String) {
        self.broken.get_or_insert(why);
    }

    fn plan(&mut self, at: Timestamp, event: Event) {
        self.number += 1;
        self.planned.push(Reverse(Planned { at, number: self.number, event }));
    }

    fn happen(&mut self, event: Event) {
        let (number, is_about) = match &event {
            Event::ToController { life, .. } | Event::ToWorker { life, .. } | Event::WakeWorker { life } => {
                (*life as u64, Some(*life))
            }
            _ => (99, None),
        };
        // What is late because somebody sleeps happens when he wakes up, in the same order.
        let sleeper = match &event {
            Event::ToController { .. } | Event::WakeController => Some(self.hub.asleep_until),
            Event::ToWorker { .. } | Event::WakeWorker { .. } => {
                is_about.and_then(|life| self.processes.get(life)).map(|process| process.asleep_until)
            }
            _ => None,
        };
        if let Some(until) = sleeper.filter(|until| *until > self.now) {
            return self.plan(until, event);
        }
        self.trace.note(self.now, number, &event);
        match event {
            Event::Begin => self.begin(),
            Event::ToController { life, up } => self.hear(life, up),
            Event::ToWorker { life, down } => self.turn(life, Some(down)),
            Event::WakeController => {
                self.hub.wake = Timestamp::NEVER;
                self.call(|hub, now, out| hub.cluster.tick(now, out));
            }
            Event::WakeWorker { life } => {
                self.processes[life].wake = Timestamp::NEVER;
                self.turn(life, None);
            }
            Event::Fault(fault) => self.go_wrong(fault),
            Event::Back { worker } => self.come_back(worker),
            Event::Submit { run } => self.submit(run),
            Event::Calm => self.calm_down(),
        }
    }

    fn begin(&mut self) {
        for worker in 0..self.weather.workers {
            self.give_birth(worker, false);
        }
        for run in 0..self.weather.runs.len() {
            let at = self.now + self.dice.millis(50, 3_000);
            self.plan(at, Event::Submit { run });
        }
    }

    /// A worker's process begins.
    fn give_birth(&mut self, worker: usize, is_twin: bool) {
        let (clock, machine, weight) = self.weather.circumstances(&mut self.dice);
        self.names += 1;
        let name = WorkerId::new(format!("w{worker}"));
        let seed = self.dice.draw();
        let birth = Birth { name, clock, machine, weight, seed };
        let life = Life::new(clock.shows(self.now), birth);
        let never = Timestamp::NEVER;
        let origin = Timestamp::ORIGIN;
        let arrived = [[origin; 2]; 2];
        let process =
            Process { life, worker, is_dead: false, is_twin, asleep_until: origin, wake: never, arrived };
        self.processes.push(process);
        self.turn(self.processes.len() - 1, None);
    }

    /// A worker's process takes what came, and does what is due.
    fn turn(&mut self, index: usize, came: Option<Down>) {
        let process = &mut self.processes[index];
        if process.is_dead || process.life.exit.is_some() {
            return;
        }
        let shown = process.life.clock.shows(self.now);
        process.life.turn(shown, came, &self.submissions);
        self.note_sent(index);
        for up in std::mem::take(&mut self.processes[index].life.up) {
            self.send_up(index, up);
        }
        if let Some(exit) = self.processes[index].life.exit.clone() {
            self.trace.note(self.now, index as u64, &exit);
            self.has_gone(index);
        }
        self.arm(index);
    }

    /// What a worker sent, the target sees.
    fn note_sent(&mut self, index: usize) {
        let life = &mut self.processes[index].life;
        for (key, sent) in std::mem::take(&mut life.sent) {
            let at = life.clock.reaches(sent.at).min(self.now);
            self.sink.takes(at, key.run_id, key.session, &sent);
        }
    }

    fn advance_everybody(&mut self) {
        for index in 0..self.processes.len() {
            let process = &mut self.processes[index];
            if !process.is_dead && process.asleep_until <= self.now {
                let shown = process.life.clock.shows(self.now);
                process.life.advance(shown);
                self.note_sent(index);
            }
        }
    }

    fn arm(&mut self, index: usize) {
        let process = &mut self.processes[index];
        let at = process.life.clock.reaches(process.life.wake_at());
        if at == Timestamp::NEVER {
            return;
        }
        let late = Nanos::new(self.dice.below(self.weather.slack.as_u64()));
        let at = at.max(self.now + Nanos::new(1)).max(process.asleep_until) + late;
        if at < process.wake {
            process.wake = at;
            self.plan(at, Event::WakeWorker { life: index });
        }
    }

    /// Calls the controller, and does what it says.
    fn call<T>(&mut self, call: impl FnOnce(&mut Hub, Timestamp, &mut Vec<ClusterOutput>) -> T) -> T {
        let mut out = Vec::new();
        let now = self.hub.clock.shows(self.now);
        let answer = call(&mut self.hub, now, &mut out);
        self.carry_out(out);
        let at = self.hub.clock.reaches(self.hub.cluster.wake_at());
        if at != Timestamp::NEVER {
            let late = Nanos::new(self.dice.below(self.weather.slack.as_u64()));
            let at = at.max(self.now + Nanos::new(1)) + late;
            if at < self.hub.wake {
                self.hub.wake = at;
                self.plan(at, Event::WakeController);
            }
        }
        answer
    }
}

/// From the end of all faults to the end of all runs: the longest wait in the queue, and everything after that.
const LONGEST: Nanos = Nanos::from_secs(600);

/// All that a few workers have to say to each other at once, and more.
const MOST_AT_ONCE: u64 = 20_000;
