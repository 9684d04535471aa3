//! A run as a list of events, with time by hand.

mod flushing;
mod revisions;

use control::{Ack, Fact, Prepare, SessionId, WorkerId};
use engine::ThreadReport;
use plan::{Revision, Share};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// A session with what it said to do, as short texts.
struct Play {
    session: Session,
    commands: u64,
    /// What the session last said it applied.
    applied: u64,
    now: Timestamp,
    facts: Vec<Fact>,
    /// The numbers of facts that were said before.
    again: Vec<u64>,
    done: Vec<String>,
    /// How long telemetry has.
    flush_until: Option<Timestamp>,
}

fn run_id() -> RunId {
    RunId::new(Uuid::from_u128(1))
}

fn prepared(threads: u32) -> Prepared {
    Prepared { threads, max_vus: 10, shape_hash: 5, notes: Vec::new() }
}

fn finished(requests_attempted: u64, iterations_started: u64) -> ThreadEnd {
    ThreadEnd::Finished(ThreadReport { requests_attempted, iterations_started, ..ThreadReport::default() })
}

fn at(millis: u64) -> Timestamp {
    Timestamp::ORIGIN + Nanos::from_millis(millis)
}

impl Play {
    fn new() -> Self {
        let session = Session::new(Author {
            run_id: run_id(),
            worker: WorkerId::new("w"),
            session: SessionId(Uuid::from_u128(9)),
        });
        let (facts, again, done) = (Vec::new(), Vec::new(), Vec::new());
        Self { session, commands: 0, applied: 0, now: at(0), facts, again, done, flush_until: None }
    }

    /// A session whose `threads` engine threads wait for the start.
    fn ready(threads: u32) -> Self {
        let mut play = Self::new();
        play.prepare();
        play.input(Input::Readiness(Ok(prepared(threads))));
        play.done.clear();
        play
    }

    /// A session that makes load since 1,000 ms.
    fn running(threads: u32) -> Self {
        let mut play = Self::ready(threads);
        play.command(CommandBody::Start { at: at(1_000) });
        play.tick(1_000);
        play.done.clear();
        play
    }

    fn take(&mut self, out: Vec<Output>) {
        for output in out {
            self.done.push(match output {
                Output::Applied(through) => {
                    self.applied = through.0;
                    continue;
                }
                Output::Fact(fact) => {
                    let text = format!("{}:{}", fact.seq, name(&fact.body));
                    let is_new = self.facts.iter().all(|known| known.seq < fact.seq);
                    let seq = fact.seq;
                    self.facts.push(*fact);
                    if !is_new {
                        self.again.push(seq);
                        continue;
                    }
                    text
                }
                Output::Prepare(_) => "prepare".into(),
                Output::Launch => "launch".into(),
                Output::Order(Order::StartAt(start)) => format!("start at {}", millis(start)),
                Output::Order(Order::Drain { until }) => format!("drain until {}", millis(until)),
                Output::Order(Order::Leave { until }) => format!("leave until {}", millis(until)),
                Output::Order(Order::Cancel) => "cancel".into(),
                Output::Order(Order::Revise(_)) => unreachable!("the host orders it"),
                Output::Revise(revision) => format!("revise {}", revision.share.revision),
                Output::Once { task, .. } => format!("once {task}"),
                Output::Begin => "begin".into(),
                Output::Close { until } => {
                    self.flush_until = Some(until);
                    "close".into()
                }
                Output::Hasten { until } => {
                    self.flush_until = Some(until);
                    "hasten".into()
                }
            });
        }
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.session.step(self.now, input, &mut out);
        self.take(out);
    }

    fn tick(&mut self, millis: u64) {
        self.now = at(millis);
        self.input(Input::Tick);
    }

    fn command(&mut self, body: CommandBody) {
        self.commands += 1;
        let (run_id, epoch) = (run_id(), Epoch(3));
        self.input(Input::Command(Command { run_id, epoch, id: CommandId(self.commands), body }));
        assert_eq!(self.applied, self.commands);
    }

    fn prepare(&mut self) {
        self.command(CommandBody::Prepare(Box::new(Prepare {
            document: String::new(),
            files: Vec::new(),
            revision: Revision::first(Share::whole()),
            threads: None,
            preflight: true,
        })));
    }

    fn end(&mut self, thread: u32, end: ThreadEnd) {
        self.input(Input::ThreadEnded { thread, end });
    }

