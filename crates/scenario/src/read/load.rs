//! The load of a scenario: what its executor's keys say.

use plan::{Arrivals, Overload, ProfileError};
use units::{Nanos, Rate};

use super::{Fields, Reader};
use crate::compile::load_model;
use crate::document::{Kind, Node};
use crate::executor::ExecutorKeys;
use crate::shape::StageShape;
use crate::{Load, LoadStage, OpenLoad, limits};

impl Reader<'_> {
    /// Reads the keys that belong to `executor`.
    pub(super) fn load(&mut self, fields: &Fields<'_>, executor: &ExecutorKeys) -> Option<Load> {
        let load = match executor.name {
            "constant-arrival-rate" => self.constant_arrival_rate(fields),
            "ramping-arrival-rate" => self.ramping_arrival_rate(fields),
            "constant-vus" => self.constant_vus(fields),
            "ramping-vus" => self.ramping_vus(fields),
            "shared-iterations" => self.shared_iterations(fields),
            other => unreachable!("`{other}` stands in the table of executors but is not read"),
        }?;
        match load_model(&load) {
            Ok(model) => {
                self.check_total(fields, model.duration())?;
                Some(load)
            }
            Err(error) => {
                self.profile_error(fields, &error);
                None
            }
        }
    }

    fn constant_arrival_rate(&mut self, fields: &Fields<'_>) -> Option<Load> {
        let rate = self.required(fields, "rate", Self::rate);
        let duration = self.required(fields, "duration", Self::duration);
        let warm_up = self.optional_or(fields, "warm_up", Nanos::ZERO, Self::duration_or_zero);
        let open = self.open_load(fields);
        Some(Load::ConstantArrivalRate { rate: rate?, warm_up: warm_up?, duration: duration?, open: open? })
    }

    fn ramping_arrival_rate(&mut self, fields: &Fields<'_>) -> Option<Load> {
        let start_rate = self.optional_or(fields, "start_rate", Rate::ZERO, Self::rate_or_zero);
        let stages = self.stages(fields, Self::rate_or_zero);
        let open = self.open_load(fields);
        let (start_rate, stages) = (start_rate?, stages?);
        if start_rate.is_zero() && stages.iter().all(|stage| stage.target.is_zero()) {
            self.error(
                "nothing-to-do",
                fields.at,
                "every stage has the rate 0/s",
                "raise a stage's `target`".to_owned(),
            );
            return None;
        }
        Some(Load::RampingArrivalRate { start_rate, stages, open: open? })
    }

    fn constant_vus(&mut self, fields: &Fields<'_>) -> Option<Load> {
        let vus = self.required(fields, "vus", |reader, label, node| reader.vus(label, node, 1));
        let duration = self.required(fields, "duration", Self::duration);
        let warm_up = self.optional_or(fields, "warm_up", Nanos::ZERO, Self::duration_or_zero);
        Some(Load::ConstantVus { vus: vus?, warm_up: warm_up?, duration: duration? })
    }

    fn ramping_vus(&mut self, fields: &Fields<'_>) -> Option<Load> {
        let start_vus =
            self.optional_or(fields, "start_vus", 1, |reader, label, node| reader.vus(label, node, 0));
        let stages = self.stages(fields, |reader, label, node| reader.vus(label, node, 0));
        let (start_vus, stages) = (start_vus?, stages?);
        if start_vus == 0 && stages.iter().all(|stage| stage.target == 0) {
            self.error(
                "nothing-to-do",
                fields.at,
                "every stage has 0 users",
                "raise a stage's `target`".to_owned(),
            );
            return None;
        }
        Some(Load::RampingVus { start_vus, stages })
    }

    fn shared_iterations(&mut self, fields: &Fields<'_>) -> Option<Load> {
        let vus = self.required(fields, "vus", |reader, label, node| reader.vus(label, node, 1));
        let iterations = self.required(fields, "iterations", |reader, label, node| {
            reader.count(label, node, 1, limits::MAX_ITERATIONS)
        });
        let max_duration = self.optional_or(fields, "max_duration", Nanos::from_secs(600), Self::duration);
        let (vus, iterations) = (vus?, iterations?);
        if iterations < u64::from(vus)
            && let Some(entry) = fields.get("vus")
        {
            let message = format!("only {iterations} of the {vus} users get an iteration");
            self.warn("idle-users", entry.value.span, message, format!("lower `vus` to {iterations}"));
        }
        Some(Load::SharedIterations { vus, iterations, max_duration: max_duration? })
    }

    /// What all open models have.
    fn open_load(&mut self, fields: &Fields<'_>) -> Option<OpenLoad> {
        let arrivals = self.optional_or(fields, "arrivals", Arrivals::Uniform, |reader, label, node| {
            reader.word(label, node, &[("uniform", Arrivals::Uniform), ("poisson", Arrivals::Poisson)])
        });
        let max_vus = self.optional_or(fields, "max_vus", None, |reader, label, node| {
            reader.count_or_auto(label, node, limits::MAX_VUS)
        });
        let queues = self.optional_or(fields, "overload", true, |reader, label, node| {
            reader.word(label, node, &[("queue", true), ("drop", false)])
        });
        let timeout = self.optional_or(fields, "queue_timeout", Nanos::from_secs(30), Self::duration);
        let overload = match (queues?, fields.get("queue_timeout")) {
            (true, _) => Overload::Queue { timeout: timeout? },
            (false, None) => Overload::Drop,
            (false, Some(entry)) => {
                let help = "remove it, or write `overload: queue`".to_owned();
                let message = "`queue_timeout` means nothing with `overload: drop`";
                self.error("conflicting-keys", entry.key_span, message, help);
                return None;
            }
        };
        Some(OpenLoad { arrivals: arrivals?, max_vus: max_vus?, overload })
    }

    fn stages<T>(
        &mut self,
        fields: &Fields<'_>,
        target: impl Fn(&mut Self, &str, &Node) -> Option<T>,
    ) -> Option<Vec<LoadStage<T>>> {
        let Some(entry) = fields.get("stages") else {
            self.missing(fields, "stages", "add `stages: [{ duration: 30s, target: … }]`".to_owned());
            return None;
        };
        let items = self.items("stages", &entry.value)?;
        if items.is_empty() || items.len() > limits::MAX_STAGES {
            let message = format!("there are {} stages", items.len());
            let help = format!("there may be 1 to {}", limits::MAX_STAGES);
            self.error("too-many", entry.value.span, message, help);
            return None;
        }
        let stages: Vec<Option<LoadStage<T>>> = items
            .iter()
            .map(|item| {
                let fields = self.fields::<StageShape>("stages", item, item.span)?;
                let duration = self.required(&fields, "duration", Self::duration);
                let target = self.required(&fields, "target", &target);
                let measure = self.optional_or(&fields, "measure", true, Self::flag);
                Some(LoadStage { duration: duration?, target: target?, measure: measure? })
            })
            .collect();
        let stages: Vec<LoadStage<T>> = stages.into_iter().collect::<Option<_>>()?;
        if stages.iter().all(|stage| !stage.measure) {
            let help = "remove `measure: false` from a stage".to_owned();
            self.error("nothing-measured", entry.key_span, "no stage is measured", help);
            return None;
        }
        Some(stages)
    }

    fn profile_error(&mut self, fields: &Fields<'_>, error: &ProfileError) {
        let (ProfileError::EmptyStage { stage } | ProfileError::TooLarge { stage }) = error else {
            self.error("too-large", fields.at, error.to_string(), None);
            return;
        };
        let written = fields.get("stages").and_then(|entry| match &entry.value.kind {
            Kind::Seq(items) => items.get(stage - 1),
            _ => None,
        });
        let span = written.map_or(fields.at, |stage| stage.span);
        self.error(
            "too-large",
            span,
            "the load is too large to be scheduled exactly",
            "lower its rate or its duration".to_owned(),
        );
    }
}
