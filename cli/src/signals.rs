//! SIGINT and SIGTERM, counted: what they ask for is up to who listens.
//!
//! They are taken on a thread of their own, so that a reaction works even when everything else hangs.

use std::io;
use std::thread;

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
        let (mut interrupt, mut terminate) = {
            let _guard = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                for count in 1.. {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    sender.send_replace(count);
                    react(count);
                }
            });
        })?;
        Ok(Self { count, told: 0 })
    }

    /// Signals nobody sends, for runs that are not to be stopped.
    pub(crate) fn none() -> Self {
        Self { count: watch::channel(0).1, told: 0 }
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
    fn signals_that_come_at_once_are_told_one_by_one() {
        let (sender, count) = watch::channel(0);
        let mut signals = Signals { count, told: 0 };
        assert!(!is_told(&mut signals));
        sender.send_replace(1);
        sender.send_replace(2);
        assert!(is_told(&mut signals) && is_told(&mut signals) && !is_told(&mut signals));
        sender.send_replace(3);
        assert!(is_told(&mut signals) && !is_told(&mut signals));
    }
}
