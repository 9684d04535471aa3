mod changes;
mod losses;
mod members;
mod records;
mod simulation;
mod stops;
mod traces;

use std::sync::Arc;

use api::Condition;
use control::{CommandBody, CommandId, Fact, FactBody, FinalFact, Refusal, StopMode};
use metrics::{ErrorClass, Layout, UnsentReason};
use units::{Nanos, Timestamp};

use super::*;
use crate::fixture::{Fate, final_fact, plan, prepared, run_id, snapshot, spec, worker};
use crate::incident::IncidentKind;
use crate::live::LivePhase;
use crate::session::SessionEnd;

/// A run on a clock that stands still until it is moved, and workers that apply every command at once.
struct Bench {
    machine: RunMachine,
    spec: RunSpec,
    now: Timestamp,
    out: Vec<Output>,
    /// The lives of workers, in the order in which they came.
    peers: Vec<Peer>,
    seqs: Vec<u64>,
    applies: bool,
}

impl Bench {
    fn new(workers: &[&str]) -> Self {
        Self::of(spec(workers))
    }

    fn of(spec: RunSpec) -> Self {
        let now = Timestamp::from_nanos(1_000_000_000);
        let machine = RunMachine::new(now, spec.clone()).unwrap();
        let peers: Vec<Peer> = spec.workers.iter().map(WorkerSpec::peer).collect();
        let seqs = vec![0; peers.len()];
        let mut bench = Self { machine, now, out: Vec::new(), peers, seqs, spec, applies: true };
        bench.input(Input::Tick);
        bench
    }

    /// One worker, `a`, under load since 100 ms.
    fn running() -> Self {
        Self::running_as(spec(&["a"]))
    }

    /// All workers of `spec`, under load since 100 ms.
    fn running_as(spec: RunSpec) -> Self {
        let mut bench = Self::of(spec);
        bench.arm();
        bench.pass(LEAD);
        for index in 0..bench.peers.len() {
            bench.started(index);
        }
        bench.pass(Nanos::from_millis(100));
        bench.out.clear();
        bench
    }

    /// All workers are ready.
    fn arm(&mut self) {
        for index in 0..self.peers.len() {
            self.ready(index);
        }
    }

    fn layout(&self) -> Arc<Layout> {
        Arc::clone(&self.spec.layout)
    }

    fn input(&mut self, input: Input) {
        let first = self.out.len();
        self.machine.step(self.now, input, &mut self.out);
        if !self.applies {
            return;
        }
        let applied = |output: &Output| match output {
            Output::Command { to, command } => Some((to.clone(), command.id)),
            _ => None,
        };
        let applied: Vec<(Peer, CommandId)> = self.out[first..].iter().filter_map(applied).collect();
        for (who, through) in applied {
            self.input(Input::Applied { who, through });
        }
    }

    /// The next fact of a life.
    fn fact(&mut self, index: usize, body: FactBody) {
        self.seqs[index] += 1;
        self.numbered(index, self.seqs[index], body);
    }

    fn numbered(&mut self, index: usize, seq: u64, body: FactBody) {
        let Peer { worker, session } = self.peers[index].clone();
        self.input(Input::Fact(Box::new(Fact { run_id: run_id(), worker, session, seq, body })));
    }

    fn ready(&mut self, index: usize) {
        self.fact(index, FactBody::Prepared(prepared(&self.spec)));
    }

    fn started(&mut self, index: usize) {
        self.fact(index, FactBody::Started { at: self.now, clock_error: Nanos::from_micros(40) });
    }

    /// A worker measures the slots of one second.
    fn measured(&mut self, index: usize, second: u32, slots: &[(u64, Fate)]) {
        let snapshot = snapshot(&self.layout(), second, Nanos::ZERO, slots);
        self.fact(index, FactBody::Measured(Box::new(snapshot)));
    }

    fn ended(&mut self, index: usize, fact: FinalFact) {
        self.fact(index, FactBody::Final(Box::new(fact)));
    }

