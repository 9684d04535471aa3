//! Checks on responses.

use std::ops::RangeInclusive;

use plan::{StatusSet, TextMatch};

use super::{Fields, Reader};
use crate::document::{Kind, Node};
use crate::shape::{BodyMatchShape, ChecksShape, HeaderMatchShape, ResponseTimeShape, StatusCheckShape};
use crate::{Check, Condition, names};

impl Reader<'_> {
    /// All checks of a step: status, headers, body, response time.
    pub(super) fn checks(&mut self, label: &str, node: &Node) -> Option<Vec<Check>> {
        let fields = self.fields::<ChecksShape>(label, node, node.span)?;
        let status = self.optional(&fields, "status", Self::status_check);
        let headers = self.optional_or(&fields, "header", Vec::new(), Self::header_checks);
        let body = self.optional(&fields, "body", Self::body_check);
        let time = self.optional(&fields, "response_time", Self::time_check);
        let mut checks: Vec<Check> = status?.into_iter().collect();
        checks.extend(headers?);
        checks.extend(body?);
        checks.extend(time?);
        Some(checks)
    }

    fn status_check(&mut self, label: &str, node: &Node) -> Option<Check> {
        let Kind::Map(_) = node.kind else {
            let set = self.status_set(label, node)?;
            return Some(Check { condition: Condition::Status(set), required: false });
        };
        let fields = self.fields::<StatusCheckShape>(label, node, node.span)?;
        let set = self.required(&fields, "is", Self::status_set);
        let required = self.is_required(&fields);
        Some(Check { condition: Condition::Status(set?), required: required? })
    }

    fn is_required(&mut self, fields: &Fields<'_>) -> Option<bool> {
        self.optional_or(fields, "required", false, Self::flag)
    }

    fn status_set(&mut self, label: &str, node: &Node) -> Option<StatusSet> {
        let items = match &node.kind {
            Kind::Seq(items) if items.is_empty() => {
                self.error("missing-value", node.span, format!("`{label}` names no status"), None);
                return None;
            }
            Kind::Seq(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let ranges: Vec<Option<RangeInclusive<u16>>> =
            items.iter().map(|item| self.status_range(label, item)).collect();
        Some(status_set(ranges.into_iter().collect::<Option<_>>()?))
    }

    fn status_range(&mut self, label: &str, node: &Node) -> Option<RangeInclusive<u16>> {
        let text = match &node.kind {
            Kind::Int(status) => status.to_string(),
            Kind::String(_) => self.plain(label, node)?,
            _ => {
                self.wrong_type(label, node, "a status such as `200` or `2xx`");
                return None;
            }
        };
        let range = parse_status(text.trim());
        if range.is_none() {
            let help = "write `200`, `2xx`, `200-299` or a list of these".to_owned();
            self.error("bad-status", node.span, format!("`{text}` is no status"), help);
        }
        range
    }

    fn header_checks(&mut self, label: &str, node: &Node) -> Option<Vec<Check>> {
        let entries = self.entries(label, node)?;
        let mut checks: Vec<Check> = Vec::with_capacity(entries.len());
        let mut whole = true;
        for entry in entries {
            let name = entry.key.to_ascii_lowercase();
            let again = |check: &Check| matches!(&check.condition, Condition::Header { name: own, .. } if *own == name);
            if !names::is_token(&name) {
                let help = "use letters, digits and `-`".to_owned();
                self.error("bad-header", entry.key_span, format!("`{name}` is no name of a header"), help);
                whole = false;
            } else if checks.iter().any(again) {
                let help = "remove one of them".to_owned();
                self.error(
                    "duplicate-key",
                    entry.key_span,
                    format!("the header `{name}` is there twice"),
                    help,
                );
                whole = false;
            } else {
                match self.header_check(&name, &entry.value) {
                    Some(check) => checks.push(check),
                    None => whole = false,
                }
            }
        }
        whole.then_some(checks)
    }

    fn header_check(&mut self, name: &str, node: &Node) -> Option<Check> {
        let condition = |value| Condition::Header { name: name.to_owned(), value };
        let Kind::Map(_) = node.kind else {
            let value = self.scalar_without_secrets(name, node)?;
            return Some(Check { condition: condition(TextMatch::Equals(value)), required: false });
        };
        let fields = self.fields::<HeaderMatchShape>(name, node, node.span)?;
        let present = self.optional_or(&fields, "present", true, Self::flag);
        if present == Some(false)
            && let Some(entry) = fields.get("present")
        {
            let help = "remove the check, or write `present: true`".to_owned();
            self.error("out-of-range", entry.value.span, "`present` can only be `true`", help);
        }
        let value = self.text_match(&fields, &["equals", "contains", "present"]);
        let required = self.is_required(&fields);
        present.filter(|present| *present)?;
        Some(Check { condition: condition(value?), required: required? })
    }

    fn body_check(&mut self, label: &str, node: &Node) -> Option<Check> {
        let fields = self.fields::<BodyMatchShape>(label, node, node.span)?;
        let value = self.text_match(&fields, &["equals", "contains"]);
        let required = self.is_required(&fields);
        Some(Check { condition: Condition::Body(value?), required: required? })
    }

    /// The one of `ways` that is there.
    fn text_match(&mut self, fields: &Fields<'_>, ways: &[&str]) -> Option<TextMatch> {
        let mut there = fields.entries.iter().filter(|entry| ways.contains(&entry.key.as_str()));
        let (Some(entry), None) = (there.next(), there.next()) else {
            let help = format!("write exactly one of {}", crate::suggest::listed(ways));
            self.error("missing-key", fields.at, format!("{} does not say how to match", fields.name), help);
            return None;
        };
        if entry.key == "present" {
            return Some(TextMatch::Present);
        }
        let text = self.scalar_without_secrets(&entry.key, &entry.value)?;
        if entry.key == "equals" {
            return Some(TextMatch::Equals(text));
        }
        if text.is_empty() {
            let help = "say what must be in it".to_owned();
            self.error("out-of-range", entry.value.span, "every text contains the empty text", help);
            return None;
        }
        Some(TextMatch::Contains(text))
    }

    fn time_check(&mut self, label: &str, node: &Node) -> Option<Check> {
        let (below, required) = match &node.kind {
            Kind::Map(_) => {
                let fields = self.fields::<ResponseTimeShape>(label, node, node.span)?;
                let below = self.required(&fields, "below", Self::duration);
                let required = self.is_required(&fields);
                (below?, required?)
            }
            Kind::String(_) => {
                let text = self.plain(label, node)?;
                let limit = text.trim();
                let limit = limit.strip_prefix('<').unwrap_or(limit);
                let below = self.parse_duration(label, node, limit)?;
                if below.is_zero() {
                    let help = "write for example `< 200ms`".to_owned();
                    self.error("out-of-range", node.span, "no response time is below 0s", help);
                    return None;
                }
                (below, false)
            }
            _ => (self.duration(label, node)?, false),
        };
        Some(Check { condition: Condition::ResponseTime(below), required })
    }
}

/// `200`, `2xx` or `200-299`.
fn parse_status(text: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|status| digits && *status >= 100)
    };
    if let Some(class) = text.strip_suffix("xx") {
        let class: u16 = class.parse().ok().filter(|class| (1..=9).contains(class))?;
        return Some(class * 100..=class * 100 + 99);
    }
    match text.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (number(first.trim())?, number(last.trim())?);
            (first <= last).then_some(first..=last)
        }
        None => number(text).map(|status| status..=status),
    }
}

/// Ranges in ascending order, merged where they touch.
pub(crate) fn status_set(mut ranges: Vec<RangeInclusive<u16>>) -> StatusSet {
    ranges.sort_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u16>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end() + 1 => {
                *last = *last.start()..=(*last.end()).max(*range.end())
            }
            _ => merged.push(range),
        }
    }
    StatusSet { ranges: merged }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_read_as_ranges() {
        assert_eq!(parse_status("200"), Some(200..=200));
        assert_eq!(parse_status("2xx"), Some(200..=299));
        assert_eq!(parse_status("200-204"), Some(200..=204));
        for wrong in ["", "20", "2000", "0xx", "xx", "204-200", "abc", "+20", "099"] {
            assert_eq!(parse_status(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn touching_ranges_merge() {
        let set = status_set(vec![404..=404, 200..=299, 300..=301, 250..=260]);
        assert_eq!(set.ranges, [200..=301, 404..=404]);
    }
}
