//! From a sealed run to its result file.
//!
//! Pure: everything that comes from outside the run (wall-clock labels, the tool's version, overrides) stands in the
//! [`ResultContext`]. What the numbers mean is said where they are declared, in [`api::result`].

mod degraded;
mod load;
mod observe;
mod telemetry;
mod timeline;
mod times;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use api::result::{
    Annotation, Identity, Override, ResultFile, RevisionResult, RunTime, SCHEMA_VERSION, SlotsDigests,
    Target, ThresholdResult, Tool, Unit, Verdict,
};
use api::{Condition, Conditions};
use metrics::{Bound, Evaluation, SinkReport, Threshold, Value};
use plan::LoadModel;
use scenario::{Files, Workload};
use units::{Nanos, Timestamp};

use crate::explain::explain;
use crate::run::{Revised, SealedRun};
use crate::verdict::{self, Observations};

pub(crate) use observe::of_generator;

/// What a result says that the run itself does not know.
pub struct ResultContext<'a> {
    /// What was run, as the user has it: `demo://` where that was the target.
    pub workload: &'a Workload,
    /// What the files it names hold.
    pub files: &'a Files,
    /// The program.
    pub tool: Tool,
    /// Values from outside the scenario file.
    pub overrides: Vec<Override>,
    /// What became of the controller's own telemetry of the run, after its last flush; empty where it sent none.
    pub telemetry: Vec<SinkReport>,
    /// The wall clock's label for an instant, RFC 3339 in UTC.
    pub label: &'a dyn Fn(Timestamp) -> String,
}

/// Writes down what came of a run.
///
/// # Panics
/// When the workload is not the one the run was made of.
pub fn build(sealed: &SealedRun, context: &ResultContext<'_>) -> ResultFile {
    let workload = context.workload;
    assert_eq!(
        sealed.plan.scenarios.len(),
        workload.scenarios.len(),
        "a run and its workload have the same scenarios"
    );
    let totals = sealed.merged.totals();
    let telemetry = telemetry::Ledgers::of(sealed, context);
    let Judgement { thresholds, measured, seen, verdict } = judge(sealed, workload, telemetry.reasons());
    let mut conditions: Conditions = incidents_conditions(sealed).collect();
    conditions.extend(verdict::conditions(&seen, &verdict));

    ResultFile {
        schema_version: SCHEMA_VERSION,
        tool: context.tool.clone(),
        identity: identity(sealed, context),
        seed: sealed.plan.seed.0,
        time: time(sealed, context.label),
        target: Target { url: workload.target.url.to_string(), in_process: workload.uses_demo_target() },
        tags: workload.tags.clone(),
        configuration: serde_json::from_str(&workload.to_canonical_json())
            .expect("a resolved document is JSON"),
        overrides: context.overrides.clone(),
        verdict,
        exit: conditions.into(),
        thresholds: thresholds
            .iter()
            .enumerate()
            .map(|(number, (threshold, evaluation))| {
                let explanation = (!evaluation.passed).then(|| explain(sealed, number, threshold)).flatten();
                ThresholdResult { explanation, ..threshold_result(threshold, evaluation) }
            })
            .collect(),
        totals: load::totals(sealed, measured),
        scenarios: load::scenarios(sealed, workload),
        timeline: timeline::timeline(sealed.merged.timeline()),
        histograms: times::histograms(totals),
        workers: workers::workers(sealed),
        annotations: annotations(sealed, workload),
        by_label: workers::by_label(sealed),
        revisions: revisions(sealed),
        degraded: degraded::degraded(sealed),
        telemetry: telemetry.result(),
        slowest: telemetry::slowest(sealed),
    }
}

/// How a run that is over was judged.
pub(crate) struct Judgement<'a> {
    /// The thresholds and whether they were met.
    pub(crate) thresholds: Vec<(&'a Threshold, Evaluation)>,
    /// The time that is measured.
    measured: Nanos,
    seen: Observations,
    /// What follows from all that.
    pub(crate) verdict: Verdict,
}

