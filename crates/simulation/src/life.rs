//! One life of one worker: its process, with the machines that are shipped and the wires they speak over.

use std::collections::{BTreeMap, VecDeque};

use control::{
    Ack, Beat, BeatAck, Enrol, Enrolled, Fact, FromController, FromWorker, ProtocolVersions, RunId,
    SessionId, WorkerId, WorkerInfo,
};
use engine::{Lease, LeaseKeeper};
use units::{Nanos, Timestamp};
use uuid::Uuid;
use worker::machines::link::{EnrolFailure, Input, Output};
use worker::machines::session::{Departure, Input as RunInput};
use worker::machines::{Author, Heart, Link, LinkOptions, RunKey};
use worker::{Report, WorkerExit};

use crate::sink::Sent;
use crate::worker_run::{Machine, Submissions, WorkerRun};
use crate::wrong_clock::WrongClock;

/// Something a worker sends.
#[derive(Clone, Debug)]
pub(crate) enum Up {
    Enrol { attempt: u64, enrol: Box<Enrol> },
    Open { stream: u64, hello: FromWorker },
    Say { stream: u64, message: FromWorker },
    Close { stream: u64 },
    Beat { grant: u64, beat: Beat },
    Residual { facts: Vec<Fact> },
}

/// Something a worker gets.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    Enrolled {
        attempt: u64,
        result: Box<Result<Enrolled, EnrolFailure>>,
    },
    Received {
        stream: u64,
        message: Box<FromController>,
    },
    Closed {
        stream: u64,
    },
    Acked {
        grant: u64,
        ack: BeatAck,
    },
    Taken {
        session: SessionId,
        told: Vec<RunId>,
        acks: Vec<Ack>,
    },
    /// Not from the network: its operator's word.
    Signal(control::LeaveMode),
    Cancel,
}

/// The beats of one grant.
struct Beating {
    grant: u64,
    session: SessionId,
    heart: Heart,
    held: Option<(LeaseKeeper, Lease)>,
}

/// How long an answer to an enrolment is waited for.
const ENROL_LIMIT: Nanos = Nanos::from_secs(2);

/// One life of one worker.
pub(crate) struct Life {
    pub(crate) name: WorkerId,
    pub(crate) clock: WrongClock,
    machine: Machine,
    weight: u32,
    link: Link,
    beating: Option<Beating>,
    grants: u64,
    attempt: u64,
    enrolling_until: Timestamp,
    stream: u64,
    runs: BTreeMap<RunKey, WorkerRun>,
    outputs: VecDeque<Output>,
    progress: u64,
    pub(crate) exit: Option<WorkerExit>,
    pub(crate) up: Vec<Up>,
    pub(crate) sent: Vec<(RunKey, Sent)>,
    pub(crate) superseded: u64,
}

/// What a life begins with.
pub(crate) struct Birth {
    pub(crate) name: WorkerId,
    pub(crate) clock: WrongClock,
    pub(crate) machine: Machine,
    pub(crate) weight: u32,
    pub(crate) seed: u64,
}

impl Life {
    pub(crate) fn new(now: Timestamp, birth: Birth) -> Self {
        let Birth { name, clock, machine, weight, seed } = birth;
        let mut outputs = Vec::new();
        let options = LinkOptions {
            worker: name.clone(),
            session: SessionId(Uuid::from_u128(u128::from(seed) << 64 | u128::from(seed.rotate_left(17)))),
            seed,
            welcome: Nanos::from_secs(3),
            unavailable: None,
        };
        let link = Link::new(now, options, &mut outputs);
        Self {
            name,
            clock,
            machine,
            weight,
            link,
            beating: None,
            grants: 0,
            attempt: 0,
            enrolling_until: Timestamp::NEVER,
            stream: 0,
            runs: BTreeMap::new(),
            outputs: outputs.into(),
            progress: 0,
            exit: None,
            up: Vec::new(),
            sent: Vec::new(),
            superseded: 0,
        }
    }

