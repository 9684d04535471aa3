//! What of a plan nobody carried, and how much of what was done is not known.
//!
//! ```text
//! planned = due (what sessions told) + remainder
//! remainder = unsent{lease_ended}   when every session that ended early said how far it came
//!           = unaccounted           when the last word of one is missing
//! ```
//!
//! Without a session that ended early a remainder is a broken ledger, which the verdict finds.

use metrics::{Outcomes, ScenarioTime};
use plan::{Amendment, LoadModel, ScenarioId};
use units::Nanos;

use crate::merge::Merged;
use crate::planned::Planned;
use crate::run::RunFold;
use crate::session::Session;

/// What is missing of a run. Slots are those of the layout's scenarios.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Slots that came due when their worker's right to send had ended and nobody else had it yet.
    pub lease_ended: Vec<(usize, u64)>,
    /// Slots of which nobody knows what became of them.
    pub unaccounted: Vec<(usize, u64)>,
    /// For each session whose last word is missing, by its number: what it may have sent beyond what it told.
    pub bounds: Vec<(usize, Bound)>,
}

/// The most requests that the target may have seen and no report holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// So many.
    pub requests: u64,
    /// Whether it rests on the pace that was observed: users of a closed model start as often as the target lets them.
    pub is_estimate: bool,
}

impl Missing {
    /// What is missing of a run that is over.
    pub(crate) fn of(fold: &RunFold) -> Self {
        if fold.start.is_none() {
            return Self::default();
        }
        let mut missing = Self::default();
        let planned = Planned::new(&fold.plan, &fold.amendments());
        let mut remainder: Vec<(usize, u64)> = Vec::new();
        if fold.sessions.iter().any(Session::ended_early) {
            let left = planned_and_due(&planned, &fold.merged).into_iter();
            let left = left.map(|(slot, planned, due)| (slot, planned.saturating_sub(due)));
            remainder.extend(left.filter(|(_, count)| *count > 0));
        }
        let said_all = |session: &Session| !session.ended_early() || session.final_fact().is_some();
        if fold.sessions.iter().all(said_all) {
            missing.lease_ended = remainder;
        } else {
            missing.unaccounted = remainder;
        }
        let lost = fold.sessions.iter().enumerate().filter(|(_, session)| session.is_missing());
        missing.bounds = lost.map(|(index, session)| (index, bound(fold, &planned, session))).collect();
        missing
    }

    /// What all lost sessions together may have sent beyond what they told; `None` when every session said all.
    pub fn bound(&self) -> Option<Bound> {
        let add = |sum: Bound, (_, more): &(usize, Bound)| Bound {
            requests: sum.requests.saturating_add(more.requests),
            is_estimate: sum.is_estimate || more.is_estimate,
        };
        (!self.bounds.is_empty()).then(|| self.bounds.iter().fold(Bound::default(), add))
    }

    /// Slots that nobody carried or knows of.
    pub fn slots(&self) -> u64 {
        self.lease_ended.iter().chain(&self.unaccounted).map(|(_, count)| count).sum()
    }
}

/// What the plan, as it was changed, holds, and what came due, in iterations, for each slot of scenarios in the layout.
/// Slots with a scenario whose plan says nothing of iterations, but only of users, are left out.
///
/// # Cost
/// Counts the whole plan once.
pub(crate) fn planned_and_due(planned: &Planned<'_>, merged: &Merged) -> Vec<(usize, u64, u64)> {
    let totals = merged.totals();
    let layout = totals.layout();
    let mut sums = vec![Some(0_u64); layout.scenario_slots()];
    for index in 0..layout.catalog().scenarios.len() {
        let sum = &mut sums[layout.scenario_slot(index)];
        *sum = sum.zip(planned.iterations(index)).map(|(sum, more)| sum.saturating_add(more));
    }
    let due = |slot: usize| {
        let counts = totals.scenarios([slot]);
        counts.iterations.due.count + counts.warm_up_iterations.due.count
    };
    sums.into_iter().enumerate().filter_map(|(slot, planned)| Some((slot, planned?, due(slot)))).collect()
}

