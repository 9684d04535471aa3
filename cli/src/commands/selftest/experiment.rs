//! Experiments whose outcome is known beforehand.

use api::result::{ResultFile, TimeSummary};
use scenario::{Environment, Folder, Loaded, Overrides, Source};
use target::{Config, Law, Stall, Target};
use units::Nanos;

use super::expectation::{Expectation, Unit};

/// One experiment.
pub(super) struct Experiment {
    kind: Kind,
    quick: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fixed,
    Exponential,
    Stall,
    Ramp,
}

impl Experiment {
    /// All of them; `quick` ones last a fifth of the time and have wider bounds.
    pub(super) fn all(quick: bool) -> impl Iterator<Item = Self> {
        [Kind::Fixed, Kind::Exponential, Kind::Stall, Kind::Ramp]
            .into_iter()
            .map(move |kind| Self { kind, quick })
    }

    /// What it is called.
    pub(super) fn title(&self) -> &'static str {
        match self.kind {
            Kind::Fixed => "fixed delay of 5ms",
            Kind::Exponential => "exponential delay, mean 5ms",
            Kind::Stall => "stall of 500ms",
            Kind::Ramp => "ramp from 0/s to 1000/s",
        }
    }

    /// Its workload.
    pub(super) fn load(&self, threads: Option<u32>) -> Loaded {
        let seconds = self.seconds();
        let (executor, path) = match self.kind {
            Kind::Fixed => (constant(500, seconds), "/delay/fixed?ms=5"),
            Kind::Exponential => (constant(500, seconds), "/delay/exp?mean_ms=5"),
            Kind::Stall => (constant(500, seconds), "/products"),
            Kind::Ramp => (
                format!(
                    "ramping-arrival-rate, start_rate: 0/s, stages: [{{ duration: {seconds}s, target: 1000/s }}]"
                ),
                "/products",
            ),
        };
        // The bounds of this command are its own: a verdict would only say the same in other words.
        let text = format!(
            "name: {title}\ntarget: {{ url: \"demo://\" }}\nscenarios:\n  selftest: {{ executor: {executor}, \
             steps: [{{ get: \"{path}\", name: request }}] }}\n",
            title = self.title(),
        );
        let mut overrides = Overrides::none();
        if let Some(threads) = threads {
            overrides.set("--threads", "threads", threads.to_string());
        }
        let source = Source { name: "selftest".to_owned(), bytes: text.into_bytes() };
        scenario::load(source, &overrides, &Environment::empty(), &mut Folder::new(".", false))
    }

    /// How the target behaves in it.
    pub(super) fn target(&self) -> Config {
        // A stall is declared on the target's own time, which begins before the run's: in the middle of the run it is
        // wholly inside, whatever the preparation took.
        let at = Nanos::from_millis(self.seconds() * 500);
        let stalls = if self.kind == Kind::Stall { vec![Stall { at, lasting: STALL }] } else { Vec::new() };
        let log_arrivals = if self.kind == Kind::Ramp { self.planned() as usize } else { 0 };
        Config { seed: SEED, stalls, log_arrivals, ..Config::default() }
    }

    /// What should have been measured beside what was.
    pub(super) fn expectations(&self, result: &ResultFile, target: Option<&Target>) -> Vec<Expectation> {
        let mut rows = self.counts(result, target);
        let times = &result.scenarios[0].steps[0];
        let (service, response) = (times.service_time_us.all.as_ref(), times.response_time_us.all.as_ref());
        match self.kind {
            Kind::Fixed => {
                let delay = Law::Fixed(MEAN);
                for p in [0.5, 0.9, 0.99] {
                    rows.push(self.time("service time", p, delay.quantile(p).as_micros_f64(), service));
                }
            }
            Kind::Exponential => {
                let mut delays: Vec<Nanos> =
                    (0..self.planned()).map(|i| Law::Exponential { mean: MEAN }.delay(SEED, i)).collect();
                delays.sort_unstable();
                for p in [0.5, 0.9, 0.99] {
                    rows.push(self.time(
                        "service time",
                        p,
                        drawn_quantile(&delays, p).as_micros_f64(),
                        service,
                    ));
                }
            }
            Kind::Stall => {
                for p in [0.95, 0.99, 0.999] {
                    let known = stalled_quantile(p, Nanos::from_secs(self.seconds()));
                    rows.push(self.time("response time", p, known.as_micros_f64(), response));
                }
            }
            Kind::Ramp => {
                if let Some(target) = target {
                    let errors = pacing_errors(&target.arrivals(), self.seconds(), self.planned());
                    for p in [0.5, 0.99] {
                        let measured =
                            (!errors.is_empty()).then(|| drawn_quantile(&errors, p).as_micros_f64());
                        rows.push(self.row(
                            &format!("arrival against plan p{}", p * 100.0),
                            Unit::Us,
                            0.0,
                            measured,
                            self.slack(p),
                        ));
                    }
                }
            }
        }
        let lag = result.totals.dispatch_lag_us.as_ref().map(|lag| lag.p99);
        rows.push(self.row("dispatch lag p99", Unit::Us, 0.0, lag, self.slack(0.99)));
        rows
    }

    /// What was planned, attempted, and counted by the target: the same number.
    fn counts(&self, result: &ResultFile, target: Option<&Target>) -> Vec<Expectation> {
        let planned = self.planned() as f64;
        let requests = &result.totals.requests;
        let counted = target.map(|target| target.stats().arrivals as f64);
        let drift = if self.quick { planned * 0.01 } else { planned * 0.001 };
        vec![
            self.row("slots due", Unit::Count, planned, Some(result.totals.iterations.due as f64), 0.0),
            self.row("requests attempted", Unit::Count, planned, Some(requests.attempted as f64), drift),
            self.row("counted by the target", Unit::Count, requests.attempted as f64, counted, 0.0),
        ]
    }

    fn time(&self, what: &str, p: f64, known: f64, measured: Option<&TimeSummary>) -> Expectation {
        let measured = measured.map(|summary| match p {
            p if p <= 0.5 => summary.p50,
            p if p <= 0.9 => summary.p90,
            p if p <= 0.95 => summary.p95,
            p if p <= 0.99 => summary.p99,
            _ => summary.p99_9,
        });
        // One bucket of the histogram, what waking up two threads on this machine may take, and after a stall the time in
        // which all who waited are served one after the other.
        let queue = if self.kind == Kind::Stall { WAITING * SERVED_US } else { 0.0 };
        let bound = known * 0.01 + self.slack(p) + queue;
        self.row(&format!("{what} p{}", (p * 1e4).round() / 100.0), Unit::Us, known, measured, bound)
    }

    fn row(&self, what: &str, unit: Unit, known: f64, measured: Option<f64>, bound: f64) -> Expectation {
        Expectation { experiment: self.title(), what: what.to_owned(), unit, known, measured, bound }
    }

    fn slack(&self, p: f64) -> f64 {
        let us = if p <= 0.5 { 500.0 } else { 2_000.0 };
        if self.quick { 5.0 * us } else { us }
    }

    fn seconds(&self) -> u64 {
        if self.quick { 2 } else { 12 }
    }

    /// How many requests it plans.
    fn planned(&self) -> u64 {
        500 * self.seconds()
    }
}