    fn lose(&mut self, index: usize) {
        let who = self.peers[index].clone();
        self.input(Input::Lost { who, reason: "its lease ended".to_owned() });
    }

    /// A new life of a worker, or a new worker, comes.
    fn join(&mut self, name: &str) -> usize {
        let spec = worker(name, 100 + self.peers.len() as u128);
        self.peers.push(spec.peer());
        self.seqs.push(0);
        self.input(Input::Join(Box::new(spec)));
        self.peers.len() - 1
    }

    fn stop(&mut self, mode: StopMode) {
        self.input(Input::Stop { mode, by: Actor::local() });
    }

    /// Lets time pass, calling the machine whenever it asks to be.
    fn pass(&mut self, span: Nanos) {
        let until = self.now + span;
        while self.machine.wake_at() <= until {
            let wake_at = self.machine.wake_at();
            assert!(wake_at >= self.now, "it wants to be called at an instant to come");
            self.now = wake_at;
            let before = self.machine.wake_at();
            self.input(Input::Tick);
            assert!(self.machine.wake_at() > before, "being called when it asked to be moves it on");
        }
        self.now = until;
    }

    /// The commands since the last call.
    fn commands(&mut self) -> Vec<(String, CommandBody)> {
        let commands = self.out.drain(..).filter_map(|output| match output {
            Output::Command { to, command } => Some((to.worker.to_string(), command.body)),
            _ => None,
        });
        commands.collect()
    }

    fn stops(&mut self) -> Vec<StopMode> {
        let stop = |(_, body)| match body {
            CommandBody::Stop(mode) => Some(mode),
            _ => None,
        };
        self.commands().into_iter().filter_map(stop).collect()
    }

    /// The revisions since the last call: to whom, number, run time in milliseconds, weights.
    fn revisions(&mut self) -> Vec<(String, u64, u64, Vec<u32>)> {
        let revision = |(to, body)| match body {
            CommandBody::Revise(made) => {
                let millis = made.effective.as_u64() / 1_000_000;
                Some((to, made.share.revision, millis, made.share.weights))
            }
            _ => None,
        };
        self.commands().into_iter().filter_map(revision).collect()
    }

    fn acks(&self) -> Vec<u64> {
        let ack = |output: &Output| match output {
            Output::Ack { ack, .. } => Some(ack.through),
            _ => None,
        };
        self.out.iter().filter_map(ack).collect()
    }

    /// To whom was said that nothing more is needed of it.
    fn released(&self) -> Vec<String> {
        let release = |output: &Output| match output {
            Output::Release { to } => Some(to.worker.to_string()),
            _ => None,
        };
        self.out.iter().filter_map(release).collect()
    }

    /// The run, which is over.
    fn sealed(self) -> SealedRun {
        assert!(self.machine.is_sealed(), "the run is over");
        assert_eq!(self.machine.wake_at(), Timestamp::NEVER);
        self.machine.into_sealed()
    }
}

/// From the last worker's being ready to slot 0, and from a revision to its instant.
const LEAD: Nanos = Nanos::from_millis(250);

/// A run of these workers whose plan lasts so many seconds.
fn spec_of_seconds(workers: &[&str], seconds: u64) -> RunSpec {
    let mut plan = plan();
    let rate = units::Rate::from_per_second(10);
    let stage = plan::Stage { duration: Nanos::from_secs(seconds), from: rate, to: rate, measured: true };
    if let plan::LoadModel::ArrivalRate { profile, .. } = &mut plan.scenarios[0].load {
        *profile = plan::RateProfile::new(vec![stage]).unwrap();
    }
    RunSpec { plan: Arc::new(plan), ..spec(workers) }
}

fn kinds(sealed: &SealedRun) -> Vec<&IncidentKind> {
    sealed.incidents.iter().map(|incident| &incident.kind).collect()
}

