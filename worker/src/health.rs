//! How the machine fared while it made load: the evidence behind a verdict.

use control::WorkerHealth;
use rustix::time::{ClockId, Timespec, clock_gettime};
use units::{Clock, MonotonicClock, Nanos, Ratio, Timestamp};

use crate::cgroup::Cgroup;
use crate::machine;

/// Watches the machine from the start of load to its end.
#[derive(Debug)]
pub(crate) struct Meter {
    cgroup: Option<Cgroup>,
    /// How the names of threads begin whose time is not the generator's.
    excluded: Option<String>,
    start: Option<Readings>,
    wall: WallClock,
}

/// Counters of the kernel at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Readings {
    at: Timestamp,
    /// CPU time of the process without the excluded threads.
    cpu: Nanos,
    throttled: Nanos,
    stolen: Nanos,
}

/// What the engine threads said at their end, and the collector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EngineUse {
    /// CPU time of each thread since the start of load.
    pub(crate) cpu: Vec<Nanos>,
    /// Intervals recorded together with the next one.
    pub(crate) coalesced: u64,
}

impl Meter {
    pub(crate) fn new(excluded: Option<String>) -> Self {
        Self { cgroup: Cgroup::of_process("cpu"), excluded, start: None, wall: WallClock::default() }
    }

    /// Load begins.
    pub(crate) fn begin(&mut self) {
        self.start = Some(self.read());
        self.watch_clock();
    }

    /// Looks whether the wall clock was set; to be called about once a second while there is load.
    pub(crate) fn watch_clock(&mut self) {
        if let Some(offset) = wall_offset() {
            self.wall.observe(MonotonicClock.now(), offset);
        }
    }

    /// Load is over.
    pub(crate) fn finish(&mut self, engine: &EngineUse) -> WorkerHealth {
        self.watch_clock();
        let end = self.read();
        let health = health(&self.start.unwrap_or(end), &end, engine);
        WorkerHealth {
            clock_step: self.wall.largest_step,
            peak_rss_bytes: machine::peak_rss_bytes(),
            ..health
        }
    }

    fn read(&self) -> Readings {
        let process = nanos(clock_gettime(ClockId::ProcessCPUTime));
        let excluded = self.excluded.as_deref().map_or(Nanos::ZERO, machine::threads_cpu);
        Readings {
            at: MonotonicClock.now(),
            cpu: process.saturating_sub(excluded),
            throttled: self.cgroup.as_ref().map_or(Nanos::ZERO, Cgroup::throttled),
            stolen: machine::stolen(),
        }
    }
}

fn health(start: &Readings, end: &Readings, engine: &EngineUse) -> WorkerHealth {
    let elapsed = end.at.saturating_since(start.at);
    let engine_cpu = engine.cpu.iter().fold(Nanos::ZERO, |sum, cpu| sum.saturating_add(*cpu));
    let busiest = engine.cpu.iter().max().copied().unwrap_or(Nanos::ZERO);
    WorkerHealth {
        elapsed,
        engine_cpu,
        other_cpu: end.cpu.saturating_sub(start.cpu).saturating_sub(engine_cpu),
        busiest_thread: Ratio::of(busiest.min(elapsed).as_u64(), elapsed.as_u64()),
        // The kernel adds up what was throttled on each CPU.
        throttled: end.throttled.saturating_sub(start.throttled).min(elapsed),
        stolen: end.stolen.saturating_sub(start.stolen),
        coalesced_intervals: engine.coalesced,
        ..WorkerHealth::default()
    }
}

/// The wall clock against the monotonic one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct WallClock {
    last: Option<(Timestamp, i128)>,
    largest_step: Nanos,
}

/// A clock that is slewed runs at most 500 ppm off (adjtimex(2)); twice that is let pass, and a little for our own
/// reading.
const SLEW_PPM: u64 = 1_000;
const READING: Nanos = Nanos::from_micros(500);

