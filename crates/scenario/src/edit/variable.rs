//! `LOADGEN_…` variables: which key of the document a name means.
//!
//! Names are matched without regard to case, and `_` also stands for `-` and `.`, because variables can have neither.
//! Which keys there are is asked of the schema, so every key can be set, whether the file has it or not.

use serde_json::Value;

use super::{Given, put};
use crate::document::{Kind, Node};
use crate::overrides::PREFIX;
use crate::{Diagnostics, Origin, Severity, Span};

/// Puts `value` where the variable `name` says.
pub(super) fn apply(root: &mut Node, schema: &Value, name: &str, value: &str, problems: &mut Diagnostics) {
    let Some(keys) = resolve(root, name, schema) else {
        // The value is not shown: it may be a secret of someone else.
        let source =
            problems.sources_mut().add("environment", name, Some(Origin::Environment(name.to_owned())));
        let span = Span { source, start: 0, end: name.len() as u32 };
        let help = format!("levels are parted by `__`: `{PREFIX}SCENARIOS__BROWSE__RATE`");
        let message = format!("`{name}` names no key of the scenario and is ignored");
        problems.add(Severity::Warning, "unknown-variable", span, message, Some(help));
        return;
    };
    let given = Given::assignment("environment", name, value, Origin::Environment(name.to_owned()), problems);
    if let Some(node) = given.node(problems)
        && let Err(problem) = put(root, &keys, given.place, node)
    {
        problems.add(Severity::Error, "bad-override", given.place, problem.message, problem.help);
    }
}

/// The path that a variable's name means.
fn resolve(root: &Node, name: &str, schema: &Value) -> Option<Vec<String>> {
    let mut spot = Spot { root: schema, shapes: vec![schema], node: Some(root) };
    let mut keys = Vec::new();
    for level in name.strip_prefix(PREFIX)?.split("__") {
        let key = spot.key(level, &keys)?;
        spot = spot.below(&key);
        keys.push(key);
    }
    Some(keys)
}

/// A place in the document and what the schema says of it.
struct Spot<'a> {
    root: &'a Value,
    /// The alternatives that may stand here.
    shapes: Vec<&'a Value>,
    node: Option<&'a Node>,
}

impl<'a> Spot<'a> {
    /// The key that `level` means here, below the path `keys`.
    fn key(&self, level: &str, keys: &[String]) -> Option<String> {
        let same = |key: &str| folded(key) == folded(level);
        match self.node.map(|node| &node.kind) {
            Some(Kind::Map(entries)) => {
                if let Some(entry) = entries.iter().find(|entry| same(&entry.key)) {
                    return Some(entry.key.clone());
                }
            }
            Some(Kind::Seq(_)) => return level.parse::<usize>().ok().map(|index| index.to_string()),
            _ => {}
        }
        if let Some(key) = self.properties().find(|(key, _)| same(key)).map(|(key, _)| key.clone()) {
            return Some(key);
        }
        // Names of one's own (headers, tags) may be new; a scenario that is not in the file has no load.
        let own_names = keys.last().is_none_or(|last| last != "scenarios")
            && self
                .shapes
                .iter()
                .any(|shape| shape.get("additionalProperties").is_some_and(Value::is_object));
        (own_names && !level.is_empty()).then(|| level.to_ascii_lowercase())
    }

    /// The place of `key`.
    fn below(&self, key: &str) -> Self {
        let mut shapes = Vec::new();
        for (_, shape) in self.properties().filter(|(own, _)| *own == key) {
            self.add_alternatives(shape, &mut shapes);
        }
        for shape in &self.shapes {
            for general in ["additionalProperties", "items"] {
                if let Some(shape) = shape.get(general) {
                    self.add_alternatives(shape, &mut shapes);
                }
            }
        }
        let node = self.node.and_then(|node| match &node.kind {
            Kind::Seq(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => node.entry(key).map(|entry| &entry.value),
        });
        Self { root: self.root, shapes, node }
    }

    /// The keys that the schema knows here.
    fn properties(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.shapes.iter().filter_map(|shape| shape.get("properties")?.as_object()).flatten()
    }

    /// Adds `shape`, or what it refers to.
    fn add_alternatives(&self, shape: &'a Value, shapes: &mut Vec<&'a Value>) {
        shapes.push(shape);
        if let Some(reference) = shape.get("$ref").and_then(Value::as_str)
            && let Some(shape) = self.root.pointer(reference.trim_start_matches('#'))
        {
            self.add_alternatives(shape, shapes);
        }
        for several in ["anyOf", "oneOf", "allOf"] {
            for shape in shape.get(several).and_then(Value::as_array).into_iter().flatten() {
                self.add_alternatives(shape, shapes);
            }
        }
    }
}

/// A key as the name of a variable can spell it.
fn folded(key: &str) -> String {
    key.chars().map(|c| if matches!(c, '-' | '.') { '_' } else { c.to_ascii_lowercase() }).collect()
}
