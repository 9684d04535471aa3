//! Values that are sent as JSON.

use super::Reader;
use crate::Json;
use crate::document::{Kind, Node};

impl Reader<'_> {
    /// Any value; texts are expanded and may hold secrets, keys stand as they are.
    pub(super) fn json(&mut self, node: &Node) -> Option<Json> {
        Some(match &node.kind {
            Kind::Null => Json::Null,
            Kind::Bool(value) => Json::Bool(*value),
            Kind::Int(value) => Json::Int(*value),
            Kind::Float(value) => Json::Float(*value),
            Kind::String(raw) => Json::Text(self.expand(node, raw)?),
            // Every item is read before the first failure counts, so that all of them are reported.
            Kind::Seq(items) => {
                let items: Vec<Option<Json>> = items.iter().map(|item| self.json(item)).collect();
                Json::Array(items.into_iter().collect::<Option<_>>()?)
            }
            Kind::Map(entries) => {
                let entries: Vec<Option<(String, Json)>> =
                    entries.iter().map(|entry| Some((entry.key.clone(), self.json(&entry.value)?))).collect();
                Json::Object(entries.into_iter().collect::<Option<_>>()?)
            }
        })
    }
}
