//! Lists of what happens, and what comes of it.

mod leases;
mod links;
mod operator;
mod queue;
mod schedules;

pub(super) use control::{BeatAck, CommandBody, ControllerMessage, EnrolRefusal, FactBody, LeaveMode};
pub(super) use control::{ProtocolVersions, Standing, StopMode, WorkerId, WorkerMessage};
pub(super) use units::Nanos;

pub(super) use super::fixture::{Bench, Life, enrol, options, request, run_id, submission};
pub(super) use super::*;

pub(super) const SECOND: Nanos = Nanos::SECOND;

/// From the last sign of life to the loss.
pub(super) fn patience() -> Nanos {
    let lease = control::LeaseTerms::default();
    lease.ttl + lease.guard
}

/// What `loadgen status` says of a worker.
pub(super) fn state_of(bench: &Bench, worker: &str) -> Option<api::http::WorkerState> {
    let status = bench.cluster.status(bench.now);
    status.workers.iter().find(|known| known.name == worker).map(|known| known.state)
}
