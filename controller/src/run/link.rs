//! What the machine keeps of a session beside the fold: commands on their way, and what it waits for.

use std::collections::VecDeque;

use control::{Command, CommandBody, CommandId, Epoch, RunId};
use units::{Nanos, Timestamp};

/// The commands to one session that it has not applied yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    last: u64,
    pending: VecDeque<Command>,
    /// How many of those pending were handed over, the first ones.
    sent: usize,
    /// When the last ones were.
    sent_at: Timestamp,
}

impl Outbox {
    /// Numbers a command and keeps it until it was applied.
    pub(super) fn push(&mut self, run_id: RunId, epoch: Epoch, body: CommandBody) {
        self.last += 1;
        self.pending.push_back(Command { run_id, epoch, id: CommandId(self.last), body });
    }

    /// Forgets the commands up to `through`.
    pub(super) fn applied(&mut self, through: CommandId) {
        while self.pending.front().is_some_and(|command| command.id <= through) {
            self.pending.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// All that is pending is to be handed over again.
    pub(super) fn resend(&mut self) {
        self.sent = 0;
    }

    /// Forgets everything: nobody is there to apply it.
    pub(super) fn clear(&mut self) {
        self.pending.clear();
        self.sent = 0;
    }

    /// What is to be handed over at `now`: what never was, and everything once a second.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Command> {
        if self.sent > 0 && now >= self.sent_at + AGAIN_AFTER {
            self.sent = 0;
        }
        let due: Vec<Command> = self.pending.iter().skip(self.sent).cloned().collect();
        if !due.is_empty() {
            self.sent = self.pending.len();
            self.sent_at = now;
        }
        due
    }

    /// When something is to be handed over.
    pub(super) fn wake_at(&self) -> Timestamp {
        match self.sent {
            _ if self.pending.is_empty() => Timestamp::NEVER,
            sent if sent < self.pending.len() => Timestamp::ORIGIN,
            _ => self.sent_at + AGAIN_AFTER,
        }
    }
}

/// After this long without an answer, commands are handed over again.
const AGAIN_AFTER: Nanos = Nanos::SECOND;

/// What the machine keeps of one session.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) outbox: Outbox,
    /// The round trip to it.
    pub(super) rtt: Nanos,
    /// The time since its last fact in which the controller was awake.
    pub(super) silent: Nanos,
    /// The number of the last fact it is known to hold.
    pub(super) last_fact: u64,
    /// Whether it came back after it was lost, to hand over what it holds.
    pub(super) is_back: bool,
    /// When a worker that gives its share back is told to end.
    pub(super) stop_at: Timestamp,
    /// Whether a revision shall give it its weight once it is prepared.
    pub(super) wants_weight: bool,
    /// Whether the policy on losses was asked about its end.
    pub(super) is_settled: bool,
    /// Whether it was told that nothing more is needed of it.
    pub(super) is_released: bool,
}

impl Link {
    pub(super) fn new(rtt: Nanos) -> Self {
        Self {
            outbox: Outbox::default(),
            rtt,
            silent: Nanos::ZERO,
            last_fact: 0,
            is_back: false,
            stop_at: Timestamp::NEVER,
            wants_weight: false,
            is_settled: false,
            is_released: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use control::StopMode;

    use super::*;

    const SECOND: Nanos = Nanos::SECOND;

    fn push(outbox: &mut Outbox) {
        outbox.push(crate::fixture::run_id(), Epoch(0), CommandBody::Stop(StopMode::Drain));
    }

    fn numbers(commands: Vec<Command>) -> Vec<u64> {
        commands.into_iter().map(|command| command.id.0).collect()
    }

    #[test]
    fn a_command_comes_again_once_a_second_until_it_was_applied() {
        let mut outbox = Outbox::default();
        let start = Timestamp::from_nanos(7);
        push(&mut outbox);
        assert_eq!(numbers(outbox.take_due(start)), [1]);
        push(&mut outbox);
        assert_eq!(numbers(outbox.take_due(start)), [2], "only what is new");
        assert_eq!(outbox.wake_at(), start + SECOND);
        assert_eq!(numbers(outbox.take_due(start + SECOND)), [1, 2]);
        outbox.applied(CommandId(1));
        outbox.resend();
        assert_eq!(numbers(outbox.take_due(start + SECOND)), [2]);
        outbox.applied(CommandId(99));
        assert_eq!(outbox.wake_at(), Timestamp::NEVER);
        assert!(outbox.take_due(start + SECOND + SECOND).is_empty());
        push(&mut outbox);
        assert_eq!(numbers(outbox.take_due(start)), [3], "numbers go on");
    }
}
