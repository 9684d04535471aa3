//! Snapshots, encoded on their own: looked through before they are unpacked, since the smallest entries of a list take
//! two bytes on the wire and a hundred in memory.

use std::collections::BTreeMap;

use metrics::{Activity, CheckCounts, Gauges, Layout, ScenarioCounts, Snapshot, StepCounts};
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::field::{MAX_THREADS, Reader};
use super::histogram::{histogram_from_wire, histogram_to_wire};
use super::{MAX_SNAPSHOT_BYTES, WireError, proto};

const OF: Reader = Reader("Snapshot");

/// The lists of a snapshot: number of the field, name, and the most entries.
const LISTS: [(u32, &str, usize); 6] = [
    (4, "steps", Layout::MAX_SERIES / 2),
    (5, "scenarios", Layout::MAX_SERIES / 4),
    (6, "checks", 65_536),
    (7, "histograms", Layout::MAX_HISTOGRAMS),
    (8, "gauges", 4_096),
    (9, "activity", MAX_THREADS as usize),
];

/// The most different statuses of a step: those from 100 to 999.
const MAX_STATUSES: usize = 900;

/// The snapshot as it travels.
///
/// # Errors
/// When it is larger than the other side takes.
pub(super) fn encode(snapshot: &Snapshot) -> Result<Vec<u8>, WireError> {
    let message = proto::Snapshot::from(snapshot);
    let length = message.encoded_len();
    if length > MAX_SNAPSHOT_BYTES {
        let why = format!("would be {length} bytes long; at most {MAX_SNAPSHOT_BYTES} can be sent");
        return Err(Reader("Fact").fault("measured", why));
    }
    Ok(message.encode_to_vec())
}

/// A snapshot that has travelled.
///
/// # Errors
/// When no recorder would have made it.
pub(super) fn decode(bytes: &[u8]) -> Result<Snapshot, WireError> {
    screen(bytes)?;
    let message = proto::Snapshot::decode(bytes).map_err(|error| OF.fault("", error.to_string()))?;
    message.try_into()
}

/// Counts the entries of all lists without unpacking them.
fn screen(mut bytes: &[u8]) -> Result<(), WireError> {
    OF.within("", bytes.len() as u64, 0, MAX_SNAPSHOT_BYTES as u64, "bytes long")?;
    let mut entries = LISTS.map(|_| 0);
    while !bytes.is_empty() {
        let mut next = || {
            let (tag, kind) = decode_key(&mut bytes)?;
            skip_field(kind, tag, &mut bytes, DecodeContext::default()).map(|()| tag)
        };
        let tag = next().map_err(|error: prost::DecodeError| OF.fault("", error.to_string()))?;
        if let Some(place) = LISTS.iter().position(|(number, ..)| *number == tag) {
            entries[place] += 1;
        }
    }
    for ((_, name, most), entries) in LISTS.into_iter().zip(entries) {
        OF.within(name, entries, 0, most as u64, "entries")?;
    }
    Ok(())
}

impl TryFrom<proto::Snapshot> for Snapshot {
    type Error = WireError;

    fn try_from(snapshot: proto::Snapshot) -> Result<Self, WireError> {
        let decoded = Self {
            first: snapshot.first,
            last: snapshot.last,
            shape_hash: snapshot.shape_hash,
            steps: ascending("steps", snapshot.steps, step)?,
            scenarios: ascending("scenarios", snapshot.scenarios, scenario)?,
            checks: ascending("checks", snapshot.checks, check)?,
            histograms: ascending("histograms", snapshot.histograms, histogram_from_wire)?,
            gauges: ascending("gauges", snapshot.gauges, |levels| Ok(gauges(levels)))?,
            activity: ascending("activity", snapshot.activity, activity)?,
            coalesced: snapshot.coalesced,
        };
        decoded.check().map_err(|fault| match std::error::Error::source(&fault) {
            Some(source) => OF.fault("", format!("{fault}: {source}")),
            None => OF.fault("", fault.to_string()),
        })?;
        Ok(decoded)
    }
}

