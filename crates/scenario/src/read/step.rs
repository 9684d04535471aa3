//! The steps of a scenario.

use std::collections::HashMap;

use units::Nanos;

use super::{Fields, Reader};
use crate::document::{Entry, Kind, Node};
use crate::shape::{RequestShape, Shape, StepShape};
use crate::suggest::listed;
use crate::{Payload, RequestStep, Span, Step, StepUrl, Text, limits, names};

/// The keys that say what a step does; it has exactly one of them.
pub(crate) const KINDS: &[&str] =
    &["get", "post", "put", "patch", "delete", "head", "options", "request", "think"];

impl Reader<'_> {
    /// All steps; requests without a bound of their own get `request_timeout`.
    pub(super) fn steps(&mut self, node: &Node, request_timeout: Nanos) -> Option<Vec<Step>> {
        let items = self.items("steps", node)?;
        self.steps += items.len();
        let errors = self.problems.error_count();
        let mut steps = Vec::with_capacity(items.len());
        let mut seen: HashMap<String, Span> = HashMap::new();
        for item in items {
            let Some((step, span)) = self.step(item, request_timeout) else { continue };
            if let Step::Request(request) = &step {
                match seen.get(&request.name) {
                    None => drop(seen.insert(request.name.clone(), span)),
                    Some(first) => {
                        let (line, _) = self.sources().source(first.source).position(first.start);
                        let message = format!("two steps are named `{}`", request.name);
                        let help = format!("give this one another `name`; the first is in line {line}");
                        self.error("duplicate-step", span, message, help);
                    }
                }
            }
            steps.push(step);
        }
        if self.problems.error_count() > errors {
            return None;
        }
        if !steps.iter().any(|step| matches!(step, Step::Request(_))) {
            let help = "add a request, for example `- get: /`".to_owned();
            self.error("nothing-to-do", node.span, "no step sends a request", help);
            return None;
        }
        Some(steps)
    }

    /// One step, and where its name comes from.
    fn step(&mut self, node: &Node, request_timeout: Nanos) -> Option<(Step, Span)> {
        let fields = self.fields::<StepShape>("steps", node, node.span)?;
        let mut kinds = fields.entries.iter().filter(|entry| KINDS.contains(&entry.key.as_str()));
        let Some(kind) = kinds.next() else {
            // A key that is no key of a step was probably meant to say it, and has been reported.
            if fields.entries.iter().all(|entry| StepShape::KEYS.contains(&entry.key.as_str())) {
                let help = format!("say what it does: {}", listed(KINDS));
                self.error("missing-key", step_span(&fields, node), "the step does nothing", help);
            }
            return None;
        };
        if let Some(second) = kinds.next() {
            let message = format!("a step does one thing, not `{}` and `{}`", kind.key, second.key);
            self.error("conflicting-keys", second.key_span, message, "make two steps of it".to_owned());
            return None;
        }
        if kind.key == "think" {
            return self.think(&fields, kind).map(|step| (step, kind.key_span));
        }
        self.request(&fields, kind, request_timeout)
    }

    fn think(&mut self, fields: &Fields<'_>, kind: &Entry) -> Option<Step> {
        for entry in fields.entries.iter().filter(|entry| entry.key != "think") {
            let message = format!("`{}` is no key of a think time", entry.key);
            self.error(
                "conflicting-keys",
                entry.key_span,
                message,
                "put it into the step of a request".to_owned(),
            );
        }
        let node = &kind.value;
        let text = match &node.kind {
            Kind::String(_) => self.plain("think", node)?,
            _ => {
                let span = self.duration_or_zero("think", node)?;
                return Some(Step::Think { min: span, max: span });
            }
        };
        let Some((min, max)) = text.split_once("..") else {
            let span = self.parse_duration("think", node, &text)?;
            return Some(Step::Think { min: span, max: span });
        };
        let min = self.parse_duration("think", node, min);
        let max = self.parse_duration("think", node, max);
        let (min, max) = (min?, max?);
        if min > max {
            let message = format!("`think` goes from {min} down to {max}");
            self.error("out-of-range", node.span, message, format!("write `{max}..{min}`"));
            return None;
        }
        Some(Step::Think { min, max })
    }

    fn request(&mut self, fields: &Fields<'_>, kind: &Entry, request_timeout: Nanos) -> Option<(Step, Span)> {
        let line = match kind.key.as_str() {
            "request" => self.request_line(kind),
            method => self.step_url(method, &kind.value).map(|url| (method.to_ascii_uppercase(), url)),
        };
        let name = self.optional(fields, "name", Self::label);
        let query = self.optional_or(fields, "query", Vec::new(), Self::query);
        let headers = self.optional_or(fields, "headers", Vec::new(), Self::headers);
        let payload = self.payload(fields);
        let timeout = self.optional_or(fields, "timeout", request_timeout, Self::duration);
        let checks = self.optional_or(fields, "checks", Vec::new(), Self::checks);
        let (method, url) = line?;
        let name = name?.unwrap_or_else(|| default_name(&method, &url));
        let span = fields.get("name").map_or(kind.value.span, |entry| entry.value.span);
        let request = RequestStep {
            name,
            method,
            url,
            query: query?,
            headers: headers?,
            payload: payload?,
            timeout: timeout?,
            checks: checks?,
        };
        Some((Step::Request(request), span))
    }

    /// Method and URL of the long form.
    fn request_line(&mut self, kind: &Entry) -> Option<(String, StepUrl)> {
        let fields = self.fields::<RequestShape>("request", &kind.value, kind.key_span)?;
        let method = self.required(&fields, "method", |reader, label, node| {
            let method = reader.plain(label, node)?;
            if names::is_token(&method) && method.len() <= limits::MAX_NAME_BYTES {
                return Some(method.to_ascii_uppercase());
            }
            reader.error(
                "bad-method",
                node.span,
                format!("`{method}` is no method"),
                "use letters".to_owned(),
            );
            None
        });
        let url = self.required(&fields, "url", Self::step_url);
        method.zip(url)
    }

    fn step_url(&mut self, label: &str, node: &Node) -> Option<StepUrl> {
        let text = self.plain(label, node)?;
        match text.parse() {
            Ok(url) => Some(url),
            Err(error) => {
                self.parse_error("bad-url", node.span, label, &error);
                None
            }
        }
    }

    fn query(&mut self, label: &str, node: &Node) -> Option<Vec<(String, Text)>> {
        let entries = self.entries(label, node)?;
        let mut query = Vec::with_capacity(entries.len());
        let mut whole = true;
        for entry in entries {
            let values = match &entry.value.kind {
                Kind::Seq(items) => items.as_slice(),
                _ => std::slice::from_ref(&entry.value),
            };
            for value in values {
                match self.scalar(&entry.key, value) {
                    Some(value) => query.push((entry.key.clone(), value)),
                    None => whole = false,
                }
            }
        }
        whole.then_some(query)
    }

    fn payload(&mut self, fields: &Fields<'_>) -> Option<Payload> {
        match (fields.get("body"), fields.get("json")) {
            (None, None) => Some(Payload::None),
            (Some(body), None) => self.text("body", &body.value).map(Payload::Text),
            (None, Some(json)) => self.json(&json.value).map(Payload::Json),
            (Some(_), Some(json)) => {
                let message = "a request has either a `body` or `json`";
                self.error("conflicting-keys", json.key_span, message, "remove one of them".to_owned());
                None
            }
        }
    }
}

/// Method and path without the query, cut to the length of a name.
fn default_name(method: &str, url: &StepUrl) -> String {
    let url = url.to_string();
    // Names stand in quotes where a threshold selects by them.
    let path = url.split('?').next().unwrap_or_default().replace('"', "%22");
    let mut name = format!("{method} {path}");
    let mut end = name.len().min(limits::MAX_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

/// Where a step stands: its first key.
fn step_span(fields: &Fields<'_>, node: &Node) -> Span {
    fields.entries.first().map_or(node.span, |entry| entry.key_span)
}
