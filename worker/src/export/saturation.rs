//! How the machine fares while load is made, second by second, for whoever watches.

use std::collections::BTreeMap;

use control::WorkerHealth;
use telemetry::RunBoard;
use telemetry::catalogue as names;
use units::Nanos;

use crate::health::{EngineUse, Meter};
use crate::machine::{self, TcpCounters};

/// Looks at the machine once a second.
#[derive(Debug)]
pub(super) struct Saturation {
    meter: Meter,
    tcp: TcpCounters,
    /// CPU time of each engine thread as the load began, and the latest: one that ended has no more.
    engine: BTreeMap<String, (Nanos, Nanos)>,
    has_begun: bool,
}

/// How the names of engine threads begin.
const ENGINE: &str = "engine-";

impl Saturation {
    pub(super) fn new(excluded_threads: Option<String>) -> Self {
        let tcp = machine::tcp_counters();
        Self { meter: Meter::new(excluded_threads), tcp, engine: BTreeMap::new(), has_begun: false }
    }

    /// Load begins.
    pub(super) fn begin(&mut self) {
        self.meter.begin();
        self.engine = machine::each_threads_cpu(ENGINE).map(|(name, cpu)| (name, (cpu, cpu))).collect();
        self.has_begun = true;
    }

    /// Shows how things are.
    pub(super) fn show(&mut self, board: &RunBoard) {
        if !self.has_begun {
            return;
        }
        for (name, cpu) in machine::each_threads_cpu(ENGINE) {
            let (first, latest) = self.engine.entry(name).or_insert((cpu, cpu));
            // Another run's thread may have the name of one that ended.
            *first = (*first).min(cpu);
            *latest = cpu;
        }
        let cpu = self.engine.values().map(|(first, latest)| latest.saturating_sub(*first)).collect();
        let health = self.meter.finish(&EngineUse { cpu, coalesced: 0 });
        self.show_health(board, &health);
    }

    /// Shows how things were when load was over.
    pub(super) fn show_health(&self, board: &RunBoard, health: &WorkerHealth) {
        let set = |instrument, value| board.set(instrument, &[], value);
        board.set(&names::WORKER_CPU, &[("part", "engine")], seconds(health.engine_cpu));
        board.set(&names::WORKER_CPU, &[("part", "other")], seconds(health.other_cpu));
        set(&names::WORKER_BUSIEST_THREAD, health.busiest_thread.as_f64());
        set(&names::WORKER_THROTTLED, seconds(health.throttled));
        set(&names::WORKER_STOLEN, seconds(health.stolen));
        set(&names::WORKER_CLOCK_STEP, seconds(health.clock_step));
        set(&names::WORKER_MEMORY, machine::rss_bytes() as f64);
        set(&names::WORKER_MEMORY_PEAK, health.peak_rss_bytes as f64);
        let tcp = machine::tcp_counters().since(&self.tcp);
        set(&names::WORKER_TCP_RETRANSMITS, tcp.retransmits as f64);
        set(&names::WORKER_TCP_SYN_RETRANSMITS, tcp.syn_retransmits as f64);
        set(&names::WORKER_TCP_SYN_DROPS, tcp.listen_drops as f64);
    }
}

fn seconds(time: Nanos) -> f64 {
    time.as_u64() as f64 / Nanos::SECOND.as_u64() as f64
}
