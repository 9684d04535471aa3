//! URLs of targets and steps, checked and taken apart.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use plan::Scheme;

/// What paths of steps are appended to: scheme, host, port and perhaps a path, or the built-in target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseUrl {
    /// `demo://`: the target built into the command line, which puts its address in place of it before a run.
    Demo,
    /// A server.
    Http {
        /// Where it is.
        authority: Authority,
        /// Put before the path of every step; starts with `/` or is empty, and does not end with `/`.
        prefix: String,
    },
}

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Host name in lower case or address literal (IPv6 without brackets).
    pub host: String,
    /// The port; 80 or 443 when the URL does not say.
    pub port: u16,
}

/// Where a step's request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepUrl {
    /// A path with perhaps a query, appended to the target's URL; starts with `/`.
    Path(String),
    /// A server of its own.
    Absolute {
        /// Where it is.
        authority: Authority,
        /// Path with perhaps a query; starts with `/`.
        path: String,
    },
}

/// Why a text is no URL that requests can go to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing was written.
    #[error("the URL is empty; write for example `http://localhost:8080`")]
    Empty,
    /// The scheme is missing or none of ours.
    #[error("`{0}` has no scheme we know; write `http://…` or `https://…`")]
    Scheme(String),
    /// Nothing stands where the host should.
    #[error("`{0}` has no host; write for example `http://localhost:8080`")]
    NoHost(String),
    /// The host is no name and no address.
    #[error("`{0}` is no host; write a name, an IPv4 address, or an IPv6 address in brackets")]
    Host(String),
    /// A name beyond ASCII.
    #[error("the host `{0}` is not ASCII; write it in its xn-- form")]
    NotAscii(String),
    /// The port is none.
    #[error("`{0}` is no port; ports are 1 to 65535")]
    Port(String),
    /// A user or password stands before the host.
    #[error("the URL holds credentials; send them in a header: `authorization: Basic ${{secret.NAME}}`")]
    Credentials,
    /// A query in the target's URL.
    #[error("the target's URL holds a query; put it into the step's `query`")]
    Query,
    /// A fragment, which is never sent.
    #[error("the URL holds a fragment (`#…`), which is never sent; remove it")]
    Fragment,
    /// Something after `demo://`.
    #[error("`{0}` says more than `demo://`; the built-in target has no host")]
    Demo(String),
    /// A step that names the built-in target.
    #[error("a step cannot name `demo://`; write the path alone and `demo://` as the target's URL")]
    DemoStep,
    /// Neither a path nor an absolute URL.
    #[error("`{0}` does not start with `/`; write a path such as `/{0}` or an absolute URL")]
    Relative(String),
    /// A control character or a line end.
    #[error("the URL holds a control character (U+{:04X}); remove it", u32::from(*.0))]
    Control(char),
}

impl BaseUrl {
    /// Whether this is the built-in target.
    pub fn is_demo(&self) -> bool {
        matches!(self, Self::Demo)
    }
}

impl FromStr for BaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = checked(text)?;
        if let Some(rest) = text.strip_prefix("demo:") {
            return if matches!(rest, "//" | "///") {
                Ok(Self::Demo)
            } else {
                Err(UrlError::Demo(text.to_owned()))
            };
        }
        let (authority, path) = split(text)?;
        if path.contains('?') {
            return Err(UrlError::Query);
        }
        Ok(Self::Http { authority, prefix: path.trim_end_matches('/').to_owned() })
    }
}

impl FromStr for StepUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = checked(text)?;
        if text.starts_with('/') {
            return Ok(Self::Path(text.to_owned()));
        }
        if text.starts_with("demo:") {
            return Err(UrlError::DemoStep);
        }
        if !text.contains("://") {
            return Err(UrlError::Relative(text.to_owned()));
        }
        let (authority, path) = split(text)?;
        let path = match path.chars().next() {
            None => "/".to_owned(),
            Some('?') => format!("/{path}"),
            Some(_) => path.to_owned(),
        };
        Ok(Self::Absolute { authority, path })
    }
}

/// The text without white space around it, if nothing in it can never be sent.
fn checked(text: &str) -> Result<&str, UrlError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(UrlError::Empty);
    }
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err(UrlError::Control(control));
    }
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    Ok(text)
}

/// Parts an absolute URL into where it goes and the rest, which is empty or starts with `/` or `?`.
fn split(text: &str) -> Result<(Authority, &str), UrlError> {
    let no_scheme = || UrlError::Scheme(text.to_owned());
    let (scheme, rest) = text.split_once("://").ok_or_else(no_scheme)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(no_scheme()),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(UrlError::Credentials);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or_else(|| UrlError::Host(authority.to_owned()))?;
            if address.parse::<Ipv6Addr>().is_err() {
                return Err(UrlError::Host(authority.to_owned()));
            }
            match port.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None if port.is_empty() => (address, None),
                None => return Err(UrlError::Host(authority.to_owned())),
            }
        }
        None => match authority.split_once(':') {
            // Two colons: an IPv6 address without its brackets.
            Some((_, port)) if port.contains(':') => return Err(UrlError::Host(authority.to_owned())),
            Some((host, port)) => (checked_host(host, text)?, Some(port)),
            None => (checked_host(authority, text)?, None),
        },
    };
    let default_port = if scheme == Scheme::Http { 80 } else { 443 };
    let port = match port {
        None | Some("") => default_port,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 => number,
            _ => return Err(UrlError::Port(port.to_owned())),
        },
    };
    Ok((Authority { scheme, host: host.to_ascii_lowercase(), port }, path))
}

