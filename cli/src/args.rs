//! The command line as data: every flag, its help and its examples.
//!
//! Only the form of a value is judged here (a wrong one is a usage error, exit code 2); whether what it names exists
//! and makes sense is judged where it is used (exit code 104). Start reading at [`Command`].

mod cluster;
mod daemon;
mod http;
mod run;
mod telemetry;
mod tools;
mod value;

pub(crate) use cluster::{
    ConnectionArgs, DrainArgs, LimitsArgs, PauseArgs, ResumeArgs, SetRateArgs, StatusArgs, StopArgs,
    TrustArgs, Wanted,
};
pub(crate) use daemon::{
    ApiTokenArgs, CertificateCommand, ControllerArgs, ControllerCommand, JoinTokenArgs, LeaveArg, LimitArg,
    ProbeArg, RoleArg, ServeArgs, TargetArg, TokenCommand, WorkerArgs,
};
pub(crate) use http::HttpArgs;
pub(crate) use run::{OutputArgs, OutputFormat, RunArgs, WorkloadArgs};
pub(crate) use telemetry::TelemetryArgs;
pub(crate) use tools::{
    CompletionsArgs, DemoTargetArgs, ListingFormat, NewArgs, PlanArgs, SchemaArgs, SchemaKind, SelftestArgs,
    ValidateArgs,
};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// A load generator whose every number can be checked from outside.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, max_term_width = 100)]
#[command(after_help = "\
Examples:
  loadgen run scenarios/quick_start.yaml          a scenario against the built-in target
  loadgen http http://127.0.0.1:8080/ -r 500/s    one URL, 500 requests a second for 10 s
  loadgen new my.yaml --url http://127.0.0.1:8080 a commented scenario to start from
  loadgen run my.yaml --workers 3                 over three worker processes

Exit codes: 0 passed, 115 telemetry lost, 99 threshold failed, 114 workers lost, 113 measurement invalid, \
105 stopped, 117 cluster unavailable, 116 refused by policy, 104 invalid input, 2 usage, 1 internal error, 109 panic. \
The name is printed with the number.")]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What every subcommand understands.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// Flags of every subcommand.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct GlobalArgs {
    /// Print without colours; so does a NO_COLOR that is set, or an output that is no terminal
    #[arg(long, global = true, display_order = LAST, action = ArgAction::SetTrue)]
    pub(crate) no_color: bool,
    /// How log lines on stderr look; LOADGEN_LOG, for example `debug`, says which are shown
    #[arg(long, global = true, display_order = LAST, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
}

/// Flags of every subcommand stand behind its own.
const LAST: usize = 1_000;

/// How log lines on stderr look: lines for people, or one JSON object per line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Human,
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario file: make the load, show progress, print a summary, write the result
    Run(Box<RunArgs>),
    /// Load one URL: the same engine and result, without a file
    Http(Box<HttpArgs>),
    /// Conduct runs over many workers: serve workers, people and CI
    Controller(Box<ControllerArgs>),
    /// Make load for a controller
    Worker(Box<WorkerArgs>),
    /// Show the workers and runs of a controller
    Status(StatusArgs),
    /// End a run on a controller
    Stop(StopArgs),
    /// Change the rate of a run on a controller
    SetRate(SetRateArgs),
    /// Let a run on a controller stand still
    Pause(PauseArgs),
    /// Let a paused run go on
    Resume(ResumeArgs),
    /// Let a worker of a controller go
    Drain(DrainArgs),
    /// Check a scenario file and list every problem at once
    Validate(ValidateArgs),
    /// Show what would be sent when, without sending it
    Plan(PlanArgs),
    /// Print a JSON Schema, for editors and scripts
    Schema(SchemaArgs),
    /// Write a commented scenario file to start from
    New(NewArgs),
    /// Serve the built-in target, whose behaviour is declared, until a signal
    DemoTarget(DemoTargetArgs),
    /// List how long controller, worker and command line wait for what
    Limits(LimitsArgs),
    /// Measure this machine's instrument error against known delays
    Selftest(SelftestArgs),
    /// Print the completion script of a shell
    Completions(CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::value::KeyValue;
    use super::*;

    #[test]
    fn the_definition_is_sound_and_every_subcommand_has_examples() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let after = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                after.contains(&format!("loadgen {}", sub.get_name())),
                "{} has no example",
                sub.get_name()
            );
        }
    }

    #[test]
    fn a_run_takes_what_the_documents_promise() {
        let cli = Cli::try_parse_from([
            "loadgen",
            "run",
            "a.yaml",
            "-e",
            "K=V=W",
            "--set",
            "scenarios.a.rate=5/s",
            "-r",
            "10/s",
            "-d",
            "1m30s",
            "-u",
            "7",
            "--seed",
            "42",
            "--tag",
            "team=shop",
            "--threads",
            "2",
            "--out",
            "-",
            "--quiet",
            "--format",
            "json",
            "--no-color",
            "--log-format",
            "json",
            "--no-preflight",
        ])
        .unwrap();
        let Command::Run(run) = cli.command else { panic!("not a run") };
        assert_eq!(run.workload.env, [KeyValue { key: "K".into(), value: "V=W".into() }]);
        assert_eq!(run.workload.rate.unwrap().to_string(), "10/s");
        assert_eq!(run.workload.duration.unwrap().to_string(), "1m30s");
        assert_eq!(run.output.out.as_deref(), Some("-"));
        assert!(cli.global.no_color && run.no_preflight && run.output.quiet);
    }

    #[test]
    fn values_of_a_wrong_form_are_refused_with_their_cure() {
        let error = |args: &[&str]| Cli::try_parse_from(args).unwrap_err().to_string();
        assert!(error(&["loadgen", "run", "a.yaml", "-r", "200"]).contains("write `200/s`"));
        assert!(error(&["loadgen", "run", "a.yaml", "-d", "30"]).contains("write `30s`"));
        assert!(error(&["loadgen", "run", "a.yaml", "-e", "K"]).contains("KEY=VALUE"));
        assert!(
            error(&["loadgen", "run", "a.yaml", "--out", "x", "--no-out"]).contains("cannot be used with")
        );
        assert!(error(&["loadgen", "http", "http://x/", "-n", "many"]).contains("10k"));
    }
}
