//! The root of a scenario file.

use std::collections::BTreeMap;

use super::Reader;
use crate::document::{Kind, Node};
use crate::shape::FileShape;
use crate::{Scenario, Span, Target, VerdictBounds, Workload, limits, names};

impl Reader<'_> {
    /// Reads the whole file.
    pub(super) fn file(&mut self, root: &Node, stem: &str) -> Option<Workload> {
        let at = match &root.kind {
            Kind::Null => {
                let help = "`loadgen new` writes a scenario to start from".to_owned();
                self.error("empty-file", root.span, "the file is empty", help);
                return None;
            }
            Kind::Map(entries) => entries.first().map_or(root.span, |entry| entry.key_span),
            _ => root.span,
        };
        // Editors may be told of the schema by a key of its own.
        let without_schema;
        let root = if root.entry(SCHEMA_KEY).is_some() {
            let mut copy = root.clone();
            if let Kind::Map(entries) = &mut copy.kind {
                entries.retain(|entry| entry.key != SCHEMA_KEY);
            }
            without_schema = copy;
            &without_schema
        } else {
            root
        };
        let fields = self.fields::<FileShape>("the file", root, at)?;
        let name = self.optional(&fields, "name", Self::label);
        let target = match fields.get("target") {
            Some(entry) => self.target(&entry.value, entry.key_span),
            None => {
                let help = "add `target: { url: \"http://localhost:8080\" }`".to_owned();
                self.missing(&fields, "target", help);
                None
            }
        };
        let tags = self.optional_or(&fields, "tags", BTreeMap::new(), Self::tags);
        let verdict = self.optional_or(&fields, "verdict", VerdictBounds::default(), Self::verdict);
        let options = self.run_options(&fields);
        // Without a target the scenarios are still read, for the sake of their own problems.
        let base = target.clone().unwrap_or_else(Target::demo);
        let scenarios = match fields.get("scenarios") {
            Some(entry) => self.scenarios(&entry.value, entry.key_span, &base),
            None => {
                let help = "add `scenarios:` with a named scenario below it".to_owned();
                self.missing(&fields, "scenarios", help);
                None
            }
        };
        let workload = match (name, target, tags, verdict, options, scenarios) {
            (Some(name), Some(target), Some(tags), Some(verdict), Some(options), Some(scenarios)) => {
                let name = name.unwrap_or_else(|| stem.to_owned());
                Some(Workload { name, target, tags, scenarios, thresholds: Vec::new(), verdict, options })
            }
            _ => None,
        };
        // What a threshold may refer to is known only when everything else is right; its grammar is checked anyway.
        let thresholds = match fields.get("thresholds") {
            Some(entry) => self.thresholds(&entry.value, workload.as_ref()),
            None => Some(Vec::new()),
        };
        workload.zip(thresholds).map(|(workload, thresholds)| Workload { thresholds, ..workload })
    }

    /// All scenarios.
    fn scenarios(&mut self, node: &Node, at: Span, base: &Target) -> Option<Vec<Scenario>> {
        let entries = self.entries("scenarios", node)?;
        if entries.is_empty() {
            let help = "put a named scenario below `scenarios:`".to_owned();
            self.error("nothing-to-do", at, "there is no scenario", help);
            return None;
        }
        if entries.len() > limits::MAX_SCENARIOS {
            let message =
                format!("there are {} scenarios; at most {} run", entries.len(), limits::MAX_SCENARIOS);
            self.error("too-many", at, message, None);
            return None;
        }
        let errors = self.problems.error_count();
        let mut scenarios = Vec::with_capacity(entries.len());
        for entry in entries {
            if !names::is_plain_name(&entry.key) {
                let message = format!("`{}` cannot name a scenario", entry.key);
                let help = "use letters, digits, `_`, `-` and `.`".to_owned();
                self.error("bad-name", entry.key_span, message, help);
            }
            scenarios.extend(self.scenario(entry, base));
        }
        if self.steps > limits::MAX_STEPS {
            let message =
                format!("the file has {} steps; at most {} are compiled", self.steps, limits::MAX_STEPS);
            self.error("too-many", at, message, None);
        }
        (self.problems.error_count() == errors).then_some(scenarios)
    }
}

/// A key for editors that is no part of the scenario.
const SCHEMA_KEY: &str = "$schema";
