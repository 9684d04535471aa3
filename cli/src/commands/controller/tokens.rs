//! `loadgen controller token …` and `certificate …`: who may join, ask and go on.
//!
//! All of it changes the controller's folder; one that serves with it looks at it again within a second.

use std::path::Path;

use anyhow::Context as _;
use api::ExitCode;
use net::api_token::Role;
use net::identity::{Secret, check_worker_name};
use net::join_token::JoinGrant;
use report::figures::count;

use crate::app::Process;
use crate::args::{ApiTokenArgs, CertificateCommand, JoinTokenArgs, ListingFormat, RoleArg, TokenCommand};
use crate::console::print_to_stdout;
use crate::failure::Failure;
use crate::{secrets, state};

/// Does what was asked for with the tokens of the controller in `folder`.
pub(super) fn tokens(process: &Process, command: &TokenCommand, folder: &Path) -> Result<ExitCode, Failure> {
    match command {
        TokenCommand::Join(args) => join(process, args, folder),
        TokenCommand::Api(args) => api(process, args, folder),
        TokenCommand::List(args) => list(args.format, folder),
        TokenCommand::Revoke(args) => {
            if !state::revoke_api_token(folder, &args.id).map_err(Failure::invalid)? {
                let message = format!(
                    "there is no token `{}`; `loadgen controller token list` shows which there are",
                    args.id
                );
                return Err(Failure::invalid(message));
            }
            process.console.say(&format!("token {} counts no more", args.id));
            Ok(ExitCode::Passed)
        }
    }
}

/// Does what was asked for with the certificates of the controller in `folder`.
pub(super) fn certificates(
    process: &Process,
    command: &CertificateCommand,
    folder: &Path,
) -> Result<ExitCode, Failure> {
    let CertificateCommand::Revoke(args) = command;
    check_worker_name(&args.worker).map_err(Failure::invalid)?;
    state::revoke_worker(folder, &args.worker).map_err(Failure::invalid)?;
    process.console.say(&format!("certificates of worker {} count no more", args.worker));
    Ok(ExitCode::Passed)
}

fn join(process: &Process, args: &JoinTokenArgs, folder: &Path) -> Result<ExitCode, Failure> {
    let grant = JoinGrant { uses: args.uses, validity: args.ttl, workers: args.name.clone() };
    let (id, token) = state::make_join_token(folder, grant).map_err(Failure::invalid)?;
    hand_out(&token, args.out.as_deref())?;
    let workers =
        if args.uses == 1 { "1 worker".to_owned() } else { format!("{} workers", count(args.uses.into())) };
    process.console.say(&format!("join token {id}, good for {workers} within {}", args.ttl));
    Ok(ExitCode::Passed)
}

fn api(process: &Process, args: &ApiTokenArgs, folder: &Path) -> Result<ExitCode, Failure> {
    let role = match args.role {
        RoleArg::Observe => Role::Observe,
        RoleArg::Run => Role::Run,
        RoleArg::Admin => Role::Admin,
    };
    let (id, token) = state::make_api_token(folder, role, args.ttl).map_err(Failure::invalid)?;
    hand_out(&token, args.out.as_deref())?;
    let until =
        args.ttl.map_or_else(|| "good until it is revoked".to_owned(), |ttl| format!("good for {ttl}"));
    process.console.say(&format!("API token {id} of role {role}, {until}"));
    Ok(ExitCode::Passed)
}

/// Writes a token where it was asked for. It cannot be had again.
fn hand_out(token: &Secret, out: Option<&Path>) -> Result<(), Failure> {
    let text = format!("{}\n", token.expose());
    match out {
        Some(file) => secrets::create(file, &text).map_err(Failure::invalid),
        None => Ok(print_to_stdout(&text).context("cannot print the token")?),
    }
}

fn list(format: ListingFormat, folder: &Path) -> Result<ExitCode, Failure> {
    let admission = state::Admission::read(folder).map_err(Failure::invalid)?;
    let text = match format {
        ListingFormat::Text => {
            let mut text = format!("{:<14} {:<8} {:<21} expires\n", "id", "role", "made");
            for (id, role, made, expires) in admission.tokens.list() {
                let (made, expires) = (made.to_string(), expires.map_or("-".to_owned(), |at| at.to_string()));
                text.push_str(&format!("{id:<14} {:<8} {made:<21} {expires}\n", role.name()));
            }
            text
        }
        ListingFormat::Json => {
            let rows = admission.tokens.list().map(|(id, role, made, expires)| {
                let (made, expires) = (made.to_string(), expires.map(|at| at.to_string()));
                serde_json::json!({ "id": id, "role": role.name(), "made_at": made, "expires_at": expires })
            });
            let rows: Vec<_> = rows.collect();
            serde_json::to_string_pretty(&rows).context("cannot write the list")? + "\n"
        }
    };
    print_to_stdout(&text).context("cannot print the tokens")?;
    Ok(ExitCode::Passed)
}