fn conditions(sealed: &SealedRun) -> Vec<Condition> {
    sealed.incidents.iter().map(|incident| incident.kind.condition()).collect()
}

const OK: Fate = Fate::Succeeds;

#[test]
fn a_run_goes_from_its_creation_to_its_natural_end() {
    let mut bench = Bench::new(&["a"]);
    let commands = bench.commands();
    let (to, CommandBody::Prepare(prepare)) = &commands[0] else { panic!("{commands:?}") };
    let first = plan::Revision::whole();
    assert_eq!((to.as_str(), prepare.revision.clone(), prepare.preflight), ("a", first, true));

    bench.ready(0);
    let start = bench.now + LEAD;
    assert_eq!(bench.commands(), [("a".to_owned(), CommandBody::Start { at: start })]);

    bench.pass(LEAD);
    bench.started(0);
    bench.measured(0, 0, &[(0, OK), (1, OK)]);
    bench.pass(Nanos::from_secs(2));
    bench.measured(0, 1, &[(10, OK)]);
    assert!(bench.commands().is_empty(), "a plan ends by itself");
    bench.ended(0, final_fact(3, 3));
    assert!(matches!(bench.out.last(), Some(Output::Sealed)));
    assert_eq!(bench.released(), ["a"]);

    let sealed = bench.sealed();
    assert!(sealed.incidents.is_empty(), "{:?}", sealed.incidents);
    assert_eq!(sealed.start, Some(start));
    assert_eq!(sealed.merged.totals().all_steps().requests.succeeded, 3);
    assert!(sealed.sessions[0].is_complete());
    assert_eq!(sealed.load_time(), Nanos::from_secs(2), "no longer than the seal");
    assert_eq!((sealed.cut_at(), sealed.is_degraded()), (None, false));
}

#[test]
fn a_worker_in_our_own_process_starts_sooner_since_no_order_has_to_travel() {
    let mut spec = spec(&["a"]);
    spec.workers[0].rtt = Nanos::ZERO;
    let mut bench = Bench::of(spec);
    bench.commands();
    bench.ready(0);
    let at = bench.now + bench.spec.limits.start_lead;
    assert_eq!(bench.commands(), [("a".to_owned(), CommandBody::Start { at })]);
}

#[test]
fn the_start_is_far_enough_ahead_for_the_longest_way() {
    let mut spec = spec(&["a", "b"]);
    spec.workers[1].rtt = Nanos::from_millis(200);
    let mut bench = Bench::of(spec);
    bench.arm();
    assert_eq!(bench.machine.fold().start, Some(bench.now + Nanos::from_millis(800)));
}

