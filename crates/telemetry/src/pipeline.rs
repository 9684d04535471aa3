//! The way out: bounded queues, a runtime of its own, and an account of every item.
//!
//! An [`Outlet`] takes items and never waits. Each signal has a [`Route`]: a queue, an exporter task that sends one batch
//! after another, and a [`crate::ledger::Ledger`]. [`Pipeline::close`] stops taking, flushes until its deadline and books
//! what is left; whatever the exporters do, it does not wait longer.

mod closing;
mod encode;
mod exporter;
mod pulse;
mod route;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Signal, SinkReport};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_sdk::trace::SpanData;
use tokio::runtime::{Builder, Handle, Runtime};
use units::{Clock as _, MonotonicClock, Timestamp};

use crate::carrier::{Carrier, Carry};
use crate::resource::Resource;
use crate::settings::Batches;
use crate::{Destination, Identity, Settings};
use closing::Closing;
use encode::{Encode, PointEncoder, RecordEncoder, SpanEncoder};
use exporter::Patience;
use pulse::Pulse;
use route::{Item, Route};

/// Sends telemetry until it is closed.
#[derive(Debug)]
pub struct Pipeline {
    outlet: Outlet,
    /// None when nothing is sent.
    runtime: Option<Runtime>,
}

/// Takes telemetry. Clones lead to the same pipeline; after its end they count what comes as lost.
#[derive(Clone, Debug)]
pub struct Outlet {
    spans: Option<Arc<Route<SpanData>>>,
    points: Option<Arc<Route<Metric>>>,
    records: Option<Arc<Route<LogRecord>>>,
    closing: Arc<Closing>,
    pulse: Arc<Pulse>,
}

impl Pipeline {
    /// Starts the exporters of what the settings send, on a runtime of their own.
    ///
    /// # Errors
    /// When the machine has no thread for them.
    pub fn start(settings: &Settings, identity: &Identity) -> io::Result<Self> {
        Self::start_with(settings, identity, Patience::USUAL)
    }

    fn start_with(settings: &Settings, identity: &Identity, patience: Patience) -> io::Result<Self> {
        let mut outlet = Outlet {
            spans: None,
            points: None,
            records: None,
            closing: Arc::new(Closing::new()),
            pulse: Arc::new(Pulse::new()),
        };
        if !settings.sends_anything() {
            return Ok(Self { outlet, runtime: None });
        }
        let resource = Resource::new(settings, identity);
        if let Some(to) = &settings.traces {
            // Fails now or never: what an encoder is made of does not change.
            SpanEncoder::new(&resource, to.compression)?;
        }
        // One worker of its own: whatever a receiver does is not felt elsewhere. Names are resolved on the other thread.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()?;
        let start =
            Start { runtime: runtime.handle(), outlet: &outlet, user_agent: resource.user_agent(), patience };
        let spans = settings.traces.as_ref().map(|to| {
            let (resource, compression) = (resource.clone(), to.compression);
            start.route(to, settings.span_batches, move || {
                SpanEncoder::new(&resource, compression).expect("one was made before")
            })
        });
        let points = settings.metrics.as_ref().map(|to| {
            let encoder = PointEncoder { resource: resource.clone(), compression: to.compression };
            start.route(to, settings.point_batches, move || encoder.clone())
        });
        let records = settings.logs.as_ref().map(|to| {
            let encoder = RecordEncoder { resource: resource.clone(), compression: to.compression };
            start.route(to, settings.record_batches, move || encoder.clone())
        });
        outlet = Outlet { spans, points, records, ..outlet };
        let pulse = Arc::clone(&outlet.pulse);
        runtime.spawn(async move { pulse.beat().await });
        Ok(Self { outlet, runtime: Some(runtime) })
    }

    /// Where its telemetry is taken.
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Takes no more, sends what waits, and says what became of everything. Blocks until that is done, at most until
    /// `deadline`; what is left then is booked as lost, or as unknown where it was under way. Not for async code.
    pub fn close(self, deadline: Timestamp) -> Vec<SinkReport> {
        self.outlet.close(deadline);
        self.outlet.reports()
    }
}

