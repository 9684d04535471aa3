//! What of every scenario is this thread's: its slots, its users and its part of a quota.

use std::collections::VecDeque;
use std::iter::Peekable;

use metrics::Record;
use plan::{Dealing, LoadModel, Owned, RunPlan, ScenarioId};
use units::{Clock, Nanos};

use crate::core::Core;
use crate::port::Protocol;
use crate::scenario::{Change, Closed, ClosedKind, Load, Open};
use crate::thread::ThreadConfig;

/// The iterations of a quota that one thread carries, in order.
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
///
/// # Panics
/// When the share does not exist; the worker has checked it.
pub(crate) fn loads<P: Protocol, R: Record, C: Clock>(
    config: &ThreadConfig,
    core: &mut Core<P, R, C>,
) -> Vec<Load> {
    let ids = (0..config.plan.scenarios.len()).map(|index| ScenarioId(index as u32));
    ids.map(|id| load(config, id, core)).collect()
}

fn load<P: Protocol, R: Record, C: Clock>(
    config: &ThreadConfig,
    id: ScenarioId,
    core: &mut Core<P, R, C>,
) -> Load {
    let model = &config.plan.scenarios[id.index()].load;
    let dealing = model.deal(id, &config.share, config.threads).expect("the worker has checked its share");
    match model {
        LoadModel::ArrivalRate { profile, max_vus, overload, .. } => {
            let bound = config.max_vus[id.index()];
            let limit =
                max_vus.map_or(bound, |all| (dealing.users(config.thread, all).count() as u32).min(bound));
            Load::Open(Box::new(Open {
                slots: Some(slots(&config.plan, id, &dealing, config.thread).peekable()),
                dealing,
                profile: profile.clone(),
                overload: *overload,
                queue: VecDeque::new(),
                free: Vec::new(),
                made: 0,
                limit,
            }))
        }
        LoadModel::VirtualUsers { profile } => {
            let mut changes = Vec::new();
            for number in dealing.users(config.thread, profile.max_users()) {
                let user = core.add_user(id.0, number);
                for span in profile.spans(number) {
                    changes.push(Change { at: span.start, active: true, user });
                    changes.push(Change { at: span.end, active: false, user });
                }
            }
            closed(changes, ClosedKind::Users(profile.clone()), profile.max_users())
        }
        LoadModel::SharedIterations { vus, iterations, .. } => {
            let users = dealing.users(config.thread, *vus);
            let changes = users.map(|number| core.add_user(id.0, number));
            let changes = changes.map(|user| Change { at: Nanos::ZERO, active: true, user }).collect();
            let owned = dealing.owned(config.thread).peekable();
            let quota = Quota { owned, dealing, thread: config.thread, end: *iterations };
            closed(changes, ClosedKind::Quota(quota), *vus)
        }
    }
}

fn slots(plan: &RunPlan, id: ScenarioId, dealing: &Dealing, thread: u32) -> plan::Slots {
    plan.schedule(id).expect("an open model has a schedule").slots(dealing, thread)
}

fn closed(mut changes: Vec<Change>, kind: ClosedKind, all_users: u32) -> Load {
    changes.sort_unstable();
    Load::Closed(Box::new(Closed { changes, next: 0, kind, all_users: u64::from(all_users), active: 0 }))
}
