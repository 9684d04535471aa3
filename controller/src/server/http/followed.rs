//! Who follows which run, so that a controller that ends can wait a little until they have its result.

use std::collections::BTreeMap;

use control::RunId;
use tokio::sync::watch;

/// The streams of events that are open, by run, and how many of those the end of the controller waits for.
#[derive(Debug, Default)]
pub(super) struct Followed {
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    open: BTreeMap<RunId, usize>,
    /// From the beginning of the end on: of those that were open then, whoever has no result yet.
    awaited: Option<BTreeMap<RunId, usize>>,
}

impl Followed {
    /// Notes that somebody follows `run`, until [`Followed::gone`] says that it is over.
    pub(super) fn came(&self, run: RunId) {
        self.state.send_modify(|state| *state.open.entry(run).or_default() += 1);
    }

    /// Notes that somebody follows `run` no more; who saw its end comes for its result now.
    pub(super) fn gone(&self, run: RunId, saw_its_end: bool) {
        self.state.send_modify(|state| {
            take_one(&mut state.open, run);
            if let Some(awaited) = state.awaited.as_mut().filter(|_| !saw_its_end) {
                take_one(awaited, run);
            }
        });
    }

    /// Notes that somebody was given the result of `run`.
    pub(super) fn has_result(&self, run: RunId) {
        self.state.send_if_modified(|state| {
            let Some(awaited) = &mut state.awaited else { return false };
            take_one(awaited, run);
            true
        });
    }

    /// From now on whoever follows a run is waited for.
    pub(super) fn begin_to_end(&self) {
        self.state.send_modify(|state| state.awaited = Some(state.open.clone()));
    }

    /// Whether anybody follows a run.
    #[cfg(test)]
    pub(super) fn is_followed(&self) -> bool {
        !self.state.borrow().open.is_empty()
    }

    /// Waits until whoever followed a run when the end began has its result, or is gone.
    pub(super) async fn all_served(&self) {
        let is_served = |state: &State| state.awaited.as_ref().is_none_or(BTreeMap::is_empty);
        // The sender is our own: it is not gone.
        drop(self.state.subscribe().wait_for(is_served).await);
    }
}

fn take_one(counts: &mut BTreeMap<RunId, usize>, run: RunId) {
    if let Some(count) = counts.get_mut(&run) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&run);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use uuid::Uuid;

    use super::*;

    fn is_served(followed: &Followed) -> bool {
        pin!(followed.all_served()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn the_end_waits_for_the_results_of_those_who_followed_when_it_began() {
        let (one, other) = (RunId::new(Uuid::from_u128(1)), RunId::new(Uuid::from_u128(2)));
        let followed = Followed::default();
        for run in [one, one, one, other] {
            followed.came(run);
        }
        followed.gone(one, true);
        followed.has_result(one);
        followed.begin_to_end();
        assert!(!is_served(&followed));
        followed.gone(one, true);
        followed.gone(other, false);
        assert!(!is_served(&followed), "who saw the end of a run has no result of it yet");
        followed.has_result(one);
        assert!(!is_served(&followed), "another one follows it still");
        followed.gone(one, false);
        assert!(is_served(&followed));
        followed.came(one);
        followed.has_result(one);
        assert!(is_served(&followed), "who comes later is not waited for");
    }

    #[test]
    fn nobody_is_waited_for_without_followers() {
        let followed = Followed::default();
        assert!(is_served(&followed));
        followed.begin_to_end();
        assert!(is_served(&followed));
    }
}
