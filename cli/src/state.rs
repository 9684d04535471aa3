//! What a controller keeps in its folder: who it is, the authority it signs with, and which tokens count.
//!
//! Every file is its owner's alone and is replaced whole. The first start makes all of it; commands that make or revoke
//! tokens change the same files, also while a controller serves with them, which then looks at them again.

use std::fs::File;
use std::path::{Path, PathBuf};

use control::{ClusterId, Epoch};
use net::WallTime;
use net::api_token::{Role, TokenSet};
use net::identity::{Authority, Revocations, Secret};
use net::join_token::{JoinGrant, JoinKey, JoinToken, TokenLedger};
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use units::Nanos;

use crate::remote::chain;
use crate::secrets::{self, SecretError};

/// Where state is unless a flag says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    /// The controller's.
    pub(crate) controller: PathBuf,
    base: PathBuf,
}

impl Folders {
    /// Below `XDG_STATE_HOME`, or the user's `~/.local/state`; below the present folder for a user without a home.
    pub(crate) fn of_user() -> Self {
        Self::of(|name| std::env::var_os(name).map(PathBuf::from))
    }

    fn of(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let absolute = |name| variable(name).filter(|path| path.is_absolute());
        let base = absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
            .map_or_else(|| PathBuf::from("loadgen-state"), |base| base.join("loadgen"));
        Self { controller: base.join("controller"), base }
    }

    /// The one of the worker `name`, which is a name and no path.
    pub(crate) fn worker(&self, name: &str) -> PathBuf {
        self.base.join(format!("worker-{name}"))
    }
}

/// The state of a controller cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// A file or the folder cannot be used.
    #[error(transparent)]
    File(#[from] SecretError),
    /// A controller serves with it already.
    #[error("another controller serves with the state in `{}`; stop it, or choose another folder with --state", .0.display())]
    InUse(PathBuf),
    /// There is none yet.
    #[error("there is no controller's state in `{}`; start `loadgen controller` once, or name its folder with --state", .0.display())]
    Missing(PathBuf),
    /// A file of it holds something else.
    #[error("`{}` is damaged: {why}; restore it, or remove the folder to begin anew: every worker joins anew then", path.display())]
    Damaged { path: PathBuf, why: String },
    /// The system has no randomness, or a wish is out of range.
    #[error("{0}")]
    Make(String),
}

/// The right to serve with a state; given back when dropped.
#[derive(Debug)]
pub(crate) struct StateLock {
    _file: File,
}

/// Everything a controller keeps, while it serves with it: nobody else does meanwhile.
#[derive(Debug)]
pub(crate) struct ControllerState {
    /// The cluster.
    pub(crate) cluster: ClusterId,
    /// This life of the controller: higher than all before it.
    pub(crate) epoch: Epoch,
    /// What signs certificates.
    pub(crate) authority: Authority,
    /// What signs join tokens.
    pub(crate) join_key: JoinKey,
    /// How often they were used.
    pub(crate) ledger: TokenLedger,
    /// Tokens of the API that count.
    pub(crate) tokens: TokenSet,
    /// Certificates that do not.
    pub(crate) revocations: Revocations,
    /// Keeps others from serving with it.
    pub(crate) lock: StateLock,
}

impl ControllerState {
    /// Takes the state in `folder`, made anew where there is none, for a controller that serves from now on.
    ///
    /// # Errors
    /// When it is in use, damaged, open to others or cannot be written.
    pub(crate) fn open(folder: &Path) -> Result<Self, StateError> {
        secrets::private_folder(folder)?;
        let lock = lock(&folder.join("serving.lock"), FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StateError::InUse(folder.to_owned()))?;
        let _editing = editing(folder)?;
        if !folder.join(CLUSTER).exists() {
            create(folder)?;
        }
        let epoch = Epoch(read_number(&folder.join(EPOCH))? + 1);
        secrets::replace(&folder.join(EPOCH), format!("{}\n", epoch.0).as_bytes())?;
        let authority = Authority::from_pem(
            &needed(&folder.join(AUTHORITY_CERTIFICATE))?,
            &needed(&folder.join(AUTHORITY_KEY))?,
        );
        Ok(Self {
            cluster: cluster(folder)?,
            epoch,
            authority: authority.map_err(damaged(&folder.join(AUTHORITY_CERTIFICATE)))?,
            join_key: join_key(folder)?,
            ledger: read_json(&folder.join(LEDGER))?,
            tokens: read_json(&folder.join(TOKENS))?,
            revocations: read_json(&folder.join(REVOCATIONS))?,
            lock: StateLock { _file: lock },
        })
    }
}

