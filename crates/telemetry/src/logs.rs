//! Log lines on their way to a receiver: which run they belong to, and how they are written there.
//!
//! A process has one [`LogRoutes`]: its subscriber's layer feeds it every line, and each run opens a route while it lasts.
//! A line goes to the route of the run it names; one that names none goes to the run under way when there is just one. What
//! the telemetry path itself says is left out, or each batch would make the next one.

mod line;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

pub use self::line::{FieldValue, LogLine};
use crate::{OWN_TARGETS, Outlet};

/// Where the log lines of a process go, run by run. Clones are the same.
#[derive(Clone, Default)]
pub struct LogRoutes {
    routes: Arc<RwLock<Vec<Route>>>,
    /// The runs under way, whether their lines go anywhere or are only shown.
    runs: Arc<RwLock<Vec<Uuid>>>,
}

struct Route {
    run_id: Uuid,
    /// Whose lines they are: a worker's name, or `controller`.
    process: String,
    outlet: Outlet,
}

impl LogRoutes {
    /// Without a route.
    pub fn new() -> Self {
        Self::default()
    }

    /// The run `run_id` is under way here: as long as it is the only one, lines that name none are about it.
    pub fn begin(&self, run_id: Uuid) {
        self.runs.write().unwrap_or_else(PoisonError::into_inner).push(run_id);
    }

    /// It is over.
    pub fn end(&self, run_id: Uuid) {
        self.runs.write().unwrap_or_else(PoisonError::into_inner).retain(|run| *run != run_id);
    }

    /// The run that lines are about which name none.
    pub fn run(&self) -> Option<Uuid> {
        match self.runs.read().unwrap_or_else(PoisonError::into_inner)[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Lets lines of `run_id`, and those of nobody else, go to `outlet` from now on; replaces a route of that run.
    /// `process` stands for the worker in lines that name none.
    pub fn open(&self, run_id: Uuid, outlet: Outlet, process: String) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        routes.retain(|route| route.run_id != run_id);
        routes.push(Route { run_id, process, outlet });
    }

    /// Ends the route of `run_id`.
    pub fn close(&self, run_id: Uuid) {
        self.routes.write().unwrap_or_else(PoisonError::into_inner).retain(|route| route.run_id != run_id);
    }

    /// Whether a line of `target` may go anywhere: what to ask before a [`LogLine`] is made.
    pub fn wants(&self, target: &str) -> bool {
        !is_of_telemetry(target) && !self.routes.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Sends a line, if there is a route for it. It never waits for a receiver: an outlet without room counts the line as
    /// lost.
    pub fn log(&self, line: LogLine) {
        if is_of_telemetry(&line.target) {
            return;
        }
        // Sent outside the lock: whatever the outlet does, a route can be opened and closed.
        let (outlet, record) = {
            let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
            let route = match (line.run_id, routes.as_slice()) {
                (Some(run_id), routes) => routes.iter().find(|route| route.run_id == run_id),
                (None, [only]) => Some(only),
                (None, _) => None,
            };
            let Some(route) = route else { return };
            (route.outlet.clone(), line.into_record(route.run_id, &route.process))
        };
        outlet.records(vec![record]);
    }
}

impl fmt::Debug for LogRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_list().entries(routes.iter().map(|route| (route.run_id, &route.process))).finish()
    }
}

fn is_of_telemetry(target: &str) -> bool {
    OWN_TARGETS.iter().any(|own| target.starts_with(own))
}
