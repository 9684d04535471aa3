//! Texts of the file as templates of the plan: encoded, with literals merged.

use plan::{Template, TemplatePart};

use crate::url::{encode_path, encode_query};
use crate::{Json, Payload, Text, TextPart};

/// Path and query, percent-encoded.
pub(super) fn path_template(path: &str, query: &[(String, Text)]) -> Template {
    let mut parts = TemplateBuilder::default();
    parts.literal(&encode_path(path));
    let mut separator = if path.contains('?') { '&' } else { '?' };
    for (name, value) in query {
        parts.literal(&format!("{separator}{}=", encode_query(name)));
        parts.text(value, encode_query);
        separator = '&';
    }
    parts.finish()
}

/// What is sent, and the content type it has by itself.
pub(super) fn payload(payload: &Payload) -> (Template, Option<&'static str>) {
    match payload {
        Payload::None => (Template::default(), None),
        Payload::Text(text) => (template(text, str::to_owned), Some("text/plain; charset=utf-8")),
        Payload::Json(json) => {
            let mut parts = TemplateBuilder::default();
            write_json(&mut parts, json);
            (parts.finish(), Some("application/json"))
        }
    }
}

/// Compact JSON.
fn write_json(parts: &mut TemplateBuilder, json: &Json) {
    match json {
        Json::Null => parts.literal("null"),
        Json::Bool(value) => parts.literal(if *value { "true" } else { "false" }),
        Json::Int(value) => parts.literal(&value.to_string()),
        Json::Float(value) => parts.literal(&float(*value)),
        Json::Text(text) => {
            parts.literal("\"");
            parts.text(text, escape_json);
            parts.literal("\"");
        }
        Json::Array(items) => {
            parts.literal("[");
            for (index, item) in items.iter().enumerate() {
                parts.literal(if index > 0 { "," } else { "" });
                write_json(parts, item);
            }
            parts.literal("]");
        }
        Json::Object(entries) => {
            parts.literal("{");
            for (index, (key, value)) in entries.iter().enumerate() {
                parts.literal(if index > 0 { "," } else { "" });
                parts.literal(&format!("\"{}\":", escape_json(key)));
                write_json(parts, value);
            }
            parts.literal("}");
        }
    }
}

/// A finite number as JSON has it.
fn float(value: f64) -> String {
    serde_json::to_string(&value).expect("a float can be written")
}

/// The inside of a JSON string.
fn escape_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a text can be written");
    quoted[1..quoted.len() - 1].to_owned()
}

/// A template of `text`, its literals through `encode`.
pub(super) fn template(text: &Text, encode: impl Fn(&str) -> String) -> Template {
    let mut parts = TemplateBuilder::default();
    parts.text(text, encode);
    parts.finish()
}

/// Collects the parts of a template, merging literals.
#[derive(Default)]
struct TemplateBuilder {
    parts: Vec<TemplatePart>,
}

impl TemplateBuilder {
    fn literal(&mut self, text: &str) {
        if let Some(TemplatePart::Literal(last)) = self.parts.last_mut() {
            last.extend_from_slice(text.as_bytes());
        } else if !text.is_empty() {
            self.parts.push(TemplatePart::Literal(text.as_bytes().to_vec()));
        }
    }

    fn text(&mut self, text: &Text, encode: impl Fn(&str) -> String) {
        for part in &text.parts {
            match part {
                TextPart::Literal(literal) => self.literal(&encode(literal)),
                TextPart::Secret(name) => self.parts.push(TemplatePart::Secret(name.clone())),
            }
        }
    }

    fn finish(self) -> Template {
        Template { parts: self.parts }
    }
}
