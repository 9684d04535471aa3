//! Flags of the commands that talk to a controller.

use std::path::PathBuf;

use clap::Args;
use units::Rate;

use super::daemon::LeaveArg;
use super::tools::ListingFormat;

/// How a controller is reached, and who asks.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConnectionArgs {
    /// The controller's API [default: https://127.0.0.1:7401]
    #[arg(long, value_name = "URL")]
    pub(crate) controller: Option<String>,
    /// What to trust and who to be.
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

/// What proves the controller to us, and us to it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TrustArgs {
    /// File with the API token; else LOADGEN_TOKEN, else the token of a controller on this machine
    #[arg(long, value_name = "FILE")]
    pub(crate) api_token_file: Option<PathBuf>,
    /// Certificate of the authority that the controller must have its own from, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "ca_fingerprint")]
    pub(crate) ca: Option<PathBuf>,
    /// SHA-256 of that certificate in hexadecimal digits, as the controller prints it
    #[arg(long, value_name = "HEX")]
    pub(crate) ca_fingerprint: Option<String>,
    /// Send the token without encryption, also to another machine (http://)
    #[arg(long)]
    pub(crate) insecure: bool,
}

impl TrustArgs {
    /// Whether it was said what proves the controller.
    pub(crate) fn names_an_authority(&self) -> bool {
        self.ca.is_some() || self.ca_fingerprint.is_some()
    }

    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { api_token_file, ca, ca_fingerprint, insecure } = self;
        api_token_file.is_none() && ca.is_none() && ca_fingerprint.is_none() && !insecure
    }
}

/// Flags of `loadgen status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen status                                   a controller on this machine
  loadgen status --controller https://ctl.test:7401 --api-token-file ci.token --ca ca.pem
  loadgen status 89abcdef --format json            one run, for scripts