    fn close(&mut self, recorded: &[(u64, u64)]) {
        let totals = |(requests_attempted, iterations_started): &(u64, u64)| Totals {
            requests_attempted: *requests_attempted,
            iterations_started: *iterations_started,
        };
        let recorded = recorded.iter().map(totals).collect();
        self.input(Input::Closed(Closing { recorded, ..Closing::default() }));
    }

    fn done(&mut self) -> Vec<String> {
        std::mem::take(&mut self.done)
    }

    fn last(&self) -> &FinalFact {
        match &self.facts.last().unwrap().body {
            FactBody::Final(last) => last,
            other => panic!("{other:?}"),
        }
    }

    fn ack_all(&mut self) {
        let through = self.facts.iter().map(|fact| fact.seq).max().unwrap_or(0);
        self.input(Input::Ack(Ack { run_id: run_id(), epoch: Epoch(3), through }));
    }
}

fn millis(instant: Timestamp) -> u64 {
    instant.as_nanos() / 1_000_000
}

fn name(body: &FactBody) -> &'static str {
    match body {
        FactBody::Prepared(_) => "prepared",
        FactBody::Refused(_) => "refused",
        FactBody::Started { .. } => "started",
        FactBody::Revised { .. } => "revised",
        FactBody::Once { .. } => "once",
        FactBody::Measured(_) => "measured",
        FactBody::Traced(_) => "traced",
        FactBody::Final(_) => "final",
    }
}

#[test]
fn a_run_goes_from_its_first_command_to_its_last_word() {
    let mut play = Play::new();
    play.prepare();
    play.input(Input::Readiness(Ok(prepared(2))));
    play.command(CommandBody::Start { at: at(1_000) });
    assert_eq!(play.session.wake_at(), at(1_000));
    play.tick(999);
    assert_eq!(play.done(), ["prepare", "launch", "1:prepared", "start at 1000"]);
    play.tick(1_001);
    assert_eq!(play.done(), ["begin", "2:started"]);
    assert!(
        matches!(play.facts.last().unwrap().body, FactBody::Started { at: start, .. } if start == at(1_001)),
        "as it was"
    );
    play.end(1, finished(10, 5));
    assert_eq!(play.done(), Vec::<String>::new());
    play.end(0, finished(30, 15));
    assert_eq!(play.done(), ["close"]);
    play.close(&[(30, 15), (10, 5)]);
    assert_eq!(play.done(), ["3:final"]);
    let last = play.last();
    assert_eq!((last.requests_attempted, last.iterations_started, last.panicked), (40, 20, false));
    assert!(!play.session.is_over(), "the last word is not taken yet");
    play.ack_all();
    assert!(play.session.is_over());
}

fn start(id: u64, epoch: u64) -> Command {
    Command {
        run_id: run_id(),
        epoch: Epoch(epoch),
        id: CommandId(id),
        body: CommandBody::Start { at: at(50) },
    }
}

fn revision(number: u64, effective: u64, weights: &[u32]) -> CommandBody {
    let share = Share { revision: number, weights: weights.to_vec(), index: 0 };
    CommandBody::Revise(Box::new(Revision {
        effective: Nanos::from_millis(effective),
        share,
        amendments: Vec::new(),
    }))
}

#[test]
fn a_command_is_applied_once_and_only_in_its_run() {
    let mut play = Play::ready(1);
    let elsewhere = Command { run_id: RunId::new(Uuid::nil()), ..start(2, 3) };
    play.input(Input::Command(elsewhere));
    play.input(Input::Ack(Ack { run_id: RunId::new(Uuid::nil()), epoch: Epoch(3), through: 1 }));
    assert_eq!(play.done(), Vec::<String>::new(), "another run");
    assert!(!play.session.outbox.is_empty(), "what another run took is not this one's");
    play.input(Input::Command(start(1, 3)));
    assert_eq!((play.done(), play.applied), (Vec::new(), 1), "an old command is answered by what is applied");
    play.input(Input::Command(start(2, 3)));
    play.input(Input::Command(start(2, 3)));
    assert_eq!((play.done(), play.applied), (vec!["start at 50".to_owned()], 2));
}

