//! Facts.

use bytes::Bytes;
use metrics::Snapshot;

use super::field::{MAX_NAME, MAX_THREADS, Reader, line, lines, uuid};
use super::{WireError, proto, snapshot, trace};
use crate::{Fact, FactBody, FinalFact, Prepared, Refusal, WorkerHealth};

impl TryFrom<proto::Fact> for Fact {
    type Error = WireError;

    fn try_from(fact: proto::Fact) -> Result<Self, WireError> {
        use proto::fact::Body;

        let of = Reader("Fact");
        let seq = of.number("seq", fact.seq)?;
        if seq == 0 {
            return Err(of.fault("seq", "is 0; facts are numbered from 1"));
        }
        let body = match of.required("body", fact.body)? {
            Body::Prepared(prepared) => FactBody::Prepared(prepared.try_into()?),
            Body::Refused(refusal) => FactBody::Refused(refusal.try_into()?),
            Body::Started(started) => {
                let of = Reader("Started");
                FactBody::Started {
                    at: of.instant("at_nanos", started.at_nanos)?,
                    clock_error: of.span("clock_error_nanos", started.clock_error_nanos)?,
                }
            }
            Body::Revised(revised) => {
                let of = Reader("Revised");
                FactBody::Revised {
                    revision: of.number("revision", revised.revision)?,
                    effective: of.span("effective_nanos", revised.effective_nanos)?,
                }
            }
            Body::Once(done) => {
                let of = Reader("OnceDone");
                let failure = done.failure.map(|why| of.text("failure", why, super::field::MAX_LINE));
                FactBody::Once { task: of.name("task", done.task, MAX_NAME)?, failure: failure.transpose()? }
            }
            Body::Measured(bytes) => FactBody::Measured(Box::new(snapshot::decode(&bytes)?)),
            Body::Traced(traced) => FactBody::Traced(traced.try_into()?),
            Body::Ended(ended) => FactBody::Final(Box::new(ended.try_into()?)),
        };
        Ok(Self {
            run_id: of.run(&fact.run_id)?,
            worker: of.worker(&fact.worker)?,
            session: of.session(&fact.session)?,
            seq,
            body,
        })
    }
}

impl TryFrom<&Fact> for proto::Fact {
    type Error = WireError;

    /// Fails for a snapshot that is too large.
    fn try_from(fact: &Fact) -> Result<Self, WireError> {
        use proto::fact::Body;

        let body = match &fact.body {
            FactBody::Prepared(prepared) => Body::Prepared(prepared.into()),
            FactBody::Refused(refusal) => Body::Refused(refusal.into()),
            FactBody::Started { at, clock_error } => Body::Started(proto::Started {
                at_nanos: at.as_nanos(),
                clock_error_nanos: clock_error.as_u64(),
            }),
            FactBody::Revised { revision, effective } => {
                Body::Revised(proto::Revised { revision: *revision, effective_nanos: effective.as_u64() })
            }
            FactBody::Once { task, failure } => {
                Body::Once(proto::OnceDone { task: task.clone(), failure: failure.as_deref().map(line) })
            }
            FactBody::Measured(measured) => Body::Measured(encoded(measured)?),
            FactBody::Traced(requests) => Body::Traced(requests.as_slice().into()),
            FactBody::Final(fact) => Body::Ended(fact.as_ref().into()),
        };
        Ok(Self {
            run_id: uuid(fact.run_id.as_uuid()),
            worker: fact.worker.as_str().to_owned(),
            session: uuid(fact.session.0),
            seq: fact.seq,
            body: Some(body),
        })
    }
}

fn encoded(measured: &Snapshot) -> Result<Bytes, WireError> {
    snapshot::encode(measured).map(Bytes::from)
}

impl TryFrom<proto::Prepared> for Prepared {
    type Error = WireError;

    fn try_from(prepared: proto::Prepared) -> Result<Self, WireError> {
        let of = Reader("Prepared");
        of.within("threads", prepared.threads.into(), 0, MAX_THREADS.into(), "")?;
        Ok(Self {
            threads: prepared.threads,
            max_vus: prepared.max_vus,
            shape_hash: prepared.shape_hash,
            notes: of.lines("notes", prepared.notes)?,
        })
    }
}

impl From<&Prepared> for proto::Prepared {
    fn from(prepared: &Prepared) -> Self {
        Self {
            threads: prepared.threads,
            max_vus: prepared.max_vus,
            shape_hash: prepared.shape_hash,
            notes: lines(&prepared.notes),
        }
    }
}

