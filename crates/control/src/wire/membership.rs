//! Enrolment in the cluster and signs of life.

use std::collections::BTreeMap;

use super::field::{MAX_ENTRIES, MAX_NAME, Reader, cut, line, uuid};
use super::{WireError, proto};
use crate::{
    Beat, BeatAck, ClockOffset, Enrol, EnrolRefusal, Enrolled, Epoch, HostFacts, LeaseTerms,
    ProtocolVersions, Standing, WorkerInfo,
};

/// The most labels of a worker.
const MAX_LABELS: usize = 64;
/// The heaviest worker: as heavy as all of a run together may be.
const MAX_WEIGHT: u64 = 4_096;

impl TryFrom<proto::EnrolRequest> for Enrol {
    type Error = WireError;

    fn try_from(request: proto::EnrolRequest) -> Result<Self, WireError> {
        let of = Reader("EnrolRequest");
        of.within("labels", request.labels.len() as u64, 0, MAX_LABELS as u64, "entries")?;
        let label = |(key, value): (String, String)| {
            Ok((of.name("labels", key, MAX_NAME)?, of.text("labels", value, MAX_NAME)?))
        };
        let tasks = of.at_most("tasks", request.tasks, MAX_ENTRIES)?;
        Ok(Self {
            worker: of.worker(&request.worker)?,
            session: of.session(&request.session)?,
            versions: of.required("versions", request.versions)?.try_into()?,
            info: of.required("info", request.info)?.try_into()?,
            labels: request.labels.into_iter().map(label).collect::<Result<BTreeMap<_, _>, _>>()?,
            tasks: tasks
                .into_iter()
                .map(|task| of.name("tasks", task, MAX_NAME))
                .collect::<Result<_, _>>()?,
            weight: of.within("weight", request.weight.into(), 1, MAX_WEIGHT, "")? as u32,
        })
    }
}

impl From<&Enrol> for proto::EnrolRequest {
    fn from(enrol: &Enrol) -> Self {
        Self {
            worker: enrol.worker.as_str().to_owned(),
            session: uuid(enrol.session.0),
            versions: Some(enrol.versions.into()),
            info: Some((&enrol.info).into()),
            labels: enrol.labels.clone(),
            tasks: enrol.tasks.clone(),
            weight: enrol.weight,
        }
    }
}

impl TryFrom<proto::ProtocolVersions> for ProtocolVersions {
    type Error = WireError;

    fn try_from(versions: proto::ProtocolVersions) -> Result<Self, WireError> {
        let proto::ProtocolVersions { oldest, newest } = versions;
        Reader("ProtocolVersions").within("newest", newest.into(), oldest.into(), u32::MAX.into(), "")?;
        Ok(Self { oldest, newest })
    }
}

impl From<ProtocolVersions> for proto::ProtocolVersions {
    fn from(versions: ProtocolVersions) -> Self {
        Self { oldest: versions.oldest, newest: versions.newest }
    }
}

impl TryFrom<proto::WorkerInfo> for WorkerInfo {
    type Error = WireError;

    fn try_from(info: proto::WorkerInfo) -> Result<Self, WireError> {
        let of = Reader("WorkerInfo");
        Ok(Self {
            version: of.text("version", info.version, MAX_NAME)?,
            host: HostFacts {
                hostname: of.text("hostname", info.hostname, MAX_NAME)?,
                kernel: of.text("kernel", info.kernel, MAX_NAME)?,
                cpu: of.text("cpu", info.cpu, MAX_NAME)?,
                cpus_allowed: info.cpus_allowed,
                memory_bytes: of.number("memory_bytes", info.memory_bytes)?,
                clock_source: of.text("clock_source", info.clock_source, MAX_NAME)?,
            },
        })
    }
}

