//! Looking up host names away from the engine's threads.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::thread;

use tokio::sync::oneshot;

/// Looks up host names. It answers from elsewhere: an engine thread never waits in it.
pub trait Resolve: Send + Sync + 'static {
    /// Begins to look `host` up; the addresses come in the order in which they are to be tried.
    fn resolve(&self, host: &str) -> oneshot::Receiver<io::Result<Vec<IpAddr>>>;
}

/// Asks the system (`getaddrinfo`), each time on a thread of its own.
///
/// There is at most one look-up at a time per origin and engine thread, and one in a run if it succeeds, so a thread
/// kept for them would wait in vain; and one slow name must not hold up another.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> oneshot::Receiver<io::Result<Vec<IpAddr>>> {
        let (answer, receiver) = oneshot::channel();
        let host = host.to_owned();
        // Without a thread the answer's sender is dropped, which is an answer too.
        let _ = thread::Builder::new().name("dns".into()).spawn(move || {
            // Nobody may be waiting any more.
            let _ = answer.send(look_up(&host));
        });
        receiver
    }
}

/// Asks the system for the addresses of `host`, and waits for them.
pub(crate) fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for address in (host, 0).to_socket_addrs()? {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_this_machine() {
        let addresses = SystemResolver.resolve("localhost").blocking_recv().unwrap().unwrap();
        assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }

    #[test]
    fn an_impossible_name_is_an_error() {
        assert!(SystemResolver.resolve("no such host.invalid").blocking_recv().unwrap().is_err());
    }
}
