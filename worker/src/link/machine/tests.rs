//! A membership as a list of events, with time by hand; then any events in any order.

mod leaving;
mod schedules;

use control::{
    Ack, Command, CommandBody, CommandId, ControllerMessage, EnrolRefusal, Enrolled, Fact, FactBody,
    FinalFact, FromController, LeaseTerms, LeaveMode, ProtocolVersions, RunId, WorkerHealth,
};

use super::*;

const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(70));

/// A link with what it said to do, as short texts.
pub(super) struct Play {
    link: Link,
    now: Timestamp,
    done: Vec<String>,
    /// The session it enrolled last, the stream it opened last, and the number of leases it was granted.
    session: SessionId,
    stream: u64,
    grants: u64,
    exit: Option<WorkerExit>,
}

fn at(millis: u64) -> Timestamp {
    Timestamp::ORIGIN + Nanos::from_millis(millis)
}

fn run(number: u128) -> RunId {
    RunId::new(Uuid::from_u128(number))
}

impl Play {
    fn new() -> Self {
        Self::seeded(1, None)
    }

    fn seeded(seed: u64, unavailable: Option<Nanos>) -> Self {
        let session = SessionId(Uuid::from_u128(9));
        let options = LinkOptions {
            worker: WorkerId::new("w"),
            session,
            seed,
            welcome: Nanos::from_secs(5),
            unavailable,
        };
        let mut out = Vec::new();
        let link = Link::new(at(0), options, &mut out);
        let (now, done) = (at(0), Vec::new());
        let mut play = Self { link, now, done, session, stream: 0, grants: 0, exit: None };
        play.take(out);
        play
    }

    /// A worker that can take part in runs.
    fn attached() -> Self {
        let mut play = Self::new();
        play.attach();
        play.done.clear();
        play
    }

    /// A worker that makes load in run 1.
    fn running() -> Self {
        let mut play = Self::attached();
        play.command(1, 1, CommandBody::Stop(StopMode::Drain));
        play.done.clear();
        play
    }

    fn attach(&mut self) {
        self.enrol();
        self.beat();
        self.welcome(&[]);
    }

    fn enrol(&mut self) {
        self.grants += 1;
        let token = LeaseToken { epoch: Epoch(2), counter: self.grants };
        self.input(Input::Enrolled(Ok(Enrolled {
            cluster: CLUSTER,
            epoch: Epoch(2),
            token,
            version: 1,
            lease: LeaseTerms::default(),
        })));
    }

    fn pulse(&self) -> Pulse {
        Pulse {
            lease_until: self.now + Nanos::from_millis(5_750),
            standing: Standing::Current,
            epoch: Epoch(2),
            clock: Some(ClockOffset { nanos: 1_000_000_000, error: Nanos::from_micros(80) }),
            stop: None,
            heard_at: Some(self.now),
        }
    }

    /// A beat is answered.
    fn beat(&mut self) {
        let (session, pulse) = (self.session, self.pulse());
        self.input(Input::Pulse { session, pulse });
    }

    fn say(&mut self, body: ControllerMessage) {
        self.say_in(Epoch(2), self.stream, body);
    }

    fn say_in(&mut self, epoch: Epoch, stream: u64, body: ControllerMessage) {
        let message = Box::new(FromController { cluster: CLUSTER, epoch, body });
        self.input(Input::Received { stream, message });
    }

    fn welcome(&mut self, taken: &[(u128, u64)]) {
        let ack = |(number, through): &(u128, u64)| Ack {
            run_id: run(*number),
            epoch: Epoch(2),
            through: *through,
        };
        self.say(ControllerMessage::Welcome { acks: taken.iter().map(ack).collect() });
    }

    fn command(&mut self, number: u128, id: u64, body: CommandBody) {
        let command = Command { run_id: run(number), epoch: Epoch(2), id: CommandId(id), body };
        self.say(ControllerMessage::Command(Box::new(command)));
    }

    fn key(&self, number: u128) -> RunKey {
        RunKey { session: self.session, run_id: run(number) }
    }

    fn fact(&mut self, key: RunKey, seq: u64, body: FactBody) {
        let RunKey { run_id, session } = key;
        let fact = Fact { run_id, worker: WorkerId::new("w"), session, seq, body };
        self.input(Input::Report(key, Report::Fact(Box::new(fact))));
    }

