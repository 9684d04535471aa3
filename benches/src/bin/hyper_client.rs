//! The closed loop over hyper's client, for comparison: `hyper_client ADDRESS CONNECTIONS SECONDS` prints the number of
//! responses.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use anyhow::Context;
use loadgen_benches::hyper_loop;
use units::{Clock, MonotonicClock, Nanos};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut next = |what: &str| args.next().with_context(|| format!("{what} is missing"));
    let address = next("ADDRESS")?;
    let connections: usize = next("CONNECTIONS")?.parse()?;
    let until = MonotonicClock.now() + Nanos::from_secs(next("SECONDS")?.parse()?);
    println!("{}", hyper_loop::run(&address, connections, move |_| MonotonicClock.now() < until)?);
    Ok(())
}