A run goes by its ID or the end of it. The exit code is 0 when the controller answers, 117 when it does not.")]
pub(crate) struct StatusArgs {
    /// One run, in place of the whole cluster
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// How it is printed on stdout
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: ListingFormat,
    /// Whom to ask.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Flags of `loadgen stop`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen stop                   the run under way: nothing new starts, what is in flight may end
  loadgen stop 89abcdef --cancel

The run still gets its result, and whoever follows it the exit code 105.")]
pub(crate) struct StopArgs {
    /// The run; may be left out when there is only one
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Cancel what is in flight at once
    #[arg(long)]
    pub(crate) cancel: bool,
    /// Whom to ask.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Flags of `loadgen pause`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen pause
  loadgen pause 89abcdef --controller https://ctl.test:7401

No new iterations start until `loadgen resume`; the profiles go on where they stopped.")]
pub(crate) struct PauseArgs {
    /// The run; may be left out when there is only one
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Whom to ask.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Flags of `loadgen resume`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen resume
  loadgen resume 89abcdef --controller https://ctl.test:7401")]
pub(crate) struct ResumeArgs {
    /// The run; may be left out when there is only one
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Whom to ask.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Flags of `loadgen set-rate`.
#[derive(Debug, Args)]
#[command(override_usage = "loadgen set-rate [OPTIONS] [[RUN] SCENARIO] <RATE>\n       \
                            loadgen set-rate [OPTIONS] [[RUN] SCENARIO] --scale <FACTOR>")]
#[command(after_help = "\
Examples:
  loadgen set-rate 2000/s                   the only open scenario of the only run
  loadgen set-rate browse 2000/s            one scenario: holds the rate to the end of its profile
  loadgen set-rate 89abcdef browse 500/s
  loadgen set-rate --scale 1.5              all open scenarios: the rest of their profiles, times 1.5

The change takes effect within a second on all workers, and stands in the result.")]
pub(crate) struct SetRateArgs {
    /// The run and the scenario, which may be left out when there is only one; and the rate, for example `2000/s`
    #[arg(value_name = "WORDS", num_args = 0..=3, required_unless_present = "scale")]
    pub(crate) words: Vec<String>,
    /// Multiply what remains of the profile instead
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub(crate) scale: Option<f64>,
    /// Whom to ask.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Flags of `loadgen drain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen drain host-7                 its share goes to the others first: to have fewer workers
  loadgen drain host-7 --mode fast     it stops at once and its share waits for it: to restart it")]
pub(crate) struct DrainArgs {
    /// The worker's name, as `loadgen status` lists it
    #[arg(value_name = "WORKER")]
    pub(crate) worker: String,
    /// Give its share to the others first (`graceful`), or keep it for its return (`fast`)
    #[arg(long, value_name = "MODE", value_enum, default_value_t = LeaveArg::Graceful)]
    pub(crate) mode: LeaveArg,
    /// The same as --mode fast
    #[arg(long, conflicts_with = "mode")]
    pub(crate) fast: bool,
    /// Whom to ask.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Flags of `loadgen limits`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen limits
  loadgen limits --format json

`--limit NAME=DURATION` of controller and worker sets them.")]
pub(crate) struct LimitsArgs {
    /// How they are printed on stdout
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: ListingFormat,
}

/// What `set-rate` shall do, out of its words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wish {
    /// What may name a run, a scenario, or both in this order.
    pub(crate) names: Vec<String>,
    /// What shall become of the rate.
    pub(crate) rate: Wanted,
}

/// What shall become of a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// This.
    Rate(Rate),
    /// The rest of its profile, times this.
    Scale(f64),
}

impl SetRateArgs {
    /// Reads the words: the last is the rate unless the rate is scaled.
    ///
    /// # Errors
    /// When it is no rate or there are too many words.
    pub(crate) fn wish(&self) -> Result<Wish, String> {
        let mut names = self.words.clone();
        let rate = match self.scale {
            Some(factor) => Wanted::Scale(factor),
            None => {
                let text = names.pop().ok_or("say which rate, for example `2000/s`")?;
                Wanted::Rate(text.parse().map_err(|error| format!("`{text}` is no rate: {error}"))?)
            }
        };
        if names.len() > 2 {
            let words = names.join(" ");
            return Err(format!(
                "`{words}` are too many words; with --scale give a run and a scenario at most"
            ));
        }
        Ok(Wish { names, rate })
    }
}

/// Reads a factor above 0, at most 1,000.
fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| *factor > 0.0 && *factor <= 1_000.0);
    factor.ok_or_else(|| {
        format!(
            "`{text}` is no factor above 0 and at most 1000; write for example 1.5, and `loadgen pause` for 0"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(words: &[&str], scale: Option<f64>) -> Result<Wish, String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        SetRateArgs { words, scale, connection: ConnectionArgs::default() }.wish()
    }

    #[test]
    fn the_last_word_is_the_rate_and_those_before_it_name_run_and_scenario() {
        let rate = Wanted::Rate("2000/s".parse().unwrap());
        assert_eq!(wish(&["2000/s"], None), Ok(Wish { names: vec![], rate }));
        assert_eq!(wish(&["browse", "2000/s"], None), Ok(Wish { names: vec!["browse".into()], rate }));
        let both = vec!["89abcdef".into(), "browse".into()];
        assert_eq!(wish(&["89abcdef", "browse", "2000/s"], None), Ok(Wish { names: both, rate }));
        assert_eq!(
            wish(&["browse"], Some(1.5)),
            Ok(Wish { names: vec!["browse".into()], rate: Wanted::Scale(1.5) })
        );
    }

    #[test]
    fn what_is_no_rate_is_refused_with_its_cure() {
        assert!(wish(&["browse"], None).unwrap_err().contains("`browse` is no rate"));
        assert!(wish(&["browse", "2000"], None).unwrap_err().contains("write `2000/s`"));
        assert!(wish(&["a", "b", "c"], Some(2.0)).unwrap_err().contains("too many"));
        assert!(factor("0").unwrap_err().contains("loadgen pause"));
        assert!(factor("-1").is_err() && factor("NaN").is_err() && factor("inf").is_err());
        assert_eq!(factor("1.5"), Ok(1.5));
    }
}
