//! `loadgen controller`: a controller that serves workers, people and CI until a signal.

mod tokens;
mod welcome;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use api::ExitCode;
use controller::observe::Telemetry;
use net::deadline::Limits;
use net::identity::Identity;
use net::tls::Authorities;
use telemetry::Board;

use crate::app::{Process, leave_at_once};
use crate::args::{ControllerArgs, ControllerCommand, LimitArg, ServeArgs};
use crate::console::print_to_stdout;
use crate::failure::Failure;
use crate::hosted::{Encryption, Hosted, HostedOptions, OwnCertificates};
use crate::remote::chain;
use crate::secrets;
use crate::signals::Signals;
use crate::state::{Admission, ControllerState, Folders};

/// Serves, or does what was asked for with the controller's state.
pub(crate) fn controller(process: &Process, args: &ControllerArgs) -> Result<ExitCode, Failure> {
    let folder = args.state.clone().unwrap_or_else(|| Folders::of_user().controller);
    match &args.command {
        None => serve(process, &args.serve, &folder),
        Some(ControllerCommand::Token(command)) => tokens::tokens(process, command, &folder),
        Some(ControllerCommand::Certificate(command)) => tokens::certificates(process, command, &folder),
    }
}

/// Serves until a signal.
fn serve(process: &Process, args: &ServeArgs, folder: &Path) -> Result<ExitCode, Failure> {
    let console = process.console.clone();
    let mut signals = Signals::listen(move |count| match count {
        1 => console.say("ending: runs are stopped and workers told; a second signal leaves at once"),
        _ => leave_at_once(&console),
    })
    .context("cannot take signals")?;
    let state = ControllerState::open(folder).map_err(Failure::invalid)?;
    // Workers elsewhere and people find the same folder by its whole path.
    let folder = fs::canonicalize(folder).context("cannot find the folder of the state")?;
    let names = welcome::names(&args.name, [args.listen.ip(), args.api.ip()]);
    let encryption = encryption(args, names.clone())?;
    let hosted = Hosted::start(HostedOptions {
        listen: args.listen,
        api: args.api,
        probe: Some((args.probe, "--probe")),
        encryption,
        max_workers: args.max_workers,
        lease_ttl: args.lease_ttl,
        limits: limits(&args.limit)?,
        state,
        folder: folder.clone(),
        telemetry: Telemetry {
            settings: process.settings.clone(),
            board: Board::new(),
            routes: process.routes.clone(),
        },
    })?;
    let text = welcome::text(&hosted, args, &names, &folder)?;
    print_to_stdout(&text).context("cannot print the addresses")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let is_whole = runtime.context("cannot make a runtime")?.block_on(watch(&hosted, &folder, &mut signals));
    hosted.end();
    if !is_whole {
        return Err(Failure::with(ExitCode::InternalError, "the controller's thread has ended by itself"));
    }
    Ok(ExitCode::Passed)
}

/// Waits for a signal; meanwhile tokens and revocations in `folder` are looked at again and again. Returns whether the
/// controller served to the end.
async fn watch(hosted: &Hosted, folder: &Path, signals: &mut Signals) -> bool {
    let mut known = None;
    loop {
        tokio::select! {
            biased;
            () = signals.next() => return true,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if !hosted.is_serving() {
            return false;
        }
        match Admission::read(folder) {
            Ok(admission) if known.as_ref() != Some(&admission) => {
                hosted.admit(&admission);
                known = Some(admission);
            }
            Ok(_) => {}
            // What counted before goes on to count.
            Err(error) => tracing::warn!("cannot look at tokens and revocations again: {error}"),
        }
    }
}

fn encryption(args: &ServeArgs, names: Vec<String>) -> Result<Encryption, Failure> {
    if args.insecure {
        let exposed = [args.listen, args.api].into_iter().find(|address| !address.ip().is_loopback());
        return match exposed.filter(|_| !args.insecure_bind_anywhere) {
            Some(address) => Err(Failure::invalid(exposure(address))),
            None => Ok(Encryption::None { anywhere: args.insecure_bind_anywhere }),
        };
    }
    let (Some(cert), Some(key), Some(ca)) = (&args.tls_cert, &args.tls_key, &args.tls_ca) else {
        return Ok(Encryption::OfCluster { names });
    };
    let read = |file: &PathBuf| secrets::read_certificate(file).map_err(Failure::invalid);
    let key_pem = secrets::read_private(key).map_err(Failure::invalid)?;
    let key_pem = key_pem.ok_or_else(|| Failure::invalid(format!("there is no file `{}`", key.display())))?;
    let named = |file: &Path, error: &dyn std::error::Error| {
        Failure::invalid(format!("`{}`: {}", file.display(), chain(error)))
    };
    Ok(Encryption::Own(OwnCertificates {
        identity: Identity::from_pem(&read(cert)?, &key_pem).map_err(|error| named(cert, &error))?,
        authorities: Authorities::from_pem(&read(ca)?).map_err(|error| named(ca, &error))?,
    }))
}

fn exposure(address: SocketAddr) -> String {
    format!(
        "--insecure lets whoever reaches {address} send load from its workers; leave --insecure out, listen on \
         127.0.0.1, or say --insecure-bind-anywhere as well"
    )
}

/// The usual limits but for those that were given.
pub(super) fn limits(given: &[LimitArg]) -> Result<Limits, Failure> {
    let given = given.iter().map(|limit| format!("{}={}", limit.name, limit.limit));
    let limits = given.into_iter().try_fold(Limits::default(), |limits, text| limits.overridden(&text));
    limits.map_err(|error| Failure::invalid(chain(&error)))
}

/// Soon enough after a command that made or revoked a token.
const LOOK_EVERY: Duration = Duration::from_secs(1);
