//! Many workers on a bad network, simulated: every run ends, nothing is counted twice, and what is missing is bounded.

use std::collections::{BTreeMap, BTreeSet};

use control::LeaveMode;
use plan::{LoadChange, Revision, RunPlan, ScenarioId, Timetable};
use proptest::prelude::*;
use units::Rate;

use super::*;
use crate::accounting::planned_and_due;
use crate::planned::Planned;

/// Numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// One life of a worker as the protocol wants it: it applies commands in order and once, sends the slots that are its
/// own, and keeps facts until they are acknowledged.
struct Life {
    peer: Peer,
    is_alive: bool,
    /// Until when it may send load.
    lease_end: Timestamp,
    commands: BTreeMap<u64, CommandBody>,
    applied: u64,
    revisions: Vec<Revision>,
    start: Option<Timestamp>,
    has_begun: bool,
    /// Up to where its run was played.
    played: Nanos,
    /// What is not reported yet: slots of the present second, with what became of them.
    untold: Vec<(u64, Fate)>,
    requests: u64,
    is_over: bool,
    facts: Vec<FactBody>,
    acked: usize,
}

impl Life {
    fn new(peer: Peer) -> Self {
        Self {
            peer,
            is_alive: true,
            lease_end: Timestamp::NEVER,
            commands: BTreeMap::new(),
            applied: 0,
            revisions: Vec::new(),
            start: None,
            has_begun: false,
            played: Nanos::ZERO,
            untold: Vec::new(),
            requests: 0,
            is_over: false,
            facts: Vec::new(),
            acked: 0,
        }
    }

    /// The slots that are its own and due from `from` up to `to`.
    fn own(&self, plan: &RunPlan, from: Nanos, to: Nanos) -> Vec<u64> {
        let mut own = Vec::new();
        for (index, revision) in self.revisions.iter().enumerate() {
            let until = self.revisions.get(index + 1).map_or(Nanos::MAX, |next| next.effective);
            let (from, to) = (from.max(revision.effective), to.min(until));
            if from >= to {
                continue;
            }
            let table = Timetable::new(plan, ScenarioId(0), &revision.amendments).unwrap();
            let dealing = plan.scenarios[0].load.deal(ScenarioId(0), &revision.share, 1).unwrap();
            own.extend(
                (table.before(from)..table.before(to)).filter(|n| dealing.owner(*n) == revision.share.index),
            );
        }
        own
    }

    fn tell(&mut self, layout: &Arc<Layout>) {
        let second = (self.played.as_u64().saturating_sub(1) / 1_000_000_000) as u32;
        let slots = std::mem::take(&mut self.untold);
        self.facts.push(FactBody::Measured(Box::new(snapshot(layout, second, Nanos::ZERO, &slots))));
    }

    fn finish(&mut self, layout: &Arc<Layout>, left_at: Option<Nanos>) {
        if self.is_over || self.revisions.is_empty() {
            return;
        }
        self.is_over = true;
        if self.has_begun {
            self.tell(layout);
        }
        let mut fact = FinalFact { left_at, ..final_fact(self.requests, self.requests) };
        fact.health.elapsed = self.played;
        self.facts.push(FactBody::Final(Box::new(fact)));
    }
}

/// The run, its workers, the target, and what is on its way between them.
struct Sim {
    bench: Bench,
    dice: Dice,
    lives: Vec<Life>,
    to_lives: Vec<(Timestamp, usize, Output)>,
    to_run: Vec<(Timestamp, Input)>,
    /// Slots the target saw, each as often as it did.
    seen: BTreeMap<u64, u64>,
    is_reliable: bool,
    archive: Vec<Arc<Record>>,
}

/// The grain of simulated time.
const TICK: Nanos = Nanos::from_millis(50);

/// From a worker's death, or the end of its lease, to the controller's knowing.
const LEASE: Nanos = Nanos::from_millis(600);

