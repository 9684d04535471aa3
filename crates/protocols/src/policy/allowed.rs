//! One target that is allowed, as it is written: `--allow-target 10.0.0.0/8`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::{Inside, special};

/// A target that an operator allows.
///
/// Reads what `--allow-target` takes: an address (`10.1.2.3`, `::1`, `[::1]`) or a host name, each with a port or for all
/// of them, or a network (`10.0.0.0/8`, `fd00::/8`). An IPv4 address inside of an IPv6 one is taken as what it leads to.
///
/// ```
/// use loadgen_protocols::{AllowedTarget, TargetPolicy};
/// let lab: AllowedTarget = "10.0.0.0/8".parse().unwrap();
/// let policy = TargetPolicy::allowing([lab]);
/// assert!(policy.check(Some("shop.lab"), "10.1.2.3:80".parse().unwrap()).is_ok());
/// assert!(policy.check(None, "192.0.2.1:80".parse().unwrap()).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedTarget {
    place: Place,
    /// The only port; `None` for all of them.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// All addresses that share so many leading bits; all of them for a single one.
    Network { address: IpAddr, prefix: u8 },
    /// Whatever a look-up of this name gives, in lower case and without a dot at its end.
    Host(String),
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no target to allow: {why}; write an address, a network or a host, for example `10.1.2.3`, `10.0.0.0/8`, `[::1]:8080` or `shop.example:443`"
)]
pub struct ParseTargetError {
    text: String,
    why: &'static str,
}

impl AllowedTarget {
    /// Whether it covers `target`, which was found by looking up `name`. A special address is covered only by addresses and networks
    /// that are special themselves.
    pub(super) fn allows(&self, name: Option<&str>, target: SocketAddr, is_special: bool) -> bool {
        if self.port.is_some_and(|port| port != target.port()) {
            return false;
        }
        match &self.place {
            Place::Network { address, prefix } => {
                shares_prefix(*address, target.ip(), *prefix)
                    && (!is_special || special(*address).is_some() && *prefix >= SPECIAL_PREFIX)
            }
            Place::Host(allowed) => !is_special && name.is_some_and(|name| is_same_name(allowed, name)),
        }
    }
}

/// A network this small or smaller that begins with a special address holds only such: the widest are `224.0.0.0/4`
/// and, in IPv6, `ff00::/8`.
const SPECIAL_PREFIX: u8 = 4;

fn shares_prefix(network: IpAddr, address: IpAddr, prefix: u8) -> bool {
    let differing = match (network, address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= u32::from(prefix)
}

fn is_same_name(name: &str, host: &str) -> bool {
    host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case(name)
}

impl FromStr for AllowedTarget {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        parse(text.trim()).map_err(|why| ParseTargetError { text: text.to_owned(), why })
    }
}

fn parse(text: &str) -> Result<AllowedTarget, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.contains("://") {
        return Err("it is a URL");
    }
    if let Some((address, prefix)) = text.split_once('/') {
        return network(address, prefix);
    }
    // An address without a port first: `::1:80` is one.
    if let Some(address) = address(text) {
        return Ok(single(address, None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(parse_port(port)?)),
        None => (text, None),
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err("an IPv6 address with a port stands in brackets");
    }
    match address(host) {
        Some(address) => Ok(single(address, port)),
        None => Ok(AllowedTarget { place: Place::Host(host_name(host)?), port }),
    }
}

/// An address, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

fn single(address: IpAddr, port: Option<u16>) -> AllowedTarget {
    let address = Inside::of(address).address;
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    AllowedTarget { place: Place::Network { address, prefix }, port }
}

fn network(text: &str, prefix: &str) -> Result<AllowedTarget, &'static str> {
    let written = address(text).ok_or("what stands before the `/` is no address")?;
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let most = if written.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.parse::<u8>().ok().filter(|prefix| digits && *prefix <= most);
    let prefix = prefix.ok_or("a network ends with its number of bits, up to 32 or, for IPv6, 128")?;
    let inside = Inside::of(written).address;
    let (address, prefix) = match prefix.checked_sub(96) {
        Some(of_v4) if inside != written => (inside, of_v4),
        _ => (written, prefix),
    };
    let whole = match address {
        IpAddr::V4(v4) => v4.to_bits().checked_shl(u32::from(prefix)).unwrap_or(0) == 0,
        IpAddr::V6(v6) => v6.to_bits().checked_shl(u32::from(prefix)).unwrap_or(0) == 0,
    };
    if !whole {
        return Err("the address of a network has nothing behind its bits");
    }
    Ok(AllowedTarget { place: Place::Network { address, prefix }, port: None })
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or("a port is a number from 1 to 65535")
}

/// A host name in lower case (RFC 1123); no wildcards, and nothing that a resolver would take for an address.
fn host_name(text: &str) -> Result<String, &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err("it is neither an address nor a host name");
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_number =
        |digits: &str, radix: u32| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    if is_number(last, 10) || hex.is_some_and(|digits| digits.is_empty() || is_number(digits, 16)) {
        return Err("an IPv4 address has four decimal numbers");
    }
    Ok(name.to_ascii_lowercase())
}

impl fmt::Display for AllowedTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Network { address, prefix: 32 } if address.is_ipv4() => write!(f, "{address}")?,
            Place::Network { address: IpAddr::V6(address), prefix: 128 } if self.port.is_some() => {
                write!(f, "[{address}]")?;
            }
            Place::Network { address, prefix: 128 } => write!(f, "{address}")?,
            Place::Network { address, prefix } => write!(f, "{address}/{prefix}")?,
            Place::Host(name) => f.write_str(name)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}
