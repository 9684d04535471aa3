//! Waiting for an instant, to the accuracy of the kernel's timers.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use units::{Clock, MonotonicClock, Timestamp};

/// All sleeps of one serving thread, behind one absolute `timerfd`.
///
/// `tokio::time` counts in milliseconds, which would show in every delay; this one wakes never early, and late by
/// the wake-up of the thread only.
#[derive(Clone, Debug)]
pub(crate) struct Sleeper {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    timer: AsyncFd<OwnedFd>,
    sleeping: Mutex<Sleeping>,
}

#[derive(Debug)]
struct Sleeping {
    wakers: BTreeMap<(Timestamp, u64), Waker>,
    next_id: u64,
    armed: Timestamp,
}

impl Sleeper {
    /// Makes a sleeper on the current runtime; [`Sleeper::drive`] must run there.
    ///
    /// # Errors
    /// When the kernel gives no timer.
    pub(crate) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let sleeping = Sleeping { wakers: BTreeMap::new(), next_id: 0, armed: Timestamp::NEVER };
        #[expect(deprecated, reason = "its successor is an unsafe fn, whose condition an owned handle meets")]
        let timer = AsyncFd::new(timer)?;
        Ok(Self { shared: Arc::new(Shared { timer, sleeping: Mutex::new(sleeping) }) })
    }

    /// Ready once `at` has come.
    pub(crate) fn until(&self, at: Timestamp) -> Sleep {
        Sleep { sleeper: self.clone(), at, id: None }
    }

    /// Wakes the sleepers for as long as it is polled.
    ///
    /// # Errors
    /// When the runtime ends or the timer fails.
    pub(crate) async fn drive(self) -> io::Result<()> {
        loop {
            // Cleared before it is read: when it fires between the two, that shows as one turn too many.
            self.shared.timer.readable().await?.clear_ready();
            match rustix::io::read(&self.shared.timer, &mut [0; 8]) {
                Ok(_) => self.wake_due(MonotonicClock.now())?,
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn wake_due(&self, now: Timestamp) -> io::Result<()> {
        let due = {
            let mut sleeping = self.lock();
            let later = sleeping.wakers.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut sleeping.wakers, later);
            let next = sleeping.wakers.first_key_value().map_or(Timestamp::NEVER, |((at, _), _)| *at);
            self.arm(&mut sleeping, next)?;
            due
        };
        due.into_values().for_each(Waker::wake);
        Ok(())
    }

    fn arm(&self, sleeping: &mut Sleeping, at: Timestamp) -> io::Result<()> {
        sleeping.armed = at;
        if at == Timestamp::NEVER {
            return Ok(());
        }
        let it_value = Timespec {
            tv_sec: (at.as_nanos() / 1_000_000_000) as i64,
            tv_nsec: (at.as_nanos() % 1_000_000_000) as _,
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.shared.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Sleeping> {
        self.shared.sleeping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Sleeper::until`].
#[derive(Debug)]
pub(crate) struct Sleep {
    sleeper: Sleeper,
    at: Timestamp,
    id: Option<u64>,
}

impl Sleep {
    /// The instant it waits for.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if MonotonicClock.now() >= self.at {
            return Poll::Ready(());
        }
        let sleeper = self.sleeper.clone();
        let mut sleeping = sleeper.lock();
        let id = *self.id.get_or_insert_with(|| {
            sleeping.next_id += 1;
            sleeping.next_id
        });
        let replaced = sleeping.wakers.insert((self.at, id), cx.waker().clone());
        if self.at < sleeping.armed {
            sleeper.arm(&mut sleeping, self.at).expect("a timer of our own takes any instant");
        }
        // What a waker holds may sleep as well, and take the lock when it goes.
        drop(sleeping);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let removed = self.sleeper.lock().wakers.remove(&(self.at, id));
            // Not under the lock, as above.
            drop(removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::Nanos;

    fn run<T>(test: impl AsyncFnOnce(Sleeper) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let sleeper = Sleeper::new().unwrap();
            tokio::spawn(sleeper.clone().drive());
            test(sleeper).await
        })
    }

    #[test]
    fn sleeps_end_in_the_order_of_their_instants_and_never_early() {
        run(async |sleeper| {
            let start = MonotonicClock.now();
            let (done, mut order) = tokio::sync::mpsc::channel(4);
            for micros in [3_000, 1_000, 2_000, 0] {
                let (sleep, done) = (sleeper.until(start + Nanos::from_micros(micros)), done.clone());
                tokio::spawn(async move {
                    let at = sleep.at();
                    sleep.await;
                    done.send((micros, MonotonicClock.now() >= at)).await.unwrap();
                });
            }
            let mut ended = Vec::new();
            for _ in 0..4 {
                ended.push(order.recv().await.unwrap());
            }
            assert_eq!(ended, [(0, true), (1_000, true), (2_000, true), (3_000, true)]);
        });
    }

    #[test]
    fn a_sleep_given_up_leaves_nothing_behind() {
        run(async |sleeper| {
            let mut sleep = sleeper.until(MonotonicClock.now() + Nanos::from_secs(3600));
            assert_eq!(Pin::new(&mut sleep).poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
            assert_eq!(sleeper.lock().wakers.len(), 1);
            drop(sleep);
            assert!(sleeper.lock().wakers.is_empty());
        });
    }
}
