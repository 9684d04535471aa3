//! Runs that are over: how long they are kept.

use std::sync::Arc;

use api::http::RunEventBody;
use control::RunId;

use super::run::{Run, Stage};
use super::{Cluster, ClusterOutput, ControlError, LoggedEvent, Outcome, ResultOf};

impl Cluster {
    /// Notes how a run ended, and forgets the oldest of those that are over when there are too many.
    pub(super) fn end(&mut self, id: RunId, outcome: Outcome, out: &mut Vec<ClusterOutput>) {
        let Outcome { exit, result, bytes } = outcome;
        self.log(id, RunEventBody::Sealed(exit.clone()), out);
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.state = api::http::RunState::Sealed;
        run.waits_for = None;
        let submission = &run.submission;
        let files: usize = submission.files.iter().map(|(_, file)| file.bytes.len()).sum();
        let bytes = bytes + run.log.bytes() + submission.document.len() + files;
        run.stage = Stage::Over { exit, result, bytes };
        self.over.push_back(id);
        self.forget();
    }

    fn forget(&mut self) {
        let size = |run: &Run| if let Stage::Over { bytes, .. } = run.stage { bytes } else { 0 };
        let mut kept: usize = self.runs.values().map(size).sum();
        while self.over.len() > self.options.kept_runs
            || (self.over.len() > 1 && kept > self.options.kept_bytes)
        {
            let Some(oldest) = self.over.pop_front() else { return };
            if let Some(run) = self.runs.remove(&oldest) {
                kept -= size(&run);
            }
            self.forgotten.push_back(oldest);
            if self.forgotten.len() > MOST_FORGOTTEN {
                self.forgotten.pop_front();
            }
        }
    }

    pub(super) fn find(&self, id: RunId) -> Result<&Run, ControlError> {
        let why = || {
            let was_there = self.forgotten.contains(&id);
            if was_there { ControlError::Forgotten(id) } else { ControlError::UnknownRun(id) }
        };
        self.runs.get(&id).ok_or_else(why)
    }

    /// What came of a run.
    ///
    /// # Errors
    /// When there is no such run, or not any more.
    pub fn result(&self, id: RunId) -> Result<ResultOf, ControlError> {
        Ok(match &self.find(id)?.stage {
            Stage::Over { result: Some(result), .. } => ResultOf::Run(Arc::clone(result)),
            Stage::Over { result: None, exit, .. } => ResultOf::Nothing(exit.reasons.clone()),
            Stage::Queued { .. } | Stage::UnderWay(_) | Stage::Building => ResultOf::NotOver,
        })
    }

    /// The events of a run after number `after`, as far as they are kept, and whether more will come.
    ///
    /// # Errors
    /// When there is no such run, or not any more.
    pub fn events(&self, id: RunId, after: u64) -> Result<(Vec<Arc<LoggedEvent>>, bool), ControlError> {
        let run = self.find(id)?;
        let at = || self.options.wall.label(self.now);
        let events = run.log.after(after, at, || self.run_status(id, run));
        Ok((events, !matches!(run.stage, Stage::Over { .. })))
    }
}

/// Names of runs that are remembered as having been there.
const MOST_FORGOTTEN: usize = 1_024;
