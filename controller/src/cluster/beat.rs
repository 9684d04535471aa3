//! Signs of life.

use control::{Beat, BeatAck, Standing};
use units::Timestamp;

use super::Cluster;

impl Cluster {
    /// Takes a sign of life that came at `received_at`. Only a new one of the present session under its present token
    /// lengthens the lease.
    ///
    /// # Cost
    /// Finds the worker by its name; no allocation.
    pub fn beat(&mut self, now: Timestamp, beat: &Beat, received_at: Timestamp) -> BeatAck {
        self.advance(now);
        let (now, epoch) = (self.now, self.options.epoch);
        let answer = |standing, stop| BeatAck {
            epoch,
            number: beat.number,
            standing,
            received_at,
            sent_at: now,
            stop,
        };
        let Some(member) = self.members.get_mut(&beat.worker) else {
            return answer(Standing::Unknown, None);
        };
        let is_current =
            member.is_live() && member.enrol.session == beat.session && member.token == beat.token;
        if !is_current {
            let current = member.token;
            let is_past = beat.token < current;
            return answer(if is_past { Standing::Fenced { current } } else { Standing::Unknown }, None);
        }
        if member.beat.is_none_or(|last| beat.number > last) {
            member.beat = Some(beat.number);
            member.last_beat = member.last_beat.max(received_at.min(now));
            member.lease_from = member.lease_from.max(received_at.min(now));
            member.clock = beat.clock.or(member.clock);
            if member.progress.0 != beat.progress {
                member.progress = (beat.progress, received_at.min(now));
            }
        }
        answer(Standing::Current, member.stop)
    }
}
