//! Where a controller is.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// It is not.
    Http,
    /// It is.
    Https,
}

/// A controller's address as people write it: `https://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    /// A name or an address, IPv6 without its brackets.
    host: String,
    port: u16,
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It has no scheme of ours.
    #[error(
        "`{0}` does not begin with `https://` or `http://`; paste the address that the controller prints"
    )]
    Scheme(String),
    /// It has no port.
    #[error("`{0}` has no port; paste the address that the controller prints, such as `https://host:port`")]
    Port(String),
    /// The host is none.
    #[error("`{0}` names no host; paste the address that the controller prints, such as `https://host:port`")]
    Host(String),
    /// Something follows the port.
    #[error("`{0}` goes on after the port; leave out path, query and user")]
    Rest(String),
}

impl Endpoint {
    /// Whether connections to it are encrypted.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as a URL spells them.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        let (scheme, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (Scheme::Https, rest),
            (_, Some(rest)) => (Scheme::Http, rest),
            _ => return Err(EndpointError::Scheme(text.to_owned())),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(EndpointError::Rest(text.to_owned()));
        }
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| EndpointError::Port(text.to_owned()))?;
        let plain = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port.parse() {
            Ok(port) if plain && port != 0 => port,
            _ => return Err(EndpointError::Port(text.to_owned())),
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) if host.parse::<Ipv6Addr>().is_ok() => host,
            None if is_name(host) => host,
            _ => return Err(EndpointError::Host(text.to_owned())),
        };
        Ok(Self { scheme, host: host.to_owned(), port })
    }
}

fn is_name(host: &str) -> bool {
    (1..=253).contains(&host.len())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_a_port() {
        for text in ["https://controller.example:7700", "http://127.0.0.1:1", "https://[::1]:65535"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        let endpoint = "http://[fe80::1]:80/".parse::<Endpoint>().unwrap();
        assert_eq!((endpoint.host(), endpoint.port(), endpoint.scheme()), ("fe80::1", 80, Scheme::Http));
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_its_reason() {
        let refused = |text: &str| text.parse::<Endpoint>().unwrap_err();
        assert!(matches!(refused("controller:7700"), EndpointError::Scheme(_)));
        for text in ["https://controller", "https://controller:", "https://controller:0", "https://c:+7"] {
            assert!(matches!(refused(text), EndpointError::Port(_)), "{text}");
        }
        for text in ["https://:7700", "https://::1:7700", "https://[::1:7700", "https://a b:7700"] {
            assert!(matches!(refused(text), EndpointError::Host(_)), "{text}");
        }
        for text in ["https://c:1/api", "https://user@c:1", "https://c:1?x"] {
            assert!(matches!(refused(text), EndpointError::Rest(_)), "{text}");
        }
    }
}
