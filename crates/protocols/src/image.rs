//! Request images: a logical request as the bytes that go over the wire.
//!
//! An image is made once, when the run is prepared, and sent as it is by one `send`: everything that can be known
//! before the run is in it, secrets included. What differs from request to request is a hole: a place of fixed width that
//! is filled in where the image stands, so nothing is copied. There is one kind, the value of `traceparent`; an image
//! with a hole is filled in only in an engine thread's own copy, see [`Image::for_parent`].

use std::fmt;

use metrics::TraceParent;
use plan::{Origin, RequestPlan, Scheme, Template, TemplatePart};

use crate::prepared::PrepareError;
use crate::propagation::{self, NO_PARENT, PARENT_BYTES, Propagated};

/// Looks secrets up by the name a scenario refers to them with.
pub trait Secrets {
    /// The secret called `name`, if there is one.
    fn secret(&self, name: &str) -> Option<Secret>;
}

/// Bytes that are never printed.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes `bytes` into keeping.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A request as it is sent; its bytes may hold secrets, so it shows only their number.
#[derive(Clone)]
pub(crate) struct Image {
    bytes: Box<[u8]>,
    closes: bool,
    /// Where the value of `traceparent` begins, if it is ours to fill in.
    hole: Option<usize>,
    /// What the hole is filled in with.
    held: Option<TraceParent>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes)", self.bytes.len())
    }
}

impl Image {
    /// What goes over the wire.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What goes over the wire for a request with this `parent`: the same bytes whenever it is asked for with the same
    /// parent, whatever was asked for in between.
    ///
    /// # Cost
    /// Three comparisons when it was asked for last, else see [`propagation::fill`].
    #[inline]
    pub(crate) fn for_parent(&mut self, parent: &TraceParent) -> &[u8] {
        if let Some(hole) = self.hole
            && self.held.as_ref() != Some(parent)
            && let Some(hole) = self.bytes[hole..].first_chunk_mut::<PARENT_BYTES>()
        {
            propagation::fill(hole, self.held.as_ref(), parent);
            self.held = Some(*parent);
        }
        &self.bytes
    }

    /// Whether the request itself asks for the connection to be closed after it.
    pub(crate) fn closes(&self) -> bool {
        self.closes
    }

    /// Makes the image of `request` to `origin`; `step` names it in errors. With `propagated` it has trace headers, but
    /// for those that the request sets itself.
    pub(crate) fn build(
        request: &RequestPlan,
        origin: &Origin,
        step: &str,
        secrets: &dyn Secrets,
        propagated: Option<Propagated>,
    ) -> Result<Self, PrepareError> {
        let resolve = |template: &Template| resolve(template, step, secrets);
        let path = resolve(&request.path)?;
        if !is_target(&path) {
            return Err(PrepareError::InvalidPath { step: step.to_owned() });
        }
        if request.method.is_empty() || !request.method.bytes().all(is_token) {
            return Err(PrepareError::InvalidMethod {
                step: step.to_owned(),
                method: request.method.clone(),
            });
        }
        let body = resolve(&request.body)?;
        let sets = |name: &str| request.headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name));
        let mut closes = false;

        let mut bytes = Vec::with_capacity(256 + path.len() + body.len());
        let mut header = |name: &str, value: &[u8]| {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        };
        if !sets("host") {
            header("Host", authority(origin).as_bytes());
        }
        if !sets("user-agent") {
            header("User-Agent", concat!("loadgen/", env!("CARGO_PKG_VERSION")).as_bytes());
        }
        for (name, value) in &request.headers {
            let value = resolve(value)?;
            // A line end in a value would let it smuggle in headers, or a second request.
            if name.is_empty() || !name.bytes().all(is_token) || value.iter().any(|b| is_control(*b)) {
                return Err(PrepareError::InvalidHeader { step: step.to_owned(), name: name.clone() });
            }
            closes |= name.eq_ignore_ascii_case("connection") && has_token(&value, b"close");
            header(name, &value);
        }
        // Methods that carry a body by custom announce an empty one, as RFC 9110 section 8.6 asks for.
        let announces = !body.is_empty() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
        if announces && !sets("content-length") && !sets("transfer-encoding") {
            header("Content-Length", body.len().to_string().as_bytes());
        }
        if let Some(run) = propagated {
            if !sets("tracestate") {
                header("tracestate", run.trace_state().as_bytes());
            }
            if !sets("baggage") {
                header("baggage", run.baggage().as_bytes());
            }
        }
        let parent = propagated.is_some() && !sets("traceparent");
        if parent {
            header("traceparent", NO_PARENT);
        }
        let headers = bytes;

        let line = [request.method.as_bytes(), b" ", &path, b" HTTP/1.1\r\n"].concat();
        // It is the last header.
        let hole = parent.then(|| line.len() + headers.len() - b"\r\n".len() - PARENT_BYTES);
        let bytes = [line.as_slice(), &headers, b"\r\n", &body].concat().into_boxed_slice();
        Ok(Self { bytes, closes, hole, held: None })
    }
}

fn resolve(template: &Template, step: &str, secrets: &dyn Secrets) -> Result<Vec<u8>, PrepareError> {
    let mut bytes = Vec::new();
    for part in &template.parts {
        match part {
            TemplatePart::Literal(literal) => bytes.extend_from_slice(literal),
            TemplatePart::Secret { name, encoding } => match secrets.secret(name) {
                Some(secret) => encoding.write(&secret.0, &mut bytes),
                None => {
                    return Err(PrepareError::UnknownSecret { step: step.to_owned(), name: name.clone() });
                }
            },
        }
    }
    Ok(bytes)
}

/// Host and port as the `Host` header names them: brackets around IPv6, no default port.
fn authority(origin: &Origin) -> String {
    let host = match origin.host.parse() {
        Ok(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        _ => origin.host.clone(),
    };
    match (origin.scheme, origin.port) {
        (Scheme::Http, 80) | (Scheme::Https, 443) => host,
        (_, port) => format!("{host}:{port}"),
    }
}

/// Whether `list`, a comma-separated header value, holds `token` in any case.
pub(crate) fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|b| *b == b',').any(|entry| entry.trim_ascii().eq_ignore_ascii_case(token))
}

fn is_target(path: &[u8]) -> bool {
    (path.starts_with(b"/") || path == b"*")
        && path.iter().all(|b| !is_control(*b) && *b != b' ' && *b != b'\t')
}

/// Whether `byte` may not stand in a header value (RFC 9110 section 5.5; a tab may).
fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// Whether `byte` may stand in a method or header name (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests;
