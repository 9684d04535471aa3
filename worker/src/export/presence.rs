//! A part in a run as its process knows it.

use metrics::Signal;
use telemetry::{LogRoutes, Outlet, Pipeline, RunBoard, RunLabels};
use uuid::Uuid;

use super::Part;

/// The place of a part in a run on the process's page, and among the runs that log lines are about. It is given up however
/// the export ends: a run that stayed after a panic would take the run's ID from the lines of all later ones.
#[derive(Debug)]
pub(super) struct Presence {
    run_id: Uuid,
    routes: Option<LogRoutes>,
    board: RunBoard,
}

impl Presence {
    pub(super) fn new(part: &Part) -> Self {
        let (run_id, routes) = (part.run_id, part.telemetry.routes.clone());
        let board = part.telemetry.board.open(RunLabels { run_id, worker: part.worker.clone() });
        if let Some(routes) = &routes {
            routes.begin(run_id);
            let outlet = part.pipeline.as_ref().map(Pipeline::outlet);
            if let Some(outlet) = outlet.filter(|outlet: &Outlet| outlet.sends(Signal::Logs)) {
                routes.open(run_id, outlet, part.worker.clone());
            }
        }
        Self { run_id, routes, board }
    }

    /// What is shown of the part.
    pub(super) fn board(&self) -> RunBoard {
        self.board.clone()
    }

    /// Sends no more lines; they are still about the run.
    pub(super) fn close_route(&self) {
        if let Some(routes) = &self.routes {
            routes.close(self.run_id);
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.close_route();
        self.board.end();
        if let Some(routes) = &self.routes {
            routes.end(self.run_id);
        }
    }
}
