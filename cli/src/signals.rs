//! SIGINT, SIGTERM and SIGHUP, counted: what they ask for is up to who listens.
//!
//! They are taken on a thread of their own, so that a reaction works even when everything else hangs.

use std::io;
use std::thread;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often the user has asked for the end.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    count: watch::Receiver<u32>,
    /// How many of them [`Signals::next`] has told.
    told: u32,
}

impl Signals {
    /// Begins to take signals: from now on they do not end the process. `react` is called on the signals' own thread
    /// with how many have come.
    ///
    /// # Errors
    /// When the system gives no thread or no signal handler.
    pub(crate) fn listen(react: impl Fn(u32) + Send + 'static) -> io::Result<Self> {
        let (sender, count) = watch::channel(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        // Registered before the thread starts: a signal right after this call is not lost.
        let (mut interrupt, mut terminate, mut hangup) = {
            let _guard = runtime.enter();
            // A file that grows beyond a limit is an error where it is written, not the end of the process.
            drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?);
            // Who starts a program with `nohup` wants it to outlive its terminal.
            let hangup = if is_ignored(Signal::HUP) { None } else { Some(signal(SignalKind::hangup())?) };
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, hangup)
        };
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                for count in 1.. {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        () = next(&mut hangup) => {}
                    }
                    sender.send_replace(count);
                    react(count);
                }
            });
        })?;
        Ok(Self { count, told: 0 })
    }

    /// Whether any has come.
    pub(crate) fn have_come(&self) -> bool {
        *self.count.borrow() > 0
    }

    /// Waits for the next one; forever, if none can come. Each is told once, also when several came at once.
    pub(crate) async fn next(&mut self) {
        while self.told >= *self.count.borrow_and_update() {
            if self.count.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        self.told += 1;
    }
}

/// Waits for the next of these signals; forever, if they are not taken.
async fn next(signals: &mut Option<tokio::signal::unix::Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether this process was started with `signal` ignored.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_in_mask(&status, "SigIgn:", signal)
}

/// Whether `signal` is in the mask called `name` of a `/proc/PID/status`.
fn is_in_mask(status: &str, name: &str, signal: Signal) -> bool {
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix(name)?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_told(signals: &mut Signals) -> bool {
        pin!(signals.next()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn the_kernel_says_what_is_ignored() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        assert!(is_in_mask(status, "SigIgn:", Signal::HUP) && is_in_mask(status, "SigIgn:", Signal::PIPE));
        assert!(!is_in_mask(status, "SigIgn:", Signal::INT) && !is_in_mask(status, "SigBlk:", Signal::HUP));
        assert!(!is_in_mask("", "SigIgn:", Signal::HUP));
    }

    #[test]
    fn signals_that_come_at_once_are_told_one_by_one() {
        let (sender, count) = watch::channel(0);
        let mut signals = Signals { count, told: 0 };
        assert!(!is_told(&mut signals) && !signals.have_come());
        sender.send_replace(1);
        sender.send_replace(2);
        assert!(is_told(&mut signals) && is_told(&mut signals) && !is_told(&mut signals));
        assert!(signals.have_come());
        sender.send_replace(3);
        assert!(is_told(&mut signals) && !is_told(&mut signals));
    }
}
