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
    let stem = Path::new(&source.name)
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    match parse(source) {
        Ok((root, sources)) => read_document(root, &stem, sources, overrides, environment, files),
        Err(diagnostics) => Loaded::refused(diagnostics),
    }
}

/// Parses a file into a tree; the problem that keeps it from being one.
pub(crate) fn parse(source: Source) -> Result<(Node, Sources), Diagnostics> {
    match document::decode(&source.bytes) {
        Ok(text) => parse_text(source.name, text),
        Err(error) => {
            // The text up to the fault is shown; a file that is too large is not.
            let end = if source.bytes.len() > document::MAX_BYTES { 0 } else { source.bytes.len() };
            let readable = source.bytes[..end].utf8_chunks().next().map_or("", |chunk| chunk.valid());
            let mut sources = Sources::default();
            sources.add(source.name, readable, None);
            Err(fault(sources, error))
        }
    }
}

fn parse_text(name: String, text: &str) -> Result<(Node, Sources), Diagnostics> {
    let mut sources = Sources::default();
    let number = sources.add(name, text, None);
    match document::parse(text, number) {
        Ok(root) => Ok((root, sources)),
        Err(error) => Err(fault(sources, error)),
    }
}

/// The one problem of a text that is no document.
fn fault(sources: Sources, error: SyntaxError) -> Diagnostics {
    let mut diagnostics = Diagnostics::new(sources);
    let span = Span { source: 0, start: error.start as u32, end: error.end as u32 };
    diagnostics.add(Severity::Error, error.code, span, error.message, error.help);
    diagnostics
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
        return Loaded::refused(fault(sources, document::too_large(document::MAX_CANONICAL_BYTES)));
    }
    match parse_text(name.to_owned(), text) {
        Ok((root, sources)) => read_document(root, name, sources, &Overrides::none(), environment, files),
        Err(diagnostics) => Loaded::refused(diagnostics),
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
    fn refused(diagnostics: Diagnostics) -> Self {
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