impl Drop for Pipeline {
    /// Ends without waiting: what is left is booked as it stands.
    fn drop(&mut self) {
        self.outlet.seal();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What all routes are started with.
struct Start<'a> {
    runtime: &'a Handle,
    outlet: &'a Outlet,
    user_agent: String,
    patience: Patience,
}

impl Start<'_> {
    /// Starts the exporter of one signal; `encoder` makes what it encodes with.
    fn route<T: Item, E: Encode<T>>(
        &self,
        to: &Destination,
        batches: Batches,
        encoder: impl Fn() -> E + Send + 'static,
    ) -> Arc<Route<T>> {
        let route = Arc::new(Route::new(to.endpoint.to_string(), batches, Arc::clone(&self.outlet.closing)));
        let (to, user_agent) = (to.clone(), self.user_agent.clone());
        let keeper = Keeper {
            route: Arc::clone(&route),
            pulse: Arc::clone(&self.outlet.pulse),
            attempt: to.timeout.into(),
            patience: self.patience,
            parts: move || (encoder(), Carrier::new(T::SIGNAL, &to, user_agent.clone())),
        };
        self.runtime.spawn(keeper.keep());
        route
    }
}

/// Keeps an exporter running: one that panics loses its batch, not the run's telemetry.
struct Keeper<T, F> {
    route: Arc<Route<T>>,
    pulse: Arc<Pulse>,
    attempt: Duration,
    patience: Patience,
    /// Makes the encoder and the carrier of a new exporter.
    parts: F,
}

impl<T: Item, F> Keeper<T, F> {
    async fn keep<E: Encode<T>, C: Carry>(self)
    where
        F: Fn() -> (E, C),
    {
        loop {
            let (encoder, carrier) = (self.parts)();
            let (route, attempt, patience) = (Arc::clone(&self.route), self.attempt, self.patience);
            let exporter =
                tokio::spawn(async move { exporter::run(&route, encoder, carrier, attempt, patience).await });
            if exporter.await.is_ok() {
                return;
            }
            self.route.give_up();
            self.pulse.panicked();
            tracing::warn!(signal = T::SIGNAL.name(), "a telemetry exporter panicked; it starts again");
            tokio::time::sleep(RESTART).await;
        }
    }
}

/// A pause before an exporter that panicked starts again, so that one that panics always takes no core.
const RESTART: Duration = Duration::from_millis(100);

impl Outlet {
    /// Whether the signal is sent anywhere.
    pub fn sends(&self, signal: Signal) -> bool {
        match signal {
            Signal::Traces => self.spans.is_some(),
            Signal::Metrics => self.points.is_some(),
            Signal::Logs => self.records.is_some(),
        }
    }

    /// Takes spans; never waits.
    pub fn spans(&self, spans: Vec<SpanData>) {
        if let Some(route) = &self.spans {
            self.pulse.look(MonotonicClock.now());
            route.push(spans);
        }
    }

    /// Takes metrics, which count by their data points; never waits.
    pub fn points(&self, metrics: Vec<Metric>) {
        if let Some(route) = &self.points {
            self.pulse.look(MonotonicClock.now());
            route.push(metrics);
        }
    }

    /// Takes log records; never waits.
    pub fn records(&self, records: Vec<LogRecord>) {
        if let Some(route) = &self.records {
            self.pulse.look(MonotonicClock.now());
            route.push(records);
        }
    }

    /// Books items that were produced elsewhere and lost before they came here.
    pub fn lost(&self, signal: Signal, items: u64) {
        match signal {
            Signal::Traces => self.spans.iter().for_each(|route| route.lost_before(items)),
            Signal::Metrics => self.points.iter().for_each(|route| route.lost_before(items)),
            Signal::Logs => self.records.iter().for_each(|route| route.lost_before(items)),
        }
    }

    /// What became of every signal that is sent, so far.
    pub fn reports(&self) -> Vec<SinkReport> {
        let spans = self.spans.iter().map(|route| route.report());
        let points = self.points.iter().map(|route| route.report());
        spans.chain(points).chain(self.records.iter().map(|route| route.report())).collect()
    }

    /// Makes the close that is under way, or the one to come, give up at `deadline` if it would not earlier.
    pub fn give_up_by(&self, deadline: Timestamp) {
        self.closing.give_up_by(deadline);
    }

    /// How often an exporter of this process panicked, or all of them hung.
    pub fn failures(&self) -> u64 {
        self.pulse.failures()
    }

    fn close(&self, deadline: Timestamp) {
        self.spans.iter().for_each(|route| route.close());
        self.points.iter().for_each(|route| route.close());
        self.records.iter().for_each(|route| route.close());
        self.closing.give_up_by(deadline);
        self.closing.wait(|| {
            self.spans.iter().all(|route| route.is_empty())
                && self.points.iter().all(|route| route.is_empty())
                && self.records.iter().all(|route| route.is_empty())
        });
        self.pulse.look(MonotonicClock.now());
        self.seal();
    }

    /// Closes the books.
    fn seal(&self) {
        self.spans.iter().for_each(|route| route.seal());
        self.points.iter().for_each(|route| route.seal());
        self.records.iter().for_each(|route| route.seal());
    }
}
