//! What a threshold looks at: a metric, filtered by tags: `response_time{scenario:browse,outcome:ok}`.

use std::ops::Range;

use crate::metric::{Metric, MetricScope};
use crate::suggestion::{closest, did_you_mean, listed};
use crate::time_stats::Outcomes;
use crate::{Catalog, CatalogScenario};

/// A metric and the scenarios, steps or checks whose values count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The metric.
    pub metric: Metric,
    /// The scenarios that are selected, by index.
    pub scenarios: Vec<usize>,
    /// The steps that are selected, by index.
    pub steps: Vec<usize>,
    /// The checks that are selected, by index.
    pub checks: Vec<usize>,
    /// The outcomes that are selected.
    pub outcomes: Outcomes,
}

/// Why a text is no selector, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct SelectorError {
    /// The bytes of the text that are at fault.
    pub at: Range<usize>,
    /// What is wrong with them.
    pub problem: SelectorProblem,
}

/// What can be wrong with a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorProblem {
    /// No metric is named.
    #[error("a metric is missing; write for example `response_time` or `failed{{scenario:browse}}`")]
    Empty,
    /// No such metric.
    #[error("`{name}` is not a metric{}", match .suggestion {
        Some(_) => did_you_mean(*.suggestion),
        None => format!("; there are {}", listed(Metric::all().map(Metric::name))),
    })]
    UnknownMetric {
        /// What stands there.
        name: String,
        /// A metric that looks like it.
        suggestion: Option<&'static str>,
    },
    /// A bracket or quote is open at the end.
    #[error("`{0}` is not closed")]
    Unclosed(char),
    /// Something follows the filters.
    #[error("nothing may follow the filters, found `{0}`")]
    Trailing(String),
    /// A filter is no pair.
    #[error("`{0}` is not a filter; write for example `scenario:browse`")]
    Malformed(String),
    /// A key stands twice; a value cannot be two things.
    #[error("`{0}` is given twice; all filters must hold at once")]
    Repeated(String),
    /// The metric is not kept apart by this key.
    #[error("`{metric}` is not kept apart by `{key}`; it can be filtered by {allowed}")]
    NotFilterable {
        /// The metric.
        metric: &'static str,
        /// The key.
        key: String,
        /// What would be possible.
        allowed: String,
    },
    /// No tag of this name is known before the run.
    #[error("`{key}` is not a tag that is known before the run{}", match .suggestion {
        Some(suggestion) => did_you_mean(Some(suggestion)),
        None => format!("; it can be filtered by {known}"),
    })]
    UnknownKey {
        /// What stands there.
        key: String,
        /// A key that looks like it.
        suggestion: Option<String>,
        /// All keys.
        known: String,
    },
    /// Nothing has this value.
    #[error("no {key} is `{value}`{}", match .suggestion {
        Some(suggestion) => did_you_mean(Some(suggestion)),
        None => format!("; there is {known}"),
    })]
    UnknownValue {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// A value that looks like it.
        suggestion: Option<String>,
        /// All values.
        known: String,
    },
    /// Each filter selects something, but not the same.
    #[error("nothing fits all filters at once; there is {0}")]
    NothingSelected(String),
}

/// One `key:value` with the bytes each stands in.
struct Filter<'a> {
    key: &'a str,
    key_at: Range<usize>,
    value: &'a str,
    value_at: Range<usize>,
}

