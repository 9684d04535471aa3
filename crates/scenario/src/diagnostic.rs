//! Problems in a scenario file: where, what, and how to mend it.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::{Serialize, Serializer};

use crate::source::Sources;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The workload cannot run.
    Error,
    /// It runs, but perhaps not as meant.
    Warning,
}

/// A place in one of the texts a workload is read from, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// Which text: 0 is the file, the others are values from flags and variables.
    pub source: u32,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name in kebab case, for example `unknown-key`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// The file; for a value from outside it, the flag or variable it came from.
    pub file: String,
    /// Line in `file`, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The place in bytes.
    pub span: Span,
}

/// All problems of one file with the texts they point into, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    sources: Sources,
}

/// As a list of [`Diagnostic`]s.
impl Serialize for Diagnostics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

impl Diagnostics {
    /// Starts with no problems in `sources`.
    pub(crate) fn new(sources: Sources) -> Self {
        Self { list: Vec::new(), sources }
    }

    /// The texts that spans point into.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The texts, to add one.
    pub(crate) fn sources_mut(&mut self) -> &mut Sources {
        &mut self.sources
    }

    /// Adds a problem at `span`.
    pub(crate) fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let source = self.sources.source(span.source);
        let (line, column) = source.position(span.start);
        let (message, file) = (message.into(), source.name.clone());
        self.list.push(Diagnostic { severity, code, message, help, file, line, column, span });
    }

    /// Brings the problems into the order of the file.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|diagnostic| (diagnostic.span, diagnostic.severity));
    }

    /// The problems.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Whether there is none, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many errors there are.
    pub fn error_count(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many warnings there are.
    pub fn warning_count(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// For people: each problem with an excerpt of its file, in colour for a terminal when `color` is set. At most
    /// [`Diagnostics::RENDERED`] are shown; the rest is counted.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for diagnostic in self.list.iter().take(Self::RENDERED) {
            text.push_str(&renderer.render(&[self.group(diagnostic)]));
            text.push_str("\n\n");
        }
        let hidden = self.list.len().saturating_sub(Self::RENDERED);
        if hidden > 0 {
            text.push_str(&format!("... and {hidden} more\n\n"));
        }
        text
    }

    /// How many problems are shown for people; one mistake repeated a thousand times needs no thousand excerpts.
    pub const RENDERED: usize = 50;

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&diagnostic.message).id(diagnostic.code);
        let source = self.sources.source(diagnostic.span.source);
        let (line, line_start) = source.line(diagnostic.line);
        let mut group = if line.len() > MAX_EXCERPT_BYTES {
            let origin = annotate_snippets::Origin::path(&diagnostic.file)
                .line(diagnostic.line as usize)
                .char_column(diagnostic.column as usize);
            title.element(origin)
        } else {
            let start = (diagnostic.span.start as usize - line_start).min(line.len());
            let end = (diagnostic.span.end as usize).saturating_sub(line_start).clamp(start, line.len());
            let snippet = Snippet::source(line)
                .path(&diagnostic.file)
                .line_start(diagnostic.line as usize)
                .annotation(AnnotationKind::Primary.span(start..end));
            title.element(snippet)
        };
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help));
        }
        group
    }
}

/// Longer lines (a body written into one line) are pointed at without showing them.
const MAX_EXCERPT_BYTES: usize = 1_000;