    fn last_word(&mut self, key: RunKey, seq: u64) {
        self.fact(
            key,
            seq,
            FactBody::Final(Box::new(FinalFact {
                requests_attempted: 0,
                iterations_started: 0,
                health: WorkerHealth::default(),
                faults: Vec::new(),
                panicked: false,
                left_at: None,
                telemetry: Vec::new(),
                executions_over_budget: 0,
            })),
        );
    }

    fn tick(&mut self, millis: u64) {
        self.now = at(millis);
        self.input(Input::Tick);
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.link.step(self.now, input, &mut out);
        self.take(out);
    }

    fn take(&mut self, out: Vec<Output>) {
        let text = |key: RunKey| format!("run {}", key.run_id.as_uuid().as_u128());
        for output in out {
            self.done.push(match output {
                Output::Enrol(session) => {
                    let is_new = session != self.session;
                    self.session = session;
                    if is_new { "enrol a new session".into() } else { "enrol".into() }
                }
                Output::Beat(Some(grant)) => format!("beat for lease {}", grant.token.counter),
                Output::Beat(None) => "beat no more".into(),
                Output::Open { stream, hello } => {
                    self.stream = stream;
                    let WorkerMessage::Hello { runs } = hello.body else { panic!("{:?}", hello.body) };
                    let run = |run: &control::RunStanding| {
                        let number = run.run_id.as_uuid().as_u128();
                        format!(" run {number}: {} {}", run.applied.0, run.last_fact)
                    };
                    format!("hello{}", runs.iter().map(run).collect::<String>())
                }
                Output::Close => "close".into(),
                Output::Send(message) => match message.body {
                    WorkerMessage::Fact(fact) => match fact.body {
                        FactBody::Started { at, clock_error } => {
                            format!("started {} ± {clock_error}", at.as_nanos() / 1_000_000)
                        }
                        _ => format!("fact {}", fact.seq),
                    },
                    WorkerMessage::Applied { through, .. } => format!("applied {}", through.0),
                    WorkerMessage::Leave(mode) => format!("tell {mode:?}"),
                    WorkerMessage::Hello { .. } => panic!("a hello is said when a stream is opened"),
                },
                Output::Residual(fact) => format!("residual {}", fact.seq),
                Output::Start(key) => format!("{}: begin", text(key)),
                Output::Command(key, command) => match command.body {
                    CommandBody::Start { at } => {
                        format!("{}: start {}", text(key), at.as_nanos() / 1_000_000)
                    }
                    _ => format!("{}: command {}", text(key), command.id.0),
                },
                Output::Ack(key, ack) => format!("{}: ack {}", text(key), ack.through),
                Output::Resume(key, ack) => format!("{}: resume {}", text(key), ack.through),
                Output::Stop(key, mode) => format!("{}: stop {mode:?}", text(key)),
                Output::Leave(key, drain) => format!("{}: leave in {drain}", text(key)),
                Output::Withdraw(key) => format!("{}: withdraw", text(key)),
                Output::Drop(key) => format!("{}: drop", text(key)),
                Output::Exit(exit) => {
                    assert!(self.exit.replace(exit).is_none(), "one exit");
                    "exit".into()
                }
            });
        }
    }

    fn done(&mut self) -> Vec<String> {
        std::mem::take(&mut self.done)
    }

    #[track_caller]
    fn check(&mut self, expected: &[&str]) {
        assert_eq!(self.done(), expected);
    }
}

fn stop() -> CommandBody {
    CommandBody::Stop(StopMode::Drain)
}

fn nothing() -> FactBody {
    FactBody::Revised { revision: 1, effective: Nanos::ZERO }
}

#[test]
fn a_worker_enrols_gets_its_lease_and_then_says_hello() {
    let mut play = Play::new();
    assert!(play.link.ready().unwrap_err().contains("not enrolled"));
    play.enrol();
    play.check(&["enrol", "beat for lease 1"]);
    play.beat();
    play.check(&["hello"]);
    assert!(play.link.ready().is_err());
    play.welcome(&[]);
    play.check(&[]);
    assert_eq!(play.link.ready(), Ok(()));
}

