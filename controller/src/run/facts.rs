//! What workers say, and what the run makes of it.

use control::{CommandBody, Fact, FactBody, FinalFact, Prepared, Refusal};
use metrics::{ShapeMismatch, Snapshot};

use super::{Output, RunMachine};
use crate::incident::IncidentKind;
use crate::session::{Reception, SessionEnd};

impl RunMachine {
    /// Takes a fact if it is the worker's next one, and acknowledges what was taken. What a worker did that was given up
    /// meanwhile is still true.
    pub(super) fn take(&mut self, fact: Fact, out: &mut Vec<Output>) {
        let Some(index) = self.sessions.iter().position(|session| session.worker == fact.worker) else {
            return;
        };
        if fact.run_id != self.spec.run_id {
            return;
        }
        let session = &mut self.sessions[index];
        if session.receive(fact.seq) == Reception::Next {
            if matches!(session.end, Some(SessionEnd::Finished(_) | SessionEnd::Refused(_))) {
                self.note(IncidentKind::Protocol { worker: fact.worker, what: "it went on after its end" });
            } else {
                self.apply(index, fact.body);
            }
        }
        let through = self.sessions[index].acked;
        self.command(index, CommandBody::Ack { through }, out);
    }

    fn apply(&mut self, index: usize, body: FactBody) {
        let session = &mut self.sessions[index];
        match body {
            FactBody::Joined(info) => session.info = Some(*info),
            FactBody::Prepared(prepared) => self.prepared(index, prepared),
            FactBody::Refused(refusal) => {
                let worker = session.worker.clone();
                let kind = match refusal.clone() {
                    Refusal::Impossible(lines) => IncidentKind::Refused { worker, reason: lines.join("; ") },
                    Refusal::Internal(fault) => IncidentKind::Fault { worker, fault },
                };
                session.end = Some(SessionEnd::Refused(refusal));
                self.note(kind);
            }
            FactBody::Started { at } => session.started_at = Some(at),
            FactBody::Measured(snapshot) => self.measured(index, &snapshot),
            FactBody::Final(fact) => self.finished(index, fact),
        }
    }

    fn prepared(&mut self, index: usize, prepared: Prepared) {
        let (expected, found) = (self.spec.layout.shape_hash(), prepared.shape_hash);
        let session = &mut self.sessions[index];
        session.prepared = Some(prepared);
        if expected != found {
            let worker = session.worker.clone();
            self.note(IncidentKind::OtherPlan { worker, source: ShapeMismatch { expected, found } });
        }
    }

    fn measured(&mut self, index: usize, snapshot: &Snapshot) {
        let session = &mut self.sessions[index];
        match self.merged.add(snapshot) {
            Ok(()) => session.tally(snapshot),
            Err(source) => {
                let worker = session.worker.clone();
                self.note(IncidentKind::OtherPlan { worker, source });
            }
        }
    }

    /// The end of a worker's part is held against the sum of what it reported.
    fn finished(&mut self, index: usize, fact: Box<FinalFact>) {
        let session = &mut self.sessions[index];
        let worker = session.worker.clone();
        let sums = [
            ("requests", session.requests_attempted, fact.requests_attempted),
            ("iterations", session.iterations_started, fact.iterations_started),
        ];
        let panicked = fact.panicked;
        let faults = fact.faults.clone();
        session.end = Some(SessionEnd::Finished(fact));
        for (what, received, total) in sums {
            if received != total {
                let worker = worker.clone();
                self.note(IncidentKind::TotalsDisagree { worker, what, received, total });
            }
        }
        for fault in faults {
            self.note(IncidentKind::Fault { worker: worker.clone(), fault });
        }
        if panicked {
            self.note(IncidentKind::Panicked { worker });
        }
    }
}
