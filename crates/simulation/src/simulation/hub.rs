//! The controller's process: the cluster that is shipped, and the streams that are open to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::http::{RunEventBody, RunExit};
use control::{Ack, ClusterId, ContentDigest, Epoch, LeaseTerms, RunId};
use controller::cluster::{
    Build, Cluster, ClusterOptions, ClusterOutput, LinkId, Outcome, Request, WallClock,
};
use units::{Nanos, Timestamp};
use uuid::Uuid;
use worker::machines::link::EnrolFailure;

use super::{Event, Simulation};
use crate::judgement;
use crate::life::{Down, Up};
use crate::weather::Path;
use crate::wrong_clock::WrongClock;

/// The controller's process.
pub(super) struct Hub {
    pub(super) cluster: Cluster,
    pub(super) clock: WrongClock,
    pub(super) asleep_until: Timestamp,
    pub(super) wake: Timestamp,
    /// Streams by life and number, and back.
    links: BTreeMap<(usize, u64), LinkId>,
    streams: BTreeMap<LinkId, (usize, u64)>,
    /// Streams that ended: what comes on them afterwards is of no use, a hello neither.
    ended: BTreeSet<(usize, u64)>,
    /// The number of the last event of each run.
    events: BTreeMap<RunId, u64>,
}

/// The controller's life; there were some before.
const EPOCH: Epoch = Epoch(7);

impl Hub {
    pub(super) fn new(terms: LeaseTerms) -> Self {
        let clock = WrongClock { origin: 5_000_000_000_000, drift_ppm: 0 };
        let now = clock.shows(Timestamp::ORIGIN);
        let wall = WallClock::new(now, jiff::Timestamp::UNIX_EPOCH);
        let cluster = ClusterId(Uuid::from_u128(9));
        let mut options = ClusterOptions::new(cluster, EPOCH, "simulated".to_owned(), wall);
        options.lease = terms;
        options.limits.paused = Some(Nanos::from_secs(20));
        Self {
            cluster: Cluster::new(now, options),
            clock,
            asleep_until: Timestamp::ORIGIN,
            wake: Timestamp::NEVER,
            links: BTreeMap::new(),
            streams: BTreeMap::new(),
            ended: BTreeSet::new(),
            events: BTreeMap::new(),
        }
    }

    fn forget(&mut self, stream: (usize, u64)) -> Option<LinkId> {
        self.ended.insert(stream);
        let link = self.links.remove(&stream)?;
        self.streams.remove(&link);
        Some(link)
    }

    /// The streams of a life that are open.
    pub(super) fn streams_of(&self, life: usize) -> Vec<u64> {
        self.links.range((life, 0)..=(life, u64::MAX)).map(|((_, stream), _)| *stream).collect()
    }
}

impl Simulation {
    /// The controller hears something.
    pub(super) fn hear(&mut self, life: usize, up: Up) {
        match up {
            Up::Enrol { attempt, enrol } => {
                let result = self.call(|hub, now, out| hub.cluster.enrol(now, None, *enrol, out));
                let result = Box::new(result.map_err(EnrolFailure::Refused));
                self.send_down(life, Path::Session, Down::Enrolled { attempt, result });
            }
            Up::Open { stream, hello } => {
                if self.hub.ended.contains(&(life, stream)) {
                    return;
                }
                if let Some(link) = self.hub.links.get(&(life, stream)).copied() {
                    return self.call(|hub, now, out| hub.cluster.said(now, link, hello, out));
                }
                // The answers to a hello go to a link that is not known before it returns.
                let mut first = Vec::new();
                let now = self.hub.clock.shows(self.now);
                match self.hub.cluster.open(now, hello, &mut first) {
                    Ok(link) => {
                        self.hub.links.insert((life, stream), link);
                        self.hub.streams.insert(link, (life, stream));
                    }
                    Err(_) => self.notify(life, stream),
                }
                self.call(|_, _, out| *out = first);
            }
            Up::Say { stream, message } => {
                if let Some(link) = self.hub.links.get(&(life, stream)).copied() {
                    self.call(|hub, now, out| hub.cluster.said(now, link, message, out));
                }
            }
            Up::Close { stream } => {
                if let Some(link) = self.hub.forget((life, stream)) {
                    self.call(|hub, now, _| hub.cluster.closed(now, link));
                }
            }
            Up::Beat { grant, beat } => {
                let ack = self.call(|hub, now, _| hub.cluster.beat(now, &beat, now));
                self.send_down(life, Path::Beats, Down::Acked { grant, ack });
            }
            Up::Residual { facts } => {
                let session = facts[0].session;
                let told: BTreeSet<RunId> = facts.iter().map(|fact| fact.run_id).collect();
                let mut taken: BTreeMap<RunId, Ack> = BTreeMap::new();
                for fact in facts {
                    let ack = self.call(|hub, now, out| hub.cluster.residual(now, fact, out));
                    taken.extend(ack.map(|ack| (ack.run_id, ack)));
                }
                let (told, acks) = (told.into_iter().collect(), taken.into_values().collect());
                self.send_down(life, Path::Session, Down::Taken { session, told, acks });
            }
        }
    }