#[test]
fn a_run_waits_for_all_its_workers() {
    let mut bench = Bench::new(&["a", "b"]);
    let places: Vec<u32> = bench
        .commands()
        .into_iter()
        .map(|(_, body)| match body {
            CommandBody::Prepare(prepare) => prepare.revision.share.index,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(places, [0, 1]);
    bench.ready(1);
    assert!(bench.commands().is_empty());
    bench.ready(0);
    assert_eq!(bench.commands().len(), 2);
    bench.pass(LEAD);
    for index in [0, 1] {
        bench.started(index);
    }
    bench.measured(0, 0, &[(0, OK)]);
    bench.measured(1, 0, &[(1, OK)]);
    bench.ended(1, final_fact(1, 1));
    assert!(!bench.machine.is_sealed());
    bench.ended(0, final_fact(1, 1));
    assert_eq!(bench.sealed().merged.totals().all_steps().requests.attempted, 2);
}

#[test]
fn every_session_has_numbers_of_its_own_for_its_commands() {
    let mut bench = Bench::running_as(spec(&["a", "b"]));
    bench.stop(StopMode::Drain);
    bench.stop(StopMode::Cancel);
    let numbers = |name: &str| -> Vec<u64> {
        let of = |output: &Output| match output {
            Output::Command { to, command } if to.worker.as_str() == name => Some(command.id.0),
            _ => None,
        };
        bench.out.iter().filter_map(of).collect()
    };
    // 1 was to prepare, 2 to start.
    assert_eq!((numbers("a"), numbers("b")), (vec![3, 4], vec![3, 4]));
}

#[test]
fn a_command_is_sent_again_until_it_was_applied_and_when_the_stream_opens_again() {
    let mut bench = Bench::new(&["a"]);
    bench.applies = false;
    bench.ready(0);
    bench.out.clear();
    bench.pass(Nanos::from_millis(1_100));
    let starts = |bench: &mut Bench| {
        bench.commands().into_iter().filter(|(_, body)| matches!(body, CommandBody::Start { .. })).count()
    };
    assert_eq!(starts(&mut bench), 1, "once a second");
    let who = bench.peers[0].clone();
    bench.input(Input::Attached { who: who.clone(), applied: CommandId(1), last_fact: 1 });
    assert_eq!(bench.acks(), [1]);
    assert_eq!(starts(&mut bench), 1, "what is not applied comes again at once");
    bench.input(Input::Applied { who, through: CommandId(2) });
    bench.pass(Nanos::from_millis(3_000));
    assert_eq!(starts(&mut bench), 0);
}

#[test]
fn a_repeated_fact_is_acknowledged_and_counts_once() {
    let mut bench = Bench::running();
    bench.measured(0, 0, &[(0, OK), (1, OK)]);
    let seq = bench.seqs[0];
    let again = snapshot(&bench.layout(), 0, Nanos::ZERO, &[(0, OK), (1, OK)]);
    bench.numbered(0, seq, FactBody::Measured(Box::new(again)));
    bench.numbered(0, 1, FactBody::Prepared(prepared(&bench.spec)));
    assert_eq!(bench.acks(), [seq, seq, seq]);
    bench.ended(0, final_fact(2, 2));
    let sealed = bench.sealed();
    assert_eq!(sealed.merged.totals().all_steps().requests.attempted, 2);
    assert!(sealed.incidents.is_empty());
}

#[test]
fn a_fact_after_a_gap_waits_until_what_is_missing_was_sent_again() {
    let mut bench = Bench::running();
    let next = bench.seqs[0] + 1;
    let first = snapshot(&bench.layout(), 0, Nanos::ZERO, &[(0, OK)]);
    let second = snapshot(&bench.layout(), 1, Nanos::ZERO, &[(10, OK)]);
    bench.numbered(0, next + 1, FactBody::Measured(Box::new(second.clone())));
    assert_eq!(bench.acks(), [next - 1], "the acknowledgement says from where to send again");
    bench.numbered(0, next, FactBody::Measured(Box::new(first)));
    bench.numbered(0, next + 1, FactBody::Measured(Box::new(second)));
    bench.numbered(0, next + 2, FactBody::Final(Box::new(final_fact(2, 2))));
    let sealed = bench.sealed();
    assert!(sealed.sessions[0].is_complete());
    assert!(sealed.incidents.is_empty());
}

#[test]
fn facts_of_another_run_or_of_who_never_took_part_are_refused_and_counted() {
    let mut bench = Bench::running();
    let other_run = control::RunId::new(uuid::Uuid::from_u128(2));
    let body = || FactBody::Final(Box::new(final_fact(0, 0)));
    let seq = bench.seqs[0] + 1;
    let Peer { worker, session } = bench.peers[0].clone();
    let stray = Fact { run_id: other_run, worker: worker.clone(), session, seq, body: body() };
    bench.input(Input::Fact(Box::new(stray)));
    let other_life = control::SessionId(uuid::Uuid::from_u128(77));
    let stranger = Fact { run_id: run_id(), worker, session: other_life, seq: 1, body: body() };
    bench.input(Input::Fact(Box::new(stranger)));
    assert!(bench.acks().is_empty());
    assert_eq!(bench.released(), ["a", "a"], "who was refused may forget the run");
    bench.ended(0, final_fact(0, 0));
    assert_eq!(bench.sealed().refused_facts, 2);
}

#[test]
fn what_follows_the_last_word_is_against_the_protocol_and_told_once() {
    let mut bench = Bench::running_as(spec(&["a", "b"]));
    bench.ended(0, final_fact(0, 0));
    for second in 0..3 {
        bench.measured(0, second, &[(0, OK)]);
    }
    assert_eq!(bench.machine.incidents().len(), 1);
    assert!(matches!(bench.machine.incidents()[0].kind, IncidentKind::Protocol { .. }));
}

#[test]
fn a_run_is_shown_once_a_second_while_there_is_load() {
    let mut bench = Bench::running();
    bench.measured(0, 0, &[(0, OK), (1, Fate::Fails(ErrorClass::Timeout))]);
    bench.pass(Nanos::from_millis(3_000));
    let views: Vec<_> = bench
        .out
        .iter()
        .filter_map(|output| match output {
            Output::Live(view) => Some(view),
            _ => None,
        })
        .collect();
    let seconds: Vec<u64> = views.iter().map(|view| view.elapsed.as_u64() / 1_000_000_000).collect();
    assert_eq!(seconds, [1, 2, 3]);
    assert_eq!((views[0].workers, views[0].paused), (1, false));
    assert_eq!(views[0].planned_rate, Some(10.0));
    assert_eq!((views[0].iterations_per_s, views[0].requests, views[0].errors), (2, 2, 1));
    assert_eq!(views[0].vus, 3);
    assert_eq!(views[0].remaining, Nanos::SECOND);
    assert_eq!(views[0].progress.as_f64(), 0.5);
    let times = views[0].response_time.unwrap();
    assert!(!times.p50.is_lower_bound() && times.p99.is_lower_bound());
    assert_eq!((views[0].phase, views[2].phase), (LivePhase::Running, LivePhase::Ending));
}

#[test]
fn an_interval_is_judged_when_all_have_told_or_two_seconds_after_its_end() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a", "b"], 10));
    let pace = |bench: &mut Bench| {
        bench.out.clear();
        bench.pass(Nanos::SECOND);
        let view = bench.out.iter().find_map(|output| match output {
            Output::Live(view) => Some(view.iterations_per_s),
            _ => None,
        });
        view.unwrap()
    };
    bench.measured(0, 0, &[(0, OK), (2, OK)]);
    bench.measured(0, 1, &[(10, OK)]);
    bench.measured(1, 0, &[(1, OK)]);
    assert_eq!(pace(&mut bench), 3, "second 0: the last one both have told about");
    bench.measured(0, 2, &[(20, OK)]);
    assert_eq!(pace(&mut bench), 3, "second 1 ended just now");
    assert_eq!(pace(&mut bench), 3);
    assert_eq!(pace(&mut bench), 1, "second 1 is judged without `b`");
}

#[test]
fn only_slots_that_the_generator_missed_are_shown_as_such() {
    let mut bench = Bench::running();
    let unsent = |n, reason| (n, Fate::Unsent(reason));
    let slots = [unsent(0, UnsentReason::GeneratorStall), unsent(1, UnsentReason::Stopped)];
    bench.measured(0, 0, &slots);
    bench.pass(Nanos::SECOND);
    let view = bench.out.iter().find_map(|output| match output {
        Output::Live(view) => Some(view),
        _ => None,
    });
    assert_eq!(view.unwrap().unsent, 1);
}

#[test]
fn nothing_has_any_effect_on_a_sealed_run() {
    let mut bench = Bench::running();
    bench.ended(0, final_fact(0, 0));
    bench.out.clear();
    bench.stop(StopMode::Drain);
    bench.measured(0, 1, &[(10, OK)]);
    assert!(bench.out.is_empty());
    let sealed = bench.sealed();
    assert_eq!(sealed.stopped_at, None);
    assert_eq!(sealed.merged.totals().all_steps().requests.attempted, 0);
}
