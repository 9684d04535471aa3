//! What a worker has to show: from the flags, and from what it kept of earlier lives.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use net::WallTime;
use net::identity::{Fingerprint, Secret};
use net::tls::{Authorities, Trust};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use worker::{Credentials, Issued, Keep};

use super::JOIN_TOKEN_VARIABLE;
use crate::args::WorkerArgs;
use crate::failure::Failure;
use crate::remote::chain;
use crate::secrets::{self, SecretError};

/// The folder of a worker, which no other worker uses meanwhile.
#[derive(Debug)]
pub(super) struct WorkerState {
    folder: PathBuf,
    _lock: File,
}

/// Why a worker's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerStateError {
    /// It, or a file in it, cannot be used.
    #[error(transparent)]
    File(#[from] SecretError),
    /// Another worker has it.
    #[error("another worker of this name runs with the state in `{}`; give this one another --name", .0.display())]
    InUse(PathBuf),
    /// What is in it is no certificate.
    #[error("`{}` is damaged; remove it, and join anew with a token", .0.display())]
    Damaged(PathBuf),
}

/// An issued certificate as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    certificate_pem: String,
    key_pem: String,
    authority_pem: String,
}

impl WorkerState {
    /// Takes the folder, made where there is none.
    ///
    /// # Errors
    /// When it cannot be made, is open to others, or another worker has it.
    pub(super) fn open(folder: &Path) -> Result<Self, WorkerStateError> {
        secrets::private_folder(folder)?;
        let lock = secrets::lock_file(&folder.join("running.lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| WorkerStateError::InUse(folder.to_owned()))?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// The certificate that was issued to it and still counts.
    fn issued(&self) -> Result<Option<Issued>, WorkerStateError> {
        let path = self.folder.join(ISSUED);
        let Some(text) = secrets::read_private(&path)? else { return Ok(None) };
        let kept: Kept =
            serde_json::from_slice(&text).map_err(|_| WorkerStateError::Damaged(path.clone()))?;
        let Kept { certificate_pem, key_pem, authority_pem } = kept;
        let issued = Issued { certificate_pem, key_pem: Secret::new(key_pem), authority_pem };
        let identity = issued.identity().map_err(|_| WorkerStateError::Damaged(path))?;
        let counts = WallTime::now() < identity.facts().not_after;
        Ok(counts.then_some(issued))
    }

    fn keep(&self) -> Keep {
        let path = self.folder.join(ISSUED);
        Keep::with(move |issued| {
            let kept = Kept {
                certificate_pem: issued.certificate_pem.clone(),
                key_pem: issued.key_pem.expose().to_owned(),
                authority_pem: issued.authority_pem.clone(),
            };
            let text = serde_json::to_vec_pretty(&kept)?;
            secrets::replace(&path, &text).map_err(io::Error::other)
        })
    }
}

/// What a worker shows by its flags and, unless it needs none, its `state`; and where it keeps what it is issued.
///
/// # Errors
/// When a file cannot be read, or there is nothing to show.
pub(super) fn of(args: &WorkerArgs, state: Option<&WorkerState>) -> Result<(Credentials, Keep), Failure> {
    let Some(state) = state else { return Ok((Credentials::Insecure, Keep::nothing())) };
    let trust = trust(args)?;
    if let (Some(chain), Some(key), Some(trust)) = (&args.tls_cert, &args.tls_key, &trust) {
        let key_pem =
            secrets::read_private(key).map_err(Failure::invalid)?.and_then(|pem| String::from_utf8(pem).ok());
        let missing = || Failure::invalid(format!("`{}` holds no private key", key.display()));
        let own = Credentials::Own {
            chain_pem: secrets::read_certificate(chain).map_err(Failure::invalid)?,
            key_pem: Secret::new(key_pem.ok_or_else(missing)?),
            trust: trust.clone(),
        };
        return Ok((own, Keep::nothing()));
    }
    if let Some(issued) = state.issued().map_err(Failure::invalid)? {
        return Ok((Credentials::Issued { issued, trust }, state.keep()));
    }
    let token = token(args)?.ok_or_else(|| {
        Failure::invalid(format!(
            "this worker has no certificate yet; give a join token with --token-file FILE or {JOIN_TOKEN_VARIABLE}, as \
             `loadgen controller token join` makes one"
        ))
    })?;
    let trust = trust.ok_or_else(|| {
        Failure::invalid(
            "nothing is trusted to be the controller; give its authority with --ca-fingerprint HEX or --ca FILE, which \
             `loadgen controller` prints",
        )
    })?;
    Ok((Credentials::Join { token, trust }, state.keep()))
}

fn trust(args: &WorkerArgs) -> Result<Option<Trust>, Failure> {
    if let Some(text) = &args.ca_fingerprint {
        return text.parse::<Fingerprint>().map(Trust::Fingerprint).map(Some).map_err(Failure::invalid);
    }
    let Some(file) = &args.ca else { return Ok(None) };
    let pem = secrets::read_certificate(file).map_err(Failure::invalid)?;
    let authorities = Authorities::from_pem(&pem);
    let named = |error| Failure::invalid(format!("`{}`: {}", file.display(), chain(&error)));
    authorities.map(Trust::Authorities).map(Some).map_err(named)
}

fn token(args: &WorkerArgs) -> Result<Option<Secret>, Failure> {
    if let Some(file) = &args.token_file {
        let token = match file.to_str() {
            Some("-") => secrets::token_from(io::stdin().lock(), Path::new("stdin")),
            _ => secrets::read_token(file),
        };
        return token.map(Some).map_err(Failure::invalid);
    }
    let given = std::env::var(JOIN_TOKEN_VARIABLE).ok().filter(|token| !token.trim().is_empty());
    Ok(given.map(|token| Secret::new(token.trim())))
}

/// The issued certificate with its key and authority.
const ISSUED: &str = "issued.json";
