//! Text with references to secrets: what stands in a scalar after `${env.…}` is expanded.

use std::fmt;

/// Text in which `${secret.NAME}` is kept as a reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The parts in order; literals are neither empty nor next to each other.
    pub parts: Vec<TextPart>,
}

/// A stretch of a [`Text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPart {
    /// What never changes.
    Literal(String),
    /// A secret by its name, resolved where a request is prepared.
    Secret(String),
}

impl Text {
    /// A text without references.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::default() } else { Self { parts: vec![TextPart::Literal(text)] } }
    }

    /// The text, if it holds no reference.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [TextPart::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The names of the secrets it refers to, in order.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            TextPart::Literal(_) => None,
            TextPart::Secret(name) => Some(name.as_str()),
        })
    }
}

/// Writes the text as a scenario file would have it.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                TextPart::Literal(text) => {
                    let before_reference = matches!(self.parts.get(index + 1), Some(TextPart::Secret(_)));
                    write_escaped(f, text, before_reference)?;
                }
                TextPart::Secret(name) => write!(f, "${{secret.{name}}}")?,
            }
        }
        Ok(())
    }
}

/// Writes `text` so that it reads back as itself: every `$` in a run that ends at a `{` is doubled, also at the end
/// of the text when a reference follows.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str, before_reference: bool) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, dollars) = rest.split_at(at);
        f.write_str(before)?;
        let run = dollars.len() - dollars.trim_start_matches('$').len();
        let (run, after) = dollars.split_at(run);
        f.write_str(run)?;
        if after.starts_with('{') || (after.is_empty() && before_reference) {
            f.write_str(run)?;
        }
        rest = after;
    }
    f.write_str(rest)
}

/// A piece of a scalar as it is written, before expansion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text that stands for itself.
    Literal(&'a str),
    /// `${…}`: what stands between the braces.
    Reference(&'a str),
    /// `${` without its closing brace: the rest of the scalar.
    Unclosed(&'a str),
}

/// Splits a scalar at its references. `$${` stands for `${`; of a run of `$` before `{` each two stand for one.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest[from..].find('$').map(|at| at + from) {
        let run = rest[at..].len() - rest[at..].trim_start_matches('$').len();
        if !rest[at + run..].starts_with('{') {
            from = at + run;
            continue;
        }
        // Half of the dollars stay in the text; an odd one opens a reference.
        let literal = &rest[..at + run / 2];
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let after = &rest[at + run..];
        if run.is_multiple_of(2) {
            (rest, from) = (after, 1);
            continue;
        }
        match after[1..].find('}') {
            Some(end) => {
                pieces.push(Piece::Reference(&after[1..=end]));
                (rest, from) = (&after[end + 2..], 0);
            }
            None => {
                pieces.push(Piece::Unclosed(after));
                return pieces;
            }
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    pieces
}

/// Collects the parts of a [`Text`], merging literals.
#[derive(Debug, Default)]
pub(crate) struct TextBuilder {
    parts: Vec<TextPart>,
}

impl TextBuilder {
    /// Appends text.
    pub(crate) fn literal(&mut self, text: &str) {
        if let Some(TextPart::Literal(last)) = self.parts.last_mut() {
            last.push_str(text);
        } else if !text.is_empty() {
            self.parts.push(TextPart::Literal(text.to_owned()));
        }
    }

    /// Appends a reference.
    pub(crate) fn secret(&mut self, name: &str) {
        self.parts.push(TextPart::Secret(name.to_owned()));
    }

    /// The text.
    pub(crate) fn finish(self) -> Text {
        Text { parts: self.parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_split_at_their_references() {
        let check = |text: &str, expected: &[Piece<'_>]| assert_eq!(pieces(text), expected, "{text}");
        check("plain $5 {x}", &[Piece::Literal("plain $5 {x}")]);
        check("a${env.B}c", &[Piece::Literal("a"), Piece::Reference("env.B"), Piece::Literal("c")]);
        check("$${env.B}", &[Piece::Literal("$"), Piece::Literal("{env.B}")]);
        check("$$${env.B}", &[Piece::Literal("$"), Piece::Reference("env.B")]);
        check("$${a}$${b}", &[Piece::Literal("$"), Piece::Literal("{a}$"), Piece::Literal("{b}")]);
        check("x${env.B", &[Piece::Literal("x"), Piece::Unclosed("{env.B")]);
        check("${}", &[Piece::Reference("")]);
        check("", &[]);
    }

    #[test]
    fn texts_print_so_that_they_read_back() {
        let check = |parts: Vec<TextPart>, printed: &str| {
            let text = Text { parts };
            assert_eq!(text.to_string(), printed);
            let mut builder = TextBuilder::default();
            for piece in pieces(printed) {
                match piece {
                    Piece::Literal(text) => builder.literal(text),
                    Piece::Reference(name) => builder.secret(name.strip_prefix("secret.").unwrap()),
                    Piece::Unclosed(rest) => panic!("{rest}"),
                }
            }
            assert_eq!(builder.finish(), text);
        };
        let literal = |text: &str| TextPart::Literal(text.to_owned());
        let secret = |name: &str| TextPart::Secret(name.to_owned());
        check(vec![literal("${a}")], "$${a}");
        check(vec![literal("$${a} $5")], "$$$${a} $5");
        check(vec![literal("pay $"), secret("X")], "pay $$${secret.X}");
        check(vec![secret("X"), literal("{")], "${secret.X}{");
        check(vec![literal("$"), secret("X"), literal("$$")], "$$${secret.X}$$");
    }
}