impl Selector {
    /// Reads a selector in k6's grammar and looks up what it selects.
    ///
    /// Filters are `key:value`, separated by commas, and must all hold. Keys are `scenario`, `step`, `check`,
    /// `outcome` (`ok` or `failed`) and the tags of scenarios and of the run. A value with a comma or brace in it
    /// stands in double quotes.
    ///
    /// # Errors
    /// What is wrong and where, with what could be meant. A selector that selects nothing is wrong.
    pub fn parse(text: &str, catalog: &Catalog) -> Result<Self, SelectorError> {
        let name_end = text.find('{').unwrap_or(text.len());
        let name = text[..name_end].trim();
        let name_at = span_of(text, name);
        if name.is_empty() {
            return Err(SelectorError { at: 0..text.len(), problem: SelectorProblem::Empty });
        }
        let metric = Metric::by_name(name).ok_or_else(|| SelectorError {
            at: name_at,
            problem: SelectorProblem::UnknownMetric {
                name: name.to_owned(),
                suggestion: Metric::closest_name(name),
            },
        })?;
        let filters = filters_of(text, name_end)?;
        let mut selector = Self::unfiltered(metric, catalog);
        for (number, filter) in filters.iter().enumerate() {
            if filters[..number].iter().any(|earlier| earlier.key == filter.key) {
                let problem = SelectorProblem::Repeated(filter.key.to_owned());
                return Err(SelectorError { at: filter.key_at.clone(), problem });
            }
            selector.narrow(filter, catalog)?;
        }
        selector.keep_consistent(catalog);
        if selector.is_empty() {
            let known = match metric.scope() {
                MetricScope::Check => listed(catalog.checks.iter().map(|check| &check.name)),
                MetricScope::Step => listed(
                    catalog
                        .steps
                        .iter()
                        .map(|step| format!("{}/{}", catalog.scenarios[step.scenario].name, step.name)),
                ),
                MetricScope::Scenario | MetricScope::Run => listed(catalog.scenarios.iter().map(|s| &s.name)),
            };
            let at = if filters.is_empty() { 0..text.len() } else { name_end..text.trim_end().len() };
            return Err(SelectorError { at, problem: SelectorProblem::NothingSelected(known) });
        }
        Ok(selector)
    }

    /// All values of a metric.
    pub fn unfiltered(metric: Metric, catalog: &Catalog) -> Self {
        Self {
            metric,
            scenarios: (0..catalog.scenarios.len()).collect(),
            steps: (0..catalog.steps.len()).collect(),
            checks: (0..catalog.checks.len()).collect(),
            outcomes: Outcomes::Both,
        }
    }

    fn narrow(&mut self, filter: &Filter<'_>, catalog: &Catalog) -> Result<(), SelectorError> {
        let value = filter.value;
        let scope = self.metric.scope();
        let scenario_names = || catalog.scenarios.iter().map(|scenario| scenario.name.as_str());
        match filter.key {
            "outcome" if self.metric.is_split_by_outcome() => {
                self.outcomes = match value {
                    "ok" => Outcomes::Succeeded,
                    "failed" => Outcomes::Failed,
                    _ => return Err(filter.unknown_value(["ok", "failed"])),
                };
            }
            "scenario" if scope != MetricScope::Run => {
                self.scenarios.retain(|index| catalog.scenarios[*index].name == value);
                filter.must_exist(scenario_names())?;
            }
            "step" if matches!(scope, MetricScope::Step | MetricScope::Check) => {
                self.steps.retain(|index| catalog.steps[*index].name == value);
                filter.must_exist(catalog.steps.iter().map(|step| step.name.as_str()))?;
            }
            "check" if scope == MetricScope::Check => {
                self.checks.retain(|index| catalog.checks[*index].name == value);
                filter.must_exist(catalog.checks.iter().map(|check| check.name.as_str()))?;
            }
            key @ ("outcome" | "scenario" | "step" | "check") => {
                return Err(filter.key_error(SelectorProblem::NotFilterable {
                    metric: self.metric.name(),
                    key: key.to_owned(),
                    allowed: listed(self.keys(catalog)),
                }));
            }
            key if scope != MetricScope::Run && tag_keys(catalog).any(|known| known == key) => {
                let tag_of = |scenario: &CatalogScenario| {
                    scenario.tags.get(key).or_else(|| catalog.tags.get(key)).cloned()
                };
                self.scenarios.retain(|index| tag_of(&catalog.scenarios[*index]).as_deref() == Some(value));
                let values: Vec<String> = catalog.scenarios.iter().filter_map(tag_of).collect();
                filter.must_exist(values.iter().map(String::as_str))?;
            }
            key => {
                let keys = self.keys(catalog);
                return Err(filter.key_error(SelectorProblem::UnknownKey {
                    key: key.to_owned(),
                    suggestion: closest(key, keys.iter().map(String::as_str)).map(str::to_owned),
                    known: listed(keys),
                }));
            }
        }
        Ok(())
    }

    /// What the metric can be filtered by.
    fn keys(&self, catalog: &Catalog) -> Vec<String> {
        let scope = self.metric.scope();
        let own: &[&str] = match scope {
            MetricScope::Step => &["scenario", "step"],
            MetricScope::Scenario => &["scenario"],
            MetricScope::Check => &["scenario", "step", "check"],
            MetricScope::Run => &[],
        };
        let outcome = self.metric.is_split_by_outcome().then_some("outcome");
        let tags = tag_keys(catalog).filter(|_| scope != MetricScope::Run);
        let mut keys: Vec<String> =
            own.iter().copied().chain(outcome).chain(tags).map(str::to_owned).collect();
        let fixed = own.len() + usize::from(outcome.is_some());
        keys[fixed..].sort_unstable();
        keys.dedup();
        keys
    }