    /// Lets the engine catch up to `now`, and nothing else.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        for (key, run) in &mut self.runs {
            run.advance(now);
            self.sent.extend(run.sent.drain(..).map(|sent| (*key, sent)));
        }
    }

    /// The process is stopped from `now` to `until`.
    pub(crate) fn sleep(&mut self, now: Timestamp, until: Timestamp) {
        self.advance(now);
        self.runs.values_mut().for_each(|run| run.sleep(until));
    }

    /// Takes what came, and does what is due at `now`.
    pub(crate) fn turn(&mut self, now: Timestamp, came: Option<Down>, submissions: &Submissions) {
        if self.exit.is_some() {
            return;
        }
        self.advance(now);
        if let Some(came) = came {
            self.take(now, came);
        }
        self.carry_out(now, submissions);
        if now >= self.enrolling_until {
            self.enrolling_until = Timestamp::NEVER;
            self.attempt += 1;
            self.step(now, Input::Enrolled(Err(EnrolFailure::Failed("no answer".to_owned()))));
        }
        if let Some(beating) = self.beating.as_mut().filter(|beating| now >= beating.heart.next_beat()) {
            self.progress += 1;
            let beat = beating.heart.beat(now, self.progress);
            self.up.push(Up::Beat { grant: beating.grant, beat });
        }
        let keys: Vec<RunKey> = self.runs.keys().copied().collect();
        for key in keys {
            self.tell(now, key, None);
        }
        self.step(now, Input::Tick);
        self.carry_out(now, submissions);
        self.superseded = self.link.superseded();
    }

    /// When something happens by itself.
    pub(crate) fn wake_at(&mut self) -> Timestamp {
        if self.exit.is_some() {
            return Timestamp::NEVER;
        }
        let beat = self.beating.as_ref().map_or(Timestamp::NEVER, |beating| beating.heart.next_beat());
        let own = self.link.wake_at().min(beat).min(self.enrolling_until);
        self.runs.values_mut().map(WorkerRun::wake_at).fold(own, Timestamp::min)
    }

    fn take(&mut self, now: Timestamp, came: Down) {
        match came {
            Down::Enrolled { attempt, result } => {
                if attempt == self.attempt && self.enrolling_until != Timestamp::NEVER {
                    self.enrolling_until = Timestamp::NEVER;
                    self.step(now, Input::Enrolled(*result));
                }
            }
            Down::Received { stream, message } => self.step(now, Input::Received { stream, message }),
            Down::Closed { stream } => {
                self.step(now, Input::Closed { stream, why: "the stream ended".to_owned() });
            }
            Down::Acked { grant, ack } => self.hear(now, grant, &ack),
            Down::Taken { session, told, acks } => {
                self.step(now, Input::ResidualTaken { session, told, acks })
            }
            Down::Signal(mode) => self.step(now, Input::Leave(mode)),
            Down::Cancel => self.step(now, Input::Cancel),
        }
    }

    fn hear(&mut self, now: Timestamp, grant: u64, ack: &BeatAck) {
        let Some(beating) = self.beating.as_mut().filter(|beating| beating.grant == grant) else { return };
        if !beating.heart.hear(now, ack) {
            return;
        }
        let (session, pulse) = (beating.session, beating.heart.pulse());
        match &mut beating.held {
            Some((keeper, _)) => {
                keeper.renew(now, pulse.lease_until);
            }
            None if pulse.lease_until > now => beating.held = Some(Lease::until(pulse.lease_until)),
            None => {}
        }
        self.step(now, Input::Pulse { session, pulse });
    }

    fn step(&mut self, now: Timestamp, input: Input) {
        let mut outputs = Vec::new();
        self.link.step(now, input, &mut outputs);
        self.outputs.extend(outputs);
    }

    fn carry_out(&mut self, now: Timestamp, submissions: &Submissions) {
        while let Some(output) = self.outputs.pop_front() {
            match output {
                Output::Enrol(session) => {
                    self.attempt += 1;
                    self.enrolling_until = now + ENROL_LIMIT;
                    let enrol = Box::new(self.enrolment(session));
                    self.up.push(Up::Enrol { attempt: self.attempt, enrol });
                }
                Output::Beat(grant) => {
                    if let Some((mut keeper, _)) = self.beating.take().and_then(|beating| beating.held) {
                        keeper.end(now);
                    }
                    self.grants += 1;
                    self.beating = grant.map(|grant| Beating {
                        grant: self.grants,
                        session: grant.session,
                        heart: Heart::new(grant),
                        held: None,
                    });
                }
                Output::Open { stream, hello } => {
                    if self.stream != 0 {
                        self.up.push(Up::Close { stream: self.stream });
                    }
                    self.stream = stream;
                    self.up.push(Up::Open { stream, hello });
                }
                Output::Close => {
                    if self.stream != 0 {
                        self.up.push(Up::Close { stream: self.stream });
                        self.stream = 0;
                    }
                }
                Output::Send(message) => {
                    if self.stream != 0 {
                        self.up.push(Up::Say { stream: self.stream, message });
                    }
                }
                Output::Residual(fact) => match self.up.last_mut() {
                    Some(Up::Residual { facts }) if facts[0].session == fact.session => facts.push(*fact),
                    _ => self.up.push(Up::Residual { facts: vec![*fact] }),
                },
                Output::Start(key) => self.begin(key, submissions),
                Output::Command(key, command) => self.tell(now, key, Some(RunInput::Command(*command))),
                Output::Ack(key, ack) => self.tell(now, key, Some(RunInput::Ack(ack))),
                Output::Resume(key, ack) => self.tell(now, key, Some(RunInput::Resume(ack))),
                Output::Stop(key, mode) => self.tell(now, key, Some(RunInput::Stop(mode))),
                Output::Leave(key, drain) => {
                    self.tell(now, key, Some(RunInput::Leave(Departure { since: now, drain })));
                }
                Output::Withdraw(key) => self.tell(now, key, Some(RunInput::Withdraw)),
                Output::Drop(key) => drop(self.runs.remove(&key)),
                Output::Exit(exit) => self.exit = Some(exit),
            }
        }
    }

    /// Tells a run something, and the link what it says to that.
    fn tell(&mut self, now: Timestamp, key: RunKey, input: Option<RunInput>) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        run.turn(now, input);
        self.sent.extend(run.sent.drain(..).map(|sent| (key, sent)));
        let (reports, is_over) = (std::mem::take(&mut run.reports), run.is_over());
        for report in reports {
            if let Report::Fact(_) = &report {
                self.progress += 1;
            }
            self.step(now, Input::Report(key, report));
        }
        if is_over {
            self.runs.remove(&key);
            self.step(now, Input::RunOver(key));
        }
    }

    fn begin(&mut self, key: RunKey, submissions: &Submissions) {
        let beating = self.beating.as_ref().filter(|beating| beating.session == key.session);
        let lease = beating.and_then(|beating| beating.held.as_ref()).map(|(_, lease)| lease.clone());
        let (Some(lease), Some(submission)) = (lease, submissions.get(&key.run_id)) else { return };
        let author = Author { run_id: key.run_id, worker: self.name.clone(), session: key.session };
        self.runs.insert(key, WorkerRun::new(author, self.machine, submission.clone(), lease));
    }

    fn enrolment(&self, session: SessionId) -> Enrol {
        Enrol {
            worker: self.name.clone(),
            session,
            versions: ProtocolVersions::SPOKEN,
            info: WorkerInfo { version: "simulated".to_owned(), host: control::HostFacts::default() },
            labels: BTreeMap::new(),
            tasks: Vec::new(),
            weight: self.weight,
        }
    }
}
