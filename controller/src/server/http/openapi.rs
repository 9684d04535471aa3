//! The API as a document: OpenAPI 3.1, made from [`TABLE`] and the schemas of [`api::http`].

use std::sync::OnceLock;

use api::http::{Problem, RunEvent, StreamCut};
use axum::response::Response;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::answer::{self, EVENTS, JSON, OCTETS};
use super::call::Call;
use super::refusal::Refusal;
use super::route::{Answer, BASE, Route, TABLE, Takes};

/// The document as it is committed under `api/openapi`: indented JSON with a final newline.
pub fn openapi_json() -> String {
    let mut text = serde_json::to_string_pretty(&document()).expect("the document has string keys only");
    text.push('\n');
    text
}

/// `GET /openapi.json`.
#[expect(clippy::unused_async, reason = "carried out as every other request")]
pub(crate) async fn give(_: Call) -> Result<Response, Refusal> {
    static TEXT: OnceLock<String> = OnceLock::new();
    Ok(answer::json_text(TEXT.get_or_init(openapi_json).as_str()))
}

fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in TABLE {
        let path = paths.entry(format!("{BASE}{}", route.path)).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route, &mut generator);
    }
    // Not in the table: the data of events.
    generator.subschema_for::<RunEvent>();
    generator.subschema_for::<StreamCut>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "loadgen controller",
            "version": "1",
            "description": "Submit, follow and change runs on a cluster. Every answer that is no success is a `Problem`. \
                Requests with keys that are not known are refused; keys may be added to answers.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token (`lga1_…`). `x-role` says what it must be good for: observe, run, admin, \
                        each of which may do what those before it may. A controller with `--insecure` wants none.",
                },
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "x-role": route.role.name(),
        "security": [{ "token": [] }],
        "parameters": parameters(route, generator),
        "responses": responses(route, generator),
    });
    let content = match route.takes {
        Takes::Nothing => return operation,
        Takes::Json(schema, _) => json!({ JSON: { "schema": schema(generator) } }),
        Takes::Content => json!({ OCTETS: {} }),
    };
    operation["requestBody"] = json!({ "required": true, "content": content });
    operation
}

fn parameters(route: &Route, generator: &mut SchemaGenerator) -> Vec<Value> {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<_> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": path_schema(name) }))
        .collect();
    for header in route.headers {
        parameters.push(json!({
            "name": header.name,
            "in": "header",
            "required": header.is_needed,
            "description": header.what,
            "schema": { "type": "string" },
        }));
    }
    let Some(query) = route.query else { return parameters };
    // A query is flat: its keys are the parameters, and its schema is none of the document's own.
    let mut apart = generator.settings().clone().into_generator();
    let of_query = query(&mut apart);
    let name = of_query.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let schema = name.and_then(|name| apart.definitions().get(name)).expect("a query is a named struct");
    let keys = schema["properties"].as_object().expect("a query has keys");
    for (key, schema) in keys {
        let mut schema = schema.clone();
        let what = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        parameters.push(json!({ "name": key, "in": "query", "description": what, "schema": schema }));
    }
    generator
        .definitions_mut()
        .extend(apart.take_definitions(false).into_iter().filter(|(other, _)| Some(other.as_str()) != name));
    parameters
}

fn path_schema(name: &str) -> Value {
    match name {
        "sha256" => json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }),
        "run_id" => json!({ "type": "string", "format": "uuid" }),
        _ => json!({ "type": "string", "minLength": 1 }),
    }
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let problem: Schema = generator.subschema_for::<Problem>();
    let problem = |what: &str| json!({ "description": what, "content": { JSON: { "schema": problem } } });
    let mut responses = json!({ "default": problem("Not carried out.") });
    for given in route.gives {
        let mut response = json!({ "description": given.what });
        match given.body {
            Answer::Nothing => {}
            Answer::Json(schema) => response["content"] = json!({ JSON: { "schema": schema(generator) } }),
            Answer::AnyJson => response["content"] = json!({ JSON: { "schema": { "type": "object" } } }),
            Answer::Events => response["content"] = json!({ EVENTS: { "schema": { "type": "string" } } }),
        }
        responses[given.status.to_string()] = response;
    }
    for (status, what) in route.refuses {
        responses[status.to_string()] = problem(what);
    }
    responses
}