impl TryFrom<proto::Refusal> for Refusal {
    type Error = WireError;

    fn try_from(refusal: proto::Refusal) -> Result<Self, WireError> {
        let of = Reader("Refusal");
        let mut lines = of.lines("lines", refusal.lines)?;
        match proto::RefusalReason::try_from(refusal.reason) {
            Ok(proto::RefusalReason::Impossible) => Ok(Self::Impossible(lines)),
            Ok(proto::RefusalReason::Forbidden) => Ok(Self::Forbidden(lines)),
            Ok(proto::RefusalReason::Internal) => {
                of.within("lines", lines.len() as u64, 1, 1, "entries")?;
                Ok(Self::Internal(lines.remove(0)))
            }
            Ok(proto::RefusalReason::Unspecified) | Err(_) => Err(of.unknown("reason", refusal.reason)),
        }
    }
}

impl From<&Refusal> for proto::Refusal {
    fn from(refusal: &Refusal) -> Self {
        use proto::RefusalReason;

        let (reason, lines) = match refusal {
            Refusal::Impossible(texts) => (RefusalReason::Impossible, lines(texts)),
            Refusal::Forbidden(texts) => (RefusalReason::Forbidden, lines(texts)),
            Refusal::Internal(text) => (RefusalReason::Internal, vec![line(text)]),
        };
        Self { reason: reason.into(), lines }
    }
}

impl TryFrom<proto::Ended> for FinalFact {
    type Error = WireError;

    fn try_from(ended: proto::Ended) -> Result<Self, WireError> {
        let of = Reader("Ended");
        Ok(Self {
            requests_attempted: of.number("requests_attempted", ended.requests_attempted)?,
            iterations_started: of.number("iterations_started", ended.iterations_started)?,
            health: of.required("health", ended.health)?.try_into()?,
            faults: of.lines("faults", ended.faults)?,
            panicked: ended.panicked,
            left_at: ended.left_at_nanos.map(|nanos| of.span("left_at_nanos", nanos)).transpose()?,
            telemetry: trace::reports(of, ended.telemetry)?,
            executions_over_budget: of.number("executions_over_budget", ended.executions_over_budget)?,
        })
    }
}

impl From<&FinalFact> for proto::Ended {
    fn from(fact: &FinalFact) -> Self {
        Self {
            requests_attempted: fact.requests_attempted,
            iterations_started: fact.iterations_started,
            health: Some((&fact.health).into()),
            faults: lines(&fact.faults),
            panicked: fact.panicked,
            left_at_nanos: fact.left_at.map(|at| at.as_u64()),
            telemetry: trace::sent(&fact.telemetry),
            executions_over_budget: fact.executions_over_budget,
        }
    }
}

impl TryFrom<proto::WorkerHealth> for WorkerHealth {
    type Error = WireError;

    fn try_from(health: proto::WorkerHealth) -> Result<Self, WireError> {
        let of = Reader("WorkerHealth");
        Ok(Self {
            elapsed: of.span("elapsed_nanos", health.elapsed_nanos)?,
            engine_cpu: of.span("engine_cpu_nanos", health.engine_cpu_nanos)?,
            other_cpu: of.span("other_cpu_nanos", health.other_cpu_nanos)?,
            busiest_thread: of.ratio("busiest_thread", health.busiest_thread)?,
            throttled: of.span("throttled_nanos", health.throttled_nanos)?,
            stolen: of.span("stolen_nanos", health.stolen_nanos)?,
            clock_step: of.span("clock_step_nanos", health.clock_step_nanos)?,
            peak_rss_bytes: of.number("peak_rss_bytes", health.peak_rss_bytes)?,
            coalesced_intervals: of.number("coalesced_intervals", health.coalesced_intervals)?,
        })
    }
}

impl From<&WorkerHealth> for proto::WorkerHealth {
    fn from(health: &WorkerHealth) -> Self {
        Self {
            elapsed_nanos: health.elapsed.as_u64(),
            engine_cpu_nanos: health.engine_cpu.as_u64(),
            other_cpu_nanos: health.other_cpu.as_u64(),
            busiest_thread: health.busiest_thread.as_f64(),
            throttled_nanos: health.throttled.as_u64(),
            stolen_nanos: health.stolen.as_u64(),
            clock_step_nanos: health.clock_step.as_u64(),
            peak_rss_bytes: health.peak_rss_bytes,
            coalesced_intervals: health.coalesced_intervals,
        }
    }
}