impl From<&Snapshot> for proto::Snapshot {
    fn from(snapshot: &Snapshot) -> Self {
        let steps = snapshot.steps.iter().map(|(slot, counts)| proto::StepCounts {
            slot: *slot,
            requests: Some((&counts.requests).into()),
            sent_bytes: counts.sent_bytes,
            received_bytes: counts.received_bytes,
            statuses: counts.statuses.keys().copied().map(u32::from).collect(),
            status_counts: counts.statuses.values().copied().collect(),
        });
        let scenarios = snapshot.scenarios.iter().map(|(slot, counts)| proto::ScenarioCounts {
            slot: *slot,
            iterations: Some((&counts.iterations).into()),
            warm_up_iterations: Some((&counts.warm_up_iterations).into()),
            warm_up_requests: Some((&counts.warm_up_requests).into()),
        });
        let checks = snapshot.checks.iter().map(|(check, counts)| proto::CheckCounts {
            check: *check,
            passed: counts.passed,
            failed: counts.failed,
        });
        let gauges = snapshot.gauges.iter().map(|(at, levels)| proto::Gauges {
            at: *at,
            users: levels.users,
            iterations_in_flight: levels.iterations_in_flight,
            requests_in_flight: levels.requests_in_flight,
            queued: levels.queued,
            open_connections: levels.open_connections,
        });
        let activity = snapshot.activity.iter().map(|(thread, did)| proto::Activity {
            thread: *thread,
            connections_opened: did.connections_opened,
            connections_reused: did.connections_reused,
            busy_nanos: did.busy.as_u64(),
            cpu_nanos: did.cpu.as_u64(),
            stalled_nanos: did.stalled.as_u64(),
            wall_nanos: did.wall.as_u64(),
        });
        let histograms = snapshot.histograms.iter();
        Self {
            first: snapshot.first,
            last: snapshot.last,
            shape_hash: snapshot.shape_hash,
            steps: steps.collect(),
            scenarios: scenarios.collect(),
            checks: checks.collect(),
            histograms: histograms.map(|(series, histogram)| histogram_to_wire(*series, histogram)).collect(),
            gauges: gauges.collect(),
            activity: activity.collect(),
            coalesced: snapshot.coalesced,
        }
    }
}

/// A list as a map; each entry's key is above the one before it.
fn ascending<M, V>(
    field: &'static str,
    list: Vec<M>,
    entry: impl Fn(M) -> Result<(u32, V), WireError>,
) -> Result<BTreeMap<u32, V>, WireError> {
    let (_, _, most) = LISTS.into_iter().find(|(_, name, _)| *name == field).unwrap_or((0, field, 0));
    let mut map = BTreeMap::new();
    for message in OF.at_most(field, list, most)? {
        let (key, value) = entry(message)?;
        if map.last_key_value().is_some_and(|(before, _)| *before >= key) {
            return Err(
                OF.fault(field, format!("are not in order: {key} comes after one that is not below it"))
            );
        }
        map.insert(key, value);
    }
    Ok(map)
}

fn step(counts: proto::StepCounts) -> Result<(u32, StepCounts), WireError> {
    let of = Reader("StepCounts");
    let slot = counts.slot;
    let statuses = of.at_most("statuses", counts.statuses, MAX_STATUSES)?;
    if statuses.len() != counts.status_counts.len() {
        return Err(of.fault("status_counts", "is not as long as the list of statuses"));
    }
    if !statuses.is_sorted_by(|left, right| left < right) {
        return Err(of.fault("statuses", "are not in order"));
    }
    let statuses = statuses.into_iter().zip(counts.status_counts).map(|(status, count)| {
        let known = of.within("statuses", status.into(), 100, 999, "")?;
        Ok((known as u16, count))
    });
    let counts = StepCounts {
        requests: of.required("requests", counts.requests)?.try_into()?,
        sent_bytes: counts.sent_bytes,
        received_bytes: counts.received_bytes,
        statuses: statuses.collect::<Result<_, WireError>>()?,
    };
    Ok((slot, counts))
}

fn scenario(counts: proto::ScenarioCounts) -> Result<(u32, ScenarioCounts), WireError> {
    let of = Reader("ScenarioCounts");
    let slot = counts.slot;
    let counts = ScenarioCounts {
        iterations: of.required("iterations", counts.iterations)?.try_into()?,
        warm_up_iterations: of.required("warm_up_iterations", counts.warm_up_iterations)?.try_into()?,
        warm_up_requests: of.required("warm_up_requests", counts.warm_up_requests)?.try_into()?,
    };
    Ok((slot, counts))
}

fn check(counts: proto::CheckCounts) -> Result<(u32, CheckCounts), WireError> {
    Ok((counts.check, CheckCounts { passed: counts.passed, failed: counts.failed }))
}

fn gauges(levels: proto::Gauges) -> (u32, Gauges) {
    let gauges = Gauges {
        users: levels.users,
        iterations_in_flight: levels.iterations_in_flight,
        requests_in_flight: levels.requests_in_flight,
        queued: levels.queued,
        open_connections: levels.open_connections,
    };
    (levels.at, gauges)
}

fn activity(did: proto::Activity) -> Result<(u32, Activity), WireError> {
    let of = Reader("Activity");
    let activity = Activity {
        connections_opened: did.connections_opened,
        connections_reused: did.connections_reused,
        busy: of.span("busy_nanos", did.busy_nanos)?,
        cpu: of.span("cpu_nanos", did.cpu_nanos)?,
        stalled: of.span("stalled_nanos", did.stalled_nanos)?,
        wall: of.span("wall_nanos", did.wall_nanos)?,
    };
    Ok((did.thread, activity))
}

#[cfg(test)]
mod tests;