fn constant(rate: u64, seconds: u64) -> String {
    format!("constant-arrival-rate, rate: {rate}/s, duration: {seconds}s")
}

/// The value of rank ⌈p·n⌉ of a sorted list.
fn drawn_quantile(sorted: &[Nanos], p: f64) -> Nanos {
    let rank = (p * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Response times when the target stands still for [`STALL`] once within `duration` at a steady rate: who is due t into
/// the stall waits until its end, so of all requests the share [`STALL`]/`duration` waits a time evenly spread over
/// 0..[`STALL`], and the others hardly any.
fn stalled_quantile(p: f64, duration: Nanos) -> Nanos {
    let stalled = STALL.as_secs_f64() / duration.as_secs_f64();
    let beyond = (1.0 - p) / stalled;
    Nanos::new(((1.0 - beyond).max(0.0) * STALL.as_u64() as f64) as u64)
}

/// By how much arrivals at the target are later than the plan of a ramp from 0 to `planned`·2/`seconds` per second wants
/// them, sorted: due(n) = seconds·√(n/planned). The least late one stands for the start, whose instant is not known here.
fn pacing_errors(arrivals: &[u64], seconds: u64, planned: u64) -> Vec<Nanos> {
    let due = |n: usize| (seconds as f64 * 1e9 * (n as f64 / planned as f64).sqrt()) as i128;
    let late: Vec<i128> = arrivals.iter().enumerate().map(|(n, at)| i128::from(*at) - due(n)).collect();
    let least = late.iter().min().copied().unwrap_or(0);
    let mut errors: Vec<Nanos> =
        late.iter().map(|late| Nanos::new(u64::try_from(late - least).unwrap_or(u64::MAX))).collect();
    errors.sort_unstable();
    errors
}

const SEED: u64 = 20_260_101;
const MEAN: Nanos = Nanos::from_millis(5);
const STALL: Nanos = Nanos::from_millis(500);
/// Requests that wait at the end of the stall: 500/s for 500 ms.
const WAITING: f64 = 250.0;
/// What one of them may take on both sides together, in microseconds.
const SERVED_US: f64 = 40.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_experiments_are_scenarios() {
        for experiment in Experiment::all(true).chain(Experiment::all(false)) {
            let loaded = experiment.load(Some(1));
            assert!(
                loaded.workload.is_some(),
                "{}: {}",
                experiment.title(),
                loaded.diagnostics.render(false)
            );
        }
    }

    #[test]
    fn quantiles_of_a_stall_follow_the_closed_form() {
        // 500 ms of 10 s: 5 % wait. Of these a fifth (1 % of all) wait longer than 400 ms.
        let check = |p: f64, ms: u64| {
            let quantile = stalled_quantile(p, Nanos::from_secs(10));
            assert!(quantile.as_millis_f64() - ms as f64 <= 0.001, "{p}: {quantile}");
        };
        check(0.5, 0);
        check(0.95, 0);
        check(0.99, 400);
        check(0.999, 490);
    }

    #[test]
    fn arrivals_exactly_on_plan_have_no_pacing_error() {
        let planned = 1_000;
        let arrivals: Vec<u64> =
            (0..planned).map(|n: u64| 777 + (2e9 * (n as f64 / planned as f64).sqrt()) as u64).collect();
        let errors = pacing_errors(&arrivals, 2, planned);
        assert!(errors.iter().all(|error| error.as_u64() <= 1), "{errors:?}");
        let mut late = arrivals;
        late[3] += 5_000;
        assert_eq!(pacing_errors(&late, 2, planned)[999].as_u64() / 10, 500);
    }

    #[test]
    fn ranks_are_those_of_a_sorted_list() {
        let sorted: Vec<Nanos> = (1..=100).map(Nanos::new).collect();
        assert_eq!(drawn_quantile(&sorted, 0.5), Nanos::new(50));
        assert_eq!(drawn_quantile(&sorted, 0.99), Nanos::new(99));
        assert_eq!(drawn_quantile(&sorted, 0.999), Nanos::new(100));
    }
}