/// Judges a run that is over; of its telemetry is only told what `lost_telemetry` says.
pub(crate) fn judge<'a>(
    sealed: &SealedRun,
    workload: &'a Workload,
    lost_telemetry: Vec<String>,
) -> Judgement<'a> {
    let measured = observe::measured_time(sealed);
    let totals = sealed.merged.totals();
    let thresholds: Vec<(&Threshold, Evaluation)> = workload
        .thresholds
        .iter()
        .map(|threshold| (threshold, threshold.evaluate(totals, measured)))
        .collect();
    let seen = Observations { lost_telemetry, ..observe::observations(sealed, &thresholds) };
    let verdict = verdict::judge(&seen, &workload.verdict);
    Judgement { thresholds, measured, seen, verdict }
}

/// What the incidents have to say to the exit code; that the run is degraded, only if it may not be.
fn incidents_conditions(sealed: &SealedRun) -> impl Iterator<Item = Condition> + '_ {
    let kinds = sealed.incidents.iter().map(|incident| &incident.kind);
    let counts = kinds.filter(|kind| !(sealed.policy.allow_degraded && kind.is_degradation()));
    counts.map(|kind| kind.condition())
}

fn revisions(sealed: &SealedRun) -> Vec<RevisionResult> {
    let mut hash = sealed.plan.plan_hash();
    let name = |place: usize| {
        let session = sealed.sessions.iter().find(|session| session.place == place);
        session.map_or_else(|| place.to_string(), |session| session.worker.to_string())
    };
    let result = |made: &Revised| {
        if let Some(amendment) = &made.amendment {
            hash = hash.amended(amendment);
        }
        let weights: BTreeMap<String, u32> =
            made.weights.iter().enumerate().map(|(place, weight)| (name(place), *weight)).collect();
        RevisionResult {
            number: made.number,
            effective_ms: made.effective.as_millis_f64(),
            weights,
            plan_hash: hash.to_string(),
        }
    };
    sealed.revisions.iter().skip(1).map(result).collect()
}

/// An instant from slot 0, negative before it.
fn since_start(start: Option<Timestamp>, at: Timestamp) -> Option<f64> {
    start.map(|start| {
        let after = at.saturating_since(start).as_millis_f64();
        if at < start { -start.saturating_since(at).as_millis_f64() } else { after }
    })
}