impl Sim {
    fn new(seed: u64, policy: scenario::LossPolicy) -> Self {
        let mut spec = RunSpec { policy, ..spec_of_seconds(&["a", "b", "c"], 6) };
        spec.limits.rejoin = Nanos::from_secs(2);
        spec.limits.silence = Nanos::from_secs(1_000);
        let mut bench = Bench::of(spec);
        bench.applies = false;
        let lives = bench.peers.iter().cloned().map(Life::new).collect();
        let mut sim = Self {
            bench,
            dice: Dice(seed),
            lives,
            to_lives: Vec::new(),
            to_run: Vec::new(),
            seen: BTreeMap::new(),
            is_reliable: false,
            archive: Vec::new(),
        };
        sim.send_out();
        sim
    }

    /// When something that is sent now arrives: perhaps never, perhaps twice, perhaps after what is sent later.
    fn arrivals(&mut self) -> Vec<Timestamp> {
        let delay = |dice: &mut Dice| Nanos::from_millis(dice.below(120));
        if self.is_reliable {
            return vec![self.bench.now];
        }
        let copies = match self.dice.below(10) {
            0 => 0,
            1 => 2,
            _ => 1,
        };
        (0..copies).map(|_| self.bench.now + delay(&mut self.dice)).collect()
    }

    fn send_out(&mut self) {
        for output in std::mem::take(&mut self.bench.out) {
            let to = match &output {
                Output::Command { to, .. } | Output::Ack { to, .. } => to,
                _ => continue,
            };
            let Some(life) = self.lives.iter().position(|life| life.peer == *to) else { continue };
            for at in self.arrivals() {
                self.to_lives.push((at, life, output.clone()));
            }
        }
    }

    fn say(&mut self, input: Input) {
        for at in self.arrivals() {
            self.to_run.push((at, input.clone()));
        }
    }

    fn hear(&mut self, input: Input) {
        self.bench.input(input);
        let known = RecordSeq(self.archive.len() as u64);
        self.archive
            .extend(self.bench.machine.store().read_after(known).into_iter().map(|(_, record)| record));
        self.send_out();
    }

    fn tick(&mut self) {
        self.bench.now = self.bench.now + TICK;
        let now = self.bench.now;
        let (due, later) = std::mem::take(&mut self.to_lives).into_iter().partition(|(at, ..)| *at <= now);
        self.to_lives = later;
        let due: Vec<(Timestamp, usize, Output)> = due;
        for (_, life, output) in due {
            self.receive(life, output);
        }
        for life in 0..self.lives.len() {
            self.play(life);
        }
        let (due, later) = std::mem::take(&mut self.to_run).into_iter().partition(|(at, _)| *at <= now);
        self.to_run = later;
        let due: Vec<(Timestamp, Input)> = due;
        for (_, input) in due {
            self.hear(input);
        }
        while self.bench.machine.wake_at() <= now {
            self.hear(Input::Tick);
        }
    }

    fn receive(&mut self, index: usize, output: Output) {
        let layout = self.bench.layout();
        let life = &mut self.lives[index];
        if !life.is_alive {
            return;
        }
        match output {
            Output::Ack { ack, .. } => life.acked = life.acked.max(ack.through as usize),
            Output::Command { command, .. } => {
                life.commands.insert(command.id.0, command.body);
            }
            _ => {}
        }
        while let Some(body) = life.commands.get(&(life.applied + 1)).cloned() {
            life.applied += 1;
            match body {
                CommandBody::Prepare(prepare) => {
                    life.revisions.push(prepare.revision);
                    life.facts.push(FactBody::Prepared(prepared(&self.bench.spec)));
                }
                CommandBody::Start { at } => life.start = Some(at),
                CommandBody::Revise(revision) if !life.is_over => {
                    let mut revision = *revision;
                    revision.effective = revision.effective.max(life.played);
                    let (number, effective) = (revision.share.revision, revision.effective);
                    life.revisions.push(revision);
                    life.facts.push(FactBody::Revised { revision: number, effective });
                }
                CommandBody::Stop(_) if !life.is_over => {
                    if life.start.is_some() {
                        // What is left of the plan is its own to give up.
                        let own = life.own(&self.bench.spec.plan, life.played, Nanos::MAX);
                        life.untold.extend(own.into_iter().map(|n| (n, Fate::Unsent(UnsentReason::Stopped))));
                        life.has_begun = true;
                    }
                    life.finish(&layout, None);
                }
                _ => {}
            }
        }
        let (who, through) = (life.peer.clone(), CommandId(life.applied));
        self.say(Input::Applied { who, through });
    }