/// Writes down how often join tokens were used, for the controller that serves with `folder`.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn keep_ledger(folder: &Path, ledger: &TokenLedger) -> Result<(), StateError> {
    write_json(&folder.join(LEDGER), ledger)
}

/// What commands can change beside a controller that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// Tokens of the API that count.
    pub(crate) tokens: TokenSet,
    /// Certificates that do not.
    pub(crate) revocations: Revocations,
}

impl Admission {
    /// What is in `folder` now.
    ///
    /// # Errors
    /// When there is no such state or it cannot be read.
    pub(crate) fn read(folder: &Path) -> Result<Self, StateError> {
        existing(folder)?;
        let _editing = editing(folder)?;
        Ok(Self {
            tokens: read_json(&folder.join(TOKENS))?,
            revocations: read_json(&folder.join(REVOCATIONS))?,
        })
    }
}

/// Makes a join token of the cluster in `folder`: its ID and its text.
///
/// # Errors
/// When there is no such state or the grant is out of range.
pub(crate) fn make_join_token(folder: &Path, grant: JoinGrant) -> Result<(String, Secret), StateError> {
    existing(folder)?;
    let cluster = cluster(folder)?.to_string();
    let issued = JoinToken::issue(&join_key(folder)?, &cluster, grant, WallTime::now());
    let (token, text) = issued.map_err(|error| StateError::Make(error.to_string()))?;
    Ok((token.id, text))
}

/// Makes an API token that counts from now on, for `ttl` or until it is revoked: its ID and its text.
///
/// # Errors
/// When there is no such state or it cannot be written.
pub(crate) fn make_api_token(
    folder: &Path,
    role: Role,
    ttl: Option<Nanos>,
) -> Result<(String, Secret), StateError> {
    existing(folder)?;
    let _editing = editing(folder)?;
    let mut tokens: TokenSet = read_json(&folder.join(TOKENS))?;
    let now = WallTime::now();
    let made = tokens.create_until(role, now, ttl.map(|ttl| now.after(ttl)));
    let made = made.map_err(|error| StateError::Make(error.to_string()))?;
    write_json(&folder.join(TOKENS), &tokens)?;
    Ok(made)
}

/// Lets an API token count no more; says whether it did.
///
/// # Errors
/// When there is no such state or it cannot be written.
pub(crate) fn revoke_api_token(folder: &Path, id: &str) -> Result<bool, StateError> {
    existing(folder)?;
    let _editing = editing(folder)?;
    let mut tokens: TokenSet = read_json(&folder.join(TOKENS))?;
    let did_count = tokens.revoke(id);
    if did_count {
        write_json(&folder.join(TOKENS), &tokens)?;
    }
    Ok(did_count)
}

/// Lets the certificates of a worker count no more.
///
/// # Errors
/// When there is no such state or it cannot be written.
pub(crate) fn revoke_worker(folder: &Path, worker: &str) -> Result<(), StateError> {
    existing(folder)?;
    let _editing = editing(folder)?;
    let mut revocations: Revocations = read_json(&folder.join(REVOCATIONS))?;
    revocations.workers.insert(worker.to_owned());
    write_json(&folder.join(REVOCATIONS), &revocations)
}

