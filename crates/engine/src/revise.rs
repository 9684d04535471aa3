//! Revisions on one thread: from the order to the instant at which another part of the load is its own.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use metrics::Record;
use plan::Course;
use units::{Clock, Nanos, Timestamp};

use crate::core::Core;
use crate::port::Protocol;

/// A revision that a thread goes by, or will from its instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revised {
    /// The thread.
    pub thread: u32,
    /// The revision's number.
    pub revision: u64,
    /// The run time from which it holds on this thread: later than the revision says when it came too late.
    pub effective: Nanos,
}

/// Who is told when a thread takes up a revision: called on the engine's thread, it must not wait.
#[derive(Clone, Default)]
pub struct Watcher {
    tell: Option<Arc<dyn Fn(Revised) + Send + Sync>>,
}

impl Watcher {
    /// Has `tell` called for every revision that a thread takes up.
    pub fn new(tell: impl Fn(Revised) + Send + Sync + 'static) -> Self {
        Self { tell: Some(Arc::new(tell)) }
    }

    /// Nobody is told: in a run without revisions.
    pub fn nobody() -> Self {
        Self::default()
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tell.is_some() { "Watcher" } else { "Watcher::nobody" })
    }
}

/// Revisions that were taken up and wait for their instants, in order.
#[derive(Debug)]
pub(crate) struct Revisions {
    waiting: VecDeque<(Nanos, Arc<Course>)>,
    /// The number of the one that was taken up last.
    last: u64,
    watcher: Watcher,
}

impl Revisions {
    /// A thread that goes by `course` from its start on.
    pub(crate) fn new(course: &Course, watcher: Watcher) -> Self {
        Self { waiting: VecDeque::new(), last: course.revision().share.revision, watcher }
    }

    /// The run time up to which slots are by the revision in force.
    fn until(&self) -> Nanos {
        self.waiting.front().map_or(Nanos::MAX, |(effective, _)| *effective)
    }

    /// Those that wait, each with the run time up to which it will be in force.
    pub(crate) fn take_waiting(&mut self) -> Vec<(Range<Nanos>, Arc<Course>)> {
        let ends: Vec<Nanos> = self.waiting.iter().skip(1).map(|next| next.0).chain([Nanos::MAX]).collect();
        let waiting = self.waiting.drain(..).zip(ends);
        waiting.map(|((effective, course), end)| (effective..end, course)).collect()
    }
}

impl<P: Protocol, R: Record, C: Clock> Core<P, R, C> {
    /// Takes up a revision: what is due before its instant, or now if that has passed, stays as it is. One that is no
    /// newer than the last has no effect, and none has on a thread that has left.
    pub(crate) fn revise(&mut self, course: Arc<Course>) {
        let revision = course.revision();
        let number = revision.share.revision;
        if number <= self.revisions.last || self.left_at.is_some() {
            return;
        }
        let now = self.clock.now().saturating_since(self.start);
        let before = self.revisions.waiting.back().map_or(Nanos::ZERO, |(effective, _)| *effective);
        let effective = revision.effective.max(now).max(before);
        self.revisions.last = number;
        if let Some(tell) = &self.revisions.watcher.tell {
            tell(Revised { thread: self.thread, revision: number, effective });
        }
        self.revisions.waiting.push_back((effective, course));
        self.put_limits();
    }

    /// Lets the revisions come into force whose instants have come and before which nothing is left to be released.
    pub(crate) fn apply_revisions(&mut self, now: Timestamp) {
        while let Some((effective, _)) = self.revisions.waiting.front()
            && self.start + *effective <= now
            && self.scenarios.iter_mut().all(|scenario| scenario.next_slot().is_none())
            && let Some((effective, course)) = self.revisions.waiting.pop_front()
        {
            self.put_limits();
            if let Some(tracing) = &mut self.tracing {
                tracing.set_share(&course.revision().share, self.threads);
            }
            for id in self.plan.scenario_ids() {
                self.apply(id, &course, effective, now);
            }
        }
    }

    /// Gives every scenario the instant up to which its slots are by the revision in force.
    fn put_limits(&mut self) {
        let until = self.revisions.until();
        for scenario in &mut self.scenarios {
            scenario.until = until;
        }
        self.revise_at = self.start + until;
        self.next_scheduled = self.next_scheduled.min(self.revise_at);
    }
}
