//! The texts a workload is read from: the file, and each value from outside it.

use std::sync::Arc;

use crate::{Origin, Span};

/// Texts by their number; spans point into them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    list: Vec<Arc<SourceText>>,
}

/// One text.
#[derive(Debug)]
pub(crate) struct SourceText {
    /// A file's path; a flag or variable otherwise.
    pub(crate) name: String,
    /// What it holds, without a byte order mark.
    pub(crate) text: String,
    /// Where values in it come from; `None` for the file itself.
    pub(crate) origin: Option<Origin>,
    /// Where each line starts.
    line_starts: Vec<u32>,
}

impl Sources {
    /// Adds a text; returns its number.
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        text: impl Into<String>,
        origin: Option<Origin>,
    ) -> u32 {
        let text = text.into();
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u32 + 1);
        let line_starts = std::iter::once(0).chain(ends).collect();
        self.list.push(Arc::new(SourceText { name: name.into(), text, origin, line_starts }));
        self.list.len() as u32 - 1
    }

    /// The text number `source`.
    pub(crate) fn source(&self, source: u32) -> &SourceText {
        &self.list[source as usize]
    }

    /// What stands at `span`.
    pub(crate) fn slice(&self, span: Span) -> &str {
        self.source(span.source).text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Where a value at `span` comes from.
    pub(crate) fn origin(&self, span: Span) -> Origin {
        let source = self.source(span.source);
        source.origin.clone().unwrap_or_else(|| {
            let (line, column) = source.position(span.start);
            Origin::File { line, column }
        })
    }
}

impl SourceText {
    /// Line and column (in characters) of a byte, both from 1.
    pub(crate) fn position(&self, at: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= at);
        let start = self.line_starts[line - 1] as usize;
        let before = self.text.get(start..at as usize).unwrap_or("");
        (line as u32, before.chars().count() as u32 + 1)
    }

    /// Line `line` (from 1) without its end, and where it starts.
    pub(crate) fn line(&self, line: u32) -> (&str, usize) {
        let start = self.line_starts[line as usize - 1] as usize;
        let text = self.text[start..].split('\n').next().unwrap_or("");
        (text.strip_suffix('\r').unwrap_or(text), start)
    }
}
