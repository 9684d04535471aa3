//! `${env.NAME}` and `${secret.NAME}` in scalars.

use super::Reader;
use crate::document::Node;
use crate::suggest::closest;
use crate::text::{Piece, TextBuilder, pieces};
use crate::{Span, Text, names};

impl Reader<'_> {
    /// Expands `${env.…}` in `raw`, the text of `node`; secrets stay references.
    pub(super) fn expand(&mut self, node: &Node, raw: &str) -> Option<Text> {
        let mut builder = TextBuilder::default();
        let mut whole = true;
        for piece in pieces(raw) {
            match piece {
                Piece::Literal(text) => builder.literal(text),
                Piece::Reference(reference) => {
                    whole &= self.reference(node.span, reference, &mut builder).is_some();
                }
                Piece::Unclosed(rest) => {
                    let span = self.part(node.span, rest);
                    let help = "close it, or write `$${` for the text `${`".to_owned();
                    self.error("bad-reference", span, format!("`${rest}` has no closing brace"), help);
                    whole = false;
                }
            }
        }
        whole.then(|| builder.finish())
    }

    /// Appends what `${reference}` stands for.
    fn reference(&mut self, span: Span, reference: &str, builder: &mut TextBuilder) -> Option<()> {
        let written = format!("${{{reference}}}");
        let span = self.part(span, &written);
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        let (namespace, name) = match name.split_once('.') {
            Some(parts) => parts,
            None => ("", name),
        };
        if !matches!(namespace, "env" | "secret") {
            let help = if namespace.is_empty() && names::is_variable(name) {
                format!("did you mean `${{env.{name}}}`?")
            } else {
                "there is `${env.NAME}`, `${env.NAME:-default}` and `${secret.NAME}`; `$${` stands for `${`"
                    .to_owned()
            };
            self.error("unknown-reference", span, format!("`{written}` refers to nothing"), help);
            return None;
        }
        if !names::is_variable(name) {
            let help = "a name has letters, digits and `_`, and starts with no digit".to_owned();
            self.error("bad-reference", span, format!("`{name}` in `{written}` is no name"), help);
            return None;
        }
        if namespace == "secret" {
            if default.is_some() {
                let help = format!("write `${{secret.{name}}}`");
                self.error("bad-reference", span, "a secret has no default", help);
                return None;
            }
            builder.secret(name);
            return Some(());
        }
        // As in a shell, the default of `:-` also stands for an empty value.
        let value = self.environment.value(name).filter(|value| default.is_none() || !value.is_empty());
        match value.or(default) {
            Some(value) => {
                builder.literal(value);
                Some(())
            }
            None => {
                let near =
                    closest(name, self.environment.names()).map(|near| format!("did you mean `{near}`? "));
                let help = format!(
                    "{}pass `-e {name}=VALUE`, export it, or give a default: `${{env.{name}:-VALUE}}`",
                    near.unwrap_or_default(),
                );
                self.error("undefined-variable", span, format!("the variable `{name}` is not defined"), help);
                None
            }
        }
    }

    /// Where `part` stands within `span`; all of `span` when it was written with escapes.
    pub(super) fn part(&self, span: Span, part: &str) -> Span {
        match self.sources().slice(span).find(part) {
            Some(at) => {
                let start = span.start + at as u32;
                Span { start, end: start + part.len() as u32, ..span }
            }
            None => span,
        }
    }
}
