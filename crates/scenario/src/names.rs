//! What may be a name: of a scenario, a step, a tag, a header, a method, a secret.

use crate::limits::MAX_NAME_BYTES;

/// What scenario names match: they stand in selectors, paths of overrides and names of variables.
pub(crate) const SCENARIO_NAME_PATTERN: &str = "^[A-Za-z0-9_.-]{1,200}$";

/// Whether `name` may name a scenario or a tag.
pub(crate) fn is_plain_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// Whether `text` fits into one line of a report and into the quotes of a selector.
pub(crate) fn is_label(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c == '"')
}

/// Whether `name` may name a variable or a secret.
pub(crate) fn is_variable(name: &str) -> bool {
    name.bytes()
        .enumerate()
        .all(|(at, byte)| byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()))
        && !name.is_empty()
}

/// Whether `name` is a token of HTTP: a method or the name of a header (RFC 9110, section 5.6.2).
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The first character that may not stand in the value of a header (RFC 9110, section 5.5).
pub(crate) fn bad_header_character(value: &str) -> Option<char> {
    value.chars().find(|c| c.is_control() && *c != '\t')
}
