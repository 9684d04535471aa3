//! Who may do what.

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, Uri, header};
use net::api_token::{Role, TokenList};

use super::refusal::Refusal;
use crate::run::Actor;

/// Who may do what.
#[derive(Debug)]
pub enum Access {
    /// Everybody who reaches the listener may do everything: `--insecure`. Only requests that name this machine by
    /// `localhost` or by an address are answered, so that no web page can make a browser ask under a name of its own
    /// (DNS rebinding): an address cannot be bound to another.
    Open,
    /// Who has a token may do what its role allows.
    Tokens(TokenList),
}

impl Access {
    /// Who asks, if they may do what needs the role `needs`.
    pub(crate) fn admit(&self, headers: &HeaderMap, uri: &Uri, needs: Role) -> Result<Actor, Refusal> {
        let tokens = match self {
            Self::Open => {
                check_host(headers, uri)?;
                return Ok(Actor::local());
            }
            Self::Tokens(tokens) => tokens,
        };
        let mut sent = headers.get_all(header::AUTHORIZATION).into_iter();
        let (Some(value), None) = (sent.next(), sent.next()) else {
            return Err(Refusal::NoToken { needs });
        };
        let token = value.to_str().ok().and_then(bearer).ok_or(Refusal::NoToken { needs })?;
        let caller = tokens.verify(token)?;
        caller.may(needs)?;
        Ok(Actor::new(caller.token))
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Refuses what was not sent to this machine by a name that only means this machine, or by an address.
fn check_host(headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let mut sent = headers.get_all(header::HOST).into_iter();
    let (Some(host), None) = (sent.next(), sent.next()) else {
        return Err(Refusal::Header { name: "host", why: "is wanted, once" });
    };
    let host = String::from_utf8_lossy(host.as_bytes()).into_owned();
    let authority = host.parse::<Authority>().map_err(|_| Refusal::ForeignHost(host.clone()))?;
    for name in [Some(authority.host()), uri.host()].into_iter().flatten() {
        if !is_safe(name) {
            return Err(Refusal::ForeignHost(name.to_owned()));
        }
    }
    // `user@127.0.0.1` is nothing a client of ours sends.
    if host.contains('@') { Err(Refusal::ForeignHost(host)) } else { Ok(()) }
}

fn is_safe(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}
