//! Reads a document into a workload, collecting every problem on the way.
//!
//! Each function reads one kind of value, reports what is wrong with it and returns `None`; the caller goes on with
//! the rest. A workload comes out only when nothing was reported as an error.

pub(crate) mod check;
mod expand;
mod file;
mod json;
mod load;
mod options;
mod pem;
mod policy;
mod scenario;
pub(crate) mod step;
pub(crate) mod target;
mod telemetry;
mod threshold;
mod value;
mod verdict;

use std::collections::BTreeMap;

use crate::document::{Entry, Kind, Node};
use crate::shape::Shape;
use crate::source::Sources;
use crate::suggest::suggestion;
use crate::{Diagnostics, Environment, FileAccess, Files, Severity, Span, Workload, limits, names};

/// Reads a document.
pub(crate) struct Reader<'a> {
    problems: Diagnostics,
    environment: &'a Environment,
    access: &'a mut dyn FileAccess,
    files: Files,
    steps: usize,
}

/// What came of reading.
pub(crate) struct ReadResult {
    pub(crate) workload: Option<Workload>,
    pub(crate) files: Files,
    pub(crate) problems: Diagnostics,
}

/// The keys of one mapping.
pub(crate) struct Fields<'n> {
    entries: &'n [Entry],
    /// Where a missing key is reported.
    at: Span,
    keys: &'static [&'static str],
    name: &'static str,
}

impl<'n> Fields<'n> {
    /// The entry of `key`, if it is there.
    fn get(&self, key: &str) -> Option<&'n Entry> {
        debug_assert!(self.keys.contains(&key), "`{key}` is no key of {}", self.name);
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl<'a> Reader<'a> {
    /// Reads with `environment` and `access`; adds to `problems`.
    pub(crate) fn new(
        problems: Diagnostics,
        environment: &'a Environment,
        access: &'a mut dyn FileAccess,
    ) -> Self {
        Self { problems, environment, access, files: Files::default(), steps: 0 }
    }

    /// Reads a whole file, called `stem` unless it says otherwise.
    pub(crate) fn read(mut self, root: &Node, stem: &str) -> ReadResult {
        let workload = self.file(root, stem);
        self.problems.sort();
        let workload = workload.filter(|_| self.problems.error_count() == 0);
        ReadResult { workload, files: self.files, problems: self.problems }
    }

    /// Reports an error.
    fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.problems.add(Severity::Error, code, span, message, help.into());
    }

    /// Reports a warning.
    fn warn(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.problems.add(Severity::Warning, code, span, message, help.into());
    }

    /// Reports an error whose text says after a semicolon how to mend it.
    fn parse_error(&mut self, code: &'static str, span: Span, label: &str, error: &dyn std::error::Error) {
        let text = error.to_string();
        let (message, help) = match text.split_once("; ") {
            Some((message, help)) => (message, Some(help.to_owned())),
            None => (text.as_str(), None),
        };
        self.error(code, span, format!("`{label}`: {message}"), help);
    }

    /// Reports that `node` is not what was wanted.
    fn wrong_type(&mut self, label: &str, node: &Node, wanted: &str) {
        if node.kind == Kind::Null {
            self.error(
                "missing-value",
                node.span,
                format!("`{label}` has no value"),
                format!("give it {wanted}"),
            );
        } else {
            let found = node.kind.describe();
            self.error("wrong-type", node.span, format!("`{label}` must be {wanted}, found {found}"), None);
        }
    }

    fn sources(&self) -> &Sources {
        self.problems.sources()
    }

