//! The end of an interval: what the recorder is told beside what it recorded.

use metrics::{Activity, Gauges, Record};
use units::{Clock, Nanos, Timestamp};

use crate::core::{Core, Rotation, thread_cpu};
use crate::port::Protocol;
use crate::scenario::Load;

impl<P: Protocol, R: Record, C: Clock> Core<P, R, C> {
    pub(crate) fn rotate(&mut self, now: Timestamp) {
        let second = Nanos::SECOND.as_u64();
        let passed = (now.saturating_since(self.start).as_u64() / second) as u32;
        if passed <= self.interval {
            return;
        }
        let gauges = self.gauges();
        let activity = self.activity(now);
        self.recorder.rotate(passed - 1, gauges, activity);
        if let Some(tracing) = &mut self.tracing {
            tracing.rotate(passed - self.interval);
        }
        for scenario in &mut self.scenarios {
            scenario.peak = scenario.in_flight;
        }
        self.interval = passed;
    }

    pub(crate) fn gauges(&self) -> Gauges {
        let mut gauges = Gauges {
            requests_in_flight: self.requests_in_flight,
            open_connections: self.protocol.gauges().open,
            ..Gauges::default()
        };
        for scenario in &self.scenarios {
            gauges.iterations_in_flight += u64::from(scenario.in_flight);
            match &scenario.load {
                Load::Open(open) => {
                    // A user lives for milliseconds where the target is fast: at a full second there may be none.
                    gauges.users += u64::from(scenario.peak);
                    gauges.queued += open.queue.len() as u64;
                }
                Load::Closed(closed) => gauges.users += u64::from(closed.active.max(scenario.in_flight)),
            }
        }
        gauges
    }

    pub(crate) fn activity(&mut self, now: Timestamp) -> Activity {
        let connections = self.protocol.gauges();
        let cpu = thread_cpu();
        let before = std::mem::replace(
            &mut self.last,
            Rotation { opened: connections.opened, reused: connections.reused, cpu, at: now },
        );
        let used = cpu.saturating_sub(before.cpu);
        Activity {
            connections_opened: connections.opened - before.opened,
            connections_reused: connections.reused - before.reused,
            busy: used,
            cpu: used,
            stalled: std::mem::take(&mut self.stalled),
            wall: now.saturating_since(before.at),
        }
    }
}
