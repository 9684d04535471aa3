//! A workload in the words of the file: what serde writes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use plan::{Arrivals, Overload};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use units::{Nanos, Rate, Ratio};

use super::step::StepDocument;
use super::telemetry::TelemetryDocument;
use crate::loss::{self, OnWorkerLoss, Rejoin};
use crate::{
    Body, Load, LoadStage, LossPolicy, OpenLoad, Pacing, Scenario, Target, Text, TextPart, Tls,
    VerdictBounds, Workload,
};

/// Which parts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Everything.
    Whole,
    /// What makes the test: no name of the run, base URL, tags, names of secrets, output, policy on losses,
    /// telemetry.
    Test,
}

/// The file.
pub(super) struct FileDocument<'a> {
    workload: &'a Workload,
    form: Form,
}

impl<'a> FileDocument<'a> {
    pub(super) fn new(workload: &'a Workload, form: Form) -> Self {
        Self { workload, form }
    }
}

impl Serialize for FileDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { workload, form } = *self;
        let mut map = serializer.serialize_map(None)?;
        if form == Form::Whole {
            map.serialize_entry("name", &Escaped(&workload.name))?;
        }
        map.serialize_entry("target", &TargetDocument { target: &workload.target, form })?;
        write_tags(&mut map, &workload.tags, form)?;
        map.serialize_entry("scenarios", &Scenarios { workload, form })?;
        if !workload.thresholds.is_empty() {
            map.serialize_entry("thresholds", &Thresholds(workload))?;
        }
        map.serialize_entry("verdict", &Verdict(&workload.verdict))?;
        let options = &workload.options;
        map.serialize_entry(
            "pacing",
            if options.pacing == Pacing::Precise { "precise" } else { "balanced" },
        )?;
        map.serialize_entry("threads", &NumberOrAuto(options.threads))?;
        map.serialize_entry("seed", &options.seed)?;
        if form == Form::Whole
            && let Some(out) = &options.out
        {
            map.serialize_entry("out", &Escaped(out))?;
        }
        if form == Form::Whole {
            map.serialize_entry("options", &Loss(&options.loss))?;
            map.serialize_entry("telemetry", &TelemetryDocument(&options.telemetry))?;
        }
        map.end()
    }
}

fn write_tags<M: SerializeMap>(
    map: &mut M,
    tags: &BTreeMap<String, String>,
    form: Form,
) -> Result<(), M::Error> {
    if form == Form::Test || tags.is_empty() {
        return Ok(());
    }
    let escaped: BTreeMap<&str, Escaped<'_>> =
        tags.iter().map(|(name, value)| (name.as_str(), Escaped(value))).collect();
    map.serialize_entry("tags", &escaped)
}

/// A text in which `${` must not be taken for a reference.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Serialize for Escaped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Text::literal(self.0))
    }
}

/// A text with references to secrets.
pub(super) struct Referring<'a> {
    pub(super) text: &'a Text,
    pub(super) form: Form,
}

impl Serialize for Referring<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.form == Form::Whole {
            return serializer.collect_str(self.text);
        }
        let blind = |part: &TextPart| match part {
            TextPart::Literal(text) => TextPart::Literal(text.clone()),
            TextPart::Secret(_) => TextPart::Secret(String::new()),
        };
        serializer.collect_str(&Text { parts: self.text.parts.iter().map(blind).collect() })
    }
}

/// A number, or `auto`.
struct NumberOrAuto(Option<u32>);

impl Serialize for NumberOrAuto {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(number) => serializer.serialize_u32(number),
            None => serializer.serialize_str("auto"),
        }
    }
}

struct TargetDocument<'a> {
    target: &'a Target,
    form: Form,
}

