//! The machines that made the load.

use api::result::{Health, Host, WorkerResult};
use control::{HostFacts, WorkerHealth};
use units::Timestamp;

use crate::session::Session;

pub(super) fn worker(session: &Session, start: Option<Timestamp>) -> WorkerResult {
    let prepared = session.prepared.as_ref();
    let last_word = session.final_fact();
    let late = |at: Timestamp| start.map(|start| at.saturating_since(start).as_micros_f64());
    WorkerResult {
        name: session.worker.to_string(),
        version: session.info.as_ref().map(|info| info.version.clone()),
        host: session.info.as_ref().map(|info| host(&info.host)),
        threads: prepared.map_or(0, |prepared| prepared.threads),
        max_vus: prepared.map_or(0, |prepared| prepared.max_vus),
        start_offset_us: session.started_at.and_then(late),
        complete: session.is_complete(),
        health: last_word.map(|fact| health(&fact.health)),
        notes: prepared.map(|prepared| prepared.notes.clone()).unwrap_or_default(),
        faults: last_word.map(|fact| fact.faults.clone()).unwrap_or_default(),
    }
}

fn host(facts: &HostFacts) -> Host {
    Host {
        hostname: facts.hostname.clone(),
        kernel: facts.kernel.clone(),
        cpu: facts.cpu.clone(),
        cpus_allowed: facts.cpus_allowed,
        memory_bytes: facts.memory_bytes,
        clock_source: facts.clock_source.clone(),
    }
}

fn health(health: &WorkerHealth) -> Health {
    Health {
        elapsed_ms: health.elapsed.as_millis_f64(),
        engine_cpu_ms: health.engine_cpu.as_millis_f64(),
        other_cpu_ms: health.other_cpu.as_millis_f64(),
        busiest_thread_ratio: health.busiest_thread.as_f64(),
        throttled_ms: health.throttled.as_millis_f64(),
        stolen_ms: health.stolen.as_millis_f64(),
        clock_step_ms: health.clock_step.as_millis_f64(),
        peak_rss_bytes: health.peak_rss_bytes,
        coalesced_intervals: health.coalesced_intervals,
    }
}
