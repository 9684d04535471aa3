//! A small workload and a cluster on a test's own clock, with workers that do what they are told.

use std::collections::BTreeMap;

use api::http::{RunEventBody, SubmitRun, Submitted};
use control::{
    Ack, Beat, BeatAck, ClusterId, CommandBody, ContentDigest, ControllerMessage, Enrol, EnrolRefusal,
    Enrolled, Epoch, Fact, FactBody, FromWorker, LeaseToken, ProtocolVersions, RunId, RunStanding, SessionId,
    WorkerId, WorkerMessage,
};
use units::{Nanos, Timestamp};

use super::{
    Build, Cluster, ClusterOptions, ClusterOutput, LinkId, Outcome, Request, Submission, SubmitError,
    WallClock,
};
use crate::fixture::{final_fact, info};
use crate::run::Actor;

/// An open scenario and one with users.
pub(crate) fn document() -> String {
    r#"{
        "name": "small",
        "target": { "url": "http://127.0.0.1:9" },
        "scenarios": {
            "browse": {
                "executor": "constant-arrival-rate", "rate": "10/s", "duration": "20s", "graceful_stop": "1s",
                "steps": [{ "get": "/" }]
            },
            "users": {
                "executor": "constant-vus", "vus": 1, "duration": "20s", "graceful_stop": "1s",
                "steps": [{ "get": "/" }]
            }
        }
    }"#
    .to_owned()
}

/// A submission of a document without files.
pub(crate) fn submit(document: &str) -> SubmitRun {
    SubmitRun {
        document: document.to_owned(),
        files: Vec::new(),
        preflight: true,
        expect_workers: None,
        wait_ms: None,
        worker_labels: BTreeMap::new(),
        overrides: Vec::new(),
    }
}

/// The same, read and compiled, as run number `run`.
pub(crate) fn submission(run: u128) -> Submission {
    let submit = submit(&document());
    let files = scenario::Files::default();
    let workload = scenario::Workload::from_canonical_json(&submit.document, &files).unwrap();
    let plan = scenario::compile(&workload, &files).unwrap();
    Submission {
        run_id: run_id(run),
        document: workload.to_canonical_json(),
        layout: std::sync::Arc::new(control::layout(&plan, BTreeMap::new())),
        plan: std::sync::Arc::new(plan),
        files,
        workload,
        preflight: false,
        expect_workers: 1,
        wait: Nanos::from_secs(60),
        worker_labels: BTreeMap::new(),
        overrides: Vec::new(),
        by: Actor::new("somebody"),
    }
}

pub(crate) fn run_id(n: u128) -> RunId {
    RunId::new(uuid::Uuid::from_u128(n))
}

pub(crate) fn request(key: &str) -> Request {
    Request { key: key.to_owned(), body: ContentDigest::of(b"body") }
}

pub(crate) fn options() -> ClusterOptions {
    let wall = WallClock::new(Timestamp::ORIGIN, "2026-11-21T12:00:00Z".parse().unwrap());
    ClusterOptions::new(ClusterId(uuid::Uuid::from_u128(9)), Epoch(3), "1.2.3".to_owned(), wall)
}

/// A cluster, and everything it ever said.
pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) now: Timestamp,
    /// What was said on each stream that is open.
    pub(crate) said: BTreeMap<LinkId, Vec<ControllerMessage>>,
    pub(crate) closed: Vec<LinkId>,
    /// The numbers and bodies of all events.
    pub(crate) events: BTreeMap<RunId, Vec<(u64, RunEventBody)>>,
    pub(crate) builds: Vec<Build>,
}

