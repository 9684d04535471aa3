//! Forms of values that several flags share.

use std::str::FromStr;

/// `KEY=VALUE`: the key is everything before the first `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyValue {
    /// The key; not empty.
    pub(crate) key: String,
    /// The value; may be empty and may hold `=`.
    pub(crate) value: String,
}

impl FromStr for KeyValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok(Self { key: key.to_owned(), value: value.to_owned() })
            }
            _ => Err(format!("`{text}` is not KEY=VALUE")),
        }
    }
}

/// Reads a count, at least 1: `5000`, `10k` or `1M`.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k') => (&text[..text.len() - 1], 1_000),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(factor));
    count
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("`{text}` is not a count; write for example 5000, 10k or 1M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_take_the_suffixes_people_use() {
        assert_eq!(count("5000"), Ok(5_000));
        assert_eq!(count("10k"), Ok(10_000));
        assert_eq!(count("2M"), Ok(2_000_000));
        for wrong in ["0", "-1", "1.5", "k", "", "99999999999999999999", "18446744073709551615k"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_value_may_be_empty_but_a_key_may_not() {
        assert_eq!("K=".parse(), Ok(KeyValue { key: "K".into(), value: String::new() }));
        assert!("=V".parse::<KeyValue>().is_err());
    }
}
