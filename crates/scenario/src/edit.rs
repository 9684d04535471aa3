//! Puts values from outside into the document, before it is read.
//!
//! Each value becomes a text of its own among the sources, so that a problem with it is shown where the user wrote it.

mod variable;

use crate::document::{self, Entry, Kind, Node};
use crate::executor::{ExecutorKeys, executors_with};
use crate::overrides::{FlagOverride, Place};
use crate::suggest::{listed, suggestion};
use crate::{Diagnostics, Origin, Overrides, Severity, Span, schema};

/// Applies `overrides` to `root` in rising precedence.
pub(crate) fn apply(root: &mut Node, overrides: &Overrides, problems: &mut Diagnostics) {
    // What is no mapping is no scenario file, and is refused as such.
    if !matches!(root.kind, Kind::Map(_)) {
        return;
    }
    if !overrides.variables.is_empty() {
        let schema = schema();
        for (name, value) in &overrides.variables {
            variable::apply(root, &schema, name, value, problems);
        }
    }
    for given in &overrides.flags {
        match &given.place {
            Place::Path(path) => apply_path(root, given, path, problems),
            Place::EveryScenario(key) => apply_everywhere(root, given, key, problems),
        }
    }
}

/// A value from outside, with the text it stands in.
struct Given<'a> {
    source: u32,
    /// The bytes that say where the value goes.
    place: Span,
    value: &'a str,
    /// Where the value starts in its text.
    value_start: u32,
}

impl<'a> Given<'a> {
    /// Adds the text `place=value`, called `name`.
    fn assignment(
        name: &str,
        place: &str,
        value: &'a str,
        origin: Origin,
        problems: &mut Diagnostics,
    ) -> Self {
        let source = problems.sources_mut().add(name, format!("{place}={value}"), Some(origin));
        let end = place.len() as u32;
        Self { source, place: Span { source, start: 0, end }, value, value_start: end + 1 }
    }

    /// The value as a node: a list, mapping or quoted text as YAML has it, else a scalar.
    fn node(&self, problems: &mut Diagnostics) -> Option<Node> {
        let end = self.value_start + self.value.len() as u32;
        let span = Span { source: self.source, start: self.value_start, end };
        if !self.value.trim_start().starts_with(['[', '{', '"', '\'']) {
            return Some(Node::new(span, scalar(self.value)));
        }
        match document::parse(self.value, self.source) {
            Ok(mut node) => {
                shift(&mut node, self.value_start);
                Some(node)
            }
            Err(error) => {
                let (start, end) =
                    (self.value_start + error.start as u32, self.value_start + error.end as u32);
                let span = Span { start, end, ..span };
                problems.add(Severity::Error, error.code, span, error.message, error.help);
                None
            }
        }
    }
}

/// A scalar as YAML would read it, but without its comments and special forms.
fn scalar(text: &str) -> Kind {
    let digits = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    match text.trim() {
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        trimmed => match (trimmed.parse::<i128>(), trimmed.parse::<f64>()) {
            (Ok(value), _) => Kind::Int(value),
            (_, Ok(value)) if digits(trimmed) && value.is_finite() => Kind::Float(value),
            _ => Kind::String(text.to_owned()),
        },
    }
}