    /// Plays a life up to now, and sends what is not acknowledged now and then.
    fn play(&mut self, index: usize) {
        let (now, layout) = (self.bench.now, self.bench.layout());
        let plan = Arc::clone(&self.bench.spec.plan);
        let life = &mut self.lives[index];
        if !life.is_alive {
            return;
        }
        if let Some(start) = life.start.filter(|start| now >= *start && !life.is_over) {
            if !std::mem::replace(&mut life.has_begun, true) {
                life.facts.push(FactBody::Started { at: start, clock_error: Nanos::ZERO });
            }
            let to = now.min(life.lease_end).saturating_since(start);
            for n in life.own(&plan, life.played, to) {
                *self.seen.entry(n).or_default() += 1;
                life.requests += 1;
                life.untold.push((n, OK));
            }
            let seconds = |span: Nanos| span.as_u64() / 1_000_000_000;
            let is_next = seconds(to) > seconds(life.played);
            life.played = life.played.max(to);
            let amendments = life.revisions.last().map(|last| last.amendments.clone()).unwrap_or_default();
            if now >= life.lease_end {
                let left_at = Some(life.played);
                life.finish(&layout, left_at);
            } else if Planned::new(&plan, &amendments).end().is_some_and(|end| to >= end) {
                life.finish(&layout, None);
            } else if is_next {
                life.tell(&layout);
            }
        } else if now >= life.lease_end {
            life.finish(&layout, Some(Nanos::ZERO));
        }
        let life = &self.lives[index];
        let Peer { worker, session } = life.peer.clone();
        let said: Vec<(u64, FactBody)> =
            (1..).zip(life.facts.iter().cloned()).skip(life.acked).take(8).collect();
        if self.is_reliable || self.dice.one_in(3) {
            for (seq, body) in said {
                let (run_id, worker) = (run_id(), worker.clone());
                self.say(Input::Fact(Box::new(Fact { run_id, worker, session, seq, body })));
            }
        }
    }

    /// Something goes wrong, or somebody wants something.
    fn disturb(&mut self) {
        let index = self.dice.below(self.lives.len() as u64) as usize;
        let peer = self.lives[index].peer.clone();
        let now = self.bench.now;
        match self.dice.below(9) {
            // It dies, and is known to be lost a lease later.
            0 if self.lives[index].is_alive => {
                self.lives[index].is_alive = false;
                self.to_run.push((now + LEASE, Input::Lost { who: peer, reason: "silent".to_owned() }));
            }
            // It is cut off: it ends by itself, the controller knows later, and it comes back with what it holds.
            1 if self.lives[index].lease_end == Timestamp::NEVER => {
                self.lives[index].lease_end = now + TICK;
                let last_fact = 1_000;
                self.to_run
                    .push((now + LEASE, Input::Lost { who: peer.clone(), reason: "cut off".to_owned() }));
                let applied = CommandId(self.lives[index].applied);
                self.to_run.push((now + LEASE + LEASE, Input::Attached { who: peer, applied, last_fact }));
            }
            // Another life of it, or a new worker.
            2 => {
                let is_gone = |life: &&Life| {
                    life.peer.worker == peer.worker && life.is_alive && life.lease_end == Timestamp::NEVER
                };
                let name = if self.dice.one_in(3) { "d" } else { peer.worker.as_str() };
                let has_other = self.lives.iter().filter(is_gone).count() > 0;
                if name == "d" && self.lives.iter().any(|life| life.peer.worker.as_str() == "d")
                    || has_other && name != "d"
                {
                    return;
                }
                let spec = worker(name, 100 + self.lives.len() as u128);
                self.lives.push(Life::new(spec.peer()));
                self.hear(Input::Join(Box::new(spec)));
            }
            3 => self.hear(Input::Leave { who: peer, mode: LeaveMode::Graceful, by: Actor::new("ops") }),
            4 => self.hear(Input::Leave { who: peer, mode: LeaveMode::Fast, by: Actor::new("ops") }),
            5 => {
                let rate = Rate::from_per_second(5 + self.dice.below(20));
                let change = LoadChange::Rate { scenario: ScenarioId(0), rate };
                self.hear(Input::Change { change, by: Actor::new("ops") });
            }
            6 => self.hear(Input::Change { change: LoadChange::Pause, by: Actor::new("ops") }),
            7 => self.hear(Input::Change { change: LoadChange::Resume, by: Actor::new("ops") }),
            8 if self.dice.one_in(4) => {
                self.hear(Input::Stop { mode: StopMode::Drain, by: Actor::new("ops") });
            }
            _ => {}
        }
    }
}

