//! What a worker's operator lets it do, whatever a run asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use plan::{Course, LoadModel, RunPlan, ScenarioId};
use protocols::{AllowedTarget, TargetPolicy};
use units::{Nanos, Rate};

use crate::secrets::AllowedSecrets;

/// What a worker's operator lets it do. By default everything: a run of one's own needs no leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadLimits {
    /// Where it may send load; looked at where connections are opened, on the address that is connected to.
    pub targets: TargetPolicy,
    /// The most iterations per time, of all scenarios together, that its share may plan for.
    pub max_rate: Option<Rate>,
    /// Which secrets it hands out.
    pub secrets: AllowedSecrets,
    /// What this machine's policy file allows; both have to.
    pub file: Option<FilePolicy>,
}

/// What a machine's policy file allows everybody who makes load on it; what it does not mention is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePolicy {
    /// Where it is, for messages.
    pub path: Arc<str>,
    /// Where load may go beside this machine itself.
    pub targets: Option<Vec<AllowedTarget>>,
    /// As [`LoadLimits::max_rate`].
    pub max_rate: Option<Rate>,
    /// The names of the secrets that may be used.
    pub secrets: Option<BTreeSet<String>>,
}

impl Default for LoadLimits {
    fn default() -> Self {
        let (targets, secrets) = (TargetPolicy::unrestricted(), AllowedSecrets::All);
        Self { targets, max_rate: None, secrets, file: None }
    }
}

impl LoadLimits {
    /// Where load may go by flags and file.
    pub(crate) fn target_policy(&self) -> TargetPolicy {
        let by_flags = self.targets.clone();
        match &self.file {
            Some(FilePolicy { path, targets: Some(targets), .. }) => {
                by_flags.narrowed(Arc::clone(path), targets.iter().cloned())
            }
            _ => by_flags,
        }
    }

    /// Holds what `course` plans for this worker against the ceilings of flags and file.
    ///
    /// # Errors
    /// Why it is too much, with both numbers.
    pub fn check_rate(&self, plan: &RunPlan, course: &Course) -> Result<(), String> {
        if let Some(rate) = self.max_rate {
            let ceiling = Ceiling {
                rate,
                whose: "this worker",
                raise: "let more workers take part, or raise the worker's `--max-rate`",
                lift: "start the worker without `--max-rate`",
            };
            ceiling.check(plan, course)?;
        }
        if let Some(FilePolicy { path, max_rate: Some(rate), .. }) = &self.file {
            let raise = format!("or raise `max_rate` in `{path}`");
            let lift = format!("take `max_rate` out of `{path}`");
            let ceiling = Ceiling { rate: *rate, whose: "this machine", raise: &raise, lift: &lift };
            ceiling.check(plan, course)?;
        }
        Ok(())
    }
}

/// The highest rate that is allowed.
struct Ceiling<'t> {
    rate: Rate,
    whose: &'t str,
    /// How whoever set it can allow more.
    raise: &'t str,
    /// How whoever set it can do without it.
    lift: &'t str,
}

impl Ceiling<'_> {
    fn check(&self, plan: &RunPlan, course: &Course) -> Result<(), String> {
        let Self { rate: ceiling, whose, raise, lift } = self;
        let closed = plan.scenarios.iter().find(|scenario| !scenario.load.is_open());
        if let Some(scenario) = closed {
            return Err(format!(
                "scenario `{}` makes as much load as its users can, and {whose} has a ceiling of {ceiling}; give the scenario \
                 an arrival rate, or {lift}",
                scenario.name
            ));
        }
        let peak = peak(plan, course);
        // A sum of parts of rates may be off in its last digits.
        if peak <= ceiling.per_second() * (1.0 + 1e-9) {
            return Ok(());
        }
        Err(format!(
            "the rate rises to {peak:.1}/s here, and {whose} has a ceiling of {ceiling}; lower the rate, {raise}"
        ))
    }
}

/// The highest rate, in iterations per second, that this share plans for from the revision's instant on. Rates are linear
/// between the instants at which a stage or a change of load begins, so no other instant has a higher one.
fn peak(plan: &RunPlan, course: &Course) -> f64 {
    let mut instants = vec![course.revision().effective];
    instants.extend(course.revision().amendments.iter().map(|amendment| amendment.at));
    for id in plan.scenario_ids() {
        instants.extend(stage_ends(plan, course, id));
    }
    // A stage's own end is that of its ramp, just before the next one begins.
    let before: Vec<Nanos> = instants.iter().map(|at| at.saturating_sub(Nanos::new(1))).collect();
    instants.extend(before);
    instants.retain(|at| *at >= course.revision().effective);
    let rate = |at: Nanos| -> f64 {
        let of = |id: ScenarioId| part(course, id) * course.timetable(id).rate_at(at);
        plan.scenario_ids().map(of).sum()
    };
    instants.into_iter().map(rate).fold(0.0, f64::max)
}

/// The part of a scenario's slots that is this share's.
fn part(course: &Course, scenario: ScenarioId) -> f64 {
    const MANY: u64 = 1 << 40;
    course.dealing(scenario).count_of_share(MANY) as f64 / MANY as f64
}

