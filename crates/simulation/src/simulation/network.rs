//! The network: late, lossy, out of order, and cut.

use units::{Nanos, Timestamp};

use super::{Event, Simulation};
use crate::life::{Down, Up};
use crate::weather::Path;

/// What was said before that is remembered, to come again.
const MOST_PAST: usize = 64;

impl Simulation {
    /// When something that is sent now arrives: perhaps never, perhaps twice, perhaps after what is sent later.
    fn arrivals(&mut self, life: usize, path: Path, is_up: bool) -> [Option<Timestamp>; 2] {
        let worker = self.processes[life].worker;
        let mut arrival = || {
            let delay = self.weather.latency + Nanos::new(self.dice.below(self.weather.jitter.as_u64() + 1));
            self.now + delay
        };
        let (mut first, mut second) = (arrival(), arrival());
        if !self.weather.classes.disorder {
            // As TCP has it.
            let way = &mut self.processes[life].arrived[usize::from(is_up)][usize::from(path == Path::Beats)];
            first = first.max(*way);
            second = second.max(first);
            *way = second;
        }
        let is_lost = !self.is_calm
            && (self.weather.is_cut(self.now, worker, path, is_up)
                || self.dice.per_mille(self.weather.loss_per_mille));
        let is_copied = !self.is_calm && self.dice.per_mille(self.weather.copies_per_mille);
        [(!is_lost).then_some(first), (!is_lost && is_copied).then_some(second)]
    }

    pub(super) fn send_up(&mut self, life: usize, up: Up) {
        let path = if matches!(up, Up::Beat { .. }) { Path::Beats } else { Path::Session };
        if let Up::Close { .. } = up {
            // The other end notices sooner or later, whatever the network does.
            let late = if self.is_calm { 50 } else { 3_000 };
            let at = self.now + self.weather.latency + self.dice.millis(0, late);
            return self.plan(at, Event::ToController { life, up });
        }
        // A call that is not a stream comes once or not at all: nothing below it repeats it.
        let is_enrolment = matches!(up, Up::Enrol { .. });
        let most = if is_enrolment { 1 } else { 2 };
        for at in self.arrivals(life, path, true).into_iter().flatten().take(most) {
            self.plan(at, Event::ToController { life, up: up.clone() });
        }
        if !is_enrolment && self.weather.classes.past && self.past.len() < MOST_PAST && self.dice.one_in(8) {
            self.past.push((life, Event::ToController { life, up }));
        }
    }

    pub(super) fn send_down(&mut self, life: usize, path: Path, down: Down) {
        for at in self.arrivals(life, path, false).into_iter().flatten() {
            self.plan(at, Event::ToWorker { life, down: down.clone() });
        }
        if self.weather.classes.past && self.past.len() < MOST_PAST && self.dice.one_in(8) {
            self.past.push((life, Event::ToWorker { life, down }));
        }
    }
}
