//! The kernel timer a thread sleeps on.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use units::{Timer, Timestamp};

/// One absolute `timerfd`: 25–50 µs late where `tokio::time` is 600–2000.
#[derive(Debug)]
pub(crate) struct KernelTimer {
    fd: AsyncFd<OwnedFd>,
    armed: Timestamp,
}

impl KernelTimer {
    /// Makes a timer that is not armed. Must be called on the runtime that will poll it.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = rustix::time::timerfd_create(TimerfdClockId::Boottime, flags)?;
        // SAFETY: the descriptor is open and owned by the `OwnedFd`, which is moved in and never out: it stays open,
        // and `as_raw_fd` gives the same number, for as long as the `AsyncFd` lives.
        #[expect(unsafe_code, reason = "the runtime offers no safe registration of a descriptor")]
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
        Ok(Self { fd, armed: Timestamp::NEVER })
    }

    /// The instant it fires next; [`Timestamp::NEVER`] when it is not armed.
    pub(crate) fn armed(&self) -> Timestamp {
        self.armed
    }
}

impl Timer for KernelTimer {
    fn arm(&mut self, at: Timestamp) {
        if at == self.armed {
            return;
        }
        self.armed = at;
        // All zero would disarm it, so "never" is a disarmed timer and the origin is one nanosecond later.
        let nanos = if at == Timestamp::NEVER { 0 } else { at.as_nanos().max(1) };
        let value = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: (nanos / 1_000_000_000) as i64,
                tv_nsec: (nanos % 1_000_000_000) as i64,
            },
        };
        rustix::time::timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &value)
            .expect("a timerfd of ours takes every instant");
    }

    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The expirations are not read: the registration is edge-triggered, and arming again clears them. That
        // saves a system call for every slot.
        let ready = ready!(self.fd.poll_read_ready(cx));
        ready.expect("the runtime's driver lives as long as its thread").clear_ready();
        self.armed = Timestamp::NEVER;
        Poll::Ready(())
    }
}