/// When, in run time, the stages of a scenario end, as far as that is known.
fn stage_ends(plan: &RunPlan, course: &Course, scenario: ScenarioId) -> Vec<Nanos> {
    let LoadModel::ArrivalRate { profile, .. } = &plan.scenarios[scenario.index()].load else {
        return Vec::new();
    };
    let timetable = course.timetable(scenario);
    let Some(end) = timetable.end() else { return Vec::new() };
    let ends = profile.stage_ends().iter().map(|stage_end| {
        // The first instant at which the profile's clock, which stands still in a pause, shows the stage's end.
        let (mut low, mut high) = (0, end.as_u64());
        while low < high {
            let middle = low.midpoint(high);
            if timetable.profile_time(Nanos::new(middle)) < *stage_end {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Nanos::new(low)
    });
    ends.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plan::{
        Amendment, Arrivals, LoadChange, Overload, Program, RateProfile, Revision, ScenarioBody,
        ScenarioPlan, Seed, Share, Stage, UserProfile,
    };
    use units::Ratio;

    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn stage(seconds: u64, from: &str, to: &str) -> Stage<Rate> {
        Stage { duration: Nanos::from_secs(seconds), from: rate(from), to: rate(to), measured: true }
    }

    fn scenario(load: LoadModel) -> ScenarioPlan {
        ScenarioPlan {
            name: "s".into(),
            tags: BTreeMap::new(),
            load,
            body: ScenarioBody::Program(Program::default()),
            graceful_stop: Nanos::SECOND,
        }
    }

    fn open(stages: Vec<Stage<Rate>>) -> ScenarioPlan {
        scenario(LoadModel::ArrivalRate {
            profile: RateProfile::new(stages).unwrap(),
            arrivals: Arrivals::Uniform,
            max_vus: None,
            overload: Overload::Drop,
        })
    }

    fn plan(scenarios: Vec<ScenarioPlan>) -> RunPlan {
        RunPlan {
            scenarios,
            steps: Vec::new(),
            requests: Vec::new(),
            origins: Vec::new(),
            checks: Vec::new(),
            seed: Seed(1),
        }
    }

    fn course(plan: &RunPlan, weights: &[u32], effective: u64, changes: &[(u64, LoadChange)]) -> Course {
        let amendments = changes
            .iter()
            .map(|(at, change)| Amendment { at: Nanos::from_secs(*at), change: *change })
            .collect();
        let share = Share { revision: 1, weights: weights.to_vec(), index: 0 };
        Course::new(plan, Revision { effective: Nanos::from_secs(effective), share, amendments }, 1).unwrap()
    }

    /// The rate of the share rises to `expected`, and not above.
    #[track_caller]
    fn check(plan: &RunPlan, course: &Course, expected: f64) {
        let found = peak(plan, course);
        assert!((found - expected).abs() <= expected * 1e-5, "{found} instead of {expected}");
    }

    #[test]
    fn a_shares_peak_is_its_part_of_the_highest_rate_to_come() {
        let ramp = plan(vec![open(vec![stage(10, "0/s", "1000/s"), stage(10, "200/s", "200/s")])]);
        check(&ramp, &course(&ramp, &[1], 0, &[]), 1_000.0);
        check(&ramp, &course(&ramp, &[1, 3], 0, &[]), 250.0);
        check(&ramp, &course(&ramp, &[0, 3], 0, &[]), 0.0);
        check(&ramp, &course(&ramp, &[1], 12, &[]), 200.0);
        let double = LoadChange::Scale { scenario: None, factor: Ratio::new(2.0) };
        check(&ramp, &course(&ramp, &[1], 12, &[(12, double)]), 400.0);
        let fixed = LoadChange::Rate { scenario: ScenarioId(0), rate: rate("3000/s") };
        check(&ramp, &course(&ramp, &[1, 1], 2, &[(2, fixed)]), 1_500.0);
        let pause = [(5, LoadChange::Pause), (8, LoadChange::Resume)];
        check(&ramp, &course(&ramp, &[1], 8, &pause), 1_000.0);
    }

    #[test]
    fn scenarios_add_up_at_one_instant_not_at_their_own_peaks() {
        let apart = plan(vec![
            open(vec![stage(10, "100/s", "100/s"), stage(10, "10/s", "10/s")]),
            open(vec![stage(10, "10/s", "10/s"), stage(10, "300/s", "300/s")]),
        ]);
        check(&apart, &course(&apart, &[1], 0, &[]), 310.0);
    }

    #[test]
    fn a_share_above_the_ceiling_is_refused_with_both_numbers() {
        let limits = |text| LoadLimits { max_rate: Some(rate(text)), ..LoadLimits::default() };
        let plan = plan(vec![open(vec![stage(10, "0/s", "900/s")])]);
        let third = course(&plan, &[1, 2], 0, &[]);
        assert_eq!(limits("300/s").check_rate(&plan, &third), Ok(()));
        let line = limits("299/s").check_rate(&plan, &third).unwrap_err();
        assert!(line.contains("300.0/s") && line.contains("299/s") && line.contains("--max-rate"), "{line}");
        assert_eq!(LoadLimits::default().check_rate(&plan, &third), Ok(()));
        let file =
            FilePolicy { path: "p.yaml".into(), max_rate: Some(rate("299/s")), ..FilePolicy::default() };
        let both = LoadLimits { file: Some(file), ..limits("300/s") };
        let line = both.check_rate(&plan, &third).unwrap_err();
        assert!(
            line.contains("300.0/s") && line.ends_with("lower the rate, or raise `max_rate` in `p.yaml`"),
            "{line}"
        );
    }

    #[test]
    fn load_without_a_rate_has_no_place_under_a_ceiling() {
        let users = Stage { duration: Nanos::SECOND, from: 5, to: 5, measured: true };
        let closed = LoadModel::VirtualUsers { profile: UserProfile::new(vec![users]).unwrap() };
        let plan = plan(vec![scenario(closed)]);
        let course = course(&plan, &[1], 0, &[]);
        let limits = LoadLimits { max_rate: Some(rate("10/s")), ..LoadLimits::default() };
        assert!(limits.check_rate(&plan, &course).unwrap_err().contains("arrival rate"));
        assert_eq!(LoadLimits::default().check_rate(&plan, &course), Ok(()));
    }
}
