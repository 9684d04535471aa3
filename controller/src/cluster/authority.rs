//! Who may send load: tokens, leases, and how both end.

use control::{ControllerMessage, LeaseTerms, LeaseToken, RunId, WorkerId};
use units::{Nanos, Timestamp};

use super::member::{Inheritance, Member, Standing};
use super::run::Run;
use super::{Cluster, ClusterOutput};
use crate::run::Input;

impl Cluster {
    /// Goes on to `now`; credits workers with the time in which the controller itself was asleep.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        let late = self.now.saturating_since(self.next_check);
        if late <= HELD_UP {
            return;
        }
        for member in self.members.values_mut().filter(|member| member.is_live()) {
            member.lease_from = member.lease_from.saturating_add(late).min(self.now);
            member.progress.1 = member.progress.1.saturating_add(late).min(self.now);
        }
        self.next_check = self.now;
    }

    pub(super) fn check_leases(&mut self, out: &mut Vec<ClusterOutput>) {
        let LeaseTerms { ttl, guard, .. } = self.options.lease;
        let mut lost = Vec::new();
        let mut next = self.now + CHECK;
        let mut is_anybody_there = false;
        for (worker, member) in self.members.iter().filter(|(_, member)| member.is_live()) {
            is_anybody_there = true;
            let ends = member.lease_from + ttl + guard;
            let makes_load = member.run.and_then(|run| self.runs.get(&run)).is_some_and(Run::makes_load);
            if self.now >= ends {
                let silence = self.now.saturating_since(member.last_beat);
                lost.push((worker.clone(), format!("no sign of life for {:.1} s", silence.as_secs_f64())));
            } else if makes_load && self.now.saturating_since(member.progress.1) >= self.options.stuck_limit {
                let limit = self.options.stuck_limit;
                lost.push((worker.clone(), format!("it is alive but made no progress for {limit}")));
            } else {
                next = next.min(ends);
            }
        }
        self.next_check = if is_anybody_there { next } else { Timestamp::NEVER };
        for (worker, reason) in lost {
            self.lose(&worker, reason, out);
        }
        self.end_inheritances(out);
        let now = self.now;
        self.members.retain(|_, member| {
            member.away_since().is_none_or(|since| now.saturating_since(since) < AWAY_KEPT)
        });
    }

    /// Gives up what new lives of workers did not take up in time.
    fn end_inheritances(&mut self, out: &mut Vec<ClusterOutput>) {
        let now = self.now;
        let is_over = |heir_to: &mut Inheritance| heir_to.until <= now;
        let over = self.members.values_mut().filter_map(|member| member.heir_to.take_if(is_over));
        for inheritance in over.collect::<Vec<_>>() {
            self.give_up(Some(inheritance), out);
        }
    }

    /// Takes a worker's authority away, and its run gives it up.
    fn lose(&mut self, worker: &WorkerId, why: String, out: &mut Vec<ClusterOutput>) {
        let Some(from) = self.members.get(worker).map(Member::peer) else { return };
        let run = self.disarm(worker, Standing::Lost { since: self.now }, out);
        let until = self.now;
        self.give_up(run.map(|run| Inheritance { run, from, why, until }), out);
    }

    /// Takes a worker's authority away: its token counts no more, and it is told so. Returns the run it worked for.
    pub(super) fn disarm(
        &mut self,
        worker: &WorkerId,
        standing: Standing,
        out: &mut Vec<ClusterOutput>,
    ) -> Option<RunId> {
        let token = self.next_token();
        let member = self.members.get_mut(worker)?;
        member.standing = standing;
        member.token = token;
        member.stop = None;
        let (run, heir_to, who) = (member.run.take(), member.heir_to.take(), member.peer());
        self.tell(&who, ControllerMessage::Fenced { current: token }, out);
        self.give_up(heir_to, out);
        self.is_queue_stale = true;
        run
    }

    /// A run learns that nobody goes on with a part of it.
    pub(super) fn give_up(&mut self, inheritance: Option<Inheritance>, out: &mut Vec<ClusterOutput>) {
        if let Some(Inheritance { run, from: who, why: reason, .. }) = inheritance {
            self.step(run, Input::Lost { who, reason }, out);
        }
    }

    pub(super) fn next_token(&mut self) -> LeaseToken {
        self.last_token += 1;
        self.latest_token()
    }

    /// The highest token there is.
    pub(super) const fn latest_token(&self) -> LeaseToken {
        LeaseToken { epoch: self.options.epoch, counter: self.last_token }
    }
}

/// From one look at the leases to the next.
pub(super) const CHECK: Nanos = Nanos::SECOND;
/// Called this much later than asked for, the controller was held up itself. On a busy machine wake-ups are some
/// milliseconds late.
const HELD_UP: Nanos = Nanos::from_millis(500);
/// How long a worker that is not there any more is listed.
const AWAY_KEPT: Nanos = Nanos::from_secs(600);
