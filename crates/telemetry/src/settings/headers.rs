//! Headers of every request, which may be secrets.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers or metadata of every request to a receiver. Their values are shown to nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Reads `key=value,key=value`, values percent-encoded as in W3C Baggage; `None` says which part, counted from 1,
    /// is no header.
    pub(super) fn parse(text: &str) -> Result<Self, usize> {
        let mut headers = HeaderMap::new();
        for (number, part) in text.split(',').enumerate() {
            if part.trim().is_empty() {
                continue;
            }
            let header = part.split_once('=').and_then(|(name, value)| {
                // What follows a semicolon is a property, which the form of the variable has no use for.
                let value = percent_decoded(value.split(';').next().unwrap_or_default().trim())?;
                let mut value = HeaderValue::from_bytes(&value).ok()?;
                value.set_sensitive(true);
                Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
            });
            let (name, value) = header.ok_or(number + 1)?;
            headers.insert(name, value);
        }
        Ok(Self(headers))
    }

    /// Adds them to the head of a request.
    pub(crate) fn add_to(&self, head: &mut HeaderMap) {
        for (name, value) in &self.0 {
            head.insert(name.clone(), value.clone());
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// The bytes that a text with `%41` for `A` stands for; `None` when a `%` is followed by something else.
pub(super) fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let value = |digit: u8| char::from(digit).to_digit(16);
            bytes.push((value(digits[0])? * 16 + value(digits[1])?) as u8);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}
