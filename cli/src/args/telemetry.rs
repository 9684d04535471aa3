//! Flags about what a run tells of itself while it goes on.

use std::net::{Ipv4Addr, SocketAddr};

use clap::{Args, ValueEnum};
use units::Nanos;

/// What a run tells of itself while it goes on.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Telemetry")]
pub(crate) struct TelemetryArgs {
    /// Which executions have a line in the log, with --log-format json and over OTLP: `off`, `sampled`, `failed`,
    /// `sampled,failed` or `all`; over the file [default: sampled,failed]
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', hide_possible_values = true)]
    pub(crate) log_executions: Vec<LoggedExecutions>,
    /// Serve /metrics for Prometheus, /healthz and /readyz while the run goes on: a port of 127.0.0.1 (0 for any that is
    /// free), or an address
    #[arg(long, value_name = "[HOST:]PORT", value_parser = listen_address)]
    pub(crate) listen: Option<SocketAddr>,
    /// After the run go on to serve until somebody has asked for /metrics once more, or this long, or until a signal; the
    /// numbers of a run are there for a minute after its end
    #[arg(long, value_name = "DURATION", requires = "listen")]
    pub(crate) linger: Option<Nanos>,
}

/// Executions that have a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LoggedExecutions {
    Off,
    Sampled,
    Failed,
    All,
}

impl TelemetryArgs {
    /// `--log-executions` as a scenario file has it, where it was given.
    pub(crate) fn log_executions(&self) -> Option<String> {
        let word = |executions: &LoggedExecutions| match executions {
            LoggedExecutions::Off => "off",
            LoggedExecutions::Sampled => "sampled",
            LoggedExecutions::Failed => "failed",
            LoggedExecutions::All => "all",
        };
        let words: Vec<&str> = self.log_executions.iter().map(word).collect();
        (!words.is_empty()).then(|| words.join(","))
    }
}

/// A port of this machine's own loopback, or an address.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    match (port, text.parse()) {
        (Ok(port), _) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        (_, Ok(address)) => Ok(address),
        _ => {
            Err(format!("`{text}` is neither a port such as `9464` nor an address such as `127.0.0.1:9464`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_machine_only() {
        let check = |text: &str, expected: &str| {
            assert_eq!(listen_address(text), Ok(expected.parse().unwrap()), "{text}");
        };
        check("9464", "127.0.0.1:9464");
        check(":0", "127.0.0.1:0");
        check("0.0.0.0:9464", "0.0.0.0:9464");
        check("[::1]:0", "[::1]:0");
        for wrong in ["", "70000", "localhost", "127.0.0.1", "::1"] {
            assert!(listen_address(wrong).unwrap_err().contains("such as `9464`"), "{wrong}");
        }
    }

    #[test]
    fn executions_are_told_in_the_words_of_the_file() {
        let args = |log_executions| TelemetryArgs { log_executions, ..TelemetryArgs::default() };
        assert_eq!(args(Vec::new()).log_executions(), None);
        let both = vec![LoggedExecutions::Failed, LoggedExecutions::Sampled];
        assert_eq!(args(both).log_executions().as_deref(), Some("failed,sampled"));
    }
}