/// The most requests that a lost session may have sent beyond what it told.
///
/// Of an open scenario it may have taken up every slot that was its own until it had to stop and that it has not told
/// about, and what it told to wait or to run may have gone on; each iteration sends no more than its program holds. Of a
/// quota it may have used up its part. Users of a closed scenario may have begun an iteration as often as the shortest one
/// that anybody saw lets them: an estimate.
fn bound(fold: &RunFold, planned: &Planned<'_>, session: &Session) -> Bound {
    let layout = fold.merged.totals().layout();
    let mut is_estimate = false;
    // By slot of the layout: iterations that may have begun, and the most requests of one.
    let mut may_have_begun = vec![0_u64; layout.scenario_slots()];
    let mut most = vec![0_u64; layout.scenario_slots()];
    for (index, scenario) in fold.plan.scenarios.iter().enumerate() {
        let slot = layout.scenario_slot(index);
        let standing = session.sums.scenario(slot);
        let iterations = match &scenario.load {
            LoadModel::ArrivalRate { .. } => owned_slots(fold, session, index),
            LoadModel::SharedIterations { iterations, .. } => {
                planned.owned(index, &fold.revisions[0].weights, session.place, *iterations)
            }
            LoadModel::VirtualUsers { profile } => {
                let dealings = fold.revisions.iter().map(|made| &made.weights);
                let users = |weights: &Vec<u32>| {
                    planned.owned(index, weights, session.place, u64::from(profile.max_users()))
                };
                let users = dealings.map(users).max().unwrap_or(0);
                let until = session.owns_until.min(planned.end().unwrap_or(Nanos::MAX));
                let span = until.saturating_sub(session.sums.told_until().max(session.owns_from));
                is_estimate |= users > 0 && !span.is_zero();
                standing.due.saturating_add(users.saturating_mul(rounds(fold, index, span)))
            }
        };
        most[slot] = most[slot].max(fold.plan.requests_per_iteration_at_most(ScenarioId(index as u32)));
        may_have_begun[slot] = may_have_begun[slot].saturating_add(iterations);
    }
    let requests = (0..most.len()).map(|slot| {
        let standing = session.sums.scenario(slot);
        let untold = may_have_begun[slot].saturating_sub(standing.due).saturating_add(standing.open());
        untold.saturating_mul(most[slot])
    });
    Bound { requests: requests.fold(0, u64::saturating_add), is_estimate }
}

/// The slots of an open scenario that may have been the session's own at their due time. Between a revision's being made
/// and the session's saying that it took it up, it may have gone by either.
fn owned_slots(fold: &RunFold, session: &Session, scenario: usize) -> u64 {
    let (from, until) = (session.owns_from, session.owns_until);
    if from >= until {
        return 0;
    }
    let revisions = &fold.revisions;
    let instants =
        revisions.iter().map(|made| made.effective).chain(session.took_up.iter().map(|(_, at)| *at));
    let mut edges: Vec<Nanos> = instants.chain([from, until]).map(|at| at.clamp(from, until)).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut slots = vec![0_u64; edges.len()];
    for (index, made) in revisions.iter().enumerate() {
        // What was certainly in force from an edge on, and whether this revision may have been then.
        let certain = |at: Nanos| {
            let held = session.took_up.iter().rev().find(|(_, since)| *since <= at);
            held.map_or(0, |(number, _)| *number)
        };
        let may_hold = |at: Nanos| made.number >= certain(at) && made.effective <= at;
        let windows = || (1..edges.len()).filter(|window| may_hold(edges[window - 1]));
        if windows().next().is_none() {
            continue;
        }
        let amendments: Vec<Amendment> =
            revisions[..=index].iter().filter_map(|made| made.amendment).collect();
        let planned = Planned::new(&fold.plan, &amendments);
        let before = planned.before(scenario, &edges);
        let own = |n| planned.owned(scenario, &made.weights, session.place, n);
        for window in windows() {
            let more = own(before[window]).saturating_sub(own(before[window - 1]));
            slots[window] = slots[window].saturating_add(more);
        }
    }
    slots.into_iter().fold(0, u64::saturating_add)
}

/// How often one user may have begun an iteration in `span`.
fn rounds(fold: &RunFold, scenario: usize, span: Nanos) -> u64 {
    let times =
        fold.merged.totals().scenario_times(ScenarioTime::IterationDuration, [scenario], Outcomes::Both);
    let shortest = times.min().map_or(SHORTEST_ITERATION, |least| least.value).max(Nanos::from_micros(1));
    span.as_u64().div_ceil(shortest.as_u64())
}

/// What an iteration takes at least, when nobody saw one.
const SHORTEST_ITERATION: Nanos = Nanos::from_millis(1);
