//! One scenario.

use std::collections::BTreeMap;

use super::{Fields, Reader};
use crate::document::Entry;
use crate::executor::{EXECUTORS, ExecutorKeys, executors_with};
use crate::shape::ScenarioShape;
use crate::suggest::listed;
use crate::{Body, Scenario, Target, limits};
use units::Nanos;

impl Reader<'_> {
    /// The scenario that `entry` names.
    pub(super) fn scenario(&mut self, entry: &Entry, base: &Target) -> Option<Scenario> {
        let fields = self.fields::<ScenarioShape>(&entry.key, &entry.value, entry.key_span)?;
        let executor = self.executor(&fields);
        let load = executor.and_then(|executor| {
            self.refuse_keys_of_others(&fields, executor);
            self.load(&fields, executor)
        });
        let graceful_stop =
            self.optional_or(&fields, "graceful_stop", Nanos::from_secs(30), Self::duration_or_zero);
        let tags = self.optional_or(&fields, "tags", BTreeMap::new(), Self::tags);
        let target = match fields.get("target") {
            Some(entry) => self.target_change(&entry.value, entry.key_span, base),
            None => Some(base.clone()),
        };
        let request_timeout = target.as_ref().unwrap_or(base).timeouts.request;
        let body = match (fields.get("steps"), fields.get("task")) {
            (Some(steps), None) => self.steps(&steps.value, request_timeout).map(Body::Steps),
            (None, Some(task)) => self.label("task", &task.value).map(Body::Task),
            (Some(_), Some(task)) => {
                let help = "remove one of them".to_owned();
                self.error(
                    "conflicting-keys",
                    task.key_span,
                    "a scenario has either `steps` or a `task`",
                    help,
                );
                None
            }
            (None, None) => {
                self.missing(&fields, "steps", "add `steps:` with for example `- get: /`".to_owned());
                None
            }
        };
        Some(Scenario {
            name: entry.key.clone(),
            load: load?,
            graceful_stop: graceful_stop?,
            tags: tags?,
            target: target?,
            body: body?,
        })
    }

    fn executor(&mut self, fields: &Fields<'_>) -> Option<&'static ExecutorKeys> {
        let words: Vec<(&str, &str)> =
            EXECUTORS.iter().map(|executor| (executor.name, executor.name)).collect();
        let Some(entry) = fields.get("executor") else {
            let names: Vec<&str> = EXECUTORS.iter().map(|executor| executor.name).collect();
            self.missing(fields, "executor", format!("say how iterations start: {}", listed(&names)));
            return None;
        };
        ExecutorKeys::named(self.word("executor", &entry.value, &words)?)
    }

    /// Reports keys that only other executors have.
    fn refuse_keys_of_others(&mut self, fields: &Fields<'_>, executor: &ExecutorKeys) {
        for entry in fields.entries {
            let owners = executors_with(&entry.key);
            // A key that no executor has was reported as unknown.
            if executor.has(&entry.key) || owners.is_empty() {
                continue;
            }
            let message = format!("`{}` is no key of `{}`", entry.key, executor.name);
            let help = if entry.key == "warm_up" && executor.has("stages") {
                "put a first stage with `measure: false` in place of it".to_owned()
            } else {
                let own: Vec<&str> = executor.required.iter().chain(executor.optional).copied().collect();
                format!("{} may have it; this one has {}", listed(&owners), listed(&own))
            };
            self.error("key-of-other-executor", entry.key_span, message, help);
        }
    }

    /// Whether a scenario may run for this long; reports if not.
    pub(super) fn check_total(&mut self, fields: &Fields<'_>, total: Nanos) -> Option<()> {
        if total <= limits::MAX_DURATION {
            return Some(());
        }
        let message = format!("the scenario lasts {total}, which is too long");
        self.error("out-of-range", fields.at, message, format!("the longest is {}", limits::MAX_DURATION));
        None
    }
}