/// Makes a cluster: the name of it comes last, so that a start that was cut off is made again.
fn create(folder: &Path) -> Result<(), StateError> {
    let make = |error: &dyn std::error::Error| StateError::Make(chain(error));
    let cluster = uuid::Uuid::now_v7().to_string();
    let authority = Authority::create(&cluster, WallTime::now()).map_err(|error| make(&error))?;
    let key = JoinKey::generate().map_err(|error| make(&error))?;
    let mut tokens = TokenSet::default();
    let (_, admin) = tokens.create(Role::Admin, WallTime::now()).map_err(|error| make(&error))?;
    let write = |name, content: &str| secrets::replace(&folder.join(name), content.as_bytes());
    write(AUTHORITY_KEY, authority.key_pem().expose())?;
    write(AUTHORITY_CERTIFICATE, authority.certificate_pem())?;
    write(JOIN_KEY, &format!("{}\n", key.to_text().expose()))?;
    write(ADMIN_TOKEN, &format!("{}\n", admin.expose()))?;
    write_json(&folder.join(TOKENS), &tokens)?;
    write_json(&folder.join(REVOCATIONS), &Revocations::default())?;
    write_json(&folder.join(LEDGER), &TokenLedger::default())?;
    write(EPOCH, "0\n")?;
    write(CLUSTER, &format!("{cluster}\n"))?;
    Ok(())
}

fn existing(folder: &Path) -> Result<(), StateError> {
    if !folder.join(CLUSTER).exists() {
        return Err(StateError::Missing(folder.to_owned()));
    }
    Ok(secrets::private_folder(folder)?)
}

/// Keeps others from changing files at the same time, until the lock is dropped.
fn editing(folder: &Path) -> Result<File, StateError> {
    let path = folder.join("editing.lock");
    Ok(lock(&path, FlockOperation::LockExclusive)?)
}

fn lock(path: &Path, operation: FlockOperation) -> Result<File, SecretError> {
    let file = secrets::lock_file(path)?;
    flock(&file, operation).map_err(|error| SecretError::Io {
        doing: "lock",
        path: path.to_owned(),
        source: error.into(),
    })?;
    Ok(file)
}

fn cluster(folder: &Path) -> Result<ClusterId, StateError> {
    let path = folder.join(CLUSTER);
    let text = needed_text(&path)?;
    text.trim().parse().map(ClusterId).map_err(damaged(&path))
}

fn join_key(folder: &Path) -> Result<JoinKey, StateError> {
    let path = folder.join(JOIN_KEY);
    let key = JoinKey::from_text(&needed_text(&path)?);
    key.ok_or_else(|| StateError::Damaged { path, why: "it holds no key".to_owned() })
}

fn read_number(path: &Path) -> Result<u64, StateError> {
    needed_text(path)?.trim().parse().map_err(damaged(path))
}

fn needed(path: &Path) -> Result<Vec<u8>, StateError> {
    let missing = || StateError::Damaged { path: path.to_owned(), why: "it is not there".to_owned() };
    secrets::read_private(path)?.ok_or_else(missing)
}

fn needed_text(path: &Path) -> Result<String, StateError> {
    String::from_utf8(needed(path)?).map_err(damaged(path))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StateError> {
    serde_json::from_slice(&needed(path)?).map_err(damaged(path))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StateError> {
    let text = serde_json::to_vec_pretty(value).map_err(damaged(path))?;
    Ok(secrets::replace(path, &text)?)
}

fn damaged<E: std::error::Error>(path: &Path) -> impl FnOnce(E) -> StateError + use<E> {
    let path = path.to_owned();
    move |error| StateError::Damaged { path, why: chain(&error) }
}

/// The authority's certificate, which is handed out.
pub(crate) const AUTHORITY_CERTIFICATE: &str = "ca.pem";
/// The administrator's token of the first start.
pub(crate) const ADMIN_TOKEN: &str = "admin.token";
const AUTHORITY_KEY: &str = "ca.key";
const JOIN_KEY: &str = "join.key";
const TOKENS: &str = "tokens.json";
const REVOCATIONS: &str = "revocations.json";
const LEDGER: &str = "join-ledger.json";
const EPOCH: &str = "epoch";
const CLUSTER: &str = "cluster";

#[cfg(test)]
mod tests;