fn is_late(fold: &RunFold) -> bool {
    fold.incidents.iter().any(|incident| incident.kind.is_misdealing())
}

fn check(seed: u64, policy: scenario::LossPolicy, disturbances: u64) {
    let mut sim = Sim::new(seed, policy);
    // Faults for as long as the plan, then none.
    for _ in 0..140 {
        if sim.dice.below(140) < disturbances {
            sim.disturb();
        }
        if sim.bench.machine.is_sealed() {
            break;
        }
        sim.tick();
    }
    sim.is_reliable = true;
    sim.hear(Input::Change { change: LoadChange::Resume, by: Actor::new("ops") });
    let mut ticks = 0;
    while !sim.bench.machine.is_sealed() {
        sim.tick();
        ticks += 1;
        assert!(ticks < 1_600, "seed {seed}: a run ends when faults do");
    }

    let fold = sim.bench.machine.fold();
    let mut again = RunFold::new(&sim.bench.spec);
    for (index, record) in sim.archive.iter().enumerate() {
        if index == sim.archive.len() / 2 {
            // A checkpoint in between changes nothing.
            again = again.clone();
        }
        again.apply(record);
    }
    assert!(format!("{again:?}") == format!("{fold:?}"), "seed {seed}: the records are the run");

    let late = is_late(fold);
    let totals = fold.merged.totals();
    let reported = totals.all_steps().requests.attempted;
    let seen: u64 = sim.seen.values().sum();
    assert!(reported <= seen, "seed {seed}: {reported} reported, {seen} seen");
    let bound = fold.missing.bound().map_or(0, |bound| bound.requests);
    assert!(seen - reported <= bound, "seed {seed}: {seen} seen, {reported} reported, bound {bound}");
    let twice: BTreeSet<&u64> = sim.seen.iter().filter(|(_, times)| **times > 1).map(|(n, _)| n).collect();
    assert!(late || twice.is_empty(), "seed {seed}: sent twice: {twice:?}");
    assert_eq!(totals.broken_ledgers(), [], "seed {seed}");
    let planned = Planned::new(&fold.plan, &fold.amendments());
    for (_, planned, due) in planned_and_due(&planned, &fold.merged) {
        if fold.start.is_some() && !late {
            assert_eq!(
                planned, due,
                "seed {seed}: every planned iteration has a class; {:#?}",
                fold.incidents
            );
        }
    }
    for session in fold.sessions.iter().filter(|session| session.final_fact().is_some()) {
        assert!(session.is_complete(), "seed {seed}: totals agree with the reports");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_run_ends_and_its_books_are_right(
        seed in any::<u64>(),
        disturbances in 0_u64..12,
        on_worker_loss in prop::sample::select(vec![
            scenario::OnWorkerLoss::Redistribute,
            scenario::OnWorkerLoss::Continue,
            scenario::OnWorkerLoss::Fail,
        ]),
        max_lost in prop::sample::select(vec![0.3, 1.0]),
    ) {
        let policy = scenario::LossPolicy {
            on_worker_loss,
            max_lost: units::Ratio::new(max_lost),
            ..scenario::LossPolicy::default()
        };
        check(seed, policy, disturbances);
    }
}
