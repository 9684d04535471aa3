//! What a share needs of this machine, held against what there is: before the first slot, with both numbers.
//!
//! The arithmetic is pure: a [`Demand`] comes from the plan, [`Limits`] from the kernel. Connections are counted at
//! their most: users do not own connections, but each may leave an idle one at every origin of its scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::thread;

use metrics::{ErrorClass, Layout};
use plan::{LoadModel, Op, Origin, OriginId, RunPlan, ScenarioBody, ScenarioId, Scheme, Share, ShareError};
use protocols::TargetPolicy;
use units::Bytes;

use crate::launch::INTERVALS;

/// What one share of a plan needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// What each scenario needs, in the plan's order.
    pub scenarios: Vec<ScenarioDemand>,
    /// The destinations, by origin; two origins may differ in their TLS settings only.
    pub destinations: Vec<String>,
    /// Engine threads.
    pub threads: u32,
    /// Two when the target runs in this process, which holds the other end too.
    pub handles_per_connection: u64,
    /// What is recorded takes as much, in bytes.
    pub recorder_bytes: u64,
}

/// What one scenario needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioDemand {
    /// The most users of this share; `None` for as many as the machine can hold.
    pub users: Option<u64>,
    /// Where its requests go.
    pub origins: BTreeSet<OriginId>,
}

/// What this machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// File handles of this process.
    pub(crate) handles: u64,
    /// Local ports for connections to one destination.
    pub(crate) ports: u64,
    /// Memory that may still be taken, in bytes.
    pub(crate) memory: u64,
}

/// Handles of the process itself: standard streams, files of the command line, look-ups, and some to spare.
const RESERVED_HANDLES: u64 = 64;
/// Handles of an engine thread: its poller, timer and wakers.
const HANDLES_PER_THREAD: u64 = 8;
/// An idle user takes at most 512 B and its plain connection 2 KiB.
const BYTES_PER_USER: u64 = 2_560;
/// What one hot series of one thread takes in one interval.
const BYTES_PER_SERIES: u64 = 64 * 1_024;
/// `max_vus: auto` stops here: beyond it a plan should say what it wants.
const MOST_AUTOMATIC_USERS: u64 = 100_000;
/// Origins that are connected to at a time.
const PROBES: usize = 32;

impl Demand {
    /// What `share` of `plan`, recorded as `layout` says, needs on `threads` engine threads.
    ///
    /// # Errors
    /// When there is no such share.
    pub fn of(plan: &RunPlan, share: &Share, layout: &Layout, threads: u32) -> Result<Self, ShareError> {
        let scenarios = (0..).map(ScenarioId).zip(&plan.scenarios);
        let scenarios = scenarios.map(|(id, scenario)| {
            let dealing = scenario.load.deal(id, share, threads)?;
            let own = |users: u32| (0..threads).map(|thread| dealing.count(thread, u64::from(users))).sum();
            let origins = match &scenario.body {
                ScenarioBody::Task { .. } => BTreeSet::new(),
                ScenarioBody::Program(program) => {
                    program.ops.iter().filter_map(|op| origin(plan, *op)).collect()
                }
            };
            Ok(ScenarioDemand { users: scenario.load.users().map(own), origins })
        });
        let series = (layout.step_slots() + layout.scenario_slots()) as u64;
        let interval = (layout.reserved_bytes() as u64).min(series * BYTES_PER_SERIES);
        Ok(Self {
            scenarios: scenarios.collect::<Result<_, _>>()?,
            destinations: plan.origins.iter().map(destination).collect(),
            threads,
            handles_per_connection: 1,
            recorder_bytes: interval * INTERVALS as u64 * u64::from(threads),
        })
    }

    /// The most users of each scenario with `max_vus: auto`, over all threads of this share; at least one a thread.
    pub(crate) fn automatic_users(&self, limits: &Limits) -> u64 {
        let automatic = || self.scenarios.iter().filter(|scenario| scenario.users.is_none());
        let count = (automatic().count() as u64).max(1);
        let connections: u64 = automatic().map(|scenario| scenario.origins.len() as u64).sum();
        let handles = limits.handles.saturating_sub(self.handles(0)) / self.handles_per_connection;
        let memory = limits.memory.saturating_sub(self.memory(0)) / BYTES_PER_USER;
        let ports = self.ports(0).into_iter().filter_map(|(destination, used)| {
            let each: u64 = automatic().map(|scenario| self.connections_to(scenario, destination)).sum();
            limits.ports.saturating_sub(used).checked_div(each)
        });
        let ports = ports.min().unwrap_or(u64::MAX);
        (handles / connections.max(1))
            .min(memory / count)
            .min(ports)
            .min(MOST_AUTOMATIC_USERS / count)
            .max(u64::from(self.threads))
    }

