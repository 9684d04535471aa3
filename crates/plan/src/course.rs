//! A revision worked out: what one worker's threads do from its instant on.

use std::ops::Range;
use std::sync::Arc;

use units::Nanos;

use crate::timetable::Cursor;
use crate::{AmendmentError, Dealing, Revision, RunPlan, ScenarioId, Share, ShareError, Slots, Timetable};

/// A revision with its timetables and dealings, made once and shared by all threads of a worker.
///
/// # Cost
/// Making one folds every scenario's amendments and, for random arrivals, walks the slots that are past at the
/// revision's instant, about 5 ns each: not for an engine thread, whose schedule would wait.
#[derive(Clone, Debug)]
pub struct Course {
    revision: Revision,
    scenarios: Vec<ScenarioCourse>,
}

#[derive(Clone, Debug)]
struct ScenarioCourse {
    timetable: Arc<Timetable>,
    /// Where the slots from the revision's instant on begin.
    cursor: Arc<Cursor>,
    dealing: Dealing,
}

/// Why a revision is none of a run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CourseError {
    /// There is no such share.
    #[error("cannot deal the run")]
    Share(#[from] ShareError),
    /// An amendment is impossible.
    #[error("cannot change the load of the run")]
    Amendment(#[from] AmendmentError),
}

impl Course {
    /// Works out `revision` of `plan` for a worker with `threads` engine threads; one stands for a share as a whole.
    ///
    /// # Errors
    /// When the share does not exist or an amendment is impossible.
    ///
    /// # Panics
    /// When `threads` is 0.
    pub fn new(plan: &RunPlan, revision: Revision, threads: u32) -> Result<Self, CourseError> {
        let scenario = |id: ScenarioId| {
            let timetable = Timetable::new(plan, id, &revision.amendments)?;
            let cursor = Arc::new(timetable.cursor(revision.effective));
            let dealing = plan.scenarios[id.index()].load.deal(id, &revision.share, threads)?;
            Ok(ScenarioCourse { timetable: Arc::new(timetable), cursor, dealing })
        };
        let scenarios = plan.scenario_ids().map(scenario).collect::<Result<_, CourseError>>()?;
        Ok(Self { revision, scenarios })
    }

    /// The same for another share of the same revision, without working out the timetables again.
    ///
    /// # Errors
    /// When the share does not exist.
    ///
    /// # Panics
    /// When `threads` is 0.
    pub fn for_share(&self, plan: &RunPlan, share: Share, threads: u32) -> Result<Self, ShareError> {
        let with_ids = plan.scenario_ids().zip(&self.scenarios);
        let scenario = |(id, of): (ScenarioId, &ScenarioCourse)| {
            let dealing = plan.scenarios[id.index()].load.deal(id, &share, threads)?;
            Ok(ScenarioCourse { dealing, ..of.clone() })
        };
        let scenarios = with_ids.map(scenario).collect::<Result<_, ShareError>>()?;
        Ok(Self { revision: Revision { share, ..self.revision.clone() }, scenarios })
    }

    /// The revision.
    pub fn revision(&self) -> &Revision {
        &self.revision
    }

    /// When iterations of `scenario` start, over all shares.
    pub fn timetable(&self, scenario: ScenarioId) -> &Arc<Timetable> {
        &self.scenarios[scenario.index()].timetable
    }

    /// What of `scenario` is the share's and its threads'.
    pub fn dealing(&self, scenario: ScenarioId) -> &Dealing {
        &self.scenarios[scenario.index()].dealing
    }

    /// The slots of `thread` that are due from the revision's instant on, in order of their due time.
    ///
    /// # Cost
    /// Some copies of small tables, whatever the instant is.
    pub fn slots(&self, scenario: ScenarioId, thread: u32) -> Slots {
        let ScenarioCourse { timetable, cursor, dealing } = &self.scenarios[scenario.index()];
        Slots::from_cursor(Arc::clone(timetable), cursor, dealing.owned(thread))
    }

    /// How many slots of `scenario` that are due in `window` are the share's, as if no other revision held in it. None
    /// in a closed model.
    pub fn count_in(&self, scenario: ScenarioId, window: &Range<Nanos>) -> u64 {
        let ScenarioCourse { timetable, cursor, dealing } = &self.scenarios[scenario.index()];
        let mut cursor = if window.start < self.revision.effective {
            timetable.cursor(window.start)
        } else {
            Cursor::clone(cursor)
        };
        timetable.advance(&mut cursor, window.start);
        let first = cursor.n;
        timetable.advance(&mut cursor, window.end.max(window.start));
        dealing.count_of_share(cursor.n) - dealing.count_of_share(first)
    }
}

/// How many slots of `scenario` that are due in `window` belong to one worker, by its revisions one after the other:
/// a slot belongs to the one in force at its due time. None in a closed model, and before the first.
pub fn planned_in(chain: &[Course], scenario: ScenarioId, window: &Range<Nanos>) -> u64 {
    let ends = chain.iter().skip(1).map(|next| next.revision.effective).chain([Nanos::MAX]);
    let in_force = chain.iter().zip(ends).map(|(course, end)| {
        let start = course.revision.effective.max(window.start);
        course.count_in(scenario, &(start..end.min(window.end)))
    });
    in_force.sum()
}

#[cfg(test)]
mod tests;