impl From<&WorkerInfo> for proto::WorkerInfo {
    fn from(info: &WorkerInfo) -> Self {
        let host = &info.host;
        Self {
            version: cut(&info.version, MAX_NAME),
            hostname: cut(&host.hostname, MAX_NAME),
            kernel: cut(&host.kernel, MAX_NAME),
            cpu: cut(&host.cpu, MAX_NAME),
            cpus_allowed: host.cpus_allowed,
            memory_bytes: host.memory_bytes,
            clock_source: cut(&host.clock_source, MAX_NAME),
        }
    }
}

impl TryFrom<proto::EnrolReply> for Result<Enrolled, EnrolRefusal> {
    type Error = WireError;

    fn try_from(reply: proto::EnrolReply) -> Result<Self, WireError> {
        use proto::enrol_reply::Outcome;

        let of = Reader("EnrolReply");
        Ok(match of.required("outcome", reply.outcome)? {
            Outcome::Enrolled(enrolled) => Ok(enrolled.try_into()?),
            Outcome::Version(refusal) => Err(EnrolRefusal::Version {
                worker: of.required("version.worker", refusal.worker)?.try_into()?,
                controller: of.required("version.controller", refusal.controller)?.try_into()?,
            }),
            Outcome::Name(refusal) => Err(EnrolRefusal::Name {
                name: of.text("name.name", refusal.name, MAX_NAME)?,
                why: of.lines("name.why", vec![refusal.why])?.remove(0),
            }),
            Outcome::Full(refusal) => Err(EnrolRefusal::Full { limit: refusal.limit }),
            Outcome::ShuttingDown(proto::ShuttingDownRefusal {}) => Err(EnrolRefusal::ShuttingDown),
        })
    }
}

impl From<&Result<Enrolled, EnrolRefusal>> for proto::EnrolReply {
    fn from(reply: &Result<Enrolled, EnrolRefusal>) -> Self {
        use proto::enrol_reply::Outcome;

        let outcome = match reply {
            Ok(enrolled) => Outcome::Enrolled(enrolled.into()),
            Err(EnrolRefusal::Version { worker, controller }) => Outcome::Version(proto::VersionRefusal {
                worker: Some((*worker).into()),
                controller: Some((*controller).into()),
            }),
            Err(EnrolRefusal::Name { name, why }) => {
                // A name that was refused may be anything.
                Outcome::Name(proto::NameRefusal { name: cut(name, MAX_NAME), why: line(why) })
            }
            Err(EnrolRefusal::Full { limit }) => Outcome::Full(proto::FullRefusal { limit: *limit }),
            Err(EnrolRefusal::ShuttingDown) => Outcome::ShuttingDown(proto::ShuttingDownRefusal {}),
        };
        Self { outcome: Some(outcome) }
    }
}

impl TryFrom<proto::Enrolled> for Enrolled {
    type Error = WireError;

    fn try_from(enrolled: proto::Enrolled) -> Result<Self, WireError> {
        let of = Reader("Enrolled");
        let beat = of.span("beat_nanos", enrolled.beat_nanos)?;
        let ttl = of.span("ttl_nanos", enrolled.ttl_nanos)?;
        let guard = of.span("guard_nanos", enrolled.guard_nanos)?;
        if beat.is_zero() {
            return Err(of.fault("beat_nanos", "is 0"));
        }
        if ttl <= guard {
            return Err(of.fault("ttl_nanos", format!("is {ttl}, not above the guard of {guard}")));
        }
        Ok(Self {
            cluster: of.cluster(&enrolled.cluster)?,
            epoch: Epoch(of.number("epoch", enrolled.epoch)?),
            token: of.token("token", enrolled.token)?,
            version: enrolled.version,
            lease: LeaseTerms { beat, ttl, guard },
        })
    }
}

impl From<&Enrolled> for proto::Enrolled {
    fn from(enrolled: &Enrolled) -> Self {
        Self {
            cluster: uuid(enrolled.cluster.0),
            token: Some(enrolled.token.into()),
            version: enrolled.version,
            beat_nanos: enrolled.lease.beat.as_u64(),
            ttl_nanos: enrolled.lease.ttl.as_u64(),
            guard_nanos: enrolled.lease.guard.as_u64(),
            epoch: enrolled.epoch.0,
        }
    }
}