#[test]
fn a_command_that_comes_early_is_left_until_those_before_it_came() {
    let mut play = Play::ready(1);
    let stop = |id| Command { body: CommandBody::Stop(StopMode::Drain), ..start(id, 3) };
    play.input(Input::Command(stop(3)));
    assert_eq!((play.done(), play.applied), (Vec::new(), 1));
    play.input(Input::Command(start(2, 3)));
    play.input(Input::Command(stop(3)));
    assert_eq!(play.done(), ["start at 50", "drain until 2000"]);
    assert_eq!(play.applied, 3);
}

#[test]
fn a_thousand_of_a_thousand_superseded_commands_and_acknowledgements_are_refused() {
    let mut play = Play::ready(1);
    let facts = play.facts.len();
    for number in 0..500 {
        play.input(Input::Command(start(2 + number % 3, number % 3)));
        let through = number % 4;
        play.input(Input::Ack(Ack { run_id: run_id(), epoch: Epoch(number % 3), through }));
    }
    assert_eq!(play.session.superseded(), 1_000);
    assert_eq!((play.done(), play.facts.len(), play.applied), (Vec::new(), facts, 1));
    assert!(!play.session.outbox.is_empty(), "a stale controller made it forget nothing");
    // What is in force goes on, and a later life of the controller takes over.
    play.input(Input::Command(start(2, 4)));
    assert_eq!(play.done(), ["start at 50"]);
    play.input(Input::Command(start(3, 3)));
    play.input(Input::Resume(Ack { run_id: run_id(), epoch: Epoch(3), through: 1 }));
    assert_eq!((play.session.superseded(), play.applied), (1_002, 2));
    assert!(play.again.is_empty() && !play.session.outbox.is_empty());
}

#[test]
fn a_worker_that_wants_to_go_before_the_load_goes_at_once() {
    let mut play = Play::new();
    play.prepare();
    play.input(Input::Withdraw);
    assert_eq!(play.done(), ["prepare", "1:final"]);
    assert_eq!(play.last().left_at, Some(Nanos::ZERO));
}

#[test]
fn a_worker_whose_lease_ends_drains_and_tells_since_when_it_carries_nothing() {
    let mut play = Play::running(1);
    play.tick(9_000);
    play.done();
    let departure = Departure { since: at(8_900), drain: StopMode::DRAIN };
    play.input(Input::Leave(departure));
    play.input(Input::Leave(departure));
    assert_eq!(play.done(), ["leave until 11000"], "once");
    play.command(CommandBody::Stop(StopMode::Drain));
    assert_eq!(play.done(), Vec::<String>::new(), "no graver");
    play.command(CommandBody::Stop(StopMode::Cancel));
    assert_eq!(play.done(), ["cancel"]);
    play.end(0, finished(7, 7));
    play.close(&[(7, 7)]);
    assert_eq!(play.last().left_at, Some(Nanos::from_millis(7_900)));
    assert!(!play.session.is_over(), "its facts are kept");
    play.ack_all();
    assert!(play.session.is_over());
}

#[test]
fn a_worker_that_was_stopped_or_is_done_does_not_leave() {
    let mut play = Play::running(1);
    play.command(CommandBody::Stop(StopMode::Drain));
    play.input(Input::Leave(Departure { since: at(1_500), drain: StopMode::DRAIN }));
    play.end(0, finished(7, 7));
    play.input(Input::Leave(Departure { since: at(1_500), drain: StopMode::DRAIN }));
    play.close(&[(7, 7)]);
    assert_eq!(play.last().left_at, None);
}

#[test]
fn what_the_workers_policy_forbids_ends_its_part() {
    let mut play = Play::running(1);
    play.command(revision(1, 5_000, &[1]));
    play.input(Input::Forbidden("too much".into()));
    assert_eq!(play.done(), ["revise 1", "leave until 3000"]);
    play.end(0, finished(7, 7));
    play.close(&[(7, 7)]);
    assert_eq!(play.last().faults, ["too much"]);
    assert_eq!(play.last().left_at, Some(Nanos::ZERO));
}

fn once() -> CommandBody {
    CommandBody::Once { task: "seed".into() }
}

#[test]
fn a_task_is_executed_once_and_what_came_of_it_is_told() {
    let mut play = Play::new();
    play.command(once());
    let command = Command { run_id: run_id(), epoch: Epoch(3), id: CommandId(1), body: once() };
    play.input(Input::Command(command));
    assert_eq!(play.done(), ["once seed"], "a repeated command is not a second one");
    play.input(Input::OnceEnded { command: CommandId(1), failure: None });
    play.input(Input::OnceEnded { command: CommandId(1), failure: None });
    assert_eq!(play.done(), ["1:once"]);
    assert!(!play.session.is_over());
}

