//! Conditions the run must meet; their grammar is that of `metrics`.

use std::error::Error;
use std::ops::Range;

use metrics::{
    Catalog, CatalogCheck, CatalogScenario, CatalogStep, SelectorProblem, Threshold, ThresholdError,
};

use super::Reader;
use crate::document::{Kind, Node};
use crate::{Span, Workload, catalog, limits};

impl Reader<'_> {
    /// All thresholds; what they select is looked up in `workload`. Without one, because something else is wrong, only
    /// metrics and conditions are checked.
    pub(super) fn thresholds(&mut self, node: &Node, workload: Option<&Workload>) -> Option<Vec<Threshold>> {
        let entries = self.entries("thresholds", node)?;
        let known = workload.map_or_else(anything, catalog);
        let errors = self.problems.error_count();
        let mut thresholds = Vec::new();
        for entry in entries {
            let conditions = match &entry.value.kind {
                Kind::Seq(items) if items.is_empty() => {
                    let help = "write for example `[\"p(99) < 200ms\"]`".to_owned();
                    let message = format!("`{}` has no condition", entry.key);
                    self.error("missing-value", entry.value.span, message, help);
                    continue;
                }
                Kind::Seq(items) => items.as_slice(),
                _ => std::slice::from_ref(&entry.value),
            };
            if thresholds.len() + conditions.len() > limits::MAX_THRESHOLDS {
                let message = format!("there are more than {} thresholds", limits::MAX_THRESHOLDS);
                self.error("too-many", entry.key_span, message, None);
                break;
            }
            let selector = match workload {
                Some(_) => entry.key.as_str(),
                None => entry.key.split('{').next().unwrap_or_default(),
            };
            for condition in conditions {
                let Some(text) = self.plain(&entry.key, condition) else { continue };
                match Threshold::parse(selector, &text, &known) {
                    Ok(threshold) => thresholds.push(threshold),
                    Err(ThresholdError::Selector(error)) => {
                        let span = self.part_at(entry.key_span, selector, &error.at);
                        match error.problem {
                            SelectorProblem::NothingSelected(_) if !selector.contains('{') => {
                                let message =
                                    format!("threshold `{selector}`: nothing in this file is counted by it");
                                self.error("bad-threshold", span, message, None);
                            }
                            problem => self.threshold_error(span, &entry.key, &problem),
                        }
                        // One selector is wrong once, however many conditions it has.
                        break;
                    }
                    Err(ThresholdError::Condition(error)) => {
                        let span = self.part_at(condition.span, &text, &error.at);
                        self.threshold_error(span, &entry.key, &error.problem);
                    }
                }
            }
        }
        (self.problems.error_count() == errors).then_some(thresholds)
    }

    /// Reports what is wrong, with its cause in the same line.
    fn threshold_error(&mut self, span: Span, label: &str, error: &dyn Error) {
        let text = match error.source() {
            Some(cause) => format!("{error}, and {cause}"),
            None => error.to_string(),
        };
        let (message, help) = match text.split_once("; ") {
            Some((message, help)) => (message.to_owned(), Some(help.to_owned())),
            None => (text, None),
        };
        self.error("bad-threshold", span, format!("threshold `{label}`: {message}"), help);
    }

    /// Where bytes `at` of `text` stand within `span`; all of `span` when the text was not written as it is.
    fn part_at(&self, span: Span, text: &str, at: &Range<usize>) -> Span {
        match self.sources().slice(span).find(text) {
            Some(offset) if !at.is_empty() => {
                let start = span.start + offset as u32;
                Span { start: start + at.start as u32, end: start + at.end as u32, ..span }
            }
            _ => span,
        }
    }
}

/// A catalog in which every metric selects something.
fn anything() -> Catalog {
    let name = String::new();
    Catalog {
        scenarios: vec![CatalogScenario { name: name.clone(), ..CatalogScenario::default() }],
        steps: vec![CatalogStep { scenario: 0, name: name.clone() }],
        checks: vec![CatalogCheck { step: 0, name }],
        ..Catalog::default()
    }
}
