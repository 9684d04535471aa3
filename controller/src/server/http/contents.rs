//! Files that runs name, by the SHA-256 of their bytes.

use axum::response::Response;
use control::ContentDigest;
use http::StatusCode;

use super::answer;
use super::call::Call;
use super::refusal::Refusal;

/// `PUT /contents/{sha256}`.
pub(crate) async fn put(call: Call) -> Result<Response, Refusal> {
    let digest = digest(&call)?;
    let (contents, body) = (std::sync::Arc::clone(call.api.host.contents()), call.body.clone());
    // Hashing 64 MiB takes longer than others on this thread should wait.
    let put = tokio::task::spawn_blocking(move || contents.put(digest, &body)).await;
    put.expect("hashing does not panic")?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// `HEAD /contents/{sha256}`.
#[expect(clippy::unused_async, reason = "carried out as every other request")]
pub(crate) async fn head(call: Call) -> Result<Response, Refusal> {
    let digest = digest(&call)?;
    if call.api.host.contents().has(&digest) {
        Ok(answer::empty(StatusCode::NO_CONTENT))
    } else {
        Err(Refusal::UnknownContent(digest.to_string()))
    }
}

fn digest(call: &Call) -> Result<ContentDigest, Refusal> {
    let text = call.segment("sha256");
    parse(text)
        .ok_or_else(|| Refusal::Path(format!("`{text}` is no SHA-256 in 64 lower-case hexadecimal digits")))
}

fn parse(text: &str) -> Option<ContentDigest> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 64 || !text.bytes().all(is_digit) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(ContentDigest(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_form() {
        let text = "00ff0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab";
        assert_eq!(parse(text).unwrap().to_string(), text);
        for wrong in [&text[1..], &text.to_uppercase(), &format!("+{}", &text[1..]), &"ä".repeat(32), ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
