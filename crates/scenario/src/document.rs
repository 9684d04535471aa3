//! The file as a tree in which every value knows where it stands.
//!
//! YAML and JSON are read alike. This is the only module that knows the YAML crate.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error as YamlError, Location, Spanned};

use crate::Span;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where it stands: of a value behind an alias, the alias.
    pub(crate) span: Span,
    /// Where its text stands: of a value behind an alias, that of the anchor.
    pub(crate) text: Span,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Nothing: `null`, `~`, or no text at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a fraction or an exponent; finite.
    Float(f64),
    /// A text, as written: references are not expanded.
    String(String),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping in the order of the file; keys are unique.
    Map(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) key_span: Span,
    /// Its value.
    pub(crate) value: Node,
}

impl Kind {
    /// What it is, for a message: `a text`, `a list`.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a number",
            Self::Float(_) => "a number with a fraction",
            Self::String(_) => "a text",
            Self::Seq(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// A value that stands at `span`.
    pub(crate) fn new(span: Span, kind: Kind) -> Self {
        Self { span, text: span, kind }
    }

    /// The value of `key`, when this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The value of `key`, to change it.
    pub(crate) fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        match &mut self.kind {
            Kind::Map(entries) => entries.iter_mut().find(|entry| entry.key == key),
            _ => None,
        }
    }
}

/// Why a text is no document; says where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// Stable name.
    pub(crate) code: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// How to mend it.
    pub(crate) help: Option<String>,
    /// Where, in bytes.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
}

/// Larger files are refused unread: a scenario of 10,000 steps has about 2 MB.
pub(crate) const MAX_BYTES: usize = 10 << 20;

/// The same for resolved documents, which say everything in full.
pub(crate) const MAX_CANONICAL_BYTES: usize = 8 * MAX_BYTES;

/// Deeper nesting is refused; a scenario itself needs 8 levels, the rest is for JSON bodies.
const MAX_DEPTH: usize = 64;

/// Values in one file, those repeated by aliases included.
const MAX_NODES: usize = 1_000_000;

/// The text of a file, or why its bytes are none. A byte order mark is left out.
pub(crate) fn decode(bytes: &[u8]) -> Result<&str, SyntaxError> {
    let refuse = |code, message: String, help: &str| SyntaxError {
        code,
        message,
        help: Some(help.to_owned()),
        start: 0,
        end: 0,
    };
    if bytes.len() > MAX_BYTES {
        return Err(too_large(MAX_BYTES));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
        let help = if utf16 { "the file is UTF-16; save it as UTF-8" } else { "save the file as UTF-8" };
        let at = error.valid_up_to();
        let message = format!("byte 0x{:02X} at offset {at} is not UTF-8", bytes[at]);
        SyntaxError { start: at, end: at, ..refuse("not-utf8", message, help) }
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if let Some(at) = text.find('\0') {
        let refusal = refuse(
            "nul-byte",
            "the file holds a NUL byte".to_owned(),
            "is this a scenario file, and no binary one?",
        );
        return Err(SyntaxError { start: at, end: at + 1, ..refusal });
    }
    Ok(text)
}

/// The refusal of a text that has more bytes than are read.
pub(crate) fn too_large(most: usize) -> SyntaxError {
    SyntaxError {
        code: "file-too-large",
        message: format!("the file has more than {most} bytes, the most that a scenario may have"),
        help: Some("a scenario describes a load in a few lines; is this the right file?".to_owned()),
        start: 0,
        end: 0,
    }
}

/// Parses `text`, source number `source`.
pub(crate) fn parse(text: &str, source: u32) -> Result<Node, SyntaxError> {
    on_a_large_stack(|| read_tree(text, source))
}

/// Reads the tree; needs [`STACK_BYTES`] of stack.
fn read_tree(text: &str, source: u32) -> Result<Node, SyntaxError> {
    let budget = serde_saphyr::budget! {
        max_depth: MAX_DEPTH,
        max_nodes: MAX_NODES,
        max_events: 3 * MAX_NODES,
        max_recorded_anchor_events: MAX_NODES,
        // One set of headers used by hundreds of steps is good style, not an attack; what aliases cost is bounded by
        // the events they replay.
        enforce_alias_anchor_ratio: false,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES / 4 },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    };
    let raw: Spanned<RawKind> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| syntax_error(text, &error))?;
    let mut converter = Converter { text, source, too_large: None };
    let node = converter.node(raw);
    converter.too_large.map_or(Ok(node), Err)
}