impl Serialize for TargetDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { target, form } = *self;
        let mut map = serializer.serialize_map(None)?;
        if form == Form::Whole {
            map.serialize_entry("url", &Escaped(&target.url.to_string()))?;
        }
        map.serialize_entry("tls", &TlsDocument(&target.tls))?;
        if !target.headers.is_empty() {
            map.serialize_entry("headers", &TextMap { entries: &target.headers, form })?;
        }
        if !target.resolve.is_empty() {
            let resolve: &BTreeMap<String, IpAddr> = &target.resolve;
            map.serialize_entry("resolve", resolve)?;
        }
        let timeouts = target.timeouts;
        let timeouts: [(&str, Nanos); 4] = [
            ("dns", timeouts.dns),
            ("connect", timeouts.connect),
            ("tls", timeouts.tls),
            ("request", timeouts.request),
        ];
        map.serialize_entry("timeouts", &Pairs(&timeouts))?;
        map.end()
    }
}

/// A mapping of fixed keys.
pub(super) struct Pairs<'a, T>(pub(super) &'a [(&'static str, T)]);

impl<T: Serialize> Serialize for Pairs<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

struct TlsDocument<'a>(&'a Tls);

impl Serialize for TlsDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tls = self.0;
        let mut map = serializer.serialize_map(None)?;
        let texts =
            [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key), ("server_name", &tls.server_name)];
        for (key, value) in texts {
            if let Some(value) = value {
                map.serialize_entry(key, &Escaped(value))?;
            }
        }
        map.serialize_entry("verify", &tls.verify)?;
        map.end()
    }
}

/// Names in file order with texts; a name that comes again with values in a row becomes a list.
pub(super) struct TextMap<'a> {
    pub(super) entries: &'a [(String, Text)],
    pub(super) form: Form,
}

impl Serialize for TextMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = self.form;
        let mut map = serializer.serialize_map(None)?;
        for run in self.entries.chunk_by(|(first, _), (second, _)| first == second) {
            match run {
                [(name, text)] => map.serialize_entry(name, &Referring { text, form })?,
                run => {
                    let texts: Vec<Referring<'_>> =
                        run.iter().map(|(_, text)| Referring { text, form }).collect();
                    map.serialize_entry(&run[0].0, &texts)?;
                }
            }
        }
        map.end()
    }
}

struct Scenarios<'a> {
    workload: &'a Workload,
    form: Form,
}

impl Serialize for Scenarios<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.workload.scenarios.len()))?;
        for scenario in &self.workload.scenarios {
            let document = ScenarioDocument { scenario, base: &self.workload.target, form: self.form };
            map.serialize_entry(&scenario.name, &document)?;
        }
        map.end()
    }
}

struct ScenarioDocument<'a> {
    scenario: &'a Scenario,
    base: &'a Target,
    form: Form,
}

impl Serialize for ScenarioDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { scenario, base, form } = *self;
        let mut map = serializer.serialize_map(None)?;
        write_load(&mut map, &scenario.load)?;
        map.serialize_entry("graceful_stop", &scenario.graceful_stop)?;
        write_tags(&mut map, &scenario.tags, form)?;
        // Two targets that differ only in their URL are the same for the test.
        let url = if form == Form::Test { &scenario.target.url } else { &base.url };
        if scenario.target != (Target { url: url.clone(), ..base.clone() }) {
            map.serialize_entry("target", &TargetDocument { target: &scenario.target, form })?;
        }
        match &scenario.body {
            Body::Steps(steps) => {
                let steps: Vec<StepDocument<'_>> =
                    steps.iter().map(|step| StepDocument { step, form }).collect();
                map.serialize_entry("steps", &steps)?;
            }
            Body::Task(task) => map.serialize_entry("task", &Escaped(task))?,
        }
        map.end()
    }
}

