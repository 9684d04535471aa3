//! `/metrics`, `/healthz` and `/readyz` of a run in this process, on a thread and a runtime of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use anyhow::Context as _;
use net::deadline::{Limits, Meter};
use net::probe::{Page, Probe, ProbeError, Vitals};
use telemetry::{Board, catalogue};
use tokio::sync::oneshot;
use units::Nanos;

use crate::console::Console;
use crate::failure::Failure;
use crate::remote::chain;
use crate::signals::Signals;

/// A listener that shows a board; ended when dropped.
#[derive(Debug)]
pub(crate) struct MetricsPage {
    /// Asks for the end when it is dropped.
    ending: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsPage {
    /// Shows `board` at `address`, and says on `console` where that is; it is shown when this returns.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub(crate) fn start(address: SocketAddr, board: Board, console: &Console) -> Result<Self, Failure> {
        let (ending, ended) = oneshot::channel();
        let (started, start) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot make a runtime")?;
        let serve = move || {
            runtime.block_on(serve(address, board, started, ended));
            // Whoever is still connected has what there was.
            runtime.shutdown_background();
        };
        let thread =
            Builder::new().name("metrics-page".to_owned()).spawn(serve).context("cannot start a thread")?;
        let bound = start.blocking_recv().context("the thread of the metrics page ended")?;
        let address = bound.map_err(|error| {
            Failure::invalid(format!("{}; end what uses it, or name another with --listen", chain(&error)))
        })?;
        announce(console, address);
        Ok(Self { ending: Some(ending), thread: Some(thread) })
    }
}

impl Drop for MetricsPage {
    fn drop(&mut self) {
        drop(self.ending.take());
        if let Some(thread) = self.thread.take() {
            // A panic of it was told by the hook.
            let _ = thread.join();
        }
    }
}

/// Says where the metrics of a run are.
pub(crate) fn announce(console: &Console, address: SocketAddr) {
    console.say(&format!("metrics are at http://{address}/metrics"));
}

async fn serve(
    address: SocketAddr,
    board: Board,
    started: oneshot::Sender<Result<SocketAddr, ProbeError>>,
    ended: oneshot::Receiver<()>,
) {
    let probe = match Probe::bind(address).await {
        Ok(probe) => probe,
        // Whoever started it waits for this.
        Err(error) => return drop(started.send(Err(error))),
    };
    drop(started.send(Ok(probe.local_addr())));
    tokio::select! {
        () = probe.serve(OfBoard(board), Arc::new(Meter::new(Limits::default()))) => {}
        // Whether it was asked for, or whoever could ask is gone.
        _ = ended => {}
    }
}

/// A run in this process is ready as long as it is there.
struct OfBoard(Board);

impl Vitals for OfBoard {
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    async fn metrics(&self) -> Page {
        let mut page = Page::default();
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("role", "local")];
        page.family(&catalogue::BUILD_INFO).sample(&labels, 1.0);
        self.0.show(&mut page);
        page
    }
}

/// Waits until `board` was shown once more, at most for `limit`, or until a signal. A run that a signal ended is not waited
/// for: whoever sent it wants the end.
///
/// # Errors
/// When the system gives no timer.
pub(crate) fn linger(
    console: &Console,
    board: &Board,
    limit: Nanos,
    signals: &mut Signals,
) -> Result<(), Failure> {
    if signals.have_come() {
        return Ok(());
    }
    console.say(&format!("waiting for a last scrape of /metrics, at most {limit}; a signal ends it"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let before = board.times_shown();
    let scraped = async {
        while board.times_shown() == before {
            tokio::time::sleep(LOOK_EVERY.into()).await;
        }
        // What was made has yet to reach who asked for it.
        tokio::time::sleep(DELIVERY.into()).await;
    };
    runtime.context("cannot make a runtime")?.block_on(async {
        tokio::select! {
            biased;
            () = signals.next() => {}
            () = scraped => {}
            () = tokio::time::sleep(limit.into()) => {}
        }
    });
    Ok(())
}

/// A scraper comes once in seconds.
const LOOK_EVERY: Nanos = Nanos::from_millis(50);
/// For a page of some hundred kilobytes over any network.
const DELIVERY: Nanos = Nanos::from_millis(500);