/// Runs `parse` on a thread of its own: deserialising nests a dozen calls per level, in a debug build some 30 KiB, and
/// the caller may have no more than the 2 MiB of a spawned thread.
fn on_a_large_stack<T: Send>(
    parse: impl FnOnce() -> Result<T, SyntaxError> + Send,
) -> Result<T, SyntaxError> {
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().name("scenario".to_owned()).stack_size(STACK_BYTES);
        match parser.spawn_scoped(scope, parse) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => Err(SyntaxError {
                code: "no-memory",
                message: format!("the file cannot be parsed here: {error}"),
                help: None,
                start: 0,
                end: 0,
            }),
        }
    })
}

/// Four times what [`MAX_DEPTH`] levels take in a debug build; pages that are not touched cost nothing.
const STACK_BYTES: usize = 16 << 20;

/// A value as serde hands it over; spans are added by [`Converter`].
enum RawKind {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    String(String),
    Seq(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for RawKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<RawKind, E> {
        Ok(RawKind::Null)
    }

    fn visit_none<E>(self) -> Result<RawKind, E> {
        Ok(RawKind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawKind, E> {
        Ok(RawKind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawKind, E> {
        Ok(RawKind::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawKind, E> {
        Ok(RawKind::Int(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawKind, E> {
        Ok(RawKind::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawKind, E> {
        Ok(RawKind::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<RawKind, E> {
        Ok(RawKind::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawKind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(RawKind::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawKind, A::Error> {
        let mut entries: Vec<(Spanned<String>, Spanned<RawKind>)> = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            if key.value.len() > MAX_KEY_BYTES {
                return Err(A::Error::custom(format!("a key is longer than {MAX_KEY_BYTES} bytes")));
            }
            entries.push((key, map.next_value()?));
        }
        Ok(RawKind::Map(entries))
    }
}

/// Longer keys are refused: YAML itself allows no more in one line.
const MAX_KEY_BYTES: usize = 1024;

/// Turns raw values into nodes.
struct Converter<'a> {
    text: &'a str,
    source: u32,
    /// The first whole number that is too large to be kept exactly.
    too_large: Option<SyntaxError>,
}

impl Converter<'_> {
    fn node(&mut self, raw: Spanned<RawKind>) -> Node {
        let (span, text) = (self.span(raw.referenced), self.span(raw.defined));
        let kind = match raw.value {
            RawKind::Null => Kind::Null,
            RawKind::Bool(value) => Kind::Bool(value),
            RawKind::Int(value) => Kind::Int(value),
            RawKind::Float(value) => self.number(value, text),
            RawKind::String(value) => Kind::String(value),
            RawKind::Seq(items) => Kind::Seq(items.into_iter().map(|item| self.node(item)).collect()),
            RawKind::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        key_span: self.span(key.referenced),
                        key: key.value,
                        value: self.node(value),
                    })
                    .collect(),
            ),
        };
        Node { span, text, kind }
    }

    /// A number that serde calls a float: it is that, or a whole number of more than 64 bits.
    fn number(&mut self, value: f64, span: Span) -> Kind {
        let written = &self.text[span.start as usize..span.end as usize];
        if !written.strip_prefix('-').unwrap_or(written).bytes().all(|byte| byte.is_ascii_digit()) {
            return Kind::Float(value);
        }
        if let Ok(whole) = written.parse() {
            return Kind::Int(whole);
        }
        self.too_large.get_or_insert_with(|| SyntaxError {
            code: "number-too-large",
            message: format!("the number {written} is too large to be kept exactly"),
            help: Some("put it in quotes to mean the text".to_owned()),
            start: span.start as usize,
            end: span.end as usize,
        });
        Kind::Float(value)
    }

    fn span(&self, location: Location) -> Span {
        let (start, end) = byte_range(self.text, location);
        Span { source: self.source, start: start as u32, end: end as u32 }
    }
}

/// The bytes a location covers, without the white space and line ends that follow a block scalar.
fn byte_range(text: &str, location: Location) -> (usize, usize) {
    let span = location.span();
    let Some(start) = span.byte_offset() else {
        return (0, 0);
    };
    let mut start = (start as usize).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = (start + span.byte_len().unwrap_or(0) as usize).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (start, start + text[start..end].trim_end().len())
}

/// What the YAML crate says, in our words.
fn syntax_error(text: &str, error: &YamlError) -> SyntaxError {
    let error = match error.without_snippet() {
        YamlError::AliasError { error, .. } => error,
        error => error,
    };
    let (code, message, help) = match error {
        YamlError::DuplicateMappingKey { key, .. } => (
            "duplicate-key",
            match key {
                Some(key) => format!("`{key}` is there twice"),
                None => "a key is there twice".to_owned(),
            },
            Some("remove one of them"),
        ),
        YamlError::MultipleDocuments { .. } => (
            "several-documents",
            "the file holds more than one document".to_owned(),
            Some("put each into a file of its own"),
        ),
        YamlError::Budget { breach: BudgetBreach::Depth { .. }, .. } => (
            "too-complex",
            format!("the file nests more than {MAX_DEPTH} levels deep"),
            Some("nest less deeply"),
        ),
        YamlError::Budget { .. } => (
            "too-complex",
            "the file holds too many values, anchors or aliases".to_owned(),
            Some("a scenario describes a load in a few lines; is this the right file?"),
        ),
        YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. }
        | YamlError::AliasReplayCounterOverflow { .. } => (
            "too-complex",
            "the aliases of this file stand for too many values".to_owned(),
            Some("use fewer aliases within anchors"),
        ),
        YamlError::UnknownAnchor { .. } => {
            ("syntax", "this alias names no anchor that stands before it".to_owned(), None)
        }
        YamlError::NonFiniteFloat { value, .. } => (
            "number-too-large",
            format!("`{value}` is no finite number"),
            Some("put it in quotes to mean the text"),
        ),
        YamlError::RecursiveReferencesRequireWeakTypes { .. } => {
            ("syntax", "this alias stands within its own anchor".to_owned(), None)
        }
        YamlError::NullIntoString { .. } => ("syntax", "a key is missing before the `:`".to_owned(), None),
        YamlError::Eof { .. } => ("empty-file", "the file is empty".to_owned(), None),
        // What the parser says of brackets within brackets, long before a budget is asked.
        _ if first_line(error) == "recursion limit exceeded" => (
            "too-complex",
            format!("the file nests more than {MAX_DEPTH} levels deep"),
            Some("nest less deeply"),
        ),
        _ => ("syntax", first_line(error), None),
    };
    let (start, end) = error.location().map_or((0, 0), |location| locate(text, location));
    SyntaxError { code, message, help: help.map(str::to_owned), start, end }
}

/// The bytes an error is about: those it names, or those at its line and column.
fn locate(text: &str, location: Location) -> (usize, usize) {
    let (start, end) = byte_range(text, location);
    if location.span().byte_offset().is_some() || location.line() == 0 {
        return (start, end);
    }
    let mut line_start = 0;
    for _ in 1..location.line() {
        match text[line_start..].find('\n') {
            Some(at) => line_start += at + 1,
            None => break,
        }
    }
    let line = text[line_start..].lines().next().unwrap_or("");
    let column = location.column().saturating_sub(1) as usize;
    let at = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    (line_start + at, line_start + at)
}

/// The first line of the crate's message, without the position, which we print ourselves.
fn first_line(error: &YamlError) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or("the file cannot be parsed");
    let end = line.find(" at line ").unwrap_or(line.len());
    line[..end].trim_end_matches([':', ',', ' ']).to_owned()
}
