//! What of every scenario is this thread's: its slots, its users and its part of a quota.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;

use metrics::Record;
use plan::{Course, Dealing, LoadModel, Owned, ScenarioId, Timetable, UserSpan};
use units::{Clock, Nanos, Timestamp};

use crate::core::Core;
use crate::port::Protocol;
use crate::scenario::{Change, Closed, Load, Open};
use crate::thread::ThreadConfig;

/// The iterations of a quota that one thread carries, in order. They stay its own whatever becomes of the shares.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    owned: Peekable<Owned>,
    dealing: Dealing,
    thread: u32,
    /// One past the last of all threads.
    end: u64,
}

impl Quota {
    /// Whether nothing is left.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.owned.peek().is_none_or(|n| *n >= self.end)
    }

    /// Gives up what is left and returns how many that are.
    pub(crate) fn take_rest(&mut self) -> u64 {
        let next = self.owned.peek().map_or(self.end, |n| (*n).min(self.end));
        let left = self.dealing.count(self.thread, self.end) - self.dealing.count(self.thread, next);
        self.end = next;
        left
    }
}

impl Iterator for Quota {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.owned.next_if(|n| *n < self.end)
    }
}

/// What starts the iterations of each scenario on this thread; users of closed models are put into `core`.
pub(crate) fn loads<P: Protocol, R: Record, C: Clock>(
    config: &ThreadConfig,
    core: &mut Core<P, R, C>,
) -> Vec<Load> {
    config.plan.scenario_ids().map(|id| load(config, id, core)).collect()
}

fn load<P: Protocol, R: Record, C: Clock>(
    config: &ThreadConfig,
    id: ScenarioId,
    core: &mut Core<P, R, C>,
) -> Load {
    let model = &config.plan.scenarios[id.index()].load;
    let (course, thread) = (&config.course, config.thread);
    let (dealing, timetable) = (course.dealing(id).clone(), course.timetable(id));
    let gained = course.revision().share.revision;
    match model {
        LoadModel::ArrivalRate { max_vus, overload, .. } => {
            let bound = config.max_vus[id.index()];
            Load::Open(Box::new(Open {
                slots: Some(course.slots(id, thread).peekable()),
                limit: limit(&dealing, thread, *max_vus, bound),
                dealing,
                overload: *overload,
                queue: VecDeque::new(),
                free: Vec::new(),
                retired: Vec::new(),
                made: 0,
                all_users: *max_vus,
                bound,
            }))
        }
        LoadModel::VirtualUsers { profile } => {
            let numbers = dealing.users(thread, profile.max_users());
            let users = numbers.map(|number| (number, core.add_user(id.0, number, gained))).collect();
            Load::Closed(Box::new(Closed::new(profile.max_users(), None, changes(timetable, &users))))
        }
        LoadModel::SharedIterations { vus, iterations, .. } => {
            let numbers = dealing.users(thread, *vus);
            let users = numbers.map(|number| (number, core.add_user(id.0, number, gained))).collect();
            let owned = dealing.owned(thread).peekable();
            let quota = Quota { owned, dealing, thread, end: *iterations };
            Load::Closed(Box::new(Closed::new(*vus, Some(quota), changes(timetable, &users))))
        }
    }
}

/// The most users of an open model on `thread`: of `all` in all shares its own, and no more than `bound`.
fn limit(dealing: &Dealing, thread: u32, all: Option<u32>, bound: u32) -> u32 {
    all.map_or(bound, |all| (dealing.users(thread, all).count() as u32).min(bound))
}

/// When `users`, places by number, become active and inactive.
fn changes(timetable: &Timetable, users: &BTreeMap<u32, u32>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (number, user) in users {
        for UserSpan { start, end } in timetable.spans(*number) {
            changes.push(Change { at: start, active: true, user: *user });
            changes.push(Change { at: end, active: false, user: *user });
        }
    }
    changes.sort_unstable();
    changes
}

impl<P: Protocol, R: Record, C: Clock> Core<P, R, C> {
    /// Lets `course` be what scenario `id` goes by from `effective` on; all that was due before has been released.
    pub(crate) fn apply(&mut self, id: ScenarioId, course: &Course, effective: Nanos, now: Timestamp) {
        let graceful_stop = self.plan.scenarios[id.index()].graceful_stop;
        let state = &mut self.scenarios[id.index()];
        if state.stopped {
            return;
        }
        state.set_timetable(course.timetable(id), self.start, graceful_stop);
        match &mut state.load {
            Load::Open(open) => {
                let mut slots = course.slots(id, self.thread).peekable();
                // More than none only of a revision that came late.
                while slots.next_if(|slot| slot.due < effective).is_some() {}
                open.slots = Some(slots);
                open.dealing = course.dealing(id).clone();
                open.limit = limit(&open.dealing, self.thread, open.all_users, open.bound);
                open.retire();
                self.start_waiting(id.index(), now);
            }
            Load::Closed(_) => self.apply_users(id, course, effective, now),
        }
    }

    /// Makes users that are no longer this thread's inactive, those that are new active, all by the new timetable.
    fn apply_users(&mut self, id: ScenarioId, course: &Course, effective: Nanos, now: Timestamp) {
        let with_places = (0_u32..).zip(&self.users).filter(|(_, user)| user.scenario == id.0);
        let known: BTreeMap<u32, u32> = with_places.map(|(place, user)| (user.number, place)).collect();
        let Load::Closed(closed) = &self.scenarios[id.index()].load else { return };
        let users = if closed.quota.is_some() {
            known.clone()
        } else {
            let numbers = course.dealing(id).users(self.thread, closed.all_users as u32);
            numbers.map(|number| (number, self.gain(id, course, &known, number))).collect()
        };
        for (_, place) in known.iter().filter(|(number, _)| !users.contains_key(number)) {
            self.users[*place as usize].owned = false;
        }
        let changes = changes(course.timetable(id), &users);
        let next = changes.partition_point(|change| change.at <= effective);
        let mut active: BTreeMap<u32, bool> = known.values().map(|place| (*place, false)).collect();
        active.extend(changes[..next].iter().map(|change| (change.user, change.active)));
        if let Load::Closed(closed) = &mut self.scenarios[id.index()].load {
            closed.active = active.values().filter(|active| **active).count() as u32;
            closed.next = next;
            closed.changes = changes;
        }
        for (place, active) in active {
            let user = &mut self.users[place as usize];
            // One that came round after the revision's instant has waited for this.
            let intended = if user.active { now } else { (self.start + effective).min(now) };
            user.active = active;
            if active && !user.is_busy() {
                self.start_next(place, intended, now);
                self.handle_events();
            }
        }
    }

    /// The place of user `number`, who is this thread's from now on.
    fn gain(&mut self, id: ScenarioId, course: &Course, known: &BTreeMap<u32, u32>, number: u32) -> u32 {
        let revision = course.revision().share.revision;
        let Some(place) = known.get(&number) else { return self.add_user(id.0, number, revision) };
        let user = &mut self.users[*place as usize];
        if !user.owned {
            (user.owned, user.gained) = (true, revision);
        }
        *place
    }

    /// Starts slots that wait for a user, as far as there are users for them.
    fn start_waiting(&mut self, scenario: usize, now: Timestamp) {
        while let Load::Open(open) = &self.scenarios[scenario].load
            && !open.queue.is_empty()
            && self.lease.holds(now)
            && let Some(user) = self.take_user(scenario)
            && let Load::Open(open) = &mut self.scenarios[scenario].load
            && let Some(waiting) = open.queue.pop_front()
        {
            self.start_slot(user, waiting, now);
        }
    }
}