#[test]
fn a_task_under_way_is_waited_for_but_not_for_ever() {
    for answers in [true, false] {
        let mut play = Play::new();
        play.command(once());
        play.command(CommandBody::Stop(StopMode::Drain));
        assert_eq!(play.done(), ["once seed", "drain until 2000"]);
        play.command(once());
        assert_eq!(play.done(), ["1:once"], "not executed");
        if answers {
            play.input(Input::OnceEnded { command: CommandId(1), failure: None });
        } else {
            play.ack_all();
            play.tick(3_500);
        }
        assert_eq!(play.done(), ["2:once", "close"]);
        let FactBody::Once { failure, .. } = &play.facts.last().unwrap().body else { panic!() };
        assert_eq!(failure.is_none(), answers);
        play.close(&[]);
        assert_eq!(play.done(), ["3:final"]);
    }
}

#[test]
fn facts_that_nobody_takes_are_said_again() {
    let mut play = Play::ready(1);
    play.tick(1_999);
    assert_eq!(play.session.wake_at(), at(2_000));
    assert!(play.again.is_empty());
    play.tick(2_000);
    assert_eq!(play.again, [1]);
    play.input(Input::Resume(Ack { run_id: run_id(), epoch: Epoch(3), through: 0 }));
    assert_eq!(play.again, [1, 1], "on a new stream at once");
}

#[test]
fn a_refusal_ends_the_session_once_it_is_taken() {
    let mut play = Play::new();
    play.prepare();
    play.input(Input::Readiness(Err(Refusal::Impossible(vec!["no".into()]))));
    assert_eq!(play.done(), ["prepare", "1:refused"]);
    assert!(!play.session.is_over());
    play.ack_all();
    assert!(play.session.is_over());
}

#[test]
fn a_stop_before_there_are_threads_is_answered_at_once() {
    let mut idle = Play::new();
    idle.command(CommandBody::Stop(StopMode::Drain));
    assert_eq!(idle.done(), ["1:final"]);
    let mut preparing = Play::new();
    preparing.prepare();
    preparing.command(CommandBody::Stop(StopMode::Drain));
    assert_eq!(preparing.done(), ["prepare", "1:final"]);
    preparing.input(Input::Readiness(Ok(prepared(1))));
    assert_eq!(preparing.done(), Vec::<String>::new(), "nothing is launched any more");
}

#[test]
fn a_stop_drains_for_two_seconds_and_a_second_one_cancels() {
    let mut play = Play::running(1);
    play.tick(5_000);
    play.command(CommandBody::Stop(StopMode::Drain));
    play.command(CommandBody::Stop(StopMode::Drain));
    assert_eq!(play.done(), ["drain until 7000"]);
    play.tick(5_100);
    play.command(CommandBody::Stop(StopMode::Cancel));
    play.command(CommandBody::Stop(StopMode::Drain));
    assert_eq!(play.done(), ["cancel"]);
    assert_eq!(play.session.wake_at(), at(6_600));
    play.end(0, finished(7, 7));
    assert_eq!(play.done(), ["close"]);
    play.close(&[(7, 7)]);
    assert_eq!(play.last().faults, Vec::<String>::new());
}

#[test]
fn a_late_cancel_does_not_put_the_end_off() {
    let mut play = Play::running(1);
    play.command(CommandBody::Stop(StopMode::Drain));
    play.tick(4_000);
    play.command(CommandBody::Stop(StopMode::Cancel));
    assert_eq!(play.session.wake_at(), at(4_500));
}

#[test]
fn a_start_that_comes_while_a_newcomer_prepares_waits_for_that() {
    let mut play = Play::new();
    play.prepare();
    // Slot 0 was long ago: the run is under way.
    play.command(CommandBody::Start { at: at(0) });
    play.tick(700);
    assert!(!play.session.is_running());
    play.input(Input::Readiness(Ok(prepared(1))));
    assert!(play.done.contains(&"start at 0".to_owned()), "{:?}", play.done);
    assert!(play.facts.iter().any(|fact| matches!(fact.body, FactBody::Started { .. })));
    assert!(play.session.is_running());
}