fn shift(node: &mut Node, by: u32) {
    let shifted = |span: &mut Span| {
        span.start += by;
        span.end += by;
    };
    shifted(&mut node.span);
    shifted(&mut node.text);
    match &mut node.kind {
        Kind::Seq(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Kind::Map(entries) => {
            for entry in entries {
                shifted(&mut entry.key_span);
                shift(&mut entry.value, by);
            }
        }
        _ => {}
    }
}

/// `--set path=value`.
fn apply_path(root: &mut Node, given: &FlagOverride, path: &str, problems: &mut Diagnostics) {
    let origin = Origin::Flag(given.flag.clone());
    let text = Given::assignment(&given.flag, path, &given.value, origin, problems);
    let Some(keys) = parse_path(path) else {
        let help =
            "write for example `scenarios.browse.rate`; a key with dots stands in double quotes".to_owned();
        problems.add(Severity::Error, "bad-override", text.place, format!("`{path}` is no path"), Some(help));
        return;
    };
    if let Some(value) = text.node(problems)
        && let Err(problem) = put(root, &keys, text.place, value)
    {
        problems.add(Severity::Error, "bad-override", text.place, problem.message, problem.help);
    }
}

/// `-r`, `-d`, `-u`: a key of every scenario that may have it.
fn apply_everywhere(root: &mut Node, given: &FlagOverride, key: &str, problems: &mut Diagnostics) {
    let origin = Origin::Flag(given.flag.clone());
    let source = problems.sources_mut().add(&given.flag, &given.value, Some(origin));
    let place = Span { source, start: 0, end: given.value.len() as u32 };
    let text = Given { source, place, value: &given.value, value_start: 0 };
    let (Some(value), Some(scenarios)) = (text.node(problems), root.entry_mut("scenarios")) else {
        return;
    };
    let Kind::Map(scenarios) = &mut scenarios.value.kind else {
        return;
    };
    let mut fits = false;
    let mut executors = Vec::new();
    for scenario in scenarios {
        let name = match scenario.value.entry("executor").map(|entry| &entry.value.kind) {
            Some(Kind::String(name)) => name.clone(),
            _ => continue,
        };
        if ExecutorKeys::named(&name).is_some_and(|executor| executor.has(key)) {
            set_key(&mut scenario.value, key, place, value.clone());
            fits = true;
        }
        executors.push((scenario.key.clone(), name));
    }
    if fits || executors.is_empty() {
        return;
    }
    let shown: Vec<String> =
        executors.iter().map(|(name, executor)| format!("`{name}` is `{executor}`")).collect();
    let message = format!("no scenario has a `{key}`: {}", shown.join(", "));
    let help = format!("{} may have it; use `--set` for other keys", listed(&executors_with(key)));
    problems.add(Severity::Error, "bad-override", place, message, Some(help));
}

/// Parts a path at its dots; `None` when it is none. Keys with dots stand in double quotes.
fn parse_path(path: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut rest = path;
    loop {
        let (key, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if key.is_empty() {
            return None;
        }
        keys.push(key.to_owned());
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(keys),
        }
    }
}

/// A key as [`parse_path`] reads it.
pub(crate) fn quote(key: &str) -> String {
    if key.contains('.') { format!("\"{key}\"") } else { key.to_owned() }
}

/// Why a value cannot be put where it should go.
struct PutError {
    message: String,
    help: Option<String>,
}

/// Puts `value` at the path `keys`; mappings on the way are made, scenarios and steps must be there.
fn put(root: &mut Node, keys: &[String], place: Span, value: Node) -> Result<(), PutError> {
    let Some((last, way)) = keys.split_last() else { return Ok(()) };
    let mut node = root;
    for (depth, key) in way.iter().enumerate() {
        node = step_into(node, &keys[..depth], key, place)?;
    }
    if let Kind::Seq(_) = node.kind {
        *item(node, last)? = value;
        return Ok(());
    }
    if !matches!(node.kind, Kind::Map(_)) {
        return Err(not_a_mapping(way));
    }
    set_key(node, last, place, value);
    Ok(())
}

/// The value of `key` in `node`, which stands at `path`.
fn step_into<'n>(
    node: &'n mut Node,
    path: &[String],
    key: &str,
    place: Span,
) -> Result<&'n mut Node, PutError> {
    if let Kind::Seq(_) = node.kind {
        return item(node, key);
    }
    let Kind::Map(entries) = &mut node.kind else {
        return Err(not_a_mapping(path));
    };
    if let Some(index) = entries.iter().position(|entry| entry.key == key) {
        return Ok(&mut entries[index].value);
    }
    if path == ["scenarios"] {
        let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let help = Some(suggestion(key, &names));
        return Err(PutError { message: format!("there is no scenario `{key}`"), help });
    }
    let value = Node::new(place, Kind::Map(Vec::new()));
    entries.push(Entry { key: key.to_owned(), key_span: place, value });
    Ok(&mut entries.last_mut().expect("an entry was just added").value)
}

/// The item of a list at `index`.
fn item<'n>(node: &'n mut Node, index: &str) -> Result<&'n mut Node, PutError> {
    let Kind::Seq(items) = &mut node.kind else {
        unreachable!("asked only of lists");
    };
    let count = items.len();
    match index.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
        Some(item) => Ok(item),
        None => Err(PutError {
            message: format!("`{index}` is no item of a list of {count}"),
            help: Some(format!("items count from 0 to {}", count.saturating_sub(1))),
        }),
    }
}

fn not_a_mapping(path: &[String]) -> PutError {
    PutError { message: format!("`{}` has nothing below it", path.join(".")), help: None }
}

/// Sets a key of a mapping.
fn set_key(node: &mut Node, key: &str, place: Span, value: Node) {
    if let Some(entry) = node.entry_mut(key) {
        entry.value = value;
    } else if let Kind::Map(entries) = &mut node.kind {
        entries.push(Entry { key: key.to_owned(), key_span: place, value });
    }
}

#[cfg(test)]
mod tests;