impl TryFrom<proto::Beat> for Beat {
    type Error = WireError;

    fn try_from(beat: proto::Beat) -> Result<Self, WireError> {
        let of = Reader("Beat");
        Ok(Self {
            worker: of.worker(&beat.worker)?,
            session: of.session(&beat.session)?,
            token: of.token("token", beat.token)?,
            number: of.number("number", beat.number)?,
            sent_at: of.instant("sent_at_nanos", beat.sent_at_nanos)?,
            progress: beat.progress,
            clock: beat.clock.map(ClockOffset::try_from).transpose()?,
        })
    }
}

impl From<&Beat> for proto::Beat {
    fn from(beat: &Beat) -> Self {
        Self {
            worker: beat.worker.as_str().to_owned(),
            session: uuid(beat.session.0),
            token: Some(beat.token.into()),
            number: beat.number,
            sent_at_nanos: beat.sent_at.as_nanos(),
            progress: beat.progress,
            clock: beat.clock.map(Into::into),
        }
    }
}

impl TryFrom<proto::ClockOffset> for ClockOffset {
    type Error = WireError;

    fn try_from(clock: proto::ClockOffset) -> Result<Self, WireError> {
        let of = Reader("ClockOffset");
        of.number("offset_nanos", clock.offset_nanos.unsigned_abs())?;
        Ok(Self { nanos: clock.offset_nanos, error: of.span("error_nanos", clock.error_nanos)? })
    }
}

impl From<ClockOffset> for proto::ClockOffset {
    fn from(clock: ClockOffset) -> Self {
        Self { offset_nanos: clock.nanos, error_nanos: clock.error.as_u64() }
    }
}

impl TryFrom<proto::BeatAck> for BeatAck {
    type Error = WireError;

    fn try_from(ack: proto::BeatAck) -> Result<Self, WireError> {
        let of = Reader("BeatAck");
        let standing = match (proto::Standing::try_from(ack.standing), ack.current) {
            (Ok(proto::Standing::Current), None) => Standing::Current,
            (Ok(proto::Standing::Unknown), None) => Standing::Unknown,
            (Ok(proto::Standing::Fenced), current) => {
                Standing::Fenced { current: of.token("current", current)? }
            }
            (Ok(proto::Standing::Current | proto::Standing::Unknown), Some(_)) => {
                return Err(of.fault("current", "is there although the lease is not fenced"));
            }
            (Ok(proto::Standing::Unspecified) | Err(_), _) => {
                return Err(of.unknown("standing", ack.standing));
            }
        };
        let stop = |stop: proto::RunStop| {
            let of = Reader("RunStop");
            Ok((of.run(&stop.run_id)?, of.stop_mode("mode", stop.mode)?))
        };
        Ok(Self {
            epoch: Epoch(of.number("epoch", ack.epoch)?),
            number: of.number("number", ack.number)?,
            standing,
            received_at: of.instant("received_at_nanos", ack.received_at_nanos)?,
            sent_at: of.instant("sent_at_nanos", ack.sent_at_nanos)?,
            stop: ack.stop.map(stop).transpose()?,
        })
    }
}

impl From<&BeatAck> for proto::BeatAck {
    fn from(ack: &BeatAck) -> Self {
        let (standing, current) = match ack.standing {
            Standing::Current => (proto::Standing::Current, None),
            Standing::Fenced { current } => (proto::Standing::Fenced, Some(current.into())),
            Standing::Unknown => (proto::Standing::Unknown, None),
        };
        let stop = ack.stop.map(|(run, mode)| proto::RunStop {
            run_id: uuid(run.as_uuid()),
            mode: proto::StopMode::from(mode).into(),
        });
        Self {
            epoch: ack.epoch.0,
            number: ack.number,
            standing: standing.into(),
            current,
            received_at_nanos: ack.received_at.as_nanos(),
            sent_at_nanos: ack.sent_at.as_nanos(),
            stop,
        }
    }
}
