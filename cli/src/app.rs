//! The whole command line, with the Rust tasks of the program it is part of.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use api::ExitCode;
use api::task::TaskLifecycle;
use clap::Parser as _;
use engine::TaskRegistry;
use telemetry::{LogRoutes, Settings, SettingsError};

use crate::args::{Cli, Command, LogFormat};
use crate::command_line::without_secrets;
use crate::commands;
use crate::console::{Console, print_to_stdout};
use crate::failure::Failure;
use crate::logging::{self, LogLabel, Logging};
use crate::panics;
use crate::remote::chain;

/// The command line, and the Rust tasks that scenarios may name.
#[derive(Debug, Default)]
pub struct App {
    tasks: TaskRegistry,
}

/// What every command needs of the process.
pub(crate) struct Process {
    /// Standard error.
    pub(crate) console: Console,
    /// What log lines belong to.
    pub(crate) label: LogLabel,
    /// Where log lines go beside the console.
    pub(crate) routes: LogRoutes,
    /// Where telemetry goes, as the variables of this process say.
    pub(crate) settings: Settings,
    /// The Rust tasks on offer.
    pub(crate) tasks: TaskRegistry,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
    /// The command line, without secrets.
    pub(crate) command: Vec<String>,
}

impl App {
    /// The command line without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Offers a task to scenarios that say `task: NAME`; `make` is called once per virtual user.
    #[must_use]
    pub fn task<T: TaskLifecycle>(
        mut self,
        name: &str,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        self.tasks.register(name, make);
        self
    }

    /// Does what the arguments of this process say and returns the code to exit with.
    pub fn main(self) -> std::process::ExitCode {
        std::process::ExitCode::from(self.run(std::env::args_os()).code())
    }

    /// Does what `arguments` say, the program's name first, and returns the code to exit with. Prints as the program
    /// does.
    pub fn run(self, arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let cli = match Cli::try_parse_from(&arguments) {
            Ok(cli) => cli,
            Err(error) => return refuse(&error),
        };
        let json = cli.global.log_format == LogFormat::Json;
        let console = Console::stderr(cli.global.no_color, json);
        let settings = settings(&cli.command);
        let routes = LogRoutes::new();
        let process = Process {
            console: console.clone(),
            label: LogLabel::new(routes.clone()),
            routes,
            settings: settings.as_ref().cloned().unwrap_or_else(|_| Settings::off()),
            tasks: self.tasks,
            log_format: cli.global.log_format,
            command: without_secrets(&arguments, &cli.command),
        };
        let wanted = std::env::var(logging::FILTER_VARIABLE).ok().filter(|filter| !filter.is_empty());
        let usual = match &cli.command {
            // Runs of a selftest are not the user's: what matters of them stands in its table.
            Command::Selftest(_) => "warn",
            Command::Run(args) if args.cluster.workers.is_some() => BESIDE_THE_RUN,
            Command::Http(args) if args.workers.is_some() => BESIDE_THE_RUN,
            Command::Worker(args) if args.until_stdin_ends => OF_A_RUN,
            _ => "info",
        };
        let logging = Logging {
            console: &console,
            format: cli.global.log_format,
            wanted: wanted.as_deref(),
            usual,
            label: process.label.clone(),
            routes: process.settings.logs.is_some().then(|| process.routes.clone()),
        };
        if let Some(name) = process_name(&cli.command) {
            process.label.set_process(name);
        }
        let understood = |()| settings.map(drop).map_err(|error| Failure::invalid(chain(&error)));
        let outcome = logging.begin().map_err(Failure::invalid).and_then(understood).and_then(|()| {
            panics::log_panics();
            warn(&process, &cli.command);
            // What a panic leaves half done ends with the process.
            catch_unwind(AssertUnwindSafe(|| dispatch(&process, &cli.command)))
                .unwrap_or_else(|payload| Err(Failure::panic(panics::payload_text(&*payload))))
        });
        match outcome {
            Ok(code) => code,
            Err(failure) => {
                if !failure.message().is_empty() {
                    console.complain(failure.message());
                }
                tell_code(&console, failure.code());
                failure.code()
            }
        }
    }
}