    /// Does what the controller says.
    pub(super) fn carry_out(&mut self, out: Vec<ClusterOutput>) {
        for output in out {
            match output {
                ClusterOutput::Send { link, message } => {
                    if let Some((life, stream)) = self.hub.streams.get(&link).copied() {
                        self.send_down(life, Path::Session, Down::Received { stream, message });
                    }
                }
                ClusterOutput::Close { link } => {
                    if let Some((life, stream)) = self.hub.streams.get(&link).copied() {
                        self.hub.forget((life, stream));
                        self.notify(life, stream);
                    }
                }
                ClusterOutput::Event { run, event } => {
                    let last = self.hub.events.entry(run).or_default();
                    *last += 1;
                    if event.event.seq != *last {
                        let (expected, found) = (*last, event.event.seq);
                        self.break_with(format!("I-21: event {found} comes where {expected} is due"));
                    }
                    self.trace.note(self.now, event.event.seq, &event.event.body);
                    if matches!(event.event.body, RunEventBody::Sealed(_)) && !self.seals.contains_key(&run) {
                        // It ended without having begun: there is nothing to judge.
                        let seal = judgement::Seal::unbegun();
                        self.verdicts.push(seal.verdict.clone());
                        self.seals.insert(run, seal);
                    }
                }
                ClusterOutput::Build(build) => self.sealed(&build),
            }
        }
    }

    fn sealed(&mut self, build: &Build) {
        self.advance_everybody();
        let run = build.submission.run_id;
        if self.seals.contains_key(&run) {
            return self.break_with("I-13: a run was sealed twice".to_owned());
        }
        let surroundings = judgement::Surroundings {
            classes: self.weather.classes,
            clock: self.hub.clock,
            seen: self.sink.of(run),
            now: self.now,
        };
        let seal = judgement::judge(build, &surroundings);
        if let Some(why) = &seal.broken {
            self.break_with(why.clone());
        }
        let exit = RunExit { code: 0, name: "simulated".to_owned(), reasons: Vec::new() };
        self.verdicts.push(seal.verdict.clone());
        self.seals.insert(run, seal);
        self.call(|hub, now, out| {
            hub.cluster.built(now, run, Outcome { exit, result: None, bytes: 0 }, out);
        });
    }

    /// Somebody submits run number `run`.
    pub(super) fn submit(&mut self, run: usize) {
        let Some(submission) = self.submissions.values().nth(run).cloned() else { return };
        let request = Request { key: format!("run {run}"), body: ContentDigest::of(b"") };
        let submission = Arc::unwrap_or_clone(submission);
        let id = submission.run_id;
        let taken = self.call(|hub, now, out| hub.cluster.submit(now, submission, request, out));
        if let Err(refusal) = taken {
            self.break_with(format!("run {id} was refused: {refusal}"));
        }
    }

    /// A worker's process learns that a stream is gone.
    fn notify(&mut self, life: usize, stream: u64) {
        let at = self.now + self.weather.latency + self.dice.millis(0, 3_000);
        self.plan(at, Event::ToWorker { life, down: Down::Closed { stream } });
    }
}
