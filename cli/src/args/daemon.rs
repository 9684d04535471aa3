//! Flags of `controller` and `worker`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use protocols::{AllowedTarget, ParseTargetError};
use units::{Nanos, Rate};
use worker::AllowedSecrets;

use super::tools::ListingFormat;
use super::value::KeyValue;

/// Flags of `loadgen controller`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  loadgen controller                                              workers and people of this machine
  loadgen controller --listen 0.0.0.0:7400 --api 0.0.0.0:7401 --name ctl.test
  loadgen controller token join --uses 10 --ttl 1h                more workers
  loadgen controller token api --role run --out ci.token          a token for CI
  loadgen controller certificate revoke host-7

On its first start it makes an authority of its own and an administrator's token below --state, and prints the lines \
that start workers and runs. It ends on SIGINT or SIGTERM, at most 5 s later.")]
pub(crate) struct ControllerArgs {
    /// Authority, keys and tokens of a controller.
    #[command(subcommand)]
    pub(crate) command: Option<ControllerCommand>,
    /// Flags of the controller itself.
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// Folder of its authority, keys and tokens [default: ~/.local/state/loadgen/controller]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// Flags of a controller that serves.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where workers connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7400")]
    pub(crate) listen: SocketAddr,
    /// Where people and CI connect: the HTTP API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7401")]
    pub(crate) api: SocketAddr,
    /// Where /healthz, /readyz and /metrics are, without encryption
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7402")]
    pub(crate) probe: SocketAddr,
    /// A name or address by which others reach this machine, for its certificate. Repeatable
    #[arg(long, value_name = "HOST")]
    pub(crate) name: Vec<String>,
    /// Its own certificate chain, PEM, in place of one of its own authority
    #[arg(long, value_name = "FILE", requires = "tls_key", requires = "tls_ca")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The authority that workers have their certificates from, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Neither encryption nor certificates nor tokens: whoever reaches it may do everything. Only on loopback
    #[arg(long, conflicts_with = "tls_cert")]
    pub(crate) insecure: bool,
    /// Let --insecure listen on other addresses than loopback too
    #[arg(long, requires = "insecure")]
    pub(crate) insecure_bind_anywhere: bool,
    /// The most workers
    #[arg(long, value_name = "COUNT", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) max_workers: u32,
    /// How long a worker may go on without being heard
    #[arg(long, value_name = "DURATION", default_value = "6s")]
    pub(crate) lease_ttl: Nanos,
    /// Set a limit of `loadgen limits`. Repeatable
    #[arg(long, value_name = "NAME=DURATION")]
    pub(crate) limit: Vec<LimitArg>,
}

/// What else can be done with a controller's state.
#[derive(Debug, Subcommand)]
pub(crate) enum ControllerCommand {
    /// Make, list and revoke tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Revoke certificates of workers
    #[command(subcommand)]
    Certificate(CertificateCommand),
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token with which workers join
    Join(JoinTokenArgs),
    /// Make a token for the API
    Api(ApiTokenArgs),
    /// List the API's tokens, without their secrets
    List(TokenListArgs),
    /// Revoke a token, from now on
    Revoke(TokenRevokeArgs),
}

/// Flags of `loadgen controller token join`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen controller token join --uses 10 --ttl 1h --out join.token
  loadgen controller token join --name 'rack7-*'")]
pub(crate) struct JoinTokenArgs {
    /// How many workers may join with it
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) uses: u32,
    /// How long it is good
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub(crate) ttl: Nanos,
    /// Names that workers may have who join with it; `*` stands for any text [default: all]
    #[arg(long, value_name = "PATTERN")]
    pub(crate) name: Option<String>,
    /// Write it to this new file, which only its owner can read, in place of stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Flags of `loadgen controller token api`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen controller token api --role run --ttl 12h --out ci.token
  loadgen controller token api --role observe")]
pub(crate) struct ApiTokenArgs {
    /// What its bearer may do
    #[arg(long, value_name = "ROLE", value_enum)]
    pub(crate) role: RoleArg,
    /// How long it is good [default: until it is revoked]
    #[arg(long, value_name = "DURATION")]
    pub(crate) ttl: Option<Nanos>,
    /// Write it to this new file, which only its owner can read, in place of stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Flags of `loadgen controller token list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen controller token list
  loadgen controller token list --format json")]
pub(crate) struct TokenListArgs {
    /// How they are printed on stdout
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: ListingFormat,
}

/// Flags of `loadgen controller token revoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen controller token revoke 3f2a90c1d4e5")]
pub(crate) struct TokenRevokeArgs {
    /// The token's ID, as `loadgen controller token list` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// What can be done with certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum CertificateCommand {
    /// Take a worker's certificates back: it can neither go on nor come again with them
    Revoke(CertificateRevokeArgs),
}

/// Flags of `loadgen controller certificate revoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen controller certificate revoke host-7")]
pub(crate) struct CertificateRevokeArgs {
    /// The worker's name
    #[arg(value_name = "WORKER")]
    pub(crate) worker: String,
}

/// What the bearer of an API token may do: look; make and steer runs; everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    Observe,
    Run,
    Admin,
}

/// `NAME=DURATION`: a limit and how long it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LimitArg {
    /// The limit's name, as `loadgen limits` lists it.
    pub(crate) name: String,
    /// How long.
    pub(crate) limit: Nanos,
}

impl FromStr for LimitArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let KeyValue { key, value } =
            text.parse().map_err(|_| format!("`{text}` is not NAME=DURATION, for example `enrol=10s`"))?;
        let limit: Nanos = value.parse().map_err(|error: units::ParseSpanError| error.to_string())?;
        Ok(Self { name: key, limit })
    }
}

