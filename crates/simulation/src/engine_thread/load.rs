//! What starts the iterations of one scenario on one thread.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::sync::Arc;

use metrics::{Period, Record};
use plan::{Course, Dealing, LoadModel, Owned, RunPlan, ScenarioId, Slot, Slots, Timetable, UserSpan};
use units::{Nanos, Timestamp};

use super::{EngineThread, digest};

/// One scenario on one thread.
pub(super) struct Scenario {
    pub(super) load: Load,
    pub(super) in_flight: u32,
    /// When no more iterations start by themselves.
    pub(super) ends: Timestamp,
    /// When what is in flight is cancelled.
    pub(super) deadline: Timestamp,
    pub(super) stopped: bool,
    pub(super) timetable: Arc<Timetable>,
    /// What is due from this run time on is another revision's.
    pub(super) until: Nanos,
    graceful_stop: Nanos,
}

pub(super) enum Load {
    Open { slots: Option<Peekable<Slots>>, limit: u32 },
    Closed { changes: Vec<Change>, next: usize, quota: Option<Quota>, all_users: u64, users: Vec<User> },
}

/// A user becomes active or inactive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    at: Nanos,
    /// Inactive sorts first.
    is_active: bool,
    user: usize,
}

/// The iterations of a quota that are this thread's.
pub(super) struct Quota {
    pub(super) owned: Peekable<Owned>,
    pub(super) end: u64,
}

/// A user of a closed model.
pub(super) struct User {
    number: u32,
    pub(super) is_active: bool,
    pub(super) is_busy: bool,
    begun: u64,
    /// The revision that made it this thread's.
    gained: u64,
    is_owned: bool,
}

impl Scenario {
    pub(super) fn new(
        plan: &RunPlan,
        course: &Course,
        id: ScenarioId,
        thread: u32,
        start: Timestamp,
    ) -> Self {
        let (scenario, dealing) = (&plan.scenarios[id.index()], course.dealing(id));
        let closed = |all: u32, quota| {
            let gained = course.revision().share.revision;
            let users: Vec<User> =
                dealing.users(thread, all).map(|number| User::new(number, gained)).collect();
            let places = users.iter().enumerate().map(|(place, user)| (user.number, place)).collect();
            let changes = changes(course.timetable(id), &places);
            Load::Closed { changes, next: 0, quota, all_users: u64::from(all), users }
        };
        let load = match &scenario.load {
            LoadModel::ArrivalRate { max_vus, .. } => {
                let slots = Some(course.slots(id, thread).peekable());
                Load::Open { slots, limit: limit(dealing, thread, *max_vus) }
            }
            LoadModel::VirtualUsers { profile } => closed(profile.max_users(), None),
            LoadModel::SharedIterations { vus, iterations, .. } => {
                let quota = Quota { owned: dealing.owned(thread).peekable(), end: *iterations };
                closed(*vus, Some(quota))
            }
        };
        let mut new = Self {
            load,
            in_flight: 0,
            ends: start,
            deadline: start,
            stopped: false,
            timetable: Arc::clone(course.timetable(id)),
            until: Nanos::MAX,
            graceful_stop: scenario.graceful_stop,
        };
        new.put_ends(start);
        new
    }

    fn put_ends(&mut self, start: Timestamp) {
        self.ends = self.timetable.end().map_or(Timestamp::NEVER, |end| start + end);
        self.deadline = self.ends + self.graceful_stop;
    }

    pub(super) fn period(&self, after: Nanos) -> Period {
        Period::from_measured(self.timetable.measured_at(after))
    }

    pub(super) fn next_slot(&mut self) -> Option<Slot> {
        let Load::Open { slots: Some(slots), .. } = &mut self.load else { return None };
        slots.peek().copied().filter(|slot| slot.due < self.until)
    }

    pub(super) fn has_started_all(&mut self, now: Timestamp) -> bool {
        match &mut self.load {
            Load::Open { .. } => now >= self.ends && self.next_slot().is_none(),
            Load::Closed { quota: None, .. } => now >= self.ends,
            Load::Closed { quota: Some(quota), .. } => quota.is_empty(),
        }
    }

    pub(super) fn is_over(&mut self, now: Timestamp) -> bool {
        self.in_flight == 0 && (self.stopped || self.has_started_all(now))
    }

    pub(super) fn next_instant(&mut self, start: Timestamp, now: Timestamp) -> Timestamp {
        let mut next = if self.in_flight > 0 { self.deadline } else { Timestamp::NEVER };
        if !self.stopped && self.ends > now {
            next = next.min(self.ends);
        }
        if let Some(slot) = self.next_slot() {
            next = next.min(start + slot.due);
        }
        if let Load::Closed { changes, next: place, .. } = &self.load
            && let Some(change) = changes.get(*place)
        {
            next = next.min(start + change.at);
        }
        next
    }
}

impl Quota {
    fn is_empty(&mut self) -> bool {
        self.owned.peek().is_none_or(|n| *n >= self.end)
    }
}

