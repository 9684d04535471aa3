//! Where load may go: what a machine's operator allows, whatever a scenario asks for.
//!
//! A policy judges the address that is about to be connected to, after every look-up, so that no spelling of a host
//! and no answer of a name server leads around it. [`Tcp`](crate::Tcp) asks it before every connection, and there is no
//! other way to one: [`probe`](crate::probe()) goes through it too. A Rust task opens its connections itself; whoever
//! links it into a worker answers for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

mod allowed;

pub use allowed::{AllowedTarget, ParseTargetError};

/// Where load may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPolicy {
    /// Each of them has to allow an address; without any, everything is allowed.
    lists: Vec<AllowList>,
}

/// What somebody allows beside this machine itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AllowList {
    targets: Vec<AllowedTarget>,
    /// The policy file that says so; `None` for flags.
    file: Option<Arc<str>>,
}

/// Load may not go to an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{address} is {why}; whoever runs this machine can allow it {}", at(name.as_deref()), cure(*suggestion, file.as_deref()))]
pub struct Forbidden {
    /// The name that was looked up; `None` when the scenario gives the address itself.
    pub name: Option<String>,
    /// The address that was about to be connected to.
    pub address: SocketAddr,
    /// What is wrong with it.
    why: Why,
    suggestion: IpAddr,
    /// The policy file that does not allow it; `None` for flags.
    file: Option<Arc<str>>,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NotAllowed,
    LinkLocal,
    Multicast,
    Unspecified,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotAllowed => "not a target this machine may send load to",
            Self::LinkLocal => "a link-local address, which has to be allowed by itself",
            Self::Multicast => "a multicast or broadcast address, which has to be allowed by itself",
            Self::Unspecified => "no address of any machine, and has to be allowed by itself",
        })
    }
}

impl TargetPolicy {
    /// Load may go anywhere: for a run that its user starts on their own machine.
    pub fn unrestricted() -> Self {
        Self { lists: Vec::new() }
    }

    /// Load may go to this machine only: what a worker allows unless its operator says otherwise.
    pub fn loopback_only() -> Self {
        Self::allowing([])
    }

    /// Load may go to this machine and to `targets`.
    pub fn allowing(targets: impl IntoIterator<Item = AllowedTarget>) -> Self {
        Self { lists: vec![AllowList { targets: targets.into_iter().collect(), file: None }] }
    }

    /// The same, but only as far as the policy file called `file` allows it too, which names `targets`.
    #[must_use]
    pub fn narrowed(mut self, file: Arc<str>, targets: impl IntoIterator<Item = AllowedTarget>) -> Self {
        self.lists.push(AllowList { targets: targets.into_iter().collect(), file: Some(file) });
        self
    }

    /// Whether load may go to `address`, which was found by looking up `name`. An address that the scenario gives has no
    /// name, whatever its host is called: who writes the scenario must not say what an allowed name stands for.
    ///
    /// An IPv4 address inside of an IPv6 one (mapped, compatible, NAT64) is judged as what it leads to. Link-local,
    /// multicast, broadcast and unspecified addresses are allowed only by an address or network that is one of them: no
    /// host name and no wide network covers them.
    ///
    /// # Errors
    /// When it may not.
    ///
    /// # Cost
    /// A comparison for each allowed target: once for a connection, not for a request.
    pub fn check(&self, name: Option<&str>, address: SocketAddr) -> Result<(), Forbidden> {
        if self.lists.is_empty() {
            return Ok(());
        }
        let inside = Inside::of(address.ip());
        if inside.is_this_machine() {
            return Ok(());
        }
        let special = special(inside.address);
        let target = SocketAddr::new(inside.address, address.port());
        let allows =
            |list: &AllowList| list.targets.iter().any(|rule| rule.allows(name, target, special.is_some()));
        let Some(refusing) = self.lists.iter().find(|list| !allows(list)) else { return Ok(()) };
        let why = special.unwrap_or(Why::NotAllowed);
        let (name, file) = (name.map(str::to_owned), refusing.file.clone());
        Err(Forbidden { name, address, why, suggestion: inside.address, file })
    }
}

/// How a message begins that is about an address found by a name.
fn at(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("`{name}` at "))
}

/// How a message ends that says where an address is allowed.
fn cure(suggestion: IpAddr, file: Option<&str>) -> String {
    match file {
        Some(file) => format!("by adding `{suggestion}` to `allow_targets` in `{file}`"),
        None => format!("with `--allow-target {suggestion}`"),
    }
}

/// The address that another one leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inside {
    address: IpAddr,
    /// Whether a translator on the network stands in between.
    translated: bool,
}

impl Inside {
    fn of(address: IpAddr) -> Self {
        let here = |address| Self { address, translated: false };
        let IpAddr::V6(v6) = address else { return here(address) };
        let bits = v6.to_bits();
        let low = IpAddr::V4(Ipv4Addr::from_bits(bits as u32));
        match bits >> 32 {
            MAPPED => here(low),
            // `::` and `::1` are addresses of their own (RFC 4291 section 2.5.5.1).
            COMPATIBLE if bits > 1 => here(low),
            NAT64 => Self { address: low, translated: true },
            _ => here(address),
        }
    }

    /// Whether what is sent there does not leave this machine. What is translated does, whatever it says.
    fn is_this_machine(self) -> bool {
        self.address.is_loopback() && !self.translated
    }
}

/// Upper 96 bits of `::ffff:0:0/96`.
const MAPPED: u128 = 0xffff;
/// Upper 96 bits of the deprecated `::/96`.
const COMPATIBLE: u128 = 0;
/// Upper 96 bits of `64:ff9b::/96` (RFC 6052).
const NAT64: u128 = 0x0064_ff9b_u128 << 64;

/// What is special about `address`, if it is.
fn special(address: IpAddr) -> Option<Why> {
    match address {
        IpAddr::V4(v4) => match v4 {
            _ if v4.octets()[0] == 0 => Some(Why::Unspecified),
            _ if v4.is_link_local() => Some(Why::LinkLocal),
            _ if v4.is_multicast() || v4 == Ipv4Addr::BROADCAST => Some(Why::Multicast),
            _ => None,
        },
        IpAddr::V6(v6) => match v6 {
            _ if v6 == Ipv6Addr::UNSPECIFIED => Some(Why::Unspecified),
            _ if v6.is_unicast_link_local() => Some(Why::LinkLocal),
            _ if v6.is_multicast() => Some(Why::Multicast),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests;
