//! The state of a run: what its records come to.

use std::sync::Arc;

use control::{Fact, FactBody, FinalFact, Refusal, RunId, StopMode, TracedRequest};
use metrics::{Layout, ShapeMismatch, Snapshot};
use plan::{Amendment, RunPlan};
use units::{Nanos, Timestamp};

use super::{Actor, Annotation, AnnotationKind, Peer, Record, Revised, RunSpec, WorkerSpec};
use crate::accounting::Missing;
use crate::contribution::Watches;
use crate::incident::{Incident, IncidentKind};
use crate::merge::{AHEAD, Merged};
use crate::session::{Leave, Loss, Session, SessionEnd, Start};
use crate::slowest::Slowest;

/// The state of a run. Only [`RunFold::apply`] changes it: the same records give the same state, also from a checkpoint
/// on.
#[derive(Clone, Debug)]
pub struct RunFold {
    /// The run.
    pub run_id: RunId,
    /// What was to be done.
    pub plan: Arc<RunPlan>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When slot 0 was due; `None` when it never came to that.
    pub start: Option<Timestamp>,
    /// When somebody asked for the end.
    pub stopped_at: Option<Timestamp>,
    /// How, as the gravest of all who asked.
    pub stop: Option<StopMode>,
    /// When nothing more was expected.
    pub sealed_at: Option<Timestamp>,
    /// The lives of its workers, in the order in which they came.
    pub sessions: Vec<Session>,
    /// What they measured, added up.
    pub merged: Merged,
    /// What went other than planned, in order of time.
    pub incidents: Vec<Incident>,
    /// What was changed, in order of time.
    pub annotations: Vec<Annotation>,
    /// How it was dealt and shaped, in order of time; the first is the plan as it was written.
    pub revisions: Vec<Revised>,
    /// What of the plan nobody carried, and what is not known; set when the run is sealed.
    pub missing: Missing,
    /// The requests worth looking at.
    pub slowest: Slowest,
    /// Facts of sessions that never took part.
    pub refused_facts: u64,
    layout: Arc<Layout>,
    watches: Arc<Watches>,
}

impl RunFold {
    /// The state of a run of which nothing was recorded yet.
    pub fn new(spec: &RunSpec) -> Self {
        Self {
            run_id: spec.run_id,
            plan: Arc::clone(&spec.plan),
            created_at: Timestamp::ORIGIN,
            start: None,
            stopped_at: None,
            stop: None,
            sealed_at: None,
            sessions: Vec::new(),
            merged: Merged::new(&spec.layout),
            incidents: Vec::new(),
            annotations: Vec::new(),
            revisions: Vec::new(),
            missing: Missing::default(),
            slowest: Slowest::default(),
            refused_facts: 0,
            layout: Arc::clone(&spec.layout),
            watches: Arc::new(Watches::new(&spec.thresholds, &spec.layout)),
        }
    }

