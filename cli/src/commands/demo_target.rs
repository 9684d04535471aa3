//! `loadgen demo-target`: the built-in target as a server of its own.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use anyhow::Context as _;
use api::ExitCode;
use target::{Config, Stall, Target};

use crate::app::Process;
use crate::args::DemoTargetArgs;
use crate::console::print_to_stdout;
use crate::failure::Failure;
use crate::signals::Signals;

/// Serves until a signal; prints the URL once it serves.
pub(crate) fn demo_target(process: &Process, args: &DemoTargetArgs) -> Result<ExitCode, Failure> {
    let listen = SocketAddr::new(args.host, args.port);
    let config = Config {
        listen,
        threads: NonZeroUsize::new(args.threads as usize).unwrap_or(NonZeroUsize::MIN),
        seed: args.seed,
        stalls: args.stall.iter().map(|stall| Stall { at: stall.at, lasting: stall.lasting }).collect(),
        ..Config::default()
    };
    let mut signals = Signals::listen(|_| ()).context("cannot take signals")?;
    let target = Target::bind(config).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "; choose another with --port, or 0 for any that is free",
            io::ErrorKind::AddrNotAvailable => "; --host is no address of this machine",
            _ => "",
        };
        Failure::invalid(format!("cannot serve on {listen}: {error}{hint}"))
    })?;
    print_to_stdout(&format!("{}\n", target.url())).context("cannot print the URL")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("cannot make a runtime")?;
    runtime.block_on(signals.next());
    let stats = target.stats();
    target.shutdown();
    process.console.say(&format!("served {} requests", report::figures::count(stats.arrivals)));
    Ok(ExitCode::Passed)
}
