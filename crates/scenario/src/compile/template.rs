//! Texts of the file as templates of the plan: encoded, with literals merged.

use plan::{Encoding, Template, TemplatePart};

use crate::url::encode_path;
use crate::{Json, Payload, Text, TextPart};

/// Path and query, percent-encoded.
pub(super) fn path_template(path: &str, query: &[(String, Text)]) -> Template {
    let mut parts = TemplateBuilder::default();
    parts.literal(&encode_path(path));
    let mut separator = if path.contains('?') { "&" } else { "?" };
    for (name, value) in query {
        parts.literal(separator);
        parts.encoded(name, Encoding::Query);
        parts.literal("=");
        parts.text(value, Encoding::Query);
        separator = "&";
    }
    parts.finish()
}

/// What is sent, and the content type it has by itself.
pub(super) fn payload(payload: &Payload) -> (Template, Option<&'static str>) {
    match payload {
        Payload::None => (Template::default(), None),
        Payload::Text(text) => (template(text), Some("text/plain; charset=utf-8")),
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
            parts.text(text, Encoding::JsonString);
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
                parts.literal("\"");
                parts.encoded(key, Encoding::JsonString);
                parts.literal("\":");
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

/// A template of `text` as it is.
pub(super) fn template(text: &Text) -> Template {
    let mut parts = TemplateBuilder::default();
    parts.text(text, Encoding::AsIs);
    parts.finish()
}

/// Collects the parts of a template, merging literals.
#[derive(Default)]
struct TemplateBuilder {
    parts: Vec<TemplatePart>,
}

impl TemplateBuilder {
    fn literal(&mut self, text: &str) {
        self.encoded(text, Encoding::AsIs);
    }

    fn encoded(&mut self, text: &str, encoding: Encoding) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.parts.last(), Some(TemplatePart::Literal(_))) {
            self.parts.push(TemplatePart::Literal(Vec::new()));
        }
        if let Some(TemplatePart::Literal(last)) = self.parts.last_mut() {
            encoding.write(text.as_bytes(), last);
        }
    }

    fn text(&mut self, text: &Text, encoding: Encoding) {
        for part in &text.parts {
            match part {
                TextPart::Literal(literal) => self.encoded(literal, encoding),
                TextPart::Secret(name) => {
                    self.parts.push(TemplatePart::Secret { name: name.clone(), encoding });
                }
            }
        }
    }

    fn finish(self) -> Template {
        Template { parts: self.parts }
    }
}