    /// What there is too little of, one line each.
    pub(crate) fn findings(&self, limits: &Limits) -> Vec<String> {
        let least = u64::from(self.threads);
        let mut findings = Vec::new();
        let handles = self.handles(least);
        if handles > limits.handles {
            findings.push(format!(
                "file handles: {handles} are needed for up to {} connections, and the limit is {}; raise it (`ulimit -n \
                 {handles}`) or lower `vus` or `max_vus`",
                self.connections(least),
                limits.handles
            ));
        }
        for (destination, ports) in self.ports(least).into_iter().filter(|(_, ports)| *ports > limits.ports) {
            findings.push(format!(
                "local ports: {ports} are needed for connections to {destination}, and there are {}; widen \
                 `net.ipv4.ip_local_port_range` or lower `vus` or `max_vus`",
                limits.ports
            ));
        }
        let memory = self.memory(least);
        if memory > limits.memory {
            findings.push(format!(
                "memory: {} are needed, {} of them to record, and {} are available; lower `vus`, `max_vus` or the number \
                 of threads",
                Bytes::new(memory),
                Bytes::new(self.recorder_bytes),
                Bytes::new(limits.memory)
            ));
        }
        findings
    }

    /// File handles with `automatic` users where the plan does not say how many.
    pub fn handles(&self, automatic: u64) -> u64 {
        RESERVED_HANDLES
            + HANDLES_PER_THREAD * u64::from(self.threads)
            + self.connections(automatic) * self.handles_per_connection
    }

    /// Connections with `automatic` users where the plan does not say how many.
    pub fn connections(&self, automatic: u64) -> u64 {
        self.scenarios
            .iter()
            .map(|scenario| scenario.users.unwrap_or(automatic) * scenario.origins.len() as u64)
            .sum()
    }

    /// Local ports by destination.
    fn ports(&self, automatic: u64) -> BTreeMap<&str, u64> {
        let mut ports = BTreeMap::new();
        for destination in &self.destinations {
            let used = self.scenarios.iter().map(|scenario| {
                scenario.users.unwrap_or(automatic) * self.connections_to(scenario, destination)
            });
            ports.insert(destination.as_str(), used.sum());
        }
        ports
    }

    /// Connections of one user of `scenario` to `destination`.
    fn connections_to(&self, scenario: &ScenarioDemand, destination: &str) -> u64 {
        scenario.origins.iter().filter(|origin| self.destinations[origin.index()] == destination).count()
            as u64
    }

    /// Bytes of memory, beside those of the program with nothing to do, with `automatic` users where the plan does not
    /// say how many.
    pub fn memory(&self, automatic: u64) -> u64 {
        self.recorder_bytes + self.users(automatic) * BYTES_PER_USER
    }

    /// Users with `automatic` where the plan does not say how many.
    pub fn users(&self, automatic: u64) -> u64 {
        self.scenarios.iter().map(|scenario| scenario.users.unwrap_or(automatic)).sum()
    }
}

fn origin(plan: &RunPlan, op: Op) -> Option<OriginId> {
    match op {
        Op::Request(request) => Some(plan.requests[request.index()].origin),
        Op::Think { .. } => None,
    }
}

/// Host and port, IPv6 in brackets.
fn destination(origin: &Origin) -> String {
    let Origin { host, port, .. } = origin;
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// How many users of `scenario` each thread may have at most: an equal part of `automatic` where the plan does not
/// say how many.
pub(crate) fn users_of_thread(load: &LoadModel, automatic: u64, thread: u32, threads: u32) -> u32 {
    if load.users().is_some() {
        // Dealt by the plan itself.
        return u32::MAX;
    }
    let (thread, threads) = (u64::from(thread), u64::from(threads));
    let part = automatic / threads + u64::from(thread < automatic % threads);
    u32::try_from(part).unwrap_or(u32::MAX)
}

/// What is wrong with origins, one line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OriginFindings {
    /// This machine's policy does not allow load to go there.
    pub(crate) forbidden: Vec<String>,
    /// They cannot be connected to.
    pub(crate) unreachable: Vec<String>,
}

/// Holds against `policy` what can be known of origins without asking anybody: those that are addresses.
pub(crate) fn forbidden_addresses(origins: &[Origin], policy: &TargetPolicy) -> Vec<String> {
    let forbidden = origins.iter().filter_map(|origin| {
        let address = origin.address.or_else(|| origin.host.parse().ok())?;
        let error = policy.check(None, SocketAddr::new(address, origin.port)).err()?;
        Some(format!("target {}: {error}", url(origin)))
    });
    forbidden.collect()
}

/// Looks up and connects to every origin once, where `policy` allows it. Blocks for the origins' own bounds, several at
/// a time.
pub(crate) fn probe_origins(origins: &[Origin], policy: &TargetPolicy) -> OriginFindings {
    let mut findings = OriginFindings::default();
    for some in origins.chunks(PROBES) {
        thread::scope(|scope| {
            let probes: Vec<_> =
                some.iter().map(|origin| scope.spawn(|| protocols::probe(origin, policy))).collect();
            for (origin, probe) in some.iter().zip(probes) {
                let target = url(origin);
                match probe.join() {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) if error.class == ErrorClass::ForbiddenTarget => {
                        findings.forbidden.push(format!("target {target}: {error}"));
                    }
                    Ok(Err(error)) => findings.unreachable.push(format!(
                        "target {target}: {error}; start it or mend the address, or leave this check out with \
                         `--no-preflight`"
                    )),
                    Err(_) => findings.unreachable.push(format!("the probe of {target} panicked; this is a bug")),
                }
            }
        });
    }
    findings
}

/// Where an origin is, as people write it.
fn url(origin: &Origin) -> String {
    let scheme = match origin.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    format!("{scheme}://{}", destination(origin))
}

#[cfg(test)]
mod tests;
