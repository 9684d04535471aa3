//! The JSON Schema of scenario files, derived from the shapes.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use crate::executor::{EXECUTORS, ExecutorKeys};
use crate::names;
use crate::read::step::KINDS;
use crate::shape::{FileShape, PolicyShape};

/// The JSON Schema (draft-07, which editors understand) of scenario files.
pub fn schema() -> Value {
    let mut value = schema_of::<FileShape>();
    value["properties"]["scenarios"]["propertyNames"] = json!({ "pattern": names::SCENARIO_NAME_PATTERN });
    // The editor's own key, as some write it in JSON files.
    value["properties"]["$schema"] =
        json!({ "type": "string", "description": "Where editors find this schema." });
    value
}

/// The text of [`schema`], as the committed `scenarios/schema/scenario.schema.json` has it.
pub fn schema_json() -> String {
    written(&schema())
}

/// The JSON Schema of policy files, as the committed `scenarios/schema/policy.schema.json` has it.
pub fn policy_schema_json() -> String {
    written(&schema_of::<PolicyShape>())
}

fn schema_of<S: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<S>();
    without_null(&mut schema);
    schema.to_value()
}

fn written(schema: &Value) -> String {
    let mut text = serde_json::to_string_pretty(&sorted(schema)).expect("a JSON value can be written");
    text.push('\n');
    text
}

/// The same value with its keys in order, whatever map type the JSON crate was built with.
fn sorted(value: &Value) -> Sorted<'_> {
    match value {
        Value::Object(map) => {
            Sorted::Object(map.iter().map(|(key, value)| (key.as_str(), sorted(value))).collect())
        }
        Value::Array(items) => Sorted::Array(items.iter().map(sorted).collect()),
        other => Sorted::Scalar(other),
    }
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Sorted<'a> {
    Object(BTreeMap<&'a str, Self>),
    Array(Vec<Self>),
    Scalar(&'a Value),
}

/// Takes away that an optional value may be written as `null`: a key without a value is a slip.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            // A reference stands alone in draft-07: what is beside it is ignored.
            if only.contains_key("$ref") && schema.as_object().is_some_and(|object| !object.is_empty()) {
                schema.insert("allOf".to_owned(), json!([only]));
            } else if let Some(object) = schema.as_object_mut() {
                object.extend(only);
            }
        }
    }
    transform_subschemas(&mut without_null, schema);
}

/// What each executor needs and allows.
pub(crate) fn executor_rules(schema: &mut Schema) {
    let rule = |executor: &ExecutorKeys| {
        let mut then = json!({
            "required": executor.required,
            "propertyNames": { "enum": executor.keys().collect::<Vec<_>>() },
        });
        if executor.has("stages") {
            let target = if executor.has("start_rate") {
                json!({ "type": "string" })
            } else {
                json!({ "not": { "type": "string", "pattern": "/" } })
            };
            then["properties"] = json!({ "stages": { "items": { "properties": { "target": target } } } });
        }
        json!({
            "if": { "properties": { "executor": { "const": executor.name } }, "required": ["executor"] },
            "then": then,
        })
    };
    let mut rules: Vec<Value> = EXECUTORS.iter().map(rule).collect();
    rules.push(json!({ "oneOf": [{ "required": ["steps"] }, { "required": ["task"] }] }));
    schema.insert("allOf".to_owned(), rules.into());
}

/// A step is one request or one think time.
pub(crate) fn step_rules(schema: &mut Schema) {
    let kinds: Vec<Value> = KINDS.iter().map(|kind| json!({ "required": [kind] })).collect();
    let rules = json!([
        { "oneOf": kinds },
        { "if": { "required": ["think"] }, "then": { "propertyNames": { "const": "think" } } },
        { "not": { "required": ["body", "json"] } },
    ]);
    schema.insert("allOf".to_owned(), rules);
}

/// A bound on what is slow means something where slow executions are looked for, or nothing is.
pub(crate) fn slow_needs_tail(schema: &mut Schema) {
    let sampling = json!({ "properties": { "sampling": { "pattern": r"^(tail|off)$|\$\{" } }, "required": ["sampling"] });
    schema.insert("if".to_owned(), json!({ "required": ["slow"] }));
    schema.insert("then".to_owned(), sampling);
}

/// Exactly one way to match.
pub(crate) fn one_match(schema: &mut Schema) {
    let ways: Vec<Value> = ["equals", "contains", "present"]
        .iter()
        .filter(|way| schema.get("properties").and_then(|properties| properties.get(**way)).is_some())
        .map(|way| json!({ "required": [way] }))
        .collect();
    schema.insert("oneOf".to_owned(), ways.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schemas_are_current() {
        let check = |kind: &str, current: String| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/schema");
            let committed = std::fs::read_to_string(format!("{folder}/{kind}.schema.json")).unwrap();
            let cure =
                format!("scenarios/schema/{kind}.schema.json is stale: write `loadgen schema {kind}` there");
            assert!(committed == current, "{cure}");
        };
        check("scenario", schema_json());
        check("policy", policy_schema_json());
    }
}
