mod losses;
mod schedules;
mod stops;

use std::sync::Arc;

use api::Condition;
use control::{Command, CommandBody, Fact, FactBody, FinalFact, Refusal, StopMode, WorkerId};
use metrics::{ErrorClass, Layout, UnsentReason};
use units::{Nanos, Timestamp};

use super::*;
use crate::fixture::{Fate, final_fact, info, prepared, run_id, snapshot, spec};
use crate::incident::IncidentKind;
use crate::live::LivePhase;
use crate::session::SessionEnd;

/// A run on a clock that stands still until it is moved.
struct Bench {
    machine: RunMachine,
    spec: RunSpec,
    now: Timestamp,
    out: Vec<Output>,
    seqs: Vec<u64>,
}

impl Bench {
    fn new(workers: &[&str]) -> Self {
        Self::of(spec(workers))
    }

    fn of(spec: RunSpec) -> Self {
        let now = Timestamp::from_nanos(1_000_000_000);
        let machine = RunMachine::new(now, spec.clone()).unwrap();
        Self { machine, now, out: Vec::new(), seqs: vec![0; spec.workers.len()], spec }
    }

    /// One worker, `a`, under load since 100 ms.
    fn running() -> Self {
        Self::running_as(spec(&["a"]))
    }

    fn running_as(spec: RunSpec) -> Self {
        let mut bench = Self::of(spec);
        bench.fact(0, FactBody::Joined(Box::new(info())));
        bench.ready(0);
        bench.pass(bench.spec.limits.start_lead);
        bench.fact(0, FactBody::Started { at: bench.now });
        bench.pass(Nanos::from_millis(100));
        bench.out.clear();
        bench
    }

    fn layout(&self) -> Arc<Layout> {
        Arc::clone(&self.spec.layout)
    }

    fn worker(&self, index: usize) -> WorkerId {
        self.spec.workers[index].worker.clone()
    }

    fn input(&mut self, input: Input) {
        self.machine.step(self.now, input, &mut self.out);
    }

    /// The next fact of a worker.
    fn fact(&mut self, index: usize, body: FactBody) {
        self.seqs[index] += 1;
        self.numbered(index, self.seqs[index], body);
    }

    fn numbered(&mut self, index: usize, seq: u64, body: FactBody) {
        let fact = Fact { run_id: run_id(), worker: self.worker(index), seq, body };
        self.input(Input::Fact(Box::new(fact)));
    }

    fn ready(&mut self, index: usize) {
        self.fact(index, FactBody::Prepared(prepared(&self.spec)));
    }

    /// A worker measures the slots of one second.
    fn measured(&mut self, index: usize, second: u32, slots: &[(u64, Fate)]) {
        let snapshot = snapshot(&self.layout(), second, Nanos::ZERO, slots);
        self.fact(index, FactBody::Measured(Box::new(snapshot)));
    }

