//! A list of stages and where each of them lies in time: what rate and user profiles have in common.

use units::Nanos;

use crate::{ProfileError, Stage};

/// Stages one after the other, checked: at least one, each of positive length, together no longer than
/// [`LONGEST`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stages<T> {
    list: Vec<Stage<T>>,
    /// The end of each stage from the profile's start.
    ends: Box<[Nanos]>,
}

impl<T: Copy> Stages<T> {
    pub(crate) fn new(list: Vec<Stage<T>>) -> Result<Self, ProfileError> {
        if list.is_empty() {
            return Err(ProfileError::Empty);
        }
        let mut end = Nanos::ZERO;
        let mut ends = Vec::with_capacity(list.len());
        for (index, stage) in list.iter().enumerate() {
            if stage.duration.is_zero() {
                return Err(ProfileError::EmptyStage { stage: index + 1 });
            }
            end = end.saturating_add(stage.duration);
            if end > LONGEST {
                return Err(ProfileError::TooLarge { stage: index + 1 });
            }
            ends.push(end);
        }
        Ok(Self { list, ends: ends.into() })
    }

    pub(crate) fn list(&self) -> &[Stage<T>] {
        &self.list
    }

    pub(crate) fn ends(&self) -> &[Nanos] {
        &self.ends
    }

    pub(crate) fn duration(&self) -> Nanos {
        self.ends[self.ends.len() - 1]
    }

    /// The stage that `t` lies in and how far into it: a stage holds its start and not its end, and the last
    /// one everything after it.
    pub(crate) fn at(&self, t: Nanos) -> (&Stage<T>, Nanos) {
        let index = self.ends.partition_point(|end| *end <= t).min(self.list.len() - 1);
        let stage = &self.list[index];
        (stage, t.saturating_sub(self.ends[index] - stage.duration))
    }

    /// Each stage with its start.
    pub(crate) fn with_starts(&self) -> impl Iterator<Item = (Nanos, &Stage<T>)> {
        self.list.iter().zip(&self.ends).map(|(stage, end)| (*end - stage.duration, stage))
    }
}

/// The longest profile, 366 days: within it a double names every instant of a ramp to some tens of nanoseconds,
/// which is what makes the first guess of the inverse good enough to be corrected in a few steps.
const LONGEST: Nanos = Nanos::from_secs(366 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(seconds: &[u64]) -> Result<Stages<u32>, ProfileError> {
        let stage = |secs: &u64| Stage { duration: Nanos::from_secs(*secs), from: 0, to: 0, measured: true };
        Stages::new(seconds.iter().map(stage).collect())
    }

    #[test]
    fn an_instant_belongs_to_the_stage_that_starts_at_it() {
        let stages = stages(&[1, 2]).unwrap();
        let start_of = |nanos: u64| stages.at(Nanos::new(nanos)).0.duration.as_secs_f64();
        assert_eq!(start_of(0), 1.0);
        assert_eq!(start_of(999_999_999), 1.0);
        assert_eq!(start_of(1_000_000_000), 2.0);
        assert_eq!(stages.at(Nanos::from_secs(9)).1, Nanos::from_secs(8));
        assert_eq!(stages.duration(), Nanos::from_secs(3));
        let starts: Vec<_> = stages.with_starts().map(|(start, _)| start).collect();
        assert_eq!(starts, [Nanos::ZERO, Nanos::SECOND]);
    }

    #[test]
    fn stages_that_are_no_profile_are_refused_by_number() {
        assert_eq!(stages(&[]), Err(ProfileError::Empty));
        assert_eq!(stages(&[1, 0]), Err(ProfileError::EmptyStage { stage: 2 }));
        assert_eq!(stages(&[1, 1, 366 * 86_400]), Err(ProfileError::TooLarge { stage: 3 }));
        assert_eq!(stages(&[u64::MAX, u64::MAX]), Err(ProfileError::TooLarge { stage: 1 }));
    }
}