fn identity(sealed: &SealedRun, context: &ResultContext<'_>) -> Identity {
    let sums = sealed.merged.totals().all_scenarios();
    let (measured, warm_up) = (sums.iterations, sums.warm_up_iterations);
    let digest = |parts: &[u128]| {
        format!("{:032x}", parts.iter().fold(0_u128, |sum, digest| sum.wrapping_add(*digest)))
    };
    let class = |tallies: &dyn Fn(&metrics::IterationLedger) -> Vec<u128>| {
        digest(&[tallies(&measured), tallies(&warm_up)].concat())
    };
    Identity {
        run_id: sealed.run_id.to_string(),
        name: context.workload.name.clone(),
        scenario_digest: hex(&context.workload.scenario_digest(context.files)),
        config_digest: hex(&context.workload.config_digest(context.files)),
        plan_hash: sealed.plan_hash().to_string(),
        slots_digest: SlotsDigests {
            due: class(&|ledger| vec![ledger.due.digest]),
            started: class(&|ledger| vec![ledger.started.digest]),
            dropped: class(&|ledger| ledger.dropped.iter().map(|tally| tally.digest).collect()),
            unsent: class(&|ledger| ledger.unsent.iter().map(|tally| tally.digest).collect()),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn time(sealed: &SealedRun, label: &dyn Fn(Timestamp) -> String) -> RunTime {
    let prepared = sealed.start.unwrap_or(sealed.sealed_at);
    let planned = sealed.planned_time();
    let load = sealed.load_time();
    RunTime {
        created_at: label(sealed.created_at),
        started_at: sealed.start.map(label),
        sealed_at: label(sealed.sealed_at),
        preparing_ms: prepared.saturating_since(sealed.created_at).as_millis_f64(),
        planned_ms: planned.as_millis_f64(),
        load_ms: load.as_millis_f64(),
        draining_ms: load.saturating_sub(sealed.cut_at().unwrap_or(planned)).as_millis_f64(),
        total_ms: sealed.sealed_at.saturating_since(sealed.created_at).as_millis_f64(),
    }
}

fn threshold_result(threshold: &Threshold, evaluation: &Evaluation) -> ThresholdResult {
    let (unit, measured, at_least) = match evaluation.measured {
        None => (unit_of(threshold), None, false),
        Some(value) => {
            let (unit, number) = number(value);
            let at_least = matches!(value, Value::Time(estimate) if estimate.is_lower_bound());
            (unit, Some(number), at_least)
        }
    };
    ThresholdResult {
        metric: threshold.selector_text.clone(),
        expression: threshold.condition_text.clone(),
        passed: evaluation.passed,
        measured,
        at_least,
        unit,
        explanation: None,
    }
}

fn number(value: Value) -> (Unit, f64) {
    match value {
        Value::Time(estimate) => (Unit::Us, estimate.value.as_micros_f64()),
        Value::Share(ratio) => (Unit::Ratio, ratio.as_f64()),
        Value::PerSecond(rate) => (Unit::PerS, rate),
        Value::Count(count) => (Unit::Count, count as f64),
        Value::Bytes(bytes) => (Unit::Bytes, bytes.as_u64() as f64),
        Value::BytesPerSecond(rate) => (Unit::BytesPerS, rate),
    }
}

/// The unit a threshold without samples would have been measured in.
fn unit_of(threshold: &Threshold) -> Unit {
    match threshold.condition.bound {
        Bound::Time(_) => Unit::Us,
        Bound::Share(_) => Unit::Ratio,
        Bound::PerSecond(_) => Unit::PerS,
        Bound::Count(_) => Unit::Count,
        Bound::Bytes(_) => Unit::Bytes,
        Bound::BytesPerSecond(_) => Unit::BytesPerS,
    }
}

fn annotations(sealed: &SealedRun, workload: &Workload) -> Vec<Annotation> {
    let mut notes: Vec<Annotation> = Vec::new();
    let mut note = |text: String| notes.push(Annotation { at_ms: None, by: None, text });
    if workload.uses_demo_target() {
        note("the target ran in this process and shared its CPUs: noted, not judged".to_owned());
    }
    if !workload.target.tls.verify {
        note("certificates of the target were not verified, as the configuration says".to_owned());
    }
    let layout = sealed.merged.totals().layout();
    for (folded, what) in [(layout.folded_steps(), "steps"), (layout.folded_scenarios(), "scenarios")] {
        if folded > 0 {
            note(format!("{folded} {what} are counted together: each of them shows the numbers of all"));
        }
    }
    let at_ms = |at: Timestamp| since_start(sealed.start, at);
    let mut happened: Vec<(Timestamp, Annotation)> = Vec::new();
    happened.extend(sealed.incidents.iter().map(|incident| {
        let note = Annotation { at_ms: at_ms(incident.at), by: None, text: incident.kind.to_string() };
        (incident.at, note)
    }));
    happened.extend(sealed.annotations.iter().map(|change| {
        let by = Some(change.by.to_string());
        (change.at, Annotation { at_ms: at_ms(change.at), by, text: change.what.to_string() })
    }));
    happened.sort_by_key(|(at, _)| *at);
    notes.extend(happened.into_iter().map(|(_, note)| note));
    notes
}

/// Whether part of a scenario is warm-up.
fn has_warm_up(load: &LoadModel) -> bool {
    let measured: BTreeSet<bool> = match load {
        LoadModel::ArrivalRate { profile, .. } => {
            profile.stages().iter().map(|stage| stage.measured).collect()
        }
        LoadModel::VirtualUsers { profile } => profile.stages().iter().map(|stage| stage.measured).collect(),
        LoadModel::SharedIterations { .. } => BTreeSet::new(),
    };
    measured.contains(&false)
}

#[cfg(test)]
mod tests;
