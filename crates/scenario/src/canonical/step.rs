//! Steps in the words of the file.

use plan::TextMatch;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::document::{Escaped, Form, Pairs, Referring, TextMap};
use crate::compile::status_words;
use crate::{Check, Condition, Json, Payload, RequestStep, Step};

/// A step.
pub(super) struct StepDocument<'a> {
    pub(super) step: &'a Step,
    pub(super) form: Form,
}

impl Serialize for StepDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.step {
            Step::Think { min, max } if min == max => map.serialize_entry("think", min)?,
            Step::Think { min, max } => map.serialize_entry("think", &format!("{min}..{max}"))?,
            Step::Request(request) => write_request(&mut map, request, self.form)?,
        }
        map.end()
    }
}

fn write_request<M: SerializeMap>(map: &mut M, request: &RequestStep, form: Form) -> Result<(), M::Error> {
    let url = request.url.to_string();
    match request.method.as_str() {
        method @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS") => {
            map.serialize_entry(&method.to_ascii_lowercase(), &Escaped(&url))?;
        }
        method => {
            let line = [("method", Escaped(method)), ("url", Escaped(&url))];
            map.serialize_entry("request", &Pairs(&line))?;
        }
    }
    map.serialize_entry("name", &Escaped(&request.name))?;
    if !request.query.is_empty() {
        map.serialize_entry("query", &TextMap { entries: &request.query, form })?;
    }
    if !request.headers.is_empty() {
        map.serialize_entry("headers", &TextMap { entries: &request.headers, form })?;
    }
    match &request.payload {
        Payload::None => {}
        Payload::Text(text) => map.serialize_entry("body", &Referring { text, form })?,
        Payload::Json(json) => map.serialize_entry("json", &JsonDocument { json, form })?,
    }
    map.serialize_entry("timeout", &request.timeout)?;
    if !request.checks.is_empty() {
        map.serialize_entry("checks", &Checks(&request.checks))?;
    }
    Ok(())
}

struct JsonDocument<'a> {
    json: &'a Json,
    form: Form,
}

impl Serialize for JsonDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = self.form;
        match self.json {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Int(value) => serializer.serialize_i128(*value),
            Json::Float(value) => serializer.serialize_f64(*value),
            Json::Text(text) => Referring { text, form }.serialize(serializer),
            Json::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for json in items {
                    seq.serialize_element(&JsonDocument { json, form })?;
                }
                seq.end()
            }
            Json::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, json) in entries {
                    map.serialize_entry(key, &JsonDocument { json, form })?;
                }
                map.end()
            }
        }
    }
}

/// All checks of a request, in their long form.
struct Checks<'a>(&'a [Check]);

impl Serialize for Checks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for check in self.0 {
            match &check.condition {
                Condition::Status(set) => {
                    map.serialize_entry("status", &CheckDocument::new("is", status_words(set), check))?;
                }
                Condition::Body(value) => {
                    map.serialize_entry("body", &TextCheck { value, required: check.required })?
                }
                Condition::ResponseTime(below) => {
                    map.serialize_entry("response_time", &CheckDocument::new("below", below, check))?;
                }
                Condition::Header { .. } => {}
            }
        }
        let headers: Vec<(&str, TextCheck<'_>)> = self
            .0
            .iter()
            .filter_map(|check| match &check.condition {
                Condition::Header { name, value } => {
                    Some((name.as_str(), TextCheck { value, required: check.required }))
                }
                _ => None,
            })
            .collect();
        if !headers.is_empty() {
            map.serialize_entry("header", &Ordered(&headers))?;
        }
        map.end()
    }
}

/// A mapping in its own order.
struct Ordered<'a, T>(&'a [(&'a str, T)]);

impl<T: Serialize> Serialize for Ordered<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

struct CheckDocument<T> {
    key: &'static str,
    value: T,
    required: bool,
}

impl<T> CheckDocument<T> {
    fn new(key: &'static str, value: T, check: &Check) -> Self {
        Self { key, value, required: check.required }
    }
}

impl<T: Serialize> Serialize for CheckDocument<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(self.key, &self.value)?;
        map.serialize_entry("required", &self.required)?;
        map.end()
    }
}

struct TextCheck<'a> {
    value: &'a TextMatch,
    required: bool,
}

impl Serialize for TextCheck<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        match self.value {
            TextMatch::Present => map.serialize_entry("present", &true)?,
            TextMatch::Equals(text) => map.serialize_entry("equals", &Escaped(text))?,
            TextMatch::Contains(text) => map.serialize_entry("contains", &Escaped(text))?,
        }
        map.serialize_entry("required", &self.required)?;
        map.end()
    }
}
