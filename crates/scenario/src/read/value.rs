//! Scalars with units and bounds.

use units::{Nanos, Rate, Ratio};

use super::Reader;
use crate::document::{Kind, Node};
use crate::suggest::suggestion;
use crate::{Text, TextPart, limits, names};

impl Reader<'_> {
    /// A text that may hold secrets.
    pub(super) fn text(&mut self, label: &str, node: &Node) -> Option<Text> {
        match &node.kind {
            Kind::String(raw) => self.expand(node, raw),
            _ => {
                self.wrong_type(label, node, "a text");
                None
            }
        }
    }

    /// A text without secrets.
    pub(super) fn plain(&mut self, label: &str, node: &Node) -> Option<String> {
        let text = self.text(label, node)?;
        self.without_secrets(label, node, text)
    }

    /// A text, or a number or truth value as it is written; it may hold secrets.
    pub(super) fn scalar(&mut self, label: &str, node: &Node) -> Option<Text> {
        match &node.kind {
            Kind::String(raw) => self.expand(node, raw),
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) => Some(Text::literal(self.written(node))),
            _ => {
                self.wrong_type(label, node, "a text");
                None
            }
        }
    }

    /// The same without secrets.
    pub(super) fn scalar_without_secrets(&mut self, label: &str, node: &Node) -> Option<String> {
        let text = self.scalar(label, node)?;
        self.without_secrets(label, node, text)
    }

    fn without_secrets(&mut self, label: &str, node: &Node, text: Text) -> Option<String> {
        if let Some(name) = text.secrets().next() {
            let span = self.part(node.span, &format!("${{secret.{name}}}"));
            let help = "secrets may stand in values of headers and queries, and in bodies".to_owned();
            self.error("secret-not-allowed", span, format!("`{label}` cannot hold a secret"), help);
            return None;
        }
        Some(text.as_literal().unwrap_or("").to_owned())
    }

    /// A name or label: one line that is not empty.
    pub(super) fn label(&mut self, label: &str, node: &Node) -> Option<String> {
        let text = self.plain(label, node)?;
        if names::is_label(&text) {
            return Some(text);
        }
        let message = format!("`{label}` is empty, too long, or holds a line end or a double quote");
        self.error(
            "bad-name",
            node.span,
            message,
            format!("give it 1 to {} bytes in one line", limits::MAX_NAME_BYTES),
        );
        None
    }

    /// The path of a file: one line that is not empty.
    pub(super) fn path(&mut self, label: &str, node: &Node) -> Option<String> {
        let text = self.plain(label, node)?;
        if (1..=limits::MAX_PATH_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
            return Some(text);
        }
        let message = format!("`{label}` is no path: it is empty, too long, or more than one line");
        self.error("bad-path", node.span, message, None);
        None
    }

    /// A scalar as it stands in the file: `1.10` stays `1.10`.
    fn written(&self, node: &Node) -> String {
        let slice = self.sources().slice(node.text).trim();
        // A hexadecimal number would be no number to others.
        let (same, value) = match &node.kind {
            Kind::Int(value) => (slice.parse() == Ok(*value), value.to_string()),
            Kind::Float(value) => (slice.parse() == Ok(*value), value.to_string()),
            Kind::Bool(value) => (slice.parse() == Ok(*value), value.to_string()),
            _ => (true, String::new()),
        };
        if same { slice.to_owned() } else { value }
    }

    /// The text of a value that needs a unit; numbers come through so that the unit can be suggested.
    pub(super) fn unit_text(&mut self, label: &str, node: &Node, wanted: &str) -> Option<String> {
        match &node.kind {
            Kind::String(_) => self.plain(label, node),
            Kind::Int(_) | Kind::Float(_) => Some(self.written(node)),
            _ => {
                self.wrong_type(label, node, wanted);
                None
            }
        }
    }

    /// A duration from 0.
    pub(super) fn duration_or_zero(&mut self, label: &str, node: &Node) -> Option<Nanos> {
        let text = self.unit_text(label, node, "a duration such as `30s`")?;
        self.parse_duration(label, node, &text)
    }

    /// Parses a duration that is a part of `node`.
    pub(super) fn parse_duration(&mut self, label: &str, node: &Node, text: &str) -> Option<Nanos> {
        let span: Nanos = match text.parse() {
            Ok(span) => span,
            Err(error) => {
                self.parse_error("bad-duration", node.span, label, &error);
                return None;
            }
        };
        if span > limits::MAX_DURATION {
            let message = format!("`{label}` is {span}, which is too long");
            self.error(
                "out-of-range",
                node.span,
                message,
                format!("the longest is {}", limits::MAX_DURATION),
            );
            return None;
        }
        Some(span)
    }

    /// A duration above 0.
    pub(super) fn duration(&mut self, label: &str, node: &Node) -> Option<Nanos> {
        let span = self.duration_or_zero(label, node)?;
        if span.is_zero() {
            let help = "give it a positive duration such as `30s`".to_owned();
            self.error("out-of-range", node.span, format!("`{label}` is 0s, which is no time at all"), help);
            return None;
        }
        Some(span)
    }

    /// A rate from 0.
    pub(super) fn rate_or_zero(&mut self, label: &str, node: &Node) -> Option<Rate> {
        let text = self.unit_text(label, node, "a rate such as `200/s`")?;
        let rate: Rate = match text.parse() {
            Ok(rate) => rate,
            Err(error) => {
                self.parse_error("bad-rate", node.span, label, &error);
                return None;
            }
        };
        if rate > limits::MAX_RATE {
            let message = format!("`{label}` is {rate}, which is too fast");
            self.error("out-of-range", node.span, message, format!("the highest is {}", limits::MAX_RATE));
            return None;
        }
        Some(rate)
    }

    /// A rate above 0.
    pub(super) fn rate(&mut self, label: &str, node: &Node) -> Option<Rate> {
        let rate = self.rate_or_zero(label, node)?;
        if rate.is_zero() {
            let help = "give it a positive rate such as `200/s`".to_owned();
            self.error("out-of-range", node.span, format!("`{label}` is 0/s, which starts nothing"), help);
            return None;
        }
        Some(rate)
    }

    /// A share: `0.5%`.
    pub(super) fn percent(&mut self, label: &str, node: &Node) -> Option<Ratio> {
        let text = self.unit_text(label, node, "a share such as `0.5%`")?;
        let parsed = text.trim().strip_suffix('%').map(str::trim_end).and_then(parts_per_million);
        match parsed {
            Some(parts) if parts <= 1_000_000 => Some(Ratio::new(parts as f64 / 1e6)),
            Some(_) => {
                let message = format!("`{label}` is {}, more than the whole", text.trim());
                self.error("out-of-range", node.span, message, "the most is `100%`".to_owned());
                None
            }
            None if text.trim().parse::<f64>().is_ok_and(|number| number >= 0.0) => {
                let text = text.trim();
                self.error(
                    "bad-share",
                    node.span,
                    format!("`{label}`: `{text}` has no unit"),
                    format!("write `{text}%`"),
                );
                None
            }
            None => {
                let message = format!("`{label}`: `{text}` is no share");
                self.error(
                    "bad-share",
                    node.span,
                    message,
                    "write for example `0.5%`, with at most 4 decimals".to_owned(),
                );
                None
            }
        }
    }

    /// A whole number in `min..=max`.
    pub(super) fn count(&mut self, label: &str, node: &Node, min: u64, max: u64) -> Option<u64> {
        let value = match &node.kind {
            Kind::Int(value) => *value,
            Kind::String(_) => {
                let text = self.plain(label, node)?;
                match text.trim().parse() {
                    Ok(value) => value,
                    Err(_) => {
                        let message = format!("`{label}` must be a whole number, found `{text}`");
                        self.error("wrong-type", node.span, message, None);
                        return None;
                    }
                }
            }
            Kind::Float(_) => {
                let message = format!("`{label}` must be a whole number, found `{}`", self.written(node));
                self.error("wrong-type", node.span, message, None);
                return None;
            }
            _ => {
                self.wrong_type(label, node, "a whole number");
                return None;
            }
        };
        match u64::try_from(value) {
            Ok(value) if (min..=max).contains(&value) => Some(value),
            _ => {
                let message = format!("`{label}` is {value}, out of its range");
                self.error("out-of-range", node.span, message, format!("it may be {min} to {max}"));
                None
            }
        }
    }

    /// A number of virtual users.
    pub(super) fn vus(&mut self, label: &str, node: &Node, min: u32) -> Option<u32> {
        self.count(label, node, min.into(), limits::MAX_VUS.into()).map(|count| count as u32)
    }

    /// A number from 1 to `max`, or `auto`.
    pub(super) fn count_or_auto(&mut self, label: &str, node: &Node, max: u32) -> Option<Option<u32>> {
        if let Kind::String(_) = node.kind {
            let text = self.plain(label, node)?;
            if text.trim() == "auto" {
                return Some(None);
            }
            if text.trim().parse::<i128>().is_err() {
                let message = format!("`{label}` must be a whole number or `auto`, found `{text}`");
                self.error("wrong-type", node.span, message, None);
                return None;
            }
        }
        self.count(label, node, 1, max.into()).map(|count| Some(count as u32))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, label: &str, node: &Node) -> Option<bool> {
        match &node.kind {
            Kind::Bool(value) => Some(*value),
            Kind::String(_) => {
                let text = self.plain(label, node)?;
                let parsed = text.trim().parse().ok();
                if parsed.is_none() {
                    let message = format!("`{label}` must be `true` or `false`, found `{text}`");
                    self.error("wrong-type", node.span, message, None);
                }
                parsed
            }
            _ => {
                self.wrong_type(label, node, "`true` or `false`");
                None
            }
        }
    }

    /// One of these words.
    pub(super) fn word<T: Copy>(&mut self, label: &str, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = self.plain(label, node)?;
        let found = words.iter().find(|(word, _)| *word == text.trim());
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("`{text}` is no `{label}`");
            self.error("unknown-value", node.span, message, suggestion(&text, &known));
        }
        found.map(|(_, value)| *value)
    }

    /// Checks the literal parts of a header's value.
    pub(super) fn header_value(&mut self, label: &str, node: &Node) -> Option<Text> {
        let text = self.scalar(label, node)?;
        let bad = text.parts.iter().find_map(|part| match part {
            TextPart::Literal(text) => names::bad_header_character(text),
            TextPart::Secret(_) => None,
        });
        if let Some(bad) = bad {
            let message =
                format!("the value of header `{label}` holds U+{:04X}, which no header may", u32::from(bad));
            self.error("bad-header", node.span, message, "write the value in one line".to_owned());
            return None;
        }
        Some(text)
    }
}

/// A decimal percentage in parts per million of the whole; `None` for what is no number or finer than that.
pub(super) fn parts_per_million(percent: &str) -> Option<u64> {
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let bad_point = percent.contains('.') && fraction.is_empty();
    if whole.is_empty()
        || bad_point
        || !digits(whole)
        || !digits(fraction)
        || fraction.len() > 4
        || whole.len() > 9
    {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<4}").parse().ok()?;
    Some(whole * 10_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::parts_per_million;

    #[test]
    fn percentages_are_exact() {
        assert_eq!(parts_per_million("0.5"), Some(5_000));
        assert_eq!(parts_per_million("100"), Some(1_000_000));
        assert_eq!(parts_per_million("0.0001"), Some(1));
        for wrong in ["", ".5", "5.", "-1", "0.00001", "1e3", "x"] {
            assert_eq!(parts_per_million(wrong), None, "{wrong}");
        }
    }
}
