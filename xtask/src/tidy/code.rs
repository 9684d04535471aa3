//! Rust source without what only people read.
//!
//! The bans look for words, and a word in a comment, a string or a test is no offence. This is a scanner of tokens, not
//! a parser: it knows where comments, literals and items begin and end, which is all that the bans need.

/// Returns `source` with comments, string and character literals blanked out; every line keeps its number.
pub(crate) fn without_comments_and_literals(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !is_word(bytes, at.wrapping_sub(1)) || is_byte_prefix(bytes, at) => {
                raw_string_end(bytes, at).unwrap_or(at)
            }
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Blanks out items under `#[cfg(test)]` in text that [`without_comments_and_literals`] has been through.
pub(crate) fn without_test_items(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code[from..].find(MARK) {
        let start = from + found;
        let end = item_end(code.as_bytes(), start + MARK.len());
        for byte in &mut out[start..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        from = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Tells the line (from 1) on which `word` stands as a whole word, for each place.
pub(crate) fn lines_with_word(code: &str, word: &str) -> Vec<usize> {
    places_of_word(code, word).map(|at| line_of(code, at)).collect()
}

/// Every byte offset at which `word` stands as a whole word.
pub(crate) fn places_of_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| !is_word(bytes, at.wrapping_sub(1)) && !is_word(bytes, at + word.len()))
}

/// The line (from 1) of a byte offset.
pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code[..at].bytes().filter(|&byte| byte == b'\n').count() + 1
}

/// The offset after the bracket that closes the one at `open`, or the end of the text.
pub(crate) fn closing(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    bytes.len()
}

/// An item ends with its first `;` or `}` outside brackets; attributes before it belong to it.
fn item_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b';' => return at + 1,
            b'{' => return closing(bytes, at),
            b'(' | b'[' => at = closing(bytes, at),
            _ => at += 1,
        }
    }
    bytes.len()
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |length| from + length)
}

/// Block comments nest in Rust.
fn block_comment_end(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#` and so on; `None` when the `r` starts no such literal (a raw identifier, or just a letter).
fn raw_string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let hashes = bytes[from + 1..].iter().take_while(|&&byte| byte == b'#').count();
    let open = from + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let length = bytes[open + 1..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

/// `'x'`, `'\n'`, `'\u{1f600}'`; `None` for a lifetime or a label.
fn char_end(bytes: &[u8], from: usize) -> Option<usize> {
    let next = *bytes.get(from + 1)?;
    if next == b'\\' {
        let close = bytes[from + 3..].iter().position(|&byte| byte == b'\'')?;
        return Some(from + 3 + close + 1);
    }
    // One character, whatever its length in bytes, then the quote.
    let length = match next {
        0x00..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    (bytes.get(from + 1 + length) == Some(&b'\'')).then_some(from + 2 + length)
}

/// `br"…"` and `cr"…"`: the letter before the `r` belongs to the literal.
fn is_byte_prefix(bytes: &[u8], at: usize) -> bool {
    at >= 1 && matches!(bytes[at - 1], b'b' | b'c') && !is_word(bytes, at.wrapping_sub(2))
}

fn is_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_a_comment_or_a_literal_is_gone_and_lines_stay() {
        let source = "let a = 1; // Mutex\n/* Mutex /* Mutex */ Mutex */\n\"Mutex \\\" Mutex\"; r#\"Mutex \" Mutex\"#; br\"Mutex\"\n'\"'; Mutex";
        let code = without_comments_and_literals(source);
        assert_eq!(lines_with_word(&code, "Mutex"), [4]);
        assert_eq!(code.len(), source.len());
    }

    #[test]
    fn lifetimes_and_labels_are_no_characters() {
        let code = without_comments_and_literals(
            "fn a<'a>(x: &'a str) { 'outer: loop { Mutex } } '\\u{41}' 'é' '\\'' Condvar",
        );
        assert_eq!(lines_with_word(&code, "Mutex"), [1]);
        assert_eq!(lines_with_word(&code, "Condvar"), [1]);
        assert!(!code.contains('é'));
    }

    #[test]
    fn a_raw_identifier_is_code() {
        let code = without_comments_and_literals("let r#type = var\"text\";");
        assert!(code.contains("r#type"));
    }

    #[test]
    fn test_items_are_gone_and_what_follows_stays() {
        let code = "struct A;\n#[cfg(test)]\n#[derive(Debug)]\nmod tests { fn a() { Mutex } }\nfn b() { RwLock }\n#[cfg(test)]\nmod more;\nCondvar";
        let kept = without_test_items(code);
        assert_eq!(lines_with_word(&kept, "Mutex"), Vec::<usize>::new());
        assert_eq!(lines_with_word(&kept, "RwLock"), [5]);
        assert_eq!(lines_with_word(&kept, "Condvar"), [8]);
    }

    #[test]
    fn a_word_inside_another_is_not_that_word() {
        assert_eq!(lines_with_word("MutexGuard my_Mutex Mutex2\nMutex", "Mutex"), [2]);
    }
}
