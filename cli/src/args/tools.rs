//! Flags of the subcommands that send nothing, and of the built-in target.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use units::Nanos;

use super::run::WorkloadArgs;

/// How a listing is printed: for people, or for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListingFormat {
    #[default]
    Text,
    Json,
}

/// Flags of `loadgen validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen validate shop.yaml
  loadgen validate shop.yaml -e TARGET=http://127.0.0.1:8080 --resolved
  loadgen validate shop.yaml --format json

Exit codes: 0 when the file can run (there may be warnings), 104 when it cannot.")]
pub(crate) struct ValidateArgs {
    /// What is checked.
    #[command(flatten)]
    pub(crate) workload: WorkloadArgs,
    /// Show every value as it will be used, and where it comes from
    #[arg(long)]
    pub(crate) resolved: bool,
    /// How problems and values are printed on stdout
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: ListingFormat,
}

/// Flags of `loadgen plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen plan scenarios/quick_start.yaml
  loadgen plan shop.yaml -r 5000/s -d 10m --format json
  loadgen plan shop.yaml --workers 3 --weights 1,2,1      who of three workers carries what

Nothing is sent and no name is looked up. The scenario digest is equal for equal tests, the plan hash for equal \
schedules.")]
pub(crate) struct PlanArgs {
    /// What is planned.
    #[command(flatten)]
    pub(crate) workload: WorkloadArgs,
    /// Show the shares of this many workers
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) workers: Option<u32>,
    /// Their weights, for example `1,2,1` [default: all alike]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', requires = "workers")]
    pub(crate) weights: Vec<u32>,
    /// How the plan is printed on stdout
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: ListingFormat,
}

/// Flags of `loadgen schema`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen schema > scenario.schema.json
  loadgen schema result > result.schema.json")]
pub(crate) struct SchemaArgs {
    /// Which documents it describes
    #[arg(value_name = "KIND", value_enum, default_value_t)]
    pub(crate) kind: SchemaKind,
}

/// Which documents a schema describes: scenario and policy files (draft-07, for editors), result files or run manifests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaKind {
    #[default]
    Scenario,
    Policy,
    Result,
    Manifest,
}

/// Flags of `loadgen new`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen new my.yaml --url http://127.0.0.1:8080 --rate 50/s --duration 1m
  loadgen new > my.yaml")]
pub(crate) struct NewArgs {
    /// The file to write, which must not exist; stdout when absent or `-`
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The target
    #[arg(long, default_value = "demo://")]
    pub(crate) url: String,
    /// How many iterations start per time
    #[arg(long, default_value = "50/s")]
    pub(crate) rate: units::Rate,
    /// How long it runs
    #[arg(long, default_value = "30s")]
    pub(crate) duration: Nanos,
}

/// Flags of `loadgen demo-target`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen demo-target --port 8080
  loadgen demo-target --stall 10s+2s --stall 30s+500ms    stands still twice
  curl http://127.0.0.1:8080/stats                        what it counted, per path and second

Its URL is printed on stdout when it serves. It ends on SIGINT or SIGTERM.")]
pub(crate) struct DemoTargetArgs {
    /// The port; 0 lets the system choose
    #[arg(short, long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// The address to listen on; any other machine can reach it on 0.0.0.0
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// Stand still from AT (after the start) for LASTING. Repeatable
    #[arg(long, value_name = "AT+LASTING")]
    pub(crate) stall: Vec<StallArg>,
    /// Draw random delays and errors from this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Serving threads
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: u32,
}

/// When a target stands still, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StallArg {
    /// From the target's start.
    pub(crate) at: Nanos,
    /// How long.
    pub(crate) lasting: Nanos,
}

impl FromStr for StallArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (at, lasting) = text
            .split_once('+')
            .ok_or_else(|| format!("`{text}` is not AT+LASTING, for example `10s+2s`"))?;
        let span = |text: &str| text.parse::<Nanos>().map_err(|error| error.to_string());
        Ok(Self { at: span(at)?, lasting: span(lasting)? })
    }
}

/// Flags of `loadgen selftest`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen selftest            about a minute
  loadgen selftest --quick    about ten seconds

Runs known delays (fixed and exponential), a stall and a ramp against the built-in target in this process, and \
prints how far this machine's numbers are from the known ones. Exit codes: 0 when every difference is within its \
bound, 113 when one is not.")]
pub(crate) struct SelftestArgs {
    /// Measure for a shorter time, with wider bounds
    #[arg(long)]
    pub(crate) quick: bool,
    /// Engine threads; by default one per allowed CPU less one, at least one
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
}

/// Flags of `loadgen completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen completions bash > ~/.local/share/bash-completion/completions/loadgen
  loadgen completions zsh > ~/.zfunc/_loadgen")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_a_time_and_a_span() {
        let stall = StallArg { at: Nanos::from_secs(10), lasting: Nanos::from_millis(500) };
        assert_eq!("10s+500ms".parse(), Ok(stall));
        assert!("10s".parse::<StallArg>().unwrap_err().contains("10s+2s"));
        assert!("10+2s".parse::<StallArg>().unwrap_err().contains("write `10s`"));
    }
}