#[test]
fn a_stop_before_the_first_slot_ends_without_a_start() {
    for armed in [false, true] {
        let mut play = Play::ready(1);
        if armed {
            play.command(CommandBody::Start { at: at(1_000) });
        }
        play.tick(500);
        play.command(CommandBody::Stop(StopMode::Drain));
        play.end(0, finished(0, 0));
        play.close(&[]);
        assert!(!play.facts.iter().any(|fact| matches!(fact.body, FactBody::Started { .. })));
        assert_eq!(play.last().requests_attempted, 0);
    }
}

#[test]
fn a_thread_that_does_not_end_is_given_up_and_counted_by_its_records() {
    let mut play = Play::running(2);
    play.command(CommandBody::Stop(StopMode::Cancel));
    play.end(0, finished(100, 50));
    play.tick(2_499);
    assert_eq!(play.done(), ["cancel"]);
    play.tick(2_500);
    assert_eq!(play.done(), ["close"]);
    play.close(&[(100, 50), (9, 4)]);
    let last = play.last();
    assert_eq!((last.requests_attempted, last.iterations_started), (109, 54));
    assert_eq!(last.faults, ["engine thread 1 did not end in time after it was told to"]);
    play.end(1, finished(1, 1));
    assert_eq!(play.done(), ["3:final"], "too late to be said");
}

#[test]
fn a_thread_that_panics_or_cannot_begin_ends_the_others() {
    let mut play = Play::running(2);
    play.end(1, ThreadEnd::Panicked("boom".into()));
    assert_eq!(play.done(), ["cancel"]);
    play.end(0, finished(3, 2));
    play.close(&[(3, 2), (5, 4)]);
    let last = play.last();
    assert!(last.panicked);
    assert_eq!(last.faults, ["engine thread 1 panicked: boom"]);
    assert_eq!((last.requests_attempted, last.iterations_started), (8, 6));

    let mut play = Play::ready(1);
    play.end(0, ThreadEnd::Failed("too many open files".into()));
    assert_eq!(play.done(), ["cancel", "close"]);
    play.close(&[]);
    assert!(!play.last().panicked);
    assert_eq!(play.last().faults, ["engine thread 0 cannot run: too many open files"]);
}

#[test]
fn an_abandoned_session_ends_without_being_heard() {
    let mut play = Play::running(1);
    play.input(Input::Abandoned);
    assert_eq!(play.done(), ["cancel"]);
    play.end(0, finished(1, 1));
    play.close(&[(1, 1)]);
    assert!(play.session.is_over());
    let mut idle = Play::new();
    idle.input(Input::Abandoned);
    assert!(idle.session.is_over());
}

#[test]
fn a_start_in_the_past_begins_at_once() {
    let mut play = Play::ready(1);
    play.now = at(70);
    play.command(CommandBody::Start { at: at(50) });
    assert_eq!(play.done(), ["start at 50", "begin", "2:started"]);
}

proptest! {
    #[test]
    fn whatever_happens_facts_are_numbered_and_a_stop_leads_to_one_last_word(inputs in prop::collection::vec(0_u8..10, 0..40)) {
        let mut play = Play::new();
        for input in inputs {
            match input {
                0 | 1 => play.prepare(),
                2 => play.input(Input::Readiness(Ok(prepared(2)))),
                3 => play.command(CommandBody::Start { at: play.now + Nanos::from_millis(300) }),
                4 | 5 => play.end(u32::from(input - 4), finished(1, 1)),
                6 => play.end(0, ThreadEnd::Panicked("boom".into())),
                7 => play.command(CommandBody::Stop(StopMode::Drain)),
                8 => play.ack_all(),
                _ => play.tick(millis(play.now) + 200),
            }
            if play.done().iter().any(|done| done == "close") {
                play.close(&[]);
            }
        }
        play.command(CommandBody::Stop(StopMode::Drain));
        play.tick(millis(play.now) + 3_500);
        if play.done().iter().any(|done| done == "close") {
            play.close(&[]);
        }
        let mut count = 0;
        for fact in &play.facts {
            prop_assert!(fact.seq <= count + 1, "no gaps");
            count = count.max(fact.seq);
        }
        let is_last = |fact: &&Fact| matches!(fact.body, FactBody::Final(_));
        let mut last: Vec<u64> = play.facts.iter().filter(is_last).map(|fact| fact.seq).collect();
        last.dedup();
        prop_assert_eq!(last, [count], "one, and nothing after it");
        play.ack_all();
        prop_assert!(play.session.is_over());
    }
}