#[test]
fn a_run_begins_with_its_first_command_and_times_go_by_the_controllers_clock() {
    let mut play = Play::attached();
    play.command(1, 2, stop());
    play.check(&[]);
    play.command(1, 1, stop());
    play.check(&["run 1: begin", "run 1: command 1"]);
    let start = CommandBody::Start { at: at(8_000) };
    play.command(1, 2, start.clone());
    play.check(&["run 1: start 7000"]);
    // The idea of the clock moves on; the start stays what it was.
    let moved =
        Pulse { clock: Some(ClockOffset { nanos: 900_000_000, error: Nanos::SECOND }), ..play.pulse() };
    play.input(Input::Pulse { session: play.session, pulse: moved });
    play.command(1, 2, start);
    play.check(&["run 1: start 7000"]);
    let key = play.key(1);
    for _ in 0..2 {
        let body = FactBody::Started { at: at(7_001), clock_error: Nanos::ZERO };
        play.fact(key, 1, body);
    }
    play.input(Input::Report(key, Report::Applied(CommandId(2))));
    play.check(&["started 8001 ± 80us", "started 8001 ± 80us", "applied 2"]);
}

#[test]
fn what_another_cluster_says_has_no_effect() {
    let mut play = Play::attached();
    let cluster = ClusterId(Uuid::from_u128(71));
    let message = FromController { cluster, epoch: Epoch(9), body: ControllerMessage::Farewell };
    play.input(Input::Received { stream: play.stream, message: Box::new(message) });
    play.check(&[]);
    assert_eq!(play.link.superseded(), 1);
}

#[test]
fn what_cannot_be_said_now_is_left_to_who_says_it_again() {
    let mut play = Play::running();
    let (key, stream) = (play.key(1), play.stream);
    play.input(Input::Closed { stream, why: "cut".into() });
    play.check(&["close"]);
    play.fact(key, 1, nothing());
    play.input(Input::Report(key, Report::Applied(CommandId(1))));
    play.check(&[]);
    play.tick(5_100);
    play.check(&["hello run 1: 1 1"]);
    play.beat();
    play.welcome(&[(1, 1)]);
    play.check(&["run 1: resume 1"]);
}

#[test]
fn a_run_that_the_controller_does_not_know_any_more_is_dropped() {
    let mut play = Play::running();
    let stream = play.stream;
    play.input(Input::Closed { stream, why: "cut".into() });
    play.tick(5_100);
    play.beat();
    play.welcome(&[]);
    play.check(&["close", "hello run 1: 0 0", "run 1: drop"]);
}

#[test]
fn attempts_that_fail_are_made_again_later_and_later() {
    let mut play = Play::new();
    let mut waits = Vec::new();
    for _ in 0..30 {
        play.input(Input::Enrolled(Err(EnrolFailure::Failed("no route".into()))));
        let until = play.link.wake_at();
        waits.push(until.saturating_since(play.now));
        play.now = until;
        play.input(Input::Tick);
        assert_eq!(play.done().last().unwrap(), "enrol");
    }
    assert!(waits.iter().all(|wait| (Backoff::SHORTEST..=Backoff::LONGEST).contains(wait)), "{waits:?}");
    assert!(waits[0] <= Nanos::from_millis(200) && waits.iter().any(|wait| *wait > Nanos::SECOND));
}

#[test]
fn a_stream_that_lasted_is_opened_again_soon() {
    let mut play = Play::attached();
    for _ in 0..6 {
        let stream = play.stream;
        play.input(Input::Closed { stream, why: "cut".into() });
        play.now = play.link.wake_at();
        play.input(Input::Tick);
        play.beat();
        play.welcome(&[]);
    }
    play.now = play.now + Nanos::from_secs(4);
    play.beat();
    play.now = play.now + Nanos::from_secs(4);
    play.beat();
    play.now = play.now + Nanos::from_secs(4);
    let stream = play.stream;
    play.input(Input::Closed { stream, why: "cut".into() });
    assert!(play.link.wake_at().saturating_since(play.now) <= Nanos::from_millis(200));
}

#[test]
fn an_answer_to_the_hello_that_does_not_come_is_not_waited_for() {
    let mut play = Play::new();
    play.enrol();
    play.beat();
    play.done();
    assert_eq!(play.link.wake_at(), at(5_000));
    play.tick(5_000);
    play.check(&["close"]);
    play.beat();
    play.now = play.link.wake_at();
    play.input(Input::Tick);
    play.check(&["hello"]);
}

