//! What a target is told before it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

use units::Timestamp;

use crate::Stall;

/// How the target behaves and where it runs.
///
/// ```
/// use loadgen_target::{Config, Stall, Target};
/// use units::Nanos;
///
/// let stall = Stall { at: Nanos::from_secs(5), lasting: Nanos::from_secs(2) };
/// let target = Target::bind(Config { stalls: vec![stall], ..Config::default() })?;
/// assert!(target.url().starts_with("http://127.0.0.1:"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on; port 0 lets the kernel choose. Default: `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// Number of serving threads; the first also accepts, connections are dealt out in turn. Default: 1.
    pub threads: NonZeroUsize,
    /// Pins thread i to the CPU `cpus[i % len]`; empty: the threads run where the kernel puts them.
    pub cpus: Vec<usize>,
    /// The seed of all drawn delays.
    pub seed: u64,
    /// The instant from which stalls and seconds are counted, on the kernel's monotonic clock. Default: the moment
    /// of binding.
    pub epoch: Option<Timestamp>,
    /// The stalls of the whole server, relative to the epoch, in any order; they may overlap.
    pub stalls: Vec<Stall>,
    /// How many arrivals each thread keeps for [`Target::arrivals`](crate::Target::arrivals), the latest ones; 8
    /// bytes each. Default: 0.
    pub log_arrivals: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            threads: NonZeroUsize::MIN,
            cpus: Vec::new(),
            seed: 0,
            epoch: None,
            stalls: Vec::new(),
            log_arrivals: 0,
        }
    }
}