    /// Adds what `record` says.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Created { at, workers } => self.created(*at, workers),
            Record::FactAccepted { at, fact } => self.accept(*at, fact),
            Record::Armed { start } => self.start = Some(*start),
            Record::Revised(revised) => self.revise(revised),
            Record::WorkerLost { at, who, reason, may_go_on } => self.lose(*at, who, reason, *may_go_on),
            Record::WorkerJoined { at, place, worker } => self.join(*at, *place, worker),
            Record::WorkerLeft { at, who, mode } => {
                if let Some(index) = self.position(who) {
                    self.sessions[index].leave = Some(Leave { at: *at, mode: *mode });
                }
            }
            Record::Dismissed { who } => {
                if let Some(index) = self.position(who) {
                    self.sessions[index].end = Some(SessionEnd::Dismissed);
                }
            }
            Record::Annotated(annotation) => self.annotations.push(annotation.clone()),
            Record::Noted { at, kind } => self.note(*at, kind.clone()),
            Record::Stopped { at, mode, by } => self.stopped(*at, *mode, by),
            Record::Sealed { at, refused_facts } => {
                self.sealed_at = Some(*at);
                self.refused_facts = *refused_facts;
                self.look_for_unknown_revisions(*at);
                self.missing = Missing::of(self);
                self.merged.account_for(&self.missing);
            }
        }
    }

    /// Where a session stands among [`RunFold::sessions`].
    pub fn position(&self, who: &Peer) -> Option<usize> {
        self.sessions
            .iter()
            .position(|session| session.session == who.session && session.worker == who.worker)
    }

    /// The dealing that was made last.
    ///
    /// # Panics
    /// When nothing was recorded.
    pub fn latest(&self) -> &Revised {
        self.revisions.last().expect("a run that was created has a first dealing")
    }

    /// All changes of load, in order of time.
    pub fn amendments(&self) -> Vec<Amendment> {
        self.revisions.iter().filter_map(|revised| revised.amendment).collect()
    }

    /// The run time of an instant; zero before slot 0.
    pub fn run_time(&self, at: Timestamp) -> Nanos {
        self.start.map_or(Nanos::ZERO, |start| at.saturating_since(start))
    }

    /// The weights of all places, as their workers have them: each counts as the last of its lives says.
    pub(crate) fn weights(&self) -> Vec<u32> {
        let mut weights = vec![0; self.latest().weights.len()];
        for session in &self.sessions {
            weights[session.place] = session.weight;
        }
        weights
    }

    fn created(&mut self, at: Timestamp, workers: &[WorkerSpec]) {
        self.created_at = at;
        self.sessions =
            workers.iter().enumerate().map(|(place, spec)| Session::new(spec, place, &self.layout)).collect();
        let weights = workers.iter().map(|worker| worker.weight).collect();
        self.revisions.push(Revised { at, number: 0, effective: Nanos::ZERO, weights, amendment: None });
    }

    fn join(&mut self, at: Timestamp, place: usize, worker: &WorkerSpec) {
        let mut session = Session::new(worker, place, &self.layout);
        session.joined_at = Some(at);
        session.took_up = vec![(self.latest().number, Nanos::ZERO)];
        // Nothing is its own until a revision says so.
        session.owns_from = Nanos::MAX;
        let worker = session.worker.clone();
        let again = self.sessions.iter().any(|known| known.worker == worker);
        self.sessions.push(session);
        let weights =
            &mut self.revisions.last_mut().expect("a run that was created has a first dealing").weights;
        weights.resize(weights.len().max(place + 1), 0);
        let what = if again { "came back" } else { "came to the run" };
        self.annotations.push(Annotation {
            at,
            by: Actor::worker(&worker),
            what: AnnotationKind::Workers(format!("worker `{worker}` {what}")),
        });
    }

    fn revise(&mut self, revised: &Revised) {
        for session in &mut self.sessions {
            let weight = revised.weights.get(session.place).copied().unwrap_or(0);
            let waits = session.owns_from == Nanos::MAX;
            if session.is_carrying() && session.prepared.is_some() && waits && weight > 0 {
                session.owns_from = revised.effective;
            }
        }
        self.revisions.push(revised.clone());
    }

    fn lose(&mut self, at: Timestamp, who: &Peer, reason: &str, may_go_on: bool) {
        let Some(index) = self.position(who) else { return };
        let until = if may_go_on { Nanos::MAX } else { self.run_time(at) };
        let session = &mut self.sessions[index];
        let error = session.started.map_or(Nanos::ZERO, |started| started.clock_error);
        session.owns_until = session.owns_until.min(until.saturating_add(error));
        session.end = Some(SessionEnd::Lost);
        session.loss = Some(Loss { at, reason: reason.to_owned(), may_go_on, is_quarantine: false });
        self.note(at, IncidentKind::Lost { who: who.clone(), reason: reason.to_owned() });
    }

    fn stopped(&mut self, at: Timestamp, mode: StopMode, by: &Actor) {
        if self.stopped_at.is_none() {
            self.stopped_at = Some(at);
        }
        self.stop = self.stop.max(Some(mode));
        let by = by.clone();
        self.note(
            at,
            match mode {
                StopMode::Drain => IncidentKind::Stopped { by },
                StopMode::Cancel => IncidentKind::Cancelled { by },
            },
        );
    }

    fn accept(&mut self, at: Timestamp, fact: &Fact) {
        let who = Peer::new(fact.worker.clone(), fact.session);
        let Some(index) = self.position(&who) else { return };
        let now = self.run_time(at);
        let session = &mut self.sessions[index];
        session.acked = fact.seq;
        match &session.end {
            Some(SessionEnd::Finished(_) | SessionEnd::Refused(_)) => {
                let worker = session.worker.clone();
                return self.note(at, IncidentKind::Protocol { worker, what: "it went on after its end" });
            }
            _ if session.is_quarantined() => {
                // What it says is not believed, but after its last word it sends nothing more.
                if matches!(fact.body, FactBody::Final(_)) {
                    session.owns_until = session.owns_until.min(now);
                }
                return;
            }
            _ => {}
        }
        match &fact.body {
            FactBody::Prepared(prepared) => {
                let (expected, found) = (self.layout.shape_hash(), prepared.shape_hash);
                session.prepared = Some(prepared.clone());
                if expected != found {
                    let worker = session.worker.clone();
                    self.note(
                        at,
                        IncidentKind::OtherPlan { worker, source: ShapeMismatch { expected, found } },
                    );
                }
            }
            FactBody::Refused(refusal) => self.refused(at, index, refusal),
            FactBody::Started { at, clock_error } => {
                session.started = Some(Start { at: *at, clock_error: *clock_error });
            }
            FactBody::Revised { revision, effective } => self.took_up(at, index, *revision, *effective),
            FactBody::Once { task, failure } => {
                session.once_ended = true;
                if let Some(failure) = failure {
                    let (worker, task, failure) = (session.worker.clone(), task.clone(), failure.clone());
                    self.note(at, IncidentKind::OnceFailed { worker, task, failure });
                }
            }
            FactBody::Measured(snapshot) => self.measured(at, index, snapshot),
            FactBody::Traced(requests) => self.traced(at, index, requests),
            FactBody::Final(fact) => self.finished(at, index, fact),
        }
    }

    fn refused(&mut self, at: Timestamp, index: usize, refusal: &Refusal) {
        let session = &mut self.sessions[index];
        session.end = Some(SessionEnd::Refused(refusal.clone()));
        let (worker, is_newcomer) = (session.worker.clone(), session.joined_at.is_some());
        let by = Actor::worker(&worker);
        let kind = match refusal.clone() {
            Refusal::Impossible(lines) => IncidentKind::Refused { worker, reason: lines.join("; ") },
            Refusal::Forbidden(lines) => IncidentKind::Forbidden { worker, reason: lines.join("; ") },
            Refusal::Internal(fault) => IncidentKind::Fault { worker, fault },
        };
        if is_newcomer {
            // Nothing was its own yet: the run is what it was without it, and so is its exit code.
            let what = AnnotationKind::Workers(format!("{kind}; the run goes on without it"));
            return self.annotations.push(Annotation { at, by, what });
        }
        self.note(at, kind);
    }

    fn took_up(&mut self, at: Timestamp, index: usize, revision: u64, effective: Nanos) {
        let session = &mut self.sessions[index];
        // What was told to one session alone as it left has a number that those who stay may have heard later.
        let is_common = |made: &&Revised| session.leave.is_none_or(|leave| made.at <= leave.at);
        let Some(made) = self.revisions.iter().find(|made| made.number == revision).filter(is_common) else {
            session.owns_until = session.owns_until.min(effective);
            return;
        };
        if revision > session.revised() {
            session.took_up.push((revision, effective));
        }
        // To one that was still getting ready it made no difference: nothing was its own before.
        if effective > made.effective.max(session.owns_from) {
            let (worker, asked) = (session.worker.clone(), made.effective);
            self.note(at, IncidentKind::RevisedLate { worker, revision, asked, effective });
        }
    }

    fn measured(&mut self, at: Timestamp, index: usize, snapshot: &Snapshot) {
        let session = &mut self.sessions[index];
        let now = self.start.map_or(Nanos::ZERO, |start| at.saturating_since(start));
        let taken = self.merged.add(session.place as u32, snapshot, now);
        let why = match taken.map_err(|error| error.to_string()) {
            Ok(()) => {
                session.contributions.add(&self.watches, snapshot, &self.layout);
                session.sums.add(snapshot, &self.layout).err().map(|error| error.to_string())
            }
            Err(why) => Some(why),
        };
        if let Some(why) = why {
            self.quarantine(at, index, why);
        }
    }

    fn traced(&mut self, at: Timestamp, index: usize, requests: &[TracedRequest]) {
        let latest = self.run_time(at).saturating_add(AHEAD);
        let steps = self.plan.steps.len();
        let why = requests.iter().find_map(|request| {
            let ended = request.at.saturating_add(request.response_time);
            if request.step as usize >= steps {
                Some(format!("a request of step {}, but the plan has {steps} steps", request.step))
            } else if ended > latest {
                Some(format!("a request that ended at {ended} of the run, which is not over before {latest}"))
            } else {
                None
            }
        });
        if let Some(why) = why {
            return self.quarantine(at, index, why);
        }
        let session = &mut self.sessions[index];
        session.is_traced = true;
        self.slowest.add(&session.worker, requests);
    }

    /// From now on nothing that a session says is believed.
    fn quarantine(&mut self, at: Timestamp, index: usize, why: String) {
        let session = &mut self.sessions[index];
        let worker = session.worker.clone();
        session.end = Some(SessionEnd::Lost);
        session.loss = Some(Loss { at, reason: why.clone(), may_go_on: true, is_quarantine: true });
        self.note(at, IncidentKind::Quarantined { worker, why });
    }

    /// The end of a worker's part is held against the sum of what it reported.
    fn finished(&mut self, at: Timestamp, index: usize, fact: &FinalFact) {
        let start = self.start.unwrap_or(at);
        let session = &mut self.sessions[index];
        let was_let_go = session.leave.is_some() || session.loss.is_some() || self.stopped_at.is_some();
        session.end = Some(SessionEnd::Finished(Box::new(fact.clone())));
        let began = session.started.map_or(Nanos::ZERO, |began| began.at.saturating_since(start));
        let until = fact.left_at.unwrap_or(began.saturating_add(fact.health.elapsed));
        session.owns_until = session.owns_until.min(until);
        let (who, worker) = (session.peer(), session.worker.clone());
        let sums = [
            ("requests", session.sums.requests_attempted, fact.requests_attempted),
            ("iterations", session.sums.iterations_started, fact.iterations_started),
        ];
        for (what, received, total) in sums {
            if received != total {
                let worker = worker.clone();
                self.note(at, IncidentKind::TotalsDisagree { worker, what, received, total });
            }
        }
        if let Some(left_at) = fact.left_at.filter(|_| !was_let_go) {
            self.note(at, IncidentKind::Left { who, at: left_at });
        }
        for fault in &fact.faults {
            self.note(at, IncidentKind::Fault { worker: worker.clone(), fault: fault.clone() });
        }
        if fact.panicked {
            self.note(at, IncidentKind::Panicked { worker });
        }
    }

    /// Revisions that were in force while a session may still have gone by an older one. In a run that was cut short they
    /// count from their making on: what a session gave up of the plan it counted by the dealing it had.
    fn look_for_unknown_revisions(&mut self, at: Timestamp) {
        let mut unknown = Vec::new();
        let took_part = |session: &&Session| session.prepared.is_some() && !session.is_quarantined();
        for session in self.sessions.iter().filter(took_part) {
            let lost_at = session.loss.as_ref().map_or(Timestamp::NEVER, |loss| loss.at);
            let missed = |made: &&Revised| {
                // Who is on its way out is told nothing more, and has to be out before anything changes.
                let was_told = session.leave.is_none_or(|leave| made.at <= leave.at);
                let is_unheard = made.number > session.revised() || !was_told;
                let is_cut = self.stop.is_some() && was_told && made.at < lost_at;
                is_unheard && (made.effective < session.owns_until || is_cut)
            };
            if let Some(made) = self.revisions.iter().find(missed) {
                let (worker, revision) = (session.worker.clone(), made.number);
                unknown.push(IncidentKind::RevisionUnknown { worker, revision });
            }
        }
        unknown.into_iter().for_each(|kind| self.note(at, kind));
    }

    fn note(&mut self, at: Timestamp, kind: IncidentKind) {
        // A worker that does not stop breaking the protocol is told about once.
        let is_repeated = |kind: &IncidentKind| self.incidents.iter().any(|incident| incident.kind == *kind);
        if !matches!(kind, IncidentKind::Protocol { .. }) || !is_repeated(&kind) {
            self.incidents.push(Incident { at, kind });
        }
    }
}