impl User {
    fn new(number: u32, gained: u64) -> Self {
        Self { number, is_active: false, is_busy: false, begun: 0, gained, is_owned: true }
    }
}

impl EngineThread {
    pub(super) fn run_closed(&mut self, index: usize, now: Timestamp) {
        let start = self.start;
        while let Load::Closed { changes, next, users, .. } = &mut self.scenarios[index].load
            && let Some(change) = changes.get(*next).copied()
            && start + change.at <= now
        {
            *next += 1;
            users[change.user].is_active = change.is_active;
            if change.is_active && !users[change.user].is_busy {
                self.start_next(index, change.user, start + change.at, now);
            }
        }
        let scenario = &self.scenarios[index];
        if now >= scenario.ends && !scenario.stopped && now < self.revise_at {
            self.stop_scenario(index, &[], now);
        }
    }

    /// Starts the next iteration of a user that became free at `intended`.
    pub(super) fn start_next(&mut self, index: usize, user: usize, intended: Timestamp, now: Timestamp) {
        let after = now.saturating_since(self.start);
        let scenario = &mut self.scenarios[index];
        let (is_ended, period) = (scenario.stopped || now >= scenario.ends, scenario.period(after));
        let is_anothers = after >= scenario.until;
        let Load::Closed { users, .. } = &mut scenario.load else { return };
        if !users[user].is_active || is_ended || is_anothers {
            return;
        }
        if !self.lease.holds(now) {
            return self.lapse(now);
        }
        let Load::Closed { quota, all_users, users, .. } = &mut self.scenarios[index].load else { return };
        let user_of = &mut users[user];
        let n = match quota {
            None => {
                (user_of.gained << 40).wrapping_add(u64::from(user_of.number) + user_of.begun * *all_users)
            }
            Some(quota) => match quota.owned.next_if(|n| *n < quota.end) {
                Some(n) => n,
                None => return,
            },
        };
        user_of.begun += 1;
        user_of.is_busy = true;
        let slot = Slot { n, due: intended.saturating_since(self.start) };
        self.record().slot_due(index, digest(index, slot), period);
        self.start_iteration(index, Some(user), slot, intended, now, period);
    }

    /// Lets `course` be what scenario `id` goes by from `effective` on.
    pub(super) fn apply(&mut self, id: ScenarioId, course: &Course, effective: Nanos, now: Timestamp) {
        let (index, thread, start) = (id.index(), self.thread, self.start);
        let model = &self.plan.scenarios[index].load;
        let scenario = &mut self.scenarios[index];
        if scenario.stopped {
            return;
        }
        scenario.timetable = Arc::clone(course.timetable(id));
        scenario.put_ends(start);
        let dealing = course.dealing(id);
        match (&mut scenario.load, model) {
            (Load::Open { slots, limit: most }, LoadModel::ArrivalRate { max_vus, .. }) => {
                let mut rest = course.slots(id, thread).peekable();
                while rest.next_if(|slot| slot.due < effective).is_some() {}
                *slots = Some(rest);
                *most = limit(dealing, thread, *max_vus);
            }
            (Load::Closed { users, quota, all_users, changes: present, next, .. }, _) => {
                let number = |course: &Course| course.revision().share.revision;
                if quota.is_none() {
                    let owned: BTreeSet<u32> = dealing.users(thread, *all_users as u32).collect();
                    for user in users.iter_mut() {
                        let is_owned = owned.contains(&user.number);
                        if is_owned && !user.is_owned {
                            user.gained = number(course);
                        }
                        user.is_owned = is_owned;
                    }
                    let known: BTreeSet<u32> = users.iter().map(|user| user.number).collect();
                    users.extend(owned.difference(&known).map(|user| User::new(*user, number(course))));
                }
                let owned = users.iter().enumerate().filter(|(_, user)| user.is_owned);
                let places = owned.map(|(place, user)| (user.number, place)).collect();
                let all = changes(course.timetable(id), &places);
                let passed = all.partition_point(|change| change.at <= effective);
                let mut active = vec![false; users.len()];
                all[..passed].iter().for_each(|change| active[change.user] = change.is_active);
                (*present, *next) = (all, passed);
                for (place, is_active) in active.into_iter().enumerate() {
                    let Load::Closed { users, .. } = &mut self.scenarios[index].load else { return };
                    let was_active = std::mem::replace(&mut users[place].is_active, is_active);
                    let intended = if was_active { now } else { (start + effective).min(now) };
                    if is_active && !users[place].is_busy {
                        self.start_next(index, place, intended, now);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The most users of an open model on `thread`.
fn limit(dealing: &Dealing, thread: u32, all: Option<u32>) -> u32 {
    all.map_or(u32::MAX, |all| dealing.users(thread, all).count() as u32)
}

/// When users, places by number, become active and inactive.
fn changes(timetable: &Timetable, places: &BTreeMap<u32, usize>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (number, user) in places {
        for UserSpan { start, end } in timetable.spans(*number) {
            changes.push(Change { at: start, is_active: true, user: *user });
            changes.push(Change { at: end, is_active: false, user: *user });
        }
    }
    changes.sort_unstable();
    changes
}
