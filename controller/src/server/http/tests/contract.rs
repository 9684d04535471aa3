//! The document says what the API does, and says it in its own language.

use std::collections::BTreeSet;

use api::http::RunEventBody;
use serde_json::Value;

use super::super::openapi_json;
use super::super::route::{BASE, TABLE, Takes};

fn document() -> Value {
    serde_json::from_str(&openapi_json()).unwrap()
}

#[test]
fn the_committed_document_is_the_current_one() {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../api/openapi/loadgen.v1.json");
    assert!(
        std::fs::read_to_string(committed).is_ok_and(|committed| committed == openapi_json()),
        "api/openapi/loadgen.v1.json has drifted; `cargo xtask schema` writes it"
    );
}

#[test]
fn every_operation_has_its_role_its_name_and_its_place_and_there_is_no_other() {
    let document = document();
    let mut found = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let text = |key: &str| operation[key].as_str().unwrap().to_owned();
            found.insert((path.clone(), method.clone(), text("operationId"), text("x-role")));
        }
    }
    let expected: BTreeSet<_> = TABLE
        .iter()
        .map(|route| {
            let method = route.method.as_str().to_ascii_lowercase();
            (format!("{BASE}{}", route.path), method, route.name.to_owned(), route.role.name().to_owned())
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), TABLE.len(), "no two routes are one");
    let names: BTreeSet<_> = TABLE.iter().map(|route| route.name).collect();
    assert_eq!(names.len(), TABLE.len(), "no two routes have one name");
}

#[test]
fn every_body_every_key_and_every_answer_is_described_and_every_reference_leads_somewhere() {
    let document = document();
    fn visit(document: &Value, value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(target)) = object.get("$ref") {
                    let pointer = target.strip_prefix('#').expect("references stay inside");
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                object.values().for_each(|value| visit(document, value));
            }
            Value::Array(values) => values.iter().for_each(|value| visit(document, value)),
            _ => {}
        }
    }
    visit(&document, &document);
    for route in TABLE {
        let path = format!("{BASE}{}", route.path);
        let operation = &document["paths"][&path][route.method.as_str().to_ascii_lowercase()];
        assert_eq!(operation.get("requestBody").is_some(), !matches!(route.takes, Takes::Nothing));
        assert!(operation["responses"]["default"].is_object());
        assert!(route.summary.ends_with('.') && !route.gives.is_empty(), "{}", route.name);
    }
    let list = &document["paths"]["/api/v1/runs"]["get"]["parameters"];
    let names: Vec<_> = list.as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["after", "limit", "state"]);
    for name in ["Problem", "RunEvent", "StreamCut", "SubmitRun", "ResultFile"] {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    assert!(document["components"]["schemas"].get("Selection").is_none(), "queries are parameters");
}

#[test]
fn an_event_goes_by_the_name_that_its_data_has() {
    let live = serde_json::json!({
        "kind": "live", "running": true, "elapsed_ms": 1, "remaining_ms": 1, "progress": 0.5, "warming_up": false,
        "iterations_per_s": 1, "requests_per_s": 1, "vus": 1, "in_flight": 1, "queued": 0, "requests": 1, "errors": 0,
        "dropped": 0, "unsent": 0, "workers": 1,
    });
    let status = super::script::status(super::script::run(1), api::http::RunState::Running);
    let bodies = [
        serde_json::json!({ "kind": "state", "state": "queued" }),
        live,
        serde_json::json!({ "kind": "incident", "text": "t" }),
        serde_json::json!({ "kind": "annotation", "by": "b", "text": "t" }),
        serde_json::json!({ "kind": "revision", "revision": 1, "effective_ms": 5, "weights": { "w1": 1 } }),
        serde_json::json!({ "kind": "sealed", "code": 0, "name": "passed" }),
        serde_json::json!({ "kind": "compacted", "oldest": 7, "status": status }),
    ];
    for body in bodies {
        let read: RunEventBody = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(read.kind(), body["kind"].as_str().unwrap());
        assert_eq!(serde_json::to_value(&read).unwrap()["kind"], body["kind"]);
    }
}