    fn ended(&mut self, index: usize, fact: FinalFact) {
        self.fact(index, FactBody::Final(Box::new(fact)));
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

    /// The commands since the last call, without acknowledgements.
    fn commands(&mut self) -> Vec<(String, CommandBody)> {
        let is_ack = |command: &Command| matches!(command.body, CommandBody::Ack { .. });
        let commands = self.out.drain(..).filter_map(|output| match output {
            Output::Command { to, command } if !is_ack(&command) => Some((to.to_string(), command.body)),
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

    fn acks(&self) -> Vec<u64> {
        let ack = |output: &Output| match output {
            Output::Command { command: Command { body: CommandBody::Ack { through }, .. }, .. } => {
                Some(*through)
            }
            _ => None,
        };
        self.out.iter().filter_map(ack).collect()
    }

    /// The run, which is over.
    fn sealed(self) -> SealedRun {
        assert!(self.machine.is_sealed(), "the run is over");
        assert_eq!(self.machine.wake_at(), Timestamp::NEVER);
        self.machine.into_sealed()
    }
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
    bench.fact(0, FactBody::Joined(Box::new(info())));
    let commands = bench.commands();
    let (to, CommandBody::Prepare(prepare)) = &commands[0] else { panic!("{commands:?}") };
    assert_eq!((to.as_str(), prepare.share.clone(), prepare.preflight), ("a", plan::Share::whole(), true));

    bench.ready(0);
    let start = bench.now + bench.spec.limits.start_lead;
    assert_eq!(bench.commands(), [("a".to_owned(), CommandBody::Start { at: start })]);

    bench.pass(bench.spec.limits.start_lead);
    bench.fact(0, FactBody::Started { at: start });
    bench.measured(0, 0, &[(0, OK), (1, OK)]);
    bench.pass(Nanos::from_secs(2));
    bench.measured(0, 1, &[(10, OK)]);
    assert!(bench.commands().is_empty(), "a plan ends by itself");
    bench.ended(0, final_fact(3, 3));
    assert!(matches!(bench.out.last(), Some(Output::Sealed)));

    let sealed = bench.sealed();
    assert!(sealed.incidents.is_empty(), "{:?}", sealed.incidents);
    assert_eq!(sealed.start, Some(start));
    assert_eq!(sealed.merged.totals().all_steps().requests.succeeded, 3);
    assert!(sealed.sessions[0].is_complete());
    assert_eq!(sealed.load_time(), Nanos::from_secs(2), "no longer than the seal");
    assert_eq!(sealed.cut_at(), None);
}

#[test]
fn a_run_waits_for_all_its_workers() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.fact(0, FactBody::Joined(Box::new(info())));
    assert!(bench.commands().is_empty());
    bench.fact(1, FactBody::Joined(Box::new(info())));
    let shares: Vec<u32> = bench
        .commands()
        .into_iter()
        .map(|(_, body)| match body {
            CommandBody::Prepare(prepare) => prepare.share.index,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shares, [0, 1]);
    bench.ready(1);
    assert!(bench.commands().is_empty());
    bench.ready(0);
    assert_eq!(bench.commands().len(), 2);
    bench.pass(bench.spec.limits.start_lead);
    for index in [0, 1] {
        bench.fact(index, FactBody::Started { at: bench.now });
    }
    bench.measured(0, 0, &[(0, OK)]);
    bench.measured(1, 0, &[(1, OK)]);
    bench.ended(1, final_fact(1, 1));
    assert!(!bench.machine.is_sealed());
    bench.ended(0, final_fact(1, 1));
    assert_eq!(bench.sealed().merged.totals().all_steps().requests.attempted, 2);
}

#[test]
fn every_command_has_a_number_of_its_own() {
    let mut bench = Bench::running();
    bench.input(Input::Stop);
    bench.input(Input::Stop);
    bench.ended(0, final_fact(0, 0));
    let numbers: Vec<u64> = bench
        .out
        .iter()
        .filter_map(|output| match output {
            Output::Command { command, .. } => Some(command.id.0),
            _ => None,
        })
        .collect();
    assert!(numbers.len() >= 3 && numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

#[test]
fn a_repeated_fact_is_acknowledged_and_counts_once() {
    let mut bench = Bench::running();
    bench.measured(0, 0, &[(0, OK), (1, OK)]);
    let seq = bench.seqs[0];
    let again = snapshot(&bench.layout(), 0, Nanos::ZERO, &[(0, OK), (1, OK)]);
    bench.numbered(0, seq, FactBody::Measured(Box::new(again)));
    bench.numbered(0, 1, FactBody::Joined(Box::new(info())));
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
fn a_fact_of_another_run_or_an_unknown_worker_has_no_effect() {
    let mut bench = Bench::running();
    let other_run = control::RunId::new(uuid::Uuid::from_u128(2));
    let body = || FactBody::Final(Box::new(final_fact(0, 0)));
    let seq = bench.seqs[0] + 1;
    let stray = Fact { run_id: other_run, worker: bench.worker(0), seq, body: body() };
    bench.input(Input::Fact(Box::new(stray)));
    let stranger = Fact { run_id: run_id(), worker: WorkerId::new("stranger"), seq: 1, body: body() };
    bench.input(Input::Fact(Box::new(stranger)));
    assert!(bench.out.is_empty());
    assert!(!bench.machine.is_sealed());
}

#[test]
fn what_follows_the_last_word_is_against_the_protocol() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.fact(0, FactBody::Joined(Box::new(info())));
    bench.ended(0, final_fact(0, 0));
    bench.measured(0, 0, &[(0, OK)]);
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
fn the_pace_is_that_of_the_last_second_all_workers_told_about() {
    let mut bench = Bench::running();
    bench.measured(0, 0, &[(0, OK), (1, OK)]);
    bench.measured(0, 1, &[(10, OK)]);
    assert_eq!(bench.machine.merged.pace_per_s(), (2, 2));
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
    bench.input(Input::Stop);
    bench.measured(0, 1, &[(10, OK)]);
    assert!(bench.out.is_empty());
    let sealed = bench.sealed();
    assert_eq!(sealed.stopped_at, None);
    assert_eq!(sealed.merged.totals().all_steps().requests.attempted, 0);
}
