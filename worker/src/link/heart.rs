//! The lease, beat by beat, as a pure state machine.
//!
//! A worker may send load until the instant at which it sent its last acknowledged beat, plus `ttl`, less `guard`. What
//! fails in between, connections and answers, costs nothing while that lasts. Once it has passed it stays so: slots may
//! have been left out since, so an answer that comes later gives nothing back, and the worker has to enrol anew.

use std::collections::VecDeque;

use control::{
    Beat, BeatAck, ClockOffset, Epoch, LeaseTerms, LeaseToken, RunId, SessionId, Standing, StopMode, WorkerId,
};
use units::{Nanos, Timestamp};

use crate::clock_offset::{OffsetEstimate, Probe};

/// What a worker was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The worker's name.
    pub worker: WorkerId,
    /// The session it was granted to.
    pub session: SessionId,
    /// The controller's life that granted it.
    pub epoch: Epoch,
    /// The grant.
    pub token: LeaseToken,
    /// How leases are kept.
    pub terms: LeaseTerms,
}

/// What the beats of a grant say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The worker may send load until then; [`Timestamp::ORIGIN`] before the first answer.
    pub lease_until: Timestamp,
    /// Whether the controller goes on with the lease, by its last answer.
    pub standing: Standing,
    /// The controller's life, by its last answer.
    pub epoch: Epoch,
    /// What is known of the controller's clock.
    pub clock: Option<ClockOffset>,
    /// A run whose load shall end.
    pub stop: Option<(RunId, StopMode)>,
    /// When the last answer came.
    pub heard_at: Option<Timestamp>,
}

/// The beats of one grant.
#[derive(Debug)]
pub struct Heart {
    grant: Grant,
    number: u64,
    next_beat: Timestamp,
    /// Beats that were not answered yet, with their instants.
    out: VecDeque<(u64, Timestamp)>,
    clock: OffsetEstimate,
    pulse: Pulse,
    /// Answers of an earlier life of the controller.
    superseded: u64,
}

/// The first beats follow each other faster: the first lease and a good idea of the controller's clock are wanted before
/// a run is.
const FIRST_BEATS: u64 = 8;
const FIRST_PAUSE: Nanos = Nanos::from_millis(25);

/// Beats whose answers may still come: older ones would not make the lease longer.
const MOST_OUT: usize = 64;

impl Heart {
    /// Begins to beat at once.
    pub fn new(grant: Grant) -> Self {
        let pulse = Pulse {
            lease_until: Timestamp::ORIGIN,
            standing: Standing::Current,
            epoch: grant.epoch,
            clock: None,
            stop: None,
            heard_at: None,
        };
        Self {
            grant,
            number: 0,
            next_beat: Timestamp::ORIGIN,
            out: VecDeque::new(),
            clock: OffsetEstimate::default(),
            pulse,
            superseded: 0,
        }
    }

    /// When the next beat is due.
    pub fn next_beat(&self) -> Timestamp {
        self.next_beat
    }

    /// What is known so far.
    pub fn pulse(&self) -> Pulse {
        self.pulse
    }

    /// How many answers of an earlier life of the controller came and had no effect.
    pub fn superseded(&self) -> u64 {
        self.superseded
    }

    /// Makes the next beat, to be sent now.
    pub fn beat(&mut self, now: Timestamp, progress: u64) -> Beat {
        self.number += 1;
        if self.out.len() == MOST_OUT {
            self.out.pop_front();
        }
        self.out.push_back((self.number, now));
        let beat = self.grant.terms.beat;
        self.next_beat = now + if self.number < FIRST_BEATS { beat.min(FIRST_PAUSE) } else { beat };
        Beat {
            worker: self.grant.worker.clone(),
            session: self.grant.session,
            token: self.grant.token,
            number: self.number,
            sent_at: now,
            progress,
            clock: self.clock.best(),
        }
    }

    /// Takes note of an answer that came at `now`; returns whether it says anything.
    pub fn hear(&mut self, now: Timestamp, ack: &BeatAck) -> bool {
        if ack.epoch < self.pulse.epoch {
            self.superseded += 1;
            return false;
        }
        let Some(place) = self.out.iter().position(|(number, _)| *number == ack.number) else {
            // Answered before, or never sent.
            return false;
        };
        let Some((_, sent)) = self.out.remove(place) else { return false };
        self.pulse.epoch = ack.epoch;
        self.pulse.heard_at = Some(now);
        self.pulse.stop = ack.stop;
        self.clock.observe(Probe { sent, received: ack.received_at, answered: ack.sent_at, back: now });
        self.pulse.clock = self.clock.best();
        match ack.standing {
            Standing::Current => self.renew(now, sent),
            // Also after a later answer that said otherwise: what was taken away is never given back.
            Standing::Fenced { .. } | Standing::Unknown => self.pulse.standing = ack.standing,
        }
        true
    }

    fn renew(&mut self, now: Timestamp, sent: Timestamp) {
        let LeaseTerms { ttl, guard, .. } = self.grant.terms;
        let until = sent + ttl.saturating_sub(guard);
        let is_first = self.pulse.lease_until == Timestamp::ORIGIN;
        let goes_on = self.pulse.standing == Standing::Current && (is_first || now < self.pulse.lease_until);
        if goes_on && until > now {
            self.pulse.lease_until = self.pulse.lease_until.max(until);
        }
    }
}

#[cfg(test)]
mod tests;