#[test]
fn a_lease_that_ends_ends_the_load_and_the_session() {
    let mut play = Play::running();
    let old = play.key(1);
    play.fact(old, 1, nothing());
    play.done();
    play.tick(5_749);
    play.check(&[]);
    play.tick(5_750);
    play.check(&["beat no more", "close", "run 1: leave in 2s"]);
    assert!(play.link.ready().unwrap_err().contains("lease"));
    play.fact(old, 2, nothing());
    play.check(&["residual 2"]);
    play.tick(60_000);
    play.check(&[]);
    play.last_word(old, 3);
    play.now = play.link.wake_at();
    play.input(Input::Tick);
    play.check(&["residual 3", "enrol a new session"]);
    assert_ne!(old.session, play.session);
    // What the old session knows is delivered beside the new one's stream.
    play.attach();
    play.check(&["beat for lease 2", "hello"]);
    play.fact(old, 3, nothing());
    play.input(Input::ResidualTaken {
        session: old.session,
        told: vec![run(1)],
        acks: vec![Ack { run_id: run(1), epoch: Epoch(2), through: 3 }],
    });
    play.check(&["residual 3", "run 1: ack 3"]);
    play.input(Input::RunOver(old));
    assert!(play.link.runs.is_empty());

    let mut sealed = Play::running();
    let old = sealed.key(1);
    sealed.last_word(old, 1);
    sealed.tick(5_750);
    sealed.done();
    sealed.input(Input::ResidualTaken { session: old.session, told: vec![run(1)], acks: Vec::new() });
    sealed.check(&["run 1: drop"]);
}

#[test]
fn kf_30_beats_that_fail_cost_nothing_while_the_lease_lasts() {
    let mut play = Play::running();
    // Three beats in a row came back as UNAVAILABLE: the pulse says nothing new.
    for second in 1..=4 {
        play.tick(second * 1_000);
    }
    play.check(&[]);
    play.beat();
    play.tick(9_700);
    play.check(&[]);
    assert_eq!(play.link.ready(), Ok(()));
}

#[test]
fn a_fence_of_a_later_lease_ends_authority_and_one_of_an_earlier_lease_does_not() {
    let mut play = Play::running();
    let token = |counter| LeaseToken { epoch: Epoch(2), counter };
    play.say(ControllerMessage::Fenced { current: token(1) });
    play.check(&[]);
    play.say(ControllerMessage::Fenced { current: token(2) });
    play.check(&["beat no more", "close", "run 1: leave in 2s"]);

    let mut play = Play::running();
    let pulse = Pulse { standing: Standing::Fenced { current: token(2) }, ..play.pulse() };
    play.input(Input::Pulse { session: play.session, pulse });
    play.check(&["beat no more", "close", "run 1: leave in 2s"]);

    let mut idle = Play::attached();
    let pulse = Pulse { standing: Standing::Unknown, ..idle.pulse() };
    idle.input(Input::Pulse { session: idle.session, pulse });
    idle.now = idle.link.wake_at();
    idle.input(Input::Tick);
    idle.check(&["beat no more", "close", "enrol a new session"]);
}

#[test]
fn a_stop_on_the_heartbeat_reaches_a_run_whose_stream_stands_still() {
    let mut play = Play::running();
    let pulse = Pulse { stop: Some((run(1), StopMode::Cancel)), ..play.pulse() };
    play.input(Input::Pulse { session: play.session, pulse });
    play.check(&["run 1: stop Cancel"]);
    let other = Pulse { stop: Some((run(2), StopMode::Cancel)), ..play.pulse() };
    play.input(Input::Pulse { session: play.session, pulse: other });
    play.check(&[]);
}

