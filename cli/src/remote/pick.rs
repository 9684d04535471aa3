//! Which run is meant.

use api::http::{RunState, RunStatus};

/// Why it is not clear which run is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PickError {
    /// There is none that could be.
    #[error("no run is under way; `loadgen status RUN` shows one that is over")]
    None,
    /// There are several that could be.
    #[error("several runs are under way: {0}; say which")]
    Several(String),
    /// None is called so.
    #[error("no run is called `{0}`; `loadgen status` lists those under way")]
    Unknown(String),
    /// Several are called so.
    #[error("`{name}` is the end of several runs: {runs}; write more of it")]
    Ambiguous { name: String, runs: String },
}

/// Whether `name` is the run's ID, or the end of it, of at least four digits.
pub(crate) fn matches(run: &RunStatus, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.len() >= SHORTEST_NAME && run.run_id.ends_with(&name)
}

/// The run called `name`; without a name the only one that is not over.
///
/// # Errors
/// When none or several are meant.
pub(crate) fn the_only<'r>(runs: &'r [RunStatus], name: Option<&str>) -> Result<&'r RunStatus, PickError> {
    let meant = |run: &&RunStatus| match name {
        Some(name) => matches(run, name),
        None => run.state != RunState::Sealed,
    };
    let found: Vec<&RunStatus> = runs.iter().filter(meant).collect();
    match (&*found, name) {
        ([run], _) => Ok(run),
        ([], None) => Err(PickError::None),
        ([], Some(name)) => Err(PickError::Unknown(name.to_owned())),
        (_, None) => Err(PickError::Several(list(&found))),
        (_, Some(name)) => Err(PickError::Ambiguous { name: name.to_owned(), runs: list(&found) }),
    }
}

fn list(runs: &[&RunStatus]) -> String {
    let of = |run: &&RunStatus| format!("{} ({})", run.run_id, run.name);
    runs.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// Fewer digits would mean another run tomorrow.
const SHORTEST_NAME: usize = 4;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::remote) fn run(id: &str, state: RunState) -> RunStatus {
        RunStatus {
            run_id: format!("0190c0de-0000-7000-8000-0000{id}"),
            name: "shop".to_owned(),
            state,
            created_at: String::new(),
            submitted_by: String::new(),
            started_at: None,
            waits_for: None,
            workers: Vec::new(),
            degraded: false,
            live: None,
            exit: None,
        }
    }

    #[test]
    fn the_run_under_way_needs_no_name_and_others_the_end_of_theirs() {
        let runs = [run("deadbeef", RunState::Sealed), run("0badcafe", RunState::Running)];
        let id = |name| the_only(&runs, name).map(|run| &run.run_id[28..]);
        assert_eq!(id(None), Ok("0badcafe"));
        assert_eq!(id(Some("BEEF")), Ok("deadbeef"));
        assert_eq!(id(Some(&*runs[0].run_id)), Ok("deadbeef"));
        assert_eq!(id(Some("eef")), Err(PickError::Unknown("eef".to_owned())));
        assert_eq!(id(Some("browse")), Err(PickError::Unknown("browse".to_owned())));
    }

    #[test]
    fn what_is_not_clear_is_asked_for() {
        let runs = [run("deadbeef", RunState::Queued), run("cafebeef", RunState::Running)];
        assert!(
            matches!(the_only(&runs, None), Err(PickError::Several(text)) if text.contains("cafebeef (shop)"))
        );
        assert!(matches!(the_only(&runs, Some("beef")), Err(PickError::Ambiguous { .. })));
        assert_eq!(the_only(&runs[..0], None), Err(PickError::None));
    }
}
