//! How a text is written where it stands in a request, so that the receiver reads back what was meant.

/// What a text goes through on its way into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Nothing: header values and texts as bodies.
    AsIs,
    /// Percent-encoding of everything but unreserved characters (RFC 3986 section 2.3): names and values of a query.
    Query,
    /// The inside of a JSON string (RFC 8259 section 7): quotes, backslashes and control characters are escaped.
    JsonString,
}

impl Encoding {
    /// Writes `text` behind what is in `to`. Bytes above ASCII are percent-encoded in a query and stay as they are
    /// elsewhere, whether they are UTF-8 or not.
    pub fn write(self, text: &[u8], to: &mut Vec<u8>) {
        match self {
            Self::AsIs => to.extend_from_slice(text),
            Self::Query => text.iter().for_each(|byte| query(*byte, to)),
            Self::JsonString => text.iter().for_each(|byte| json_string(*byte, to)),
        }
    }
}

fn query(byte: u8, to: &mut Vec<u8>) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        to.push(byte);
    } else {
        to.extend_from_slice(format!("%{byte:02X}").as_bytes());
    }
}

fn json_string(byte: u8, to: &mut Vec<u8>) {
    match byte {
        b'"' => to.extend_from_slice(b"\\\""),
        b'\\' => to.extend_from_slice(b"\\\\"),
        b'\n' => to.extend_from_slice(b"\\n"),
        b'\r' => to.extend_from_slice(b"\\r"),
        b'\t' => to.extend_from_slice(b"\\t"),
        0..0x20 => to.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        _ => to.push(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_stands_so_that_it_is_read_back_as_it_was() {
        let check = |encoding: Encoding, text: &str, expected: &str| {
            let mut written = b"x=".to_vec();
            encoding.write(text.as_bytes(), &mut written);
            assert_eq!(String::from_utf8(written).unwrap(), format!("x={expected}"));
        };
        check(Encoding::AsIs, "a&\"b\n", "a&\"b\n");
        check(Encoding::Query, "a&b=c d/ü%20-._~", "a%26b%3Dc%20d%2F%C3%BC%2520-._~");
        check(Encoding::JsonString, "a\"b\\c\n\r\t\u{1}ü\u{7f}", "a\\\"b\\\\c\\n\\r\\t\\u0001ü\u{7f}");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let mut written = Vec::new();
        Encoding::JsonString.write(&[0xff, b'"'], &mut written);
        assert_eq!(written, [0xff, b'\\', b'"']);
        written.clear();
        Encoding::Query.write(&[0xff], &mut written);
        assert_eq!(written, b"%FF");
    }
}
