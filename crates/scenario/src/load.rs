//! From the bytes of a file to a workload, or to everything that is wrong with it.

use std::path::Path;

use crate::document::{self, Kind, Node, SyntaxError};
use crate::read::Reader;
use crate::source::Sources;
use crate::{
    Diagnostics, Environment, FileAccess, Files, Origin, Overrides, PathKey, Severity, Span, ValuePath,
    Workload, edit,
};

/// A scenario file.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is called in diagnostics: its path as the user wrote it.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Source {
    /// More bytes are refused: whoever reads a file of unknown size need not read on behind the next one.
    pub const MAX_BYTES: usize = document::MAX_BYTES;
}

/// What came of reading a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it means; `None` when there is an error among the diagnostics.
    pub workload: Option<Workload>,
    /// What the files it names hold.
    pub files: Files,
    /// Everything found, errors and warnings, in the order of the file.
    pub diagnostics: Diagnostics,
    /// The document with all overrides in it.
    document: Option<Node>,
}

/// A value of the resolved document.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ValueOrigin {
    /// Where it stands: `scenarios.browse.rate`.
    pub path: ValuePath,
    /// What it is, as JSON.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Reads a scenario file: parses it, applies `overrides`, expands `${env.…}` from `environment`, checks everything, and
/// opens the files it names through `files`.
///
/// # Cost
/// Memory of about twenty times the file; files above 10 MiB are refused.
pub fn load(
    source: Source,
    overrides: &Overrides,
    environment: &Environment,
    files: &mut dyn FileAccess,
) -> Loaded {
    let mut sources = Sources::default();
    let text = match document::decode(&source.bytes) {
        Ok(text) => text,
        Err(error) => {
            // The text up to the fault is shown; a file that is too large is not.
            let end = if source.bytes.len() > document::MAX_BYTES { 0 } else { source.bytes.len() };
            let readable = source.bytes[..end].utf8_chunks().next().map_or("", |chunk| chunk.valid());
            sources.add(source.name, readable, None);
            return Loaded::refused(sources, error);
        }
    };
    let stem = Path::new(&source.name)
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    read(source.name, &stem, text, overrides, environment, files)
}

/// Reads `text`, called `name`, without overrides.
pub(crate) fn read_text(
    name: &str,
    text: &str,
    environment: &Environment,
    files: &mut dyn FileAccess,
) -> Loaded {
    if text.len() > document::MAX_CANONICAL_BYTES {
        let mut sources = Sources::default();
        sources.add(name, "", None);
        return Loaded::refused(sources, document::too_large(document::MAX_CANONICAL_BYTES));
    }
    read(name.to_owned(), name, text, &Overrides::none(), environment, files)
}

fn read(
    name: String,
    stem: &str,
    text: &str,
    overrides: &Overrides,
    environment: &Environment,
    files: &mut dyn FileAccess,
) -> Loaded {
    let mut sources = Sources::default();
    let number = sources.add(name, text, None);
    match document::parse(text, number) {
        Ok(root) => read_document(root, stem, sources, overrides, environment, files),
        Err(error) => Loaded::refused(sources, error),
    }
}

/// Applies `overrides` to a document and reads it.
pub(crate) fn read_document(
    mut root: Node,
    stem: &str,
    sources: Sources,
    overrides: &Overrides,
    environment: &Environment,
    files: &mut dyn FileAccess,
) -> Loaded {
    let mut problems = Diagnostics::new(sources);
    edit::apply(&mut root, overrides, &mut problems);
    let read = Reader::new(problems, environment, files).read(&root, stem);
    Loaded { workload: read.workload, files: read.files, diagnostics: read.problems, document: Some(root) }
}

impl Loaded {
    /// A file that could not even be parsed.
    fn refused(sources: Sources, error: SyntaxError) -> Self {
        let mut diagnostics = Diagnostics::new(sources);
        let span = Span { source: 0, start: error.start as u32, end: error.end as u32 };
        diagnostics.add(Severity::Error, error.code, span, error.message, error.help);
        Self { workload: None, files: Files::default(), diagnostics, document: None }
    }

    /// Every value of the resolved document with where it comes from; empty when there is no workload.
    pub fn origins(&self) -> Vec<ValueOrigin> {
        let (Some(workload), Some(document)) = (&self.workload, &self.document) else {
            return Vec::new();
        };
        let canonical = workload.to_canonical_json();
        let Ok(resolved) = document::parse(&canonical, 0) else {
            unreachable!("a canonical document is JSON");
        };
        let mut origins = Vec::new();
        self.collect_origins(&canonical, &resolved, Some(document), &mut ValuePath::default(), &mut origins);
        origins
    }

    /// Adds the values below `resolved`, which stands at `path` and comes from `written`.
    fn collect_origins(
        &self,
        canonical: &str,
        resolved: &Node,
        written: Option<&Node>,
        path: &mut ValuePath,
        origins: &mut Vec<ValueOrigin>,
    ) {
        match &resolved.kind {
            Kind::Map(entries) if !entries.is_empty() => {
                for entry in entries {
                    let below = written.and_then(|written| written_below(written, &entry.key));
                    path.0.push(PathKey::Name(entry.key.clone()));
                    self.collect_origins(canonical, &entry.value, below, path, origins);
                    path.0.pop();
                }
            }
            Kind::Seq(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    let below = written.and_then(|written| match &written.kind {
                        Kind::Seq(items) => items.get(index),
                        _ => Some(written),
                    });
                    path.0.push(PathKey::Item(index));
                    self.collect_origins(canonical, item, below, path, origins);
                    path.0.pop();
                }
            }
            leaf => {
                let value = match leaf {
                    Kind::Map(_) => "{}".to_owned(),
                    Kind::Seq(_) => "[]".to_owned(),
                    _ => canonical[resolved.span.start as usize..resolved.span.end as usize].to_owned(),
                };
                let sources = self.diagnostics.sources();
                let origin = written.map_or(Origin::Default, |written| sources.origin(written.span));
                origins.push(ValueOrigin { path: path.clone(), value, origin });
            }
        }
    }
}

/// What the file has for `key` of the resolved document; a value in its short form stands for its long form.
fn written_below<'n>(written: &'n Node, key: &str) -> Option<&'n Node> {
    match &written.kind {
        Kind::Map(_) => written.entry(key).map(|entry| &entry.value),
        _ if key == "required" => None,
        _ => Some(written),
    }
}

#[cfg(test)]
mod tests;