/// Prints the code and its name, as every way out does that is not success.
pub(crate) fn tell_code(console: &Console, code: ExitCode) {
    if code != ExitCode::Passed {
        console.say(&format!("exit code {code}"));
    }
}

/// Ends the process because the user wants no more of it: what it was at is lost.
pub(crate) fn leave_at_once(console: &Console) -> ! {
    console.status("");
    tell_code(console, ExitCode::StoppedBySignal);
    std::process::exit(i32::from(ExitCode::StoppedBySignal.code()))
}

/// A controller beside the run is no more interesting than its threads.
const BESIDE_THE_RUN: &str = "info,loadgen_controller=warn";

/// What the controller tells of a run is enough for whoever started all of it, but for what only the worker knows.
const OF_A_RUN: &str = "warn,loadgen::execution=info";

/// Where telemetry goes; nowhere for commands that make no load in this process or its own.
///
/// # Errors
/// When a variable cannot be understood.
fn settings(command: &Command) -> Result<Settings, SettingsError> {
    let sends = match command {
        Command::Run(args) => args.cluster.controller.is_none(),
        Command::Http(_) | Command::Worker(_) => true,
        Command::Controller(args) => args.command.is_none(),
        _ => false,
    };
    if !sends {
        return Ok(Settings::off());
    }
    Settings::from_variables(|name| std::env::var(name).ok())
}

/// Tells what the variables say without effect. A worker of a run's own has those of whoever started it.
fn warn(process: &Process, command: &Command) {
    if matches!(command, Command::Worker(args) if args.until_stdin_ends) {
        return;
    }
    for warning in process.settings.warnings() {
        tracing::warn!("{warning}");
    }
}

/// What this process is called as a part of runs; a worker says that itself.
fn process_name(command: &Command) -> Option<&'static str> {
    let of_run = |workers: Option<u32>| if workers.is_some() { CONTROLLER } else { LOCAL };
    match command {
        Command::Run(args) if args.cluster.controller.is_some() => None,
        Command::Run(args) => Some(of_run(args.cluster.workers)),
        Command::Http(args) => Some(of_run(args.workers)),
        Command::Controller(_) => Some(CONTROLLER),
        _ => None,
    }
}

/// The side that conducts a run.
const CONTROLLER: &str = "controller";
/// The one worker of a run in this process, and its conductor.
pub(crate) const LOCAL: &str = "local";

fn dispatch(process: &Process, command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(args) => commands::run::run(process, args),
        Command::Http(args) => commands::http::http(process, args),
        Command::Controller(args) => commands::controller::controller(process, args),
        Command::Worker(args) => commands::worker::worker(process, args),
        Command::Status(args) => commands::status::status(args),
        Command::Stop(args) => commands::steer::stop(process, args),
        Command::SetRate(args) => commands::steer::set_rate(process, args),
        Command::Pause(args) => commands::steer::pause(process, args),
        Command::Resume(args) => commands::steer::resume(process, args),
        Command::Drain(args) => commands::steer::drain(process, args),
        Command::Validate(args) => commands::validate::validate(process, args),
        Command::Plan(args) => commands::plan::plan(process, args),
        Command::Schema(args) => commands::schema::schema(args),
        Command::New(args) => commands::new::new(process, args),
        Command::DemoTarget(args) => commands::demo_target::demo_target(process, args),
        Command::Limits(args) => commands::limits::limits(args),
        Command::Selftest(args) => commands::selftest::selftest(process, args),
        Command::Completions(args) => commands::completions::completions(args),
    }
}

/// Arguments that say nothing to do: help and version are asked for, all else is a mistake.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // Nobody is left to tell when stderr is gone.
        let _ = error.print();
        tell_code(&Console::stderr(true, false), ExitCode::Usage);
        return ExitCode::Usage;
    }
    match print_to_stdout(&error.render().to_string()) {
        Ok(()) => ExitCode::Passed,
        Err(error) => {
            let console = Console::stderr(true, false);
            console.complain(&format!("cannot print the help: {error}"));
            tell_code(&console, ExitCode::InternalError);
            ExitCode::InternalError
        }
    }
}