/// One life of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) worker: WorkerId,
    pub(crate) session: SessionId,
    pub(crate) token: LeaseToken,
    pub(crate) link: LinkId,
    pub(crate) beats: u64,
    pub(crate) progress: u64,
    /// The number of its last fact in each run.
    pub(crate) facts: BTreeMap<RunId, u64>,
    pub(crate) applied: BTreeMap<RunId, u64>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(options())
    }

    pub(crate) fn with(options: ClusterOptions) -> Self {
        let now = Timestamp::ORIGIN + Nanos::from_secs(100);
        Self {
            cluster: Cluster::new(now, options),
            now,
            said: BTreeMap::new(),
            closed: Vec::new(),
            events: BTreeMap::new(),
            builds: Vec::new(),
        }
    }

    /// Calls the cluster and files what it says.
    pub(crate) fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Cluster, Timestamp, &mut Vec<ClusterOutput>) -> T,
    ) -> T {
        let mut out = Vec::new();
        let answer = call(&mut self.cluster, self.now, &mut out);
        for output in out {
            match output {
                ClusterOutput::Send { link, message } => {
                    self.said.entry(link).or_default().push(message.body);
                }
                ClusterOutput::Close { link } => self.closed.push(link),
                ClusterOutput::Event { run, event } => {
                    self.events.entry(run).or_default().push((event.event.seq, event.event.body.clone()));
                }
                ClusterOutput::Build(build) => self.builds.push(*build),
            }
        }
        answer
    }

    pub(crate) fn enrol(&mut self, name: &str, session: u128) -> Result<Enrolled, EnrolRefusal> {
        let enrol = enrol(name, session);
        self.call(|cluster, now, out| cluster.enrol(now, None, enrol, out))
    }

    /// A worker that enrolled, opened its stream and beat once.
    pub(crate) fn worker(&mut self, name: &str, session: u128) -> Life {
        self.worker_of(enrol(name, session))
    }

    pub(crate) fn worker_of(&mut self, enrol: Enrol) -> Life {
        let (worker, session) = (enrol.worker.clone(), enrol.session);
        let enrolled = self.call(|cluster, now, out| cluster.enrol(now, None, enrol, out)).unwrap();
        let mut life = Life {
            worker,
            session,
            token: enrolled.token,
            link: LinkId(0),
            beats: 0,
            progress: 0,
            facts: BTreeMap::new(),
            applied: BTreeMap::new(),
        };
        self.open(&mut life);
        self.beat(&mut life);
        life
    }

    pub(crate) fn open(&mut self, life: &mut Life) {
        let runs = life.facts.iter().map(|(run_id, last_fact)| RunStanding {
            run_id: *run_id,
            applied: control::CommandId(life.applied.get(run_id).copied().unwrap_or(0)),
            last_fact: *last_fact,
        });
        let hello = life.says(WorkerMessage::Hello { runs: runs.collect() });
        life.link = self.call(|cluster, now, out| cluster.open(now, hello, out)).unwrap();
    }

    pub(crate) fn say(&mut self, life: &Life, body: WorkerMessage) {
        let message = life.says(body);
        self.call(|cluster, now, out| cluster.said(now, life.link, message, out));
    }

    pub(crate) fn beat(&mut self, life: &mut Life) -> BeatAck {
        life.beats += 1;
        life.progress += 1;
        self.beat_again(life)
    }

    /// The last beat comes once more.
    pub(crate) fn beat_again(&mut self, life: &Life) -> BeatAck {
        let beat = life.beat();
        let now = self.now;
        self.cluster.beat(now, &beat, now)
    }

    /// The worker does all it was told and had not done.
    pub(crate) fn obey(&mut self, life: &mut Life) {
        let said = self.said.get(&life.link).cloned().unwrap_or_default();
        for message in said {
            let ControllerMessage::Command(command) = message else { continue };
            let run = command.run_id;
            let applied = life.applied.entry(run).or_default();
            if command.id.0 != *applied + 1 {
                continue;
            }
            *applied += 1;
            self.say(life, WorkerMessage::Applied { run_id: run, through: command.id });
            let body = match &command.body {
                CommandBody::Prepare(_) => {
                    let layout = &self
                        .builds
                        .last()
                        .map_or_else(|| submission(1).layout, |b| b.submission.layout.clone());
                    let prepared = control::Prepared {
                        threads: 1,
                        max_vus: 64,
                        shape_hash: layout.shape_hash(),
                        notes: Vec::new(),
                    };
                    FactBody::Prepared(prepared)
                }
                CommandBody::Start { at } => FactBody::Started { at: *at, clock_error: Nanos::ZERO },
                CommandBody::Stop(_) => FactBody::Final(Box::new(final_fact(0, 0))),
                CommandBody::Revise(revision) => {
                    FactBody::Revised { revision: revision.share.revision, effective: revision.effective }
                }
                CommandBody::Once { task } => FactBody::Once { task: task.clone(), failure: None },
            };
            self.tell(life, run, body);
        }
    }

    /// The worker says that something is true.
    pub(crate) fn tell(&mut self, life: &mut Life, run: RunId, body: FactBody) {
        let fact = life.fact(run, body);
        self.say(life, WorkerMessage::Fact(Box::new(fact)));
    }

    /// Time passes, with a tick whenever one is due.
    pub(crate) fn pass(&mut self, span: Nanos) {
        let end = self.now + span;
        while self.cluster.wake_at() <= end {
            self.now = self.now.max(self.cluster.wake_at());
            self.call(|cluster, now, out| cluster.tick(now, out));
        }
        self.now = end;
    }

    /// Time passes second by second, in which these workers beat and do what they are told.
    pub(crate) fn live(&mut self, seconds: u64, lives: &mut [&mut Life]) {
        for _ in 0..seconds {
            for life in lives.iter_mut() {
                self.beat(life);
                self.obey(life);
            }
            self.pass(Nanos::SECOND);
        }
    }

    pub(crate) fn submit(&mut self, submission: Submission, key: &str) -> Result<Submitted, SubmitError> {
        let request = request(key);
        self.call(|cluster, now, out| cluster.submit(now, submission, request, out))
    }

    /// A run on all workers that are there, or as soon as there are some.
    pub(crate) fn run(&mut self, run: u128) -> RunId {
        self.submit(submission(run), &run.to_string()).unwrap();
        run_id(run)
    }

    /// Makes the results of all runs that were sealed.
    pub(crate) fn build(&mut self) {
        for build in std::mem::take(&mut self.builds) {
            let exit = api::http::RunExit { code: 0, name: "passed".to_owned(), reasons: Vec::new() };
            let outcome = Outcome { exit, result: None, bytes: 1_000 };
            let run = build.submission.run_id;
            self.call(|cluster, now, out| cluster.built(now, run, outcome, out));
        }
    }

    /// What was said on a worker's stream.
    pub(crate) fn heard(&self, life: &Life) -> &[ControllerMessage] {
        self.said.get(&life.link).map_or(&[], Vec::as_slice)
    }

    /// Numbers of commands, of acks, and of words that another token counts, on a worker's stream.
    pub(crate) fn counts(&self, life: &Life) -> (usize, usize, usize) {
        let count =
            |is: fn(&ControllerMessage) -> bool| self.heard(life).iter().filter(|said| is(said)).count();
        (
            count(|said| matches!(said, ControllerMessage::Command(_))),
            count(|said| matches!(said, ControllerMessage::Ack(_))),
            count(|said| matches!(said, ControllerMessage::Fenced { .. })),
        )
    }

    /// The last acknowledgement on a worker's stream.
    pub(crate) fn last_ack(&self, life: &Life) -> Option<Ack> {
        self.heard(life).iter().rev().find_map(|said| match said {
            ControllerMessage::Ack(ack) => Some(*ack),
            _ => None,
        })
    }

    /// The last event of a run.
    pub(crate) fn last_event(&self, run: RunId) -> Option<&RunEventBody> {
        self.events.get(&run)?.last().map(|(_, body)| body)
    }
}

impl Life {
    pub(crate) fn says(&self, body: WorkerMessage) -> FromWorker {
        FromWorker { worker: self.worker.clone(), session: self.session, token: self.token, body }
    }

    pub(crate) fn beat(&self) -> Beat {
        Beat {
            worker: self.worker.clone(),
            session: self.session,
            token: self.token,
            number: self.beats,
            sent_at: Timestamp::ORIGIN,
            progress: self.progress,
            clock: None,
        }
    }

    /// Its next fact in a run.
    pub(crate) fn fact(&mut self, run: RunId, body: FactBody) -> Fact {
        let seq = self.facts.entry(run).or_default();
        *seq += 1;
        Fact { run_id: run, worker: self.worker.clone(), session: self.session, seq: *seq, body }
    }
}

pub(crate) fn enrol(name: &str, session: u128) -> Enrol {
    Enrol {
        worker: WorkerId::new(name),
        session: SessionId(uuid::Uuid::from_u128(session)),
        versions: ProtocolVersions::SPOKEN,
        info: info(),
        labels: BTreeMap::new(),
        tasks: Vec::new(),
        weight: 1,
    }
}
