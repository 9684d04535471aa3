//! Logical requests: what is sent, before a protocol makes bytes of it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use units::Nanos;

use crate::{CheckId, Encoding, OriginId, StepId};

/// A request as the file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestPlan {
    /// The step it is measured under.
    pub step: StepId,
    /// Where it goes.
    pub origin: OriginId,
    /// The method, upper case.
    pub method: String,
    /// Path and query, percent-encoded, starting with `/`.
    pub path: Template,
    /// Headers in file order, without `Host` and `Content-Length` unless the file sets them.
    pub headers: Vec<(String, Template)>,
    /// The body; empty for none.
    pub body: Template,
    /// Bound on the whole request from its actual start to its last byte.
    pub timeout: Nanos,
    /// Statuses that make it succeed; 200–399 unless the step says otherwise.
    pub expected: StatusSet,
    /// What is checked on its response.
    pub checks: Vec<CheckId>,
}

impl RequestPlan {
    /// Whether it may be sent a second time when a kept connection turns out to be closed (RFC 9110 section 9.2.2). It
    /// is sent no more than twice.
    pub fn is_idempotent(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE")
    }

    /// Everything in it that may have holes.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        [&self.path, &self.body].into_iter().chain(self.headers.iter().map(|(_, value)| value))
    }
}

/// Text with holes. Literals are merged at compile time: a template without holes is one literal or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The parts in order.
    pub parts: Vec<TemplatePart>,
}

/// A stretch of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// Bytes that never change.
    Literal(Vec<u8>),
    /// A secret, resolved where the request image is prepared.
    Secret {
        /// What it is referred to by.
        name: String,
        /// How its value is written here.
        encoding: Encoding,
    },
}

impl Template {
    /// A template without holes.
    pub fn literal(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::default() } else { Self { parts: vec![TemplatePart::Literal(bytes)] } }
    }

    /// Whether it stands for no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The names of the secrets it refers to.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Literal(_) => None,
            TemplatePart::Secret { name, .. } => Some(name.as_str()),
        })
    }
}

/// A set of HTTP statuses as ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet {
    /// Ranges in ascending order.
    pub ranges: Vec<RangeInclusive<u16>>,
}

impl StatusSet {
    /// What counts as success unless a step says otherwise.
    pub fn success() -> Self {
        Self { ranges: vec![200..=399] }
    }

    /// Whether `status` is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.ranges.iter().any(|range| range.contains(&status))
    }
}

/// How a text is matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// It is there at all.
    Present,
    /// It is exactly this.
    Equals(String),
    /// It contains this.
    Contains(String),
}

/// Where requests go: one scheme, host and port with its TLS settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Host name or address literal (IPv6 without brackets).
    pub host: String,
    /// The port.
    pub port: u16,
    /// An address to use in place of looking the host up.
    pub address: Option<std::net::IpAddr>,
    /// Settings for `https`.
    pub tls: TlsPlan,
    /// Bound on looking the host up.
    pub dns_timeout: Nanos,
    /// Bound on the TCP handshake.
    pub connect_timeout: Nanos,
    /// Bound on the TLS handshake.
    pub tls_timeout: Nanos,
}

/// The scheme of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP over TCP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// TLS settings of an origin; file contents, never paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPlan {
    /// PEM certificates to trust in place of the public roots.
    pub ca: Option<Arc<[u8]>>,
    /// PEM client certificate chain.
    pub cert: Option<Arc<[u8]>>,
    /// PEM private key of the client certificate.
    pub key: Option<Arc<[u8]>>,
    /// Whether the server's certificate is verified.
    pub verify: bool,
    /// The name asked for (SNI) and verified, when it is not the host.
    pub server_name: Option<String>,
}

impl Default for TlsPlan {
    fn default() -> Self {
        Self { ca: None, cert: None, key: None, verify: true, server_name: None }
    }
}