fn write_load<M: SerializeMap>(map: &mut M, load: &Load) -> Result<(), M::Error> {
    let executor = match load {
        Load::ConstantArrivalRate { .. } => "constant-arrival-rate",
        Load::RampingArrivalRate { .. } => "ramping-arrival-rate",
        Load::ConstantVus { .. } => "constant-vus",
        Load::RampingVus { .. } => "ramping-vus",
        Load::SharedIterations { .. } => "shared-iterations",
    };
    map.serialize_entry("executor", executor)?;
    match load {
        Load::ConstantArrivalRate { rate, warm_up, duration, open } => {
            map.serialize_entry("rate", rate)?;
            map.serialize_entry("warm_up", warm_up)?;
            map.serialize_entry("duration", duration)?;
            write_open(map, open)
        }
        Load::RampingArrivalRate { start_rate, stages, open } => {
            map.serialize_entry("start_rate", start_rate)?;
            map.serialize_entry(
                "stages",
                &stages.iter().map(StageDocument::<Rate>::from).collect::<Vec<_>>(),
            )?;
            write_open(map, open)
        }
        Load::ConstantVus { vus, warm_up, duration } => {
            map.serialize_entry("vus", vus)?;
            map.serialize_entry("warm_up", warm_up)?;
            map.serialize_entry("duration", duration)
        }
        Load::RampingVus { start_vus, stages } => {
            map.serialize_entry("start_vus", start_vus)?;
            map.serialize_entry("stages", &stages.iter().map(StageDocument::<u32>::from).collect::<Vec<_>>())
        }
        Load::SharedIterations { vus, iterations, max_duration } => {
            map.serialize_entry("vus", vus)?;
            map.serialize_entry("iterations", iterations)?;
            map.serialize_entry("max_duration", max_duration)
        }
    }
}

fn write_open<M: SerializeMap>(map: &mut M, open: &OpenLoad) -> Result<(), M::Error> {
    map.serialize_entry("arrivals", if open.arrivals == Arrivals::Poisson { "poisson" } else { "uniform" })?;
    map.serialize_entry("max_vus", &NumberOrAuto(open.max_vus))?;
    match open.overload {
        Overload::Queue { timeout } => {
            map.serialize_entry("overload", "queue")?;
            map.serialize_entry("queue_timeout", &timeout)
        }
        Overload::Drop => map.serialize_entry("overload", "drop"),
    }
}

#[derive(Serialize)]
struct StageDocument<T> {
    duration: Nanos,
    target: T,
    measure: bool,
}

impl<T: Copy> From<&LoadStage<T>> for StageDocument<T> {
    fn from(stage: &LoadStage<T>) -> Self {
        Self { duration: stage.duration, target: stage.target, measure: stage.measure }
    }
}

/// Selectors with their expressions, in the order of the file.
struct Thresholds<'a>(&'a Workload);

impl Serialize for Thresholds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for run in self.0.thresholds.chunk_by(|first, second| first.selector_text == second.selector_text) {
            let expressions: Vec<Escaped<'_>> =
                run.iter().map(|threshold| Escaped(&threshold.condition_text)).collect();
            map.serialize_entry(&run[0].selector_text, &expressions)?;
        }
        map.end()
    }
}

struct Verdict<'a>(&'a VerdictBounds);

impl Serialize for Verdict<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let VerdictBounds { suspect, invalid } = self.0;
        let suspect = [
            ("dispatch_lag_p99", suspect.dispatch_lag_p99.to_string()),
            ("thread_busy", percent(suspect.thread_busy)),
        ];
        let invalid = [
            ("dispatch_lag_p99", invalid.dispatch_lag_p99.to_string()),
            ("generator_stall", percent(invalid.generator_stall)),
            ("own_faults", percent(invalid.own_faults)),
            ("throttled", percent(invalid.throttled)),
        ];
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("suspect", &Pairs(&suspect))?;
        map.serialize_entry("invalid", &Pairs(&invalid))?;
        map.end()
    }
}

struct Loss<'a>(&'a LossPolicy);

impl Serialize for Loss<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let LossPolicy { on_worker_loss, max_lost, rejoin, allow_degraded } = self.0;
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("on_worker_loss", loss::word(&OnWorkerLoss::WORDS, on_worker_loss))?;
        map.serialize_entry("max_lost", &percent(*max_lost))?;
        map.serialize_entry("rejoin", loss::word(&Rejoin::WORDS, rejoin))?;
        map.serialize_entry("allow_degraded", allow_degraded)?;
        map.end()
    }
}

/// A share as the file has it.
pub(super) fn percent(ratio: Ratio) -> String {
    format!("{}%", hundredths(ratio))
}

/// A ratio in hundredths; the language knows no more than four decimals.
pub(super) fn hundredths(ratio: Ratio) -> String {
    let parts = (ratio.as_f64() * 1e6).round() as u64;
    let (whole, fraction) = (parts / 10_000, parts % 10_000);
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = format!("{fraction:04}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}