    /// The keys of the mapping `node`; reports those the shape does not have. What is missing is reported at `at`.
    fn fields<'n, S: Shape>(&mut self, label: &str, node: &'n Node, at: Span) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &node.kind else {
            match node.kind {
                Kind::Null => self.wrong_type(label, node, "a mapping (`key: value`)"),
                _ => {
                    let found = node.kind.describe();
                    let message = format!("{} must be a mapping (`key: value`), found {found}", S::NAME);
                    self.error("wrong-type", node.span, message, None);
                }
            }
            return None;
        };
        for entry in entries {
            if !S::KEYS.contains(&entry.key.as_str()) {
                let message = format!("`{}` is no key of {}", entry.key, S::NAME);
                self.error("unknown-key", entry.key_span, message, suggestion(&entry.key, S::KEYS));
            }
        }
        Some(Fields { entries, at, keys: S::KEYS, name: S::NAME })
    }

    /// The entries of the mapping `node`.
    fn entries<'n>(&mut self, label: &str, node: &'n Node) -> Option<&'n [Entry]> {
        match &node.kind {
            Kind::Map(entries) => Some(entries),
            _ => {
                self.wrong_type(label, node, "a mapping (`key: value`)");
                None
            }
        }
    }

    /// The items of the list `node`.
    fn items<'n>(&mut self, label: &str, node: &'n Node) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::Seq(items) => Some(items),
            _ => {
                self.wrong_type(label, node, "a list");
                None
            }
        }
    }

    /// Reads `key`, which must be there.
    fn required<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        read: impl FnOnce(&mut Self, &str, &Node) -> Option<T>,
    ) -> Option<T> {
        match fields.get(key) {
            Some(entry) => read(self, key, &entry.value),
            None => {
                self.missing(fields, key, None);
                None
            }
        }
    }

    /// Reports that `key` is missing.
    fn missing(&mut self, fields: &Fields<'_>, key: &str, help: impl Into<Option<String>>) {
        let help = help.into().or_else(|| Some(format!("add `{key}: …`")));
        self.error("missing-key", fields.at, format!("{} needs `{key}`", fields.name), help);
    }

    /// Reads `key`, if it is there: `Some(None)` when it is not.
    fn optional<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        read: impl FnOnce(&mut Self, &str, &Node) -> Option<T>,
    ) -> Option<Option<T>> {
        match fields.get(key) {
            Some(entry) => read(self, key, &entry.value).map(Some),
            None => Some(None),
        }
    }

    /// Reads `key`; `default` when it is not there.
    fn optional_or<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        default: T,
        read: impl FnOnce(&mut Self, &str, &Node) -> Option<T>,
    ) -> Option<T> {
        self.optional(fields, key, read).map(|value| value.unwrap_or(default))
    }

    /// Reads labels.
    fn tags(&mut self, label: &str, node: &Node) -> Option<BTreeMap<String, String>> {
        let entries = self.entries(label, node)?;
        if entries.len() > limits::MAX_TAGS {
            let message = format!("there are {} tags; at most {} are kept", entries.len(), limits::MAX_TAGS);
            self.error("too-many", node.span, message, None);
            return None;
        }
        let mut tags = BTreeMap::new();
        let mut whole = true;
        for entry in entries {
            if !names::is_plain_name(&entry.key) {
                let help = "use letters, digits, `_`, `-` and `.`".to_owned();
                self.error("bad-name", entry.key_span, format!("`{}` cannot name a tag", entry.key), help);
                whole = false;
            } else if RESERVED_TAGS.contains(&entry.key.as_str()) {
                let message = format!("the tag `{}` is set by loadgen", entry.key);
                self.error("reserved-tag", entry.key_span, message, "choose another name".to_owned());
                whole = false;
            }
            match self.scalar_without_secrets(&entry.key, &entry.value) {
                Some(value) if names::is_label(&value) => drop(tags.insert(entry.key.clone(), value)),
                Some(_) => {
                    let message = format!(
                        "the tag `{}` is empty, too long, or holds a line end or a double quote",
                        entry.key
                    );
                    let help = format!("a tag has 1 to {} bytes in one line", limits::MAX_NAME_BYTES);
                    self.error("bad-tag", entry.value.span, message, help);
                    whole = false;
                }
                None => whole = false,
            }
        }
        whole.then_some(tags)
    }
}

/// Labels that every measurement has of itself; selectors filter on them.
const RESERVED_TAGS: &[&str] = &["scenario", "step", "outcome", "host", "check"];