/// Flags of `loadgen worker`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen worker --join https://ctl.test:7400 --token-file join.token --ca-fingerprint 3f2a…
  loadgen worker --join https://ctl.test:7400 --allow-target 10.0.0.0/8 --max-rate 5000/s

It dials the controller and needs no port of its own. Without --allow-target it sends load only to this machine; a \
policy file (LOADGEN_POLICY, ~/.config/loadgen/policy.yaml, /etc/loadgen/policy.yaml) narrows what flags allow. On \
SIGTERM it gives its share to the others and leaves; with --leave fast it stops at once and is gone within 5 s.")]
pub(crate) struct WorkerArgs {
    /// The controller's address for workers
    #[arg(long, value_name = "URL")]
    pub(crate) join: String,
    /// File with the join token, `-` for stdin; else LOADGEN_JOIN_TOKEN. Not needed once it has its certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// SHA-256 of the controller's authority in hexadecimal digits, as the controller prints it
    #[arg(long, value_name = "HEX", conflicts_with = "ca")]
    pub(crate) ca_fingerprint: Option<String>,
    /// Certificate of the controller's authority, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Its own certificate chain, PEM, in place of one from the controller's authority
    #[arg(long, value_name = "FILE", requires = "tls_key", requires = "ca")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Its name, one of its own in the cluster [default: this machine's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Say something of it, for the result and for --worker-label of runs. Repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<KeyValue>,
    /// Its part of the load against those of others [default: its engine threads]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) weight: Option<u32>,
    /// Engine threads; by default one per allowed CPU less one, at least one
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
    /// Leave the engine threads to the kernel's scheduler: for several workers on the same CPUs
    #[arg(long)]
    pub(crate) no_pinning: bool,
    /// Send load also to this: an address, a network (10.0.0.0/8) or a host, perhaps with a port; or `all`. Repeatable
    #[arg(long, value_name = "TARGET")]
    pub(crate) allow_target: Vec<TargetArg>,
    /// Refuse shares of more iterations per time than this
    #[arg(long, value_name = "RATE")]
    pub(crate) max_rate: Option<Rate>,
    /// Let runs use this environment variable as `${secret.NAME}`. Repeatable [default: none]
    #[arg(long, value_name = "NAME", value_parser = secret)]
    pub(crate) allow_secret: Vec<String>,
    /// On a signal: give the share to the others first (`graceful`), or stop and keep it for the return (`fast`)
    #[arg(long, value_name = "MODE", value_enum, default_value_t = LeaveArg::Graceful)]
    pub(crate) leave: LeaveArg,
    /// Where /healthz, /readyz and /metrics are, without encryption; `off` for nowhere [default: 127.0.0.1:7403, or
    /// another port where that is taken]
    #[arg(long, value_name = "ADDRESS", value_parser = probe)]
    pub(crate) probe: Option<ProbeArg>,
    /// Folder of its key and certificate [default: ~/.local/state/loadgen/worker-NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Neither encryption nor certificates (http://)
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Set a limit of `loadgen limits`. Repeatable
    #[arg(long, value_name = "NAME=DURATION")]
    pub(crate) limit: Vec<LimitArg>,
    /// Leave when stdin ends: for a worker that belongs to another process
    #[arg(long, hide = true)]
    pub(crate) until_stdin_ends: bool,
}

/// Where a worker may send load, beside its own machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetArg {
    /// Everywhere.
    All,
    /// Here.
    Only(AllowedTarget),
}

impl FromStr for TargetArg {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::Only) }
    }
}

/// What becomes of a leaving worker's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LeaveArg {
    Graceful,
    Fast,
}

/// Where a plain listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeArg {
    /// Nowhere.
    Off,
    /// Here.
    At(SocketAddr),
}

fn secret(text: &str) -> Result<String, String> {
    if text.starts_with(AllowedSecrets::RESERVED) {
        return Err(format!("variables that begin with `{}` are never handed out", AllowedSecrets::RESERVED));
    }
    Ok(text.to_owned())
}

fn probe(text: &str) -> Result<ProbeArg, String> {
    if text == "off" {
        return Ok(ProbeArg::Off);
    }
    let at = text.parse().map(ProbeArg::At);
    at.map_err(|_| format!("`{text}` is neither an address such as `127.0.0.1:7403` nor `off`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_name_and_a_duration() {
        let limit = LimitArg { name: "enrol".to_owned(), limit: Nanos::from_secs(10) };
        assert_eq!("enrol=10s".parse(), Ok(limit));
        assert!("enrol".parse::<LimitArg>().unwrap_err().contains("`enrol=10s`"));
        assert!("enrol=10".parse::<LimitArg>().unwrap_err().contains("write `10s`"));
    }

    #[test]
    fn a_target_is_one_or_all() {
        assert_eq!("all".parse(), Ok(TargetArg::All));
        assert!(matches!("10.0.0.0/8".parse(), Ok(TargetArg::Only(_))));
        assert!("10.0.0.0/99".parse::<TargetArg>().is_err());
    }

    #[test]
    fn our_own_variables_cannot_be_allowed() {
        assert_eq!(secret("TOKEN"), Ok("TOKEN".to_owned()));
        assert!(secret("LOADGEN_API_TOKEN").unwrap_err().contains("never"));
    }

    #[test]
    fn a_probe_has_an_address_or_is_off() {
        assert_eq!(probe("off"), Ok(ProbeArg::Off));
        assert_eq!(probe("127.0.0.1:0"), Ok(ProbeArg::At("127.0.0.1:0".parse().unwrap())));
        assert!(probe("7403").unwrap_err().contains("`off`"));
    }
}
