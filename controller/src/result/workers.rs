//! The machines that made the load.

use std::collections::{BTreeMap, BTreeSet};

use api::result::{Health, Host, LabelResult, SessionEnding, WorkerResult, WorkerSession, WorkerSums};
use control::{HostFacts, WorkerHealth};
use metrics::{StepTime, TimeStats};
use units::Timestamp;

use super::times::summary;
use crate::run::SealedRun;
use crate::session::{Session, SessionEnd};

/// One entry for each worker, with all its lives, in the order of their shares.
pub(super) fn workers(sealed: &SealedRun) -> Vec<WorkerResult> {
    let places: BTreeSet<usize> = sealed.sessions.iter().map(|session| session.place).collect();
    let lives = |place: &usize| {
        let lives = sealed.sessions.iter().enumerate().filter(|(_, session)| session.place == *place);
        lives.collect::<Vec<_>>()
    };
    let all: Vec<Vec<(usize, &Session)>> = places.iter().map(lives).collect();
    let weight = |lives: &Vec<(usize, &Session)>| lives.last().map_or(0, |(_, last)| u64::from(last.weight));
    let weights: u64 = all.iter().map(weight).sum();
    all.iter().filter_map(|lives| worker(sealed, lives, weights)).collect()
}

/// What workers with the same label did together, for every label.
pub(super) fn by_label(sealed: &SealedRun) -> Vec<LabelResult> {
    let mut labels: BTreeMap<(&str, &str), Vec<&Session>> = BTreeMap::new();
    for session in &sealed.sessions {
        for (label, value) in &session.labels {
            labels.entry((label, value)).or_default().push(session);
        }
    }
    let result = |((label, value), sessions): ((&str, &str), Vec<&Session>)| {
        let names: BTreeSet<String> = sessions.iter().map(|session| session.worker.to_string()).collect();
        LabelResult {
            label: label.to_owned(),
            value: value.to_owned(),
            workers: names.into_iter().collect(),
            sums: sums(sessions.into_iter()),
        }
    };
    labels.into_iter().map(result).collect()
}

fn worker(sealed: &SealedRun, lives: &[(usize, &Session)], weights: u64) -> Option<WorkerResult> {
    let sessions = || lives.iter().map(|(_, session)| *session);
    let last = sessions().next_back()?;
    // A life that was lost before it could say something leaves the place to the one before.
    let prepared = sessions().filter_map(|session| session.prepared.as_ref()).next_back();
    let last_word = sessions().filter_map(Session::final_fact).next_back();
    let started = sessions().find(|session| session.joined_at.is_none()).and_then(|session| session.started);
    let late = |at: Timestamp| sealed.start.map(|start| at.saturating_since(start).as_micros_f64());
    let notes =
        sessions().filter_map(|session| session.prepared.as_ref()).flat_map(|said| said.notes.clone());
    let faults = sessions().filter_map(Session::final_fact).flat_map(|said| said.faults.clone());
    Some(WorkerResult {
        name: last.worker.to_string(),
        version: Some(last.info.version.clone()),
        host: Some(host(&last.info.host)),
        threads: prepared.map_or(0, |prepared| prepared.threads),
        max_vus: prepared.map_or(0, |prepared| prepared.max_vus),
        start_offset_us: started.and_then(|started| late(started.at)),
        complete: sessions().all(Session::is_complete),
        health: last_word.map(|fact| health(&fact.health)),
        notes: notes.collect(),
        faults: faults.collect(),
        labels: last.labels.clone(),
        weight: last.weight,
        share: if weights > 0 { f64::from(last.weight) / weights as f64 } else { 0.0 },
        clock_error_us: started.map(|started| started.clock_error.as_micros_f64()),
        sums: sums(sessions()),
        sessions: lives.iter().map(|(index, session)| life(sealed, *index, session)).collect(),
    })
}

fn life(sealed: &SealedRun, index: usize, session: &Session) -> WorkerSession {
    let since_start = |at: Timestamp| super::since_start(sealed.start, at);
    let left_at = session.final_fact().and_then(|fact| fact.left_at);
    let ended_at = session.loss.as_ref().map(|loss| loss.at).or(session.leave.map(|leave| leave.at));
    let started = session.started.filter(|_| session.joined_at.is_none());
    let bound = sealed.missing.bounds.iter().find(|(of, _)| *of == index);
    WorkerSession {
        session: session.session.to_string(),
        joined_at_ms: session.joined_at.and_then(since_start),
        start_skew_us: started.and_then(|started| since_start(started.at)).map(|skew_ms| skew_ms * 1e3),
        clock_error_us: started.map(|started| started.clock_error.as_micros_f64()),
        ended: match &session.end {
            Some(SessionEnd::Finished(_)) if session.loss.is_some() => SessionEnding::LostAndHeard,
            Some(SessionEnd::Finished(_)) if session.leave.is_some() || left_at.is_some() => {
                SessionEnding::Left
            }
            Some(SessionEnd::Finished(_)) => SessionEnding::Finished,
            Some(SessionEnd::Refused(_)) => SessionEnding::Refused,
            Some(SessionEnd::Dismissed) => SessionEnding::Dismissed,
            Some(SessionEnd::Lost) | None => SessionEnding::Lost,
        },
        ended_at_ms: ended_at.and_then(since_start).or(left_at.map(|at| at.as_millis_f64())),
        reason: session.loss.as_ref().map(|loss| loss.reason.clone()),
        complete: session.is_complete(),
        iterations: session.sums.iterations_started,
        requests: session.sums.requests_attempted,
        unaccounted_requests_at_most: bound.map(|(_, bound)| bound.requests),
    }
}

fn sums<'a>(sessions: impl Iterator<Item = &'a Session>) -> WorkerSums {
    let mut all = WorkerSums::default();
    let mut times = TimeStats::new(StepTime::ResponseTime.shape());
    for sums in sessions.map(|session| &session.sums) {
        all.iterations = all.iterations.saturating_add(sums.iterations_started);
        all.requests = all.requests.saturating_add(sums.requests_attempted);
        all.failed = all.failed.saturating_add(sums.requests_failed);
        times.add(&sums.response_time);
    }
    all.response_time_us = summary(&times);
    all
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