#[test]
fn a_thousand_of_a_thousand_superseded_messages_are_refused() {
    let mut play = Play::running();
    let stream = play.stream;
    play.say_in(
        Epoch(5),
        stream,
        ControllerMessage::Ack(Ack { run_id: run(1), epoch: Epoch(5), through: 0 }),
    );
    play.check(&["run 1: ack 0"]);
    let bodies = |id: u64| {
        let command = Command { run_id: run(1), epoch: Epoch(2), id: CommandId(2), body: stop() };
        let fence = ControllerMessage::Fenced { current: LeaseToken { epoch: Epoch(9), counter: id } };
        [ControllerMessage::Command(Box::new(command)), fence, ControllerMessage::Farewell]
    };
    for number in 0..250 {
        let [command, fence, farewell] = bodies(number);
        // Of an earlier life of the controller.
        play.say_in(Epoch(number % 5), stream, command.clone());
        play.say_in(Epoch(number % 5), stream, fence);
        // Of an earlier session's stream, and of another cluster.
        play.say_in(Epoch(5), stream - 1, farewell);
        let message =
            Box::new(FromController { cluster: ClusterId(Uuid::nil()), epoch: Epoch(9), body: command });
        play.input(Input::Received { stream, message });
    }
    play.check(&[]);
    assert_eq!(play.link.superseded(), 1_000);
}

#[test]
fn the_next_run_waits_until_the_one_before_has_ended() {
    let mut play = Play::running();
    let first = play.key(1);
    play.command(2, 1, stop());
    play.check(&["run 1: leave in 2s"]);
    play.last_word(first, 1);
    play.command(2, 1, stop());
    play.check(&["fact 1", "run 2: begin", "run 2: command 1"]);
}

#[test]
fn a_first_command_that_comes_again_does_not_begin_a_past_run_again() {
    let mut play = Play::running();
    let key = play.key(1);
    play.last_word(key, 1);
    play.input(Input::RunOver(key));
    play.done();
    play.command(1, 1, stop());
    play.check(&[]);
}

#[test]
fn facts_of_an_ended_run_are_kept_for_ten_minutes() {
    let mut play = Play::running();
    let key = play.key(1);
    play.last_word(key, 1);
    play.tick(5_750);
    play.done();
    assert_eq!(play.link.runs.expires_at(), at(600_000));
    play.tick(599_999);
    assert!(!play.done().contains(&"run 1: drop".to_owned()));
    play.tick(600_000);
    assert!(play.done().contains(&"run 1: drop".to_owned()));
}

#[test]
fn a_controller_that_does_not_take_the_worker_ends_it_and_one_that_cannot_now_does_not() {
    let spoken = ProtocolVersions::SPOKEN;
    let version =
        EnrolRefusal::Version { worker: spoken, controller: ProtocolVersions { oldest: 7, newest: 9 } };
    let mut refused = Play::new();
    refused.input(Input::Enrolled(Err(EnrolFailure::Refused(version.clone()))));
    assert_eq!(refused.exit, Some(WorkerExit::Refused(version)));
    let mut unknown = Play::new();
    unknown.input(Input::Enrolled(Err(EnrolFailure::Unauthorised("revoked".into()))));
    assert_eq!(unknown.exit, Some(WorkerExit::Unauthorised("revoked".into())));
    for refusal in [EnrolRefusal::Full { limit: 2 }, EnrolRefusal::ShuttingDown] {
        let mut later = Play::new();
        later.input(Input::Enrolled(Err(EnrolFailure::Refused(refusal))));
        later.tick(6_000);
        later.check(&["enrol", "enrol"]);
    }
}

#[test]
fn an_unreachable_controller_is_given_up_only_when_that_is_wanted_and_nothing_is_left_to_deliver() {
    let mut play = Play::seeded(1, Some(Nanos::from_secs(20)));
    let fail = |play: &mut Play| play.input(Input::Enrolled(Err(EnrolFailure::Failed("no route".into()))));
    fail(&mut play);
    play.tick(19_999);
    fail(&mut play);
    assert_eq!(play.exit, None);
    play.tick(20_000);
    assert_eq!(play.exit, Some(WorkerExit::Unavailable { why: "no route".into() }));

    let mut holding = Play::seeded(1, Some(Nanos::from_secs(20)));
    holding.attach();
    holding.command(1, 1, stop());
    let key = holding.key(1);
    holding.last_word(key, 1);
    holding.tick(6_000);
    fail(&mut holding);
    holding.tick(500_000);
    assert_eq!(holding.exit, None, "it holds facts");
    holding.tick(600_000);
    assert!(matches!(holding.exit, Some(WorkerExit::Unavailable { .. })));
}
