//! The runs a worker knows: at most one that makes load, and ended ones whose facts are not all taken.

use std::collections::{BTreeMap, VecDeque};

use control::{ClockOffset, CommandId, Fact, FactBody, RunStanding, SessionId};
use units::{Nanos, Timestamp};

use super::message::RunKey;

/// How long facts of an ended run are kept for a controller that does not take them.
pub(crate) const RESIDUAL_TTL: Nanos = Nanos::from_secs(600);

/// The most runs that are kept: of more, the oldest ended one is given up.
const MOST_RUNS: usize = 64;

/// The most names of past runs that are kept: a message is not under way for longer than so many runs take.
const MOST_PAST: usize = 256;

/// The runs a worker knows.
#[derive(Debug, Default)]
pub(super) struct Runs {
    known: BTreeMap<RunKey, Known>,
    /// The latest that were forgotten: a first command that comes again must not begin them again.
    past: VecDeque<RunKey>,
}

#[derive(Debug)]
struct Known {
    applied: CommandId,
    last_fact: u64,
    /// When it said its last word.
    ended_at: Option<Timestamp>,
    /// What was known of the controller's clock when the start was passed on: its answer goes by the same.
    clock: Option<ClockOffset>,
}

impl Runs {
    /// Takes note of a new run.
    pub(super) fn insert(&mut self, key: RunKey) {
        let known = Known { applied: CommandId(0), last_fact: 0, ended_at: None, clock: None };
        self.known.insert(key, known);
    }

    /// Forgets a run.
    pub(super) fn remove(&mut self, key: &RunKey) {
        if self.known.remove(key).is_some() {
            if self.past.len() == MOST_PAST {
                self.past.pop_front();
            }
            self.past.push_back(*key);
        }
    }

    /// Whether a run was known and is no more.
    pub(super) fn is_past(&self, key: &RunKey) -> bool {
        self.past.contains(key)
    }

    pub(super) fn contains(&self, key: &RunKey) -> bool {
        self.known.contains_key(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether a run has not said its last word.
    pub(super) fn any_unended(&self) -> bool {
        self.known.values().any(|known| known.ended_at.is_none())
    }

    /// The runs that have not said their last word.
    pub(super) fn unended(&self) -> Vec<RunKey> {
        let unended = self.known.iter().filter(|(_, known)| known.ended_at.is_none());
        unended.map(|(key, _)| *key).collect()
    }

    /// The runs of a session.
    pub(super) fn of_session(&self, session: SessionId) -> Vec<RunKey> {
        self.known.keys().filter(|key| key.session == session).copied().collect()
    }

    /// How far the runs of a session are.
    pub(super) fn standings(&self, session: SessionId) -> Vec<RunStanding> {
        let known = self.known.iter().filter(|(key, _)| key.session == session);
        let standing = |(key, known): (&RunKey, &Known)| RunStanding {
            run_id: key.run_id,
            applied: known.applied,
            last_fact: known.last_fact,
        };
        known.map(standing).collect()
    }

    /// The offset by which the start of a run is told: the same however often it is told.
    pub(super) fn start_offset(&mut self, key: &RunKey, present: ClockOffset) -> ClockOffset {
        self.known.get_mut(key).map_or(present, |known| *known.clock.get_or_insert(present))
    }

    /// Takes note of what a run applied.
    pub(super) fn applied(&mut self, key: &RunKey, through: CommandId) {
        if let Some(known) = self.known.get_mut(key) {
            known.applied = known.applied.max(through);
        }
    }

    /// Takes note of what a run says, and puts its instants on the controller's clock.
    pub(super) fn said(&mut self, now: Timestamp, key: &RunKey, fact: &mut Fact) {
        let Some(known) = self.known.get_mut(key) else { return };
        known.last_fact = known.last_fact.max(fact.seq);
        match &mut fact.body {
            FactBody::Started { at, clock_error } => {
                let offset = known.clock.unwrap_or(ClockOffset::SAME_CLOCK);
                (*at, *clock_error) = (offset.to_controller(*at), offset.error);
            }
            FactBody::Final(_) | FactBody::Refused(_) => known.ended_at = known.ended_at.or(Some(now)),
            _ => {}
        }
    }

    /// The next instant at which a run is given up.
    pub(super) fn expires_at(&self) -> Timestamp {
        let ended = self.known.values().filter_map(|known| known.ended_at);
        ended.min().map_or(Timestamp::NEVER, |at| at + RESIDUAL_TTL)
    }

    /// Gives up what was kept for long enough, and the oldest when there is too much.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<RunKey> {
        let mut ended: Vec<(Timestamp, RunKey)> =
            self.known.iter().filter_map(|(key, known)| Some((known.ended_at?, *key))).collect();
        ended.sort_unstable();
        let too_many = self.known.len().saturating_sub(MOST_RUNS);
        let is_old = |at: &Timestamp| now >= *at + RESIDUAL_TTL;
        let expired: Vec<RunKey> = (0..)
            .zip(ended)
            .filter(|(place, (at, _))| *place < too_many || is_old(at))
            .map(|(_, (_, key))| key)
            .collect();
        for key in &expired {
            self.remove(key);
        }
        expired
    }
}