impl WallClock {
    /// Takes note of the wall clock's lead over the monotonic one, in nanoseconds.
    fn observe(&mut self, now: Timestamp, offset: i128) {
        if let Some((then, before)) = self.last.replace((now, offset)) {
            let moved = u64::try_from((offset - before).unsigned_abs()).unwrap_or(u64::MAX);
            let slewed = now.saturating_since(then).as_u64() / 1_000_000 * SLEW_PPM;
            if moved > slewed + READING.as_u64() {
                self.largest_step = self.largest_step.max(Nanos::new(moved));
            }
        }
    }
}

/// How far the wall clock is ahead of the monotonic one; `None` when we were interrupted each time we looked.
fn wall_offset() -> Option<i128> {
    (0..4).find_map(|_| {
        let before = MonotonicClock.now();
        let wall = clock_gettime(ClockId::Realtime);
        let after = MonotonicClock.now();
        let wall = i128::from(wall.tv_sec) * 1_000_000_000 + i128::from(wall.tv_nsec);
        let gap = after.saturating_since(before);
        (gap < READING).then(|| wall - i128::from(before.as_nanos()))
    })
}

fn nanos(time: Timespec) -> Nanos {
    Nanos::new(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_the_difference_of_two_readings() {
        let start = Readings {
            at: Timestamp::from_nanos(5_000_000_000),
            cpu: Nanos::from_millis(300),
            throttled: Nanos::from_millis(10),
            stolen: Nanos::from_millis(1),
        };
        let end = Readings {
            at: Timestamp::from_nanos(15_000_000_000),
            cpu: Nanos::from_millis(9_400),
            throttled: Nanos::from_millis(510),
            stolen: Nanos::from_millis(4),
        };
        let engine = EngineUse { cpu: vec![Nanos::from_secs(4), Nanos::from_secs(5)], coalesced: 3 };
        let health = health(&start, &end, &engine);
        assert_eq!(health.elapsed, Nanos::from_secs(10));
        assert_eq!(health.engine_cpu, Nanos::from_secs(9));
        assert_eq!(health.other_cpu, Nanos::from_millis(100));
        assert_eq!(health.busiest_thread, Ratio::new(0.5));
        assert_eq!(health.throttled, Nanos::from_millis(500));
        assert_eq!(health.stolen, Nanos::from_millis(3));
        assert_eq!(health.coalesced_intervals, 3);
    }

    #[test]
    fn a_slewed_clock_is_no_step_and_a_set_one_is() {
        let mut wall = WallClock::default();
        let second = |n: u64| Timestamp::from_nanos(n * 1_000_000_000);
        wall.observe(second(1), 1_000_000);
        wall.observe(second(2), 1_500_000);
        assert_eq!(wall.largest_step, Nanos::ZERO, "500 ppm");
        wall.observe(second(3), -3_598_500_000);
        assert_eq!(wall.largest_step, Nanos::from_millis(3_600));
        wall.observe(second(4), -3_598_500_000);
        wall.observe(second(5), -3_500_000_000);
        assert_eq!(wall.largest_step, Nanos::from_millis(3_600), "the largest one stays");
    }

    #[test]
    fn a_meter_that_never_began_has_nothing_to_say() {
        let health = Meter::new(None).finish(&EngineUse::default());
        assert_eq!(
            (health.elapsed, health.other_cpu, health.clock_step),
            (Nanos::ZERO, Nanos::ZERO, Nanos::ZERO)
        );
        assert!(health.peak_rss_bytes > 0);
    }

    #[test]
    fn time_of_excluded_threads_is_not_the_generators() {
        let (go, gone) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            let idle = || {
                go.wait();
                gone.wait();
            };
            std::thread::Builder::new().name("beside-1".into()).spawn_scoped(scope, idle).unwrap();
            go.wait();
            assert!(machine::threads_cpu("beside-") > Nanos::ZERO);
            assert_eq!(machine::threads_cpu("nobody-"), Nanos::ZERO);
            gone.wait();
        });
    }
}
