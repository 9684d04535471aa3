//! One connection to an origin before the run, to refuse what cannot work.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use metrics::ErrorClass;
use plan::{Origin, Scheme};
use rustls::ClientConnection;
use units::{Clock, MonotonicClock, Nanos, Timestamp};

use crate::dns::look_up;
use crate::fault;
use crate::policy::TargetPolicy;
use crate::tls::TlsSetup;
use crate::transport::connect_and_wait;

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The addresses of the origin, in the order in which they are tried.
    pub addresses: Vec<IpAddr>,
    /// How long the look-up took; `None` without one.
    pub dns: Option<Nanos>,
    /// How long the TCP handshake took.
    pub connect: Nanos,
    /// How long the TLS handshake took; `None` without one.
    pub tls: Option<Nanos>,
}

/// Why an origin cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProbeError {
    /// What a request would fail with.
    pub class: ErrorClass,
    /// What was tried, and what came of it.
    pub message: String,
}

/// Connects to `origin` once, where `policy` allows it, and closes the connection without a request. Blocks for at most
/// its three bounds.
///
/// # Errors
/// When the host cannot be resolved, none of its addresses is allowed ([`ErrorClass::ForbiddenTarget`]), the connection
/// or the TLS handshake fails, or the TLS settings are of no use.
pub fn probe(origin: &Origin, policy: &TargetPolicy) -> Result<Probe, ProbeError> {
    let fixed = origin.address.or_else(|| origin.host.parse().ok());
    let (addresses, dns) = match fixed {
        Some(address) => (vec![address], None),
        None => {
            let (addresses, span) = timed(|| resolve(origin))?;
            (addresses, Some(span))
        }
    };
    let name = fixed.is_none().then_some(origin.host.as_str());
    let (stream, connect) = timed(|| connect(origin, name, &addresses, policy))?;
    let tls = match origin.scheme {
        Scheme::Http => None,
        Scheme::Https => Some(timed(|| shake_hands(origin, stream))?.1),
    };
    Ok(Probe { addresses, dns, connect, tls })
}

fn timed<R>(action: impl FnOnce() -> Result<R, ProbeError>) -> Result<(R, Nanos), ProbeError> {
    let start = MonotonicClock.now();
    let result = action()?;
    Ok((result, MonotonicClock.now() - start))
}

fn left_until(deadline: Timestamp) -> Duration {
    deadline.saturating_since(MonotonicClock.now()).into()
}

fn resolve(origin: &Origin) -> Result<Vec<IpAddr>, ProbeError> {
    let host = &origin.host;
    let (sender, answer) = mpsc::sync_channel(1);
    let name = host.clone();
    // The system's look-up has no bound of its own.
    let spawned = thread::Builder::new().name("dns".into()).spawn(move || sender.send(look_up(&name)));
    let failed = |class, why: &dyn std::fmt::Display| ProbeError {
        class,
        message: format!("cannot resolve `{host}`: {why}"),
    };
    spawned.map_err(|error| failed(ErrorClass::Internal, &error))?;
    match answer.recv_timeout(origin.dns_timeout.into()) {
        Ok(Ok(addresses)) if addresses.is_empty() => Err(failed(ErrorClass::Dns, &"it has no address")),
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(failed(ErrorClass::Dns, &error)),
        Err(_) => {
            Err(failed(ErrorClass::DnsTimeout, &format_args!("no answer within {}", origin.dns_timeout)))
        }
    }
}

fn connect(
    origin: &Origin,
    name: Option<&str>,
    addresses: &[IpAddr],
    policy: &TargetPolicy,
) -> Result<TcpStream, ProbeError> {
    let deadline = MonotonicClock.now() + origin.connect_timeout;
    let mut last = None;
    for address in addresses {
        let address = SocketAddr::new(*address, origin.port);
        let left = left_until(deadline);
        let attempt = if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            connect_and_wait(policy, name, address, left)
        };
        match attempt {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                let timed_out = error.kind() == io::ErrorKind::TimedOut;
                let class =
                    if timed_out { ErrorClass::ConnectTimeout } else { fault::while_connecting(&error) };
                let message = format!("cannot connect to {} at {address}: {error}", origin.host);
                last = Some(ProbeError { class, message });
            }
        }
    }
    Err(last.unwrap_or_else(|| ProbeError {
        class: ErrorClass::Dns,
        message: format!("`{}` has no address", origin.host),
    }))
}

fn shake_hands(origin: &Origin, mut stream: TcpStream) -> Result<(), ProbeError> {
    let failed = |class, why: &dyn std::fmt::Display| ProbeError {
        class,
        message: format!("the TLS handshake with {}:{} failed: {why}", origin.host, origin.port),
    };
    let setup = TlsSetup::new(&origin.tls, &origin.host).map_err(|error| failed(ErrorClass::Tls, &error))?;
    let mut session = ClientConnection::new(setup.config, setup.name)
        .map_err(|error| failed(ErrorClass::Internal, &error))?;
    let deadline = MonotonicClock.now() + origin.tls_timeout;
    while session.is_handshaking() {
        let left = left_until(deadline);
        let bounded = if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            stream.set_read_timeout(Some(left)).and_then(|()| stream.set_write_timeout(Some(left)))
        };
        bounded.and_then(|()| session.complete_io(&mut stream)).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                failed(ErrorClass::TlsTimeout, &format_args!("not over within {}", origin.tls_timeout))
            }
            _ => failed(ErrorClass::Tls, &error),
        })?;
    }
    session.send_close_notify();
    // The connection goes away either way.
    let _ = session.complete_io(&mut stream);
    Ok(())
}

#[cfg(test)]
mod tests;