    /// Keeps only steps of selected scenarios and checks of selected steps.
    fn keep_consistent(&mut self, catalog: &Catalog) {
        let Self { scenarios, steps, checks, .. } = self;
        steps.retain(|step| scenarios.contains(&catalog.steps[*step].scenario));
        checks.retain(|check| steps.contains(&catalog.checks[*check].step));
    }

    fn is_empty(&self) -> bool {
        match self.metric.scope() {
            MetricScope::Step => self.steps.is_empty(),
            MetricScope::Scenario => self.scenarios.is_empty(),
            MetricScope::Check => self.checks.is_empty(),
            MetricScope::Run => false,
        }
    }
}

impl Filter<'_> {
    fn key_error(&self, problem: SelectorProblem) -> SelectorError {
        SelectorError { at: self.key_at.clone(), problem }
    }

    fn must_exist<'n>(&self, mut names: impl Iterator<Item = &'n str> + Clone) -> Result<(), SelectorError> {
        let all = names.clone();
        if names.any(|name| name == self.value) { Ok(()) } else { Err(self.unknown_value(all)) }
    }

    fn unknown_value<'n>(&self, known: impl IntoIterator<Item = &'n str>) -> SelectorError {
        let mut known: Vec<&str> = known.into_iter().collect();
        known.sort_unstable();
        known.dedup();
        SelectorError {
            at: self.value_at.clone(),
            problem: SelectorProblem::UnknownValue {
                key: self.key.to_owned(),
                value: self.value.to_owned(),
                suggestion: closest(self.value, known.iter().copied()).map(str::to_owned),
                known: listed(known),
            },
        }
    }
}

/// The tags of scenarios and of the run; some may come more than once.
fn tag_keys(catalog: &Catalog) -> impl Iterator<Item = &str> {
    let scenarios = catalog.scenarios.iter().flat_map(|scenario| scenario.tags.keys());
    catalog.tags.keys().chain(scenarios).map(String::as_str)
}

/// Reads what stands in braces from byte `open` on.
fn filters_of(text: &str, open: usize) -> Result<Vec<Filter<'_>>, SelectorError> {
    let mut filters = Vec::new();
    let Some(inside) = text.get(open + 1..) else {
        return Ok(filters);
    };
    let mut start = open + 1;
    let mut quote = None;
    for (at, letter) in inside.char_indices().map(|(at, letter)| (open + 1 + at, letter)) {
        match letter {
            '"' => quote = if quote.is_some() { None } else { Some(at) },
            ',' | '}' if quote.is_none() => {
                let is_only_blank = letter == '}' && filters.is_empty() && text[start..at].trim().is_empty();
                if !is_only_blank {
                    filters.push(filter_of(text, start..at)?);
                }
                start = at + 1;
                if letter == '}' {
                    let rest = text[start..].trim();
                    if rest.is_empty() {
                        return Ok(filters);
                    }
                    let problem = SelectorProblem::Trailing(rest.to_owned());
                    return Err(SelectorError { at: span_of(text, rest), problem });
                }
            }
            _ => {}
        }
    }
    let (at, letter) = quote.map_or((open, '{'), |quote| (quote, '"'));
    Err(SelectorError { at: at..at + 1, problem: SelectorProblem::Unclosed(letter) })
}

fn filter_of(text: &str, at: Range<usize>) -> Result<Filter<'_>, SelectorError> {
    let pair = text[at.clone()].trim();
    let malformed = || {
        let at = if pair.is_empty() { at.clone() } else { span_of(text, pair) };
        SelectorError { at, problem: SelectorProblem::Malformed(pair.to_owned()) }
    };
    let (key, value) = pair.split_once(':').ok_or_else(malformed)?;
    let (key, value) = (key.trim(), value.trim());
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    if key.is_empty() || value.is_empty() {
        return Err(malformed());
    }
    Ok(Filter { key, key_at: span_of(text, key), value, value_at: span_of(text, value) })
}

/// Where `part`, a slice of `text`, stands in it.
pub(crate) fn span_of(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

#[cfg(test)]
mod tests;
