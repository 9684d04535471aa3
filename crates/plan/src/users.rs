//! User profiles: numbers of virtual users over time.
//!
//! The level moves linearly through each stage and may jump between stages. User u (from 0) is active while the
//! level is u + 1 or more, so at every instant exactly ⌊level⌋ users are active, ramps start and stop them one by
//! one, and the instants are exact whole nanoseconds.

use units::Nanos;

use crate::stages::Stages;
use crate::{ProfileError, Stage};

/// A number of users over time.
#[derive(Clone, Debug, PartialEq)]
pub struct UserProfile {
    stages: Stages<u32>,
}

/// A stretch in which one user is active: never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSpan {
    /// When it starts, from the run's start.
    pub start: Nanos,
    /// When it starts no more iterations.
    pub end: Nanos,
}

impl UserProfile {
    /// Makes a profile of `stages`, one after the other.
    ///
    /// # Errors
    /// When there is no stage, one lasts no time, or all together last longer than 366 days.
    pub fn new(stages: Vec<Stage<u32>>) -> Result<Self, ProfileError> {
        Ok(Self { stages: Stages::new(stages)? })
    }

    /// The stages.
    pub fn stages(&self) -> &[Stage<u32>] {
        self.stages.list()
    }

    /// The end of each stage from the profile's start.
    pub fn stage_ends(&self) -> &[Nanos] {
        self.stages.ends()
    }

    /// How long all stages last.
    pub fn duration(&self) -> Nanos {
        self.stages.duration()
    }

    /// The highest level of any stage: users are numbered from 0 to below this.
    pub fn max_users(&self) -> u32 {
        self.stages().iter().map(|stage| stage.from.max(stage.to)).max().unwrap_or(0)
    }

    /// How many users are active at `t`: none from the end on.
    pub fn users_at(&self, t: Nanos) -> u32 {
        if t >= self.duration() {
            return 0;
        }
        let (stage, x) = self.stages.at(t);
        let (x, duration) = (u128::from(x.as_u64()), u128::from(stage.duration.as_u64()));
        let moved = u128::from(stage.from.abs_diff(stage.to)) * x;
        if stage.to >= stage.from {
            stage.from + (moved / duration) as u32
        } else {
            stage.from - moved.div_ceil(duration) as u32
        }
    }

    /// When user `user` is active, in order; spans that touch are one.
    ///
    /// # Cost
    /// One pass over the stages, with a division for each ramp that starts or stops the user.
    pub fn spans(&self, user: u32) -> Vec<UserSpan> {
        let mut spans: Vec<UserSpan> = Vec::new();
        for (start, stage) in self.stages.with_starts() {
            let Some((from, to)) = active(stage, user) else { continue };
            let span = UserSpan { start: start + from, end: start + to };
            match spans.last_mut() {
                Some(last) if last.end == span.start => last.end = span.end,
                _ => spans.push(span),
            }
        }
        spans
    }

    /// Whether an iteration that starts at `t` counts (is not warm-up).
    ///
    /// # Cost
    /// A search among the stages.
    pub fn measured_at(&self, t: Nanos) -> bool {
        self.stages.at(t).0.measured
    }
}

/// From when to when, counted from its start, `user` is active in `stage`; `None` if at no instant of it.
///
/// At x the level is `from + (to − from)·x/duration`. Solved for `level ≥ user + 1` in whole nanoseconds, a rising
/// stage starts the user at the next one up, a falling one has it active at the next one down and not after.
fn active(stage: &Stage<u32>, user: u32) -> Option<(Nanos, Nanos)> {
    let (from, to) = (stage.from, stage.to);
    if from <= user && to <= user {
        return None;
    }
    // How far the level has to move until it passes `user + 1`, as a part of the stage.
    let part = u128::from(stage.duration.as_u64()) * u128::from(from.abs_diff(user + 1));
    let whole = u128::from(from.abs_diff(to));
    let (start, end) = match (from > user, to > user) {
        (true, true) => (Nanos::ZERO, stage.duration),
        (false, _) => (Nanos::new(part.div_ceil(whole) as u64), stage.duration),
        (true, false) => (Nanos::ZERO, Nanos::new((part / whole) as u64 + 1).min(stage.duration)),
    };
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests;
