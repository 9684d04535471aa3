//! Flags of `http`.

use clap::Args;
use units::{Nanos, Rate};

use super::run::{OutputArgs, Pacing};
use super::telemetry::TelemetryArgs;
use super::value::count;

/// Flags of `loadgen http`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen http http://127.0.0.1:8080/ -r 500/s -d 30s   500 requests a second
  loadgen http http://127.0.0.1:8080/ -c 32 -n 100k     32 users, 100,000 requests in all
  loadgen http https://shop.test/orders -H 'Content-Type: application/json' --body '{\"sku\":17}' \\
      --resolve shop.test:443:127.0.0.1 -k
  loadgen http demo:// --listen 9464                    the built-in target, watched by Prometheus

With a rate, requests start by schedule, whatever the target does, and response times count from it. Without one, \
each of the -c users sends its next request when it has the answer to the last. Traces and metrics are sent where \
OTEL_EXPORTER_OTLP_ENDPOINT says, log lines with OTEL_LOGS_EXPORTER=otlp as well; OTEL_SDK_DISABLED=true and \
OTEL_TRACES_EXPORTER=none switch all of it or the traces off.")]
pub(crate) struct HttpArgs {
    /// Where to send requests: http://, https:// or demo://
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Requests started per time, for example `500/s`; without it users send as fast as they are answered
    #[arg(short, long)]
    pub(crate) rate: Option<Rate>,
    /// Users, each with at most one connection
    #[arg(short = 'c', long, visible_alias = "vus", value_name = "COUNT", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// End after this many requests, for example 10k
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = count)]
    pub(crate) requests: Option<u64>,
    /// End after this time [default: 10s]
    #[arg(short, long)]
    pub(crate) duration: Option<Nanos>,
    /// Add a header. Repeatable
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The method [default: GET, or POST with a body]
    #[arg(short = 'X', long = "request", visible_alias = "method", value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// The body, or `@FILE` for the content of a file
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) body: Option<String>,
    /// Bound on each request, for example `2s`
    #[arg(long)]
    pub(crate) timeout: Option<Nanos>,
    /// Accept any certificate of the server
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
    /// Certificates to trust in place of the public roots, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<String>,
    /// Certificate to show to the server, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<String>,
    /// Private key of --cert, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<String>,
    /// Connect to this address for the host and port. Repeatable
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    pub(crate) resolve: Vec<String>,
    /// Draw random arrivals from this number, to repeat a run
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Engine threads; by default one per allowed CPU less one, at least one
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
    /// `balanced`: starts are tens of microseconds late; `precise`: a few, for a whole CPU per thread [default: balanced]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) pacing: Option<Pacing>,
    /// Skip the checks of handles, ports, memory, names and reachability before the first request
    #[arg(long)]
    pub(crate) no_preflight: bool,
    /// Start this many worker processes on this machine for the run
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) workers: Option<u32>,
    /// What comes out.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// What it tells of itself.
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
}
