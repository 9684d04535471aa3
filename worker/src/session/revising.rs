//! Revisions on their way into force.

use plan::Revision;
use units::Nanos;

/// Revisions of a run that some engine thread has not taken up yet, and those that came before there were threads.
#[derive(Debug, Default)]
pub(crate) struct Revising {
    put_off: Vec<Revision>,
    awaited: Vec<Awaited>,
    nothing_from: Option<Nanos>,
}

#[derive(Debug)]
struct Awaited {
    revision: u64,
    effective: Nanos,
    /// Whether it gives this worker nothing.
    is_empty: bool,
    /// The threads that have taken it up.
    reported: Vec<u32>,
}

impl Revising {
    /// Keeps a revision until there are threads.
    pub(crate) fn put_off(&mut self, revision: Revision) {
        self.put_off.push(revision);
    }

    /// What was put off, in order.
    pub(crate) fn take_put_off(&mut self) -> Vec<Revision> {
        std::mem::take(&mut self.put_off)
    }

    /// Waits for what the threads say of `revision`.
    pub(crate) fn begin(&mut self, revision: &Revision) {
        let share = &revision.share;
        let weight = share.weights.get(share.index as usize).copied().unwrap_or(0);
        self.awaited.push(Awaited {
            revision: share.revision,
            effective: revision.effective,
            is_empty: weight == 0,
            reported: Vec::new(),
        });
    }

    /// Takes note that `thread` goes by `revision` from `effective` on.
    pub(crate) fn report(&mut self, thread: u32, revision: u64, effective: Nanos) {
        let awaited = self.awaited.iter_mut().find(|awaited| awaited.revision == revision);
        if let Some(awaited) = awaited
            && !awaited.reported.contains(&thread)
        {
            awaited.reported.push(thread);
            // The last thread to change is the one by which the whole worker has.
            awaited.effective = awaited.effective.max(effective);
        }
    }

    /// The revisions that now hold on all threads, by their numbers, and since which run time.
    pub(crate) fn take_answered(&mut self, is_answered: impl Fn(&[u32]) -> bool) -> Vec<(u64, Nanos)> {
        let mut answered = Vec::new();
        let nothing_from = &mut self.nothing_from;
        self.awaited.retain(|awaited| {
            let is_answered = is_answered(&awaited.reported);
            if is_answered {
                *nothing_from = awaited.is_empty.then_some(awaited.effective);
                answered.push((awaited.revision, awaited.effective));
            }
            !is_answered
        });
        answered
    }

    /// The run time from which the revision in force last gives this worker nothing; `None` when it gives something.
    pub(crate) fn nothing_from(&self) -> Option<Nanos> {
        self.nothing_from
    }
}
