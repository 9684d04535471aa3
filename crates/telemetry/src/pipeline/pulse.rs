//! Whether the exporters are alive.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use units::{Clock as _, MonotonicClock, Nanos, Timestamp};

/// The sign of life of the pipeline's runtime, and how often an exporter broke down. A runtime that hangs cannot say so:
/// whoever hands in items looks.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// The last beat, in nanoseconds on the monotonic clock.
    last: AtomicU64,
    failures: AtomicU64,
    is_silent: AtomicBool,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        let now = MonotonicClock.now().as_nanos();
        Self { last: AtomicU64::new(now), failures: AtomicU64::new(0), is_silent: AtomicBool::new(false) }
    }

    /// Beats until the runtime ends.
    pub(crate) async fn beat(&self) {
        loop {
            self.last.store(MonotonicClock.now().as_nanos(), Relaxed);
            if self.is_silent.swap(false, Relaxed) {
                tracing::warn!("the telemetry exporters are alive again");
            }
            tokio::time::sleep(BEAT.into()).await;
        }
    }

    /// Counts an exporter that panicked.
    pub(crate) fn panicked(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// Notices a runtime that hangs, once each time.
    pub(crate) fn look(&self, now: Timestamp) {
        let silence = now.as_nanos().saturating_sub(self.last.load(Relaxed));
        if silence > SILENCE.as_u64() && !self.is_silent.swap(true, Relaxed) {
            self.failures.fetch_add(1, Relaxed);
            tracing::warn!("the telemetry exporters hang; what they do not send is counted as lost");
        }
    }

    /// How often an exporter panicked or all of them hung.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }
}

const BEAT: Nanos = Nanos::SECOND;
/// A machine under full load may hold up a thread for seconds.
const SILENCE: Nanos = Nanos::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_without_a_pulse_is_noticed_once() {
        let pulse = Pulse::new();
        let last = Timestamp::from_nanos(pulse.last.load(Relaxed));
        pulse.look(last + SILENCE);
        assert_eq!(pulse.failures(), 0);
        for later in 1..4 {
            pulse.look(last + SILENCE + Nanos::from_secs(later));
        }
        assert_eq!(pulse.failures(), 1);
    }
}