/// The host, if it is a name or an IPv4 address.
fn checked_host<'a>(host: &'a str, url: &str) -> Result<&'a str, UrlError> {
    if host.is_empty() {
        return Err(UrlError::NoHost(url.to_owned()));
    }
    if !host.is_ascii() {
        return Err(UrlError::NotAscii(host.to_owned()));
    }
    let is_name = is_host_name(host);
    // Digits and dots are an address; `10.0.0.300` is a slip, not a name to look up.
    let looks_like_address = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_name || (looks_like_address && host.parse::<Ipv4Addr>().is_err()) {
        return Err(UrlError::Host(host.to_owned()));
    }
    Ok(host)
}

/// Whether `host` may be looked up (RFC 1123, with the underscore that container networks use).
pub(crate) fn is_host_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    (1..=253).contains(&name.len())
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demo => f.write_str("demo://"),
            Self::Http { authority, prefix } => write!(f, "{authority}{prefix}"),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default_port) = match self.scheme {
            Scheme::Http => ("http", 80),
            Scheme::Https => ("https", 443),
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]", self.host)?;
        } else {
            write!(f, "{scheme}://{}", self.host)?;
        }
        if self.port == default_port { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Display for StepUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Absolute { authority, path } => write!(f, "{authority}{path}"),
        }
    }
}

/// Writes path and query as they go over the wire: what may not stand there is percent-encoded, `%XX` is kept.
pub(crate) fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    let bytes = path.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let escape = byte == b'%'
            && bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        // RFC 3986, sections 3.3 and 3.4: unreserved, sub-delims, `:`, `@`, `/`, `?`.
        if escape || is_unreserved(byte) || b"!$&'()*+,;=:@/?".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            push_percent(&mut encoded, byte);
        }
    }
    encoded
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_percent(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_read_and_print() {
        let check = |text: &str, printed: &str| {
            let url: BaseUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), printed);
            assert_eq!(printed.parse(), Ok(url));
        };
        check("http://localhost:8080", "http://localhost:8080");
        check("HTTP://Example.COM:80/", "http://example.com");
        check("https://example.com:443/api/v1/", "https://example.com/api/v1");
        check("http://[::1]:9000", "http://[::1]:9000");
        check("https://10.0.0.7", "https://10.0.0.7");
        check("demo://", "demo://");
    }

    #[test]
    fn step_urls_are_paths_or_absolute() {
        assert_eq!("/a?b=c".parse(), Ok(StepUrl::Path("/a?b=c".to_owned())));
        let absolute: StepUrl = "http://other:81?x=1".parse().unwrap();
        assert_eq!(absolute.to_string(), "http://other:81/?x=1");
        assert_eq!("http://other".parse::<StepUrl>().unwrap().to_string(), "http://other/");
    }

    #[test]
    fn wrong_urls_say_how_to_mend_them() {
        let base = |text: &str, message: &str| {
            assert_eq!(text.parse::<BaseUrl>().unwrap_err().to_string(), message, "{text}");
        };
        base("", "the URL is empty; write for example `http://localhost:8080`");
        base("localhost:8080", "`localhost:8080` has no scheme we know; write `http://…` or `https://…`");
        base("ftp://x", "`ftp://x` has no scheme we know; write `http://…` or `https://…`");
        base("http://", "`http://` has no host; write for example `http://localhost:8080`");
        base("http://:80", "`http://:80` has no host; write for example `http://localhost:8080`");
        base("http:///path", "`http:///path` has no host; write for example `http://localhost:8080`");
        base("http://a b", "`a b` is no host; write a name, an IPv4 address, or an IPv6 address in brackets");
        base(
            "http://10.0.0.300",
            "`10.0.0.300` is no host; write a name, an IPv4 address, or an IPv6 address in brackets",
        );
        base("http://::1", "`::1` is no host; write a name, an IPv4 address, or an IPv6 address in brackets");
        base("http://bücher.example", "the host `bücher.example` is not ASCII; write it in its xn-- form");
        base("http://x:0", "`0` is no port; ports are 1 to 65535");
        base("http://x:99999", "`99999` is no port; ports are 1 to 65535");
        base(
            "http://u:p@x",
            "the URL holds credentials; send them in a header: `authorization: Basic ${secret.NAME}`",
        );
        base("http://x/?a=1", "the target's URL holds a query; put it into the step's `query`");
        base("demo://host", "`demo://host` says more than `demo://`; the built-in target has no host");
        let step = |text: &str, message: &str| {
            assert_eq!(text.parse::<StepUrl>().unwrap_err().to_string(), message, "{text}");
        };
        step(
            "products",
            "`products` does not start with `/`; write a path such as `/products` or an absolute URL",
        );
        step("/a#b", "the URL holds a fragment (`#…`), which is never sent; remove it");
        step("/a\nb", "the URL holds a control character (U+000A); remove it");
        step(
            "demo://",
            "a step cannot name `demo://`; write the path alone and `demo://` as the target's URL",
        );
    }

    #[test]
    fn paths_are_percent_encoded() {
        assert_eq!(encode_path("/a b/ü?q=1&r=%20%zz"), "/a%20b/%C3%BC?q=1&r=%20%25zz");
    }
}
