//! What a new worker shows to get its certificate.
//!
//! A join token is a claim signed by the controller: which cluster, until when, for how many workers and for which
//! names. It holds no secret of the cluster; the [`TokenLedger`] counts its uses, so that a copied token is worth no more
//! than it was.
//!
//! ```text
//! lgj1_<claim: JSON as base64url>.<HMAC-SHA256 of what stands before the dot, as base64url>
//! ```

mod ledger;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use units::Nanos;

pub use ledger::TokenLedger;

use crate::identity::Secret;
use crate::{WallTime, hex};

/// What every join token begins with.
pub const PREFIX: &str = "lgj1_";

/// What a join token says, after its signature was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinToken {
    /// Its name in logs and in the ledger: 16 hexadecimal digits.
    pub id: String,
    /// The cluster it is for.
    pub cluster: String,
    /// How many certificates it is good for, 1 to [`JoinToken::MAX_USES`].
    pub uses: u32,
    /// The second from which on it counts no more.
    pub expires: WallTime,
    /// The names of workers it is good for, `*` standing for any characters; all without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<String>,
}

/// What a join token shall be good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGrant {
    /// How many certificates.
    pub uses: u32,
    /// For how long.
    pub validity: Nanos,
    /// For which names of workers; all without a pattern.
    pub workers: Option<String>,
}

/// Why a join token is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinTokenError {
    /// It is no token.
    #[error("this is no join token; paste the whole text that begins with `{PREFIX}`")]
    Malformed,
    /// It was not signed here, or was changed since.
    #[error(
        "the join token was not made by this controller, or is damaged; ask the controller for a new one"
    )]
    Signature,
    /// It is another cluster's.
    #[error("the join token is for cluster {token}, and this is {here}")]
    Cluster {
        /// The cluster it is for.
        token: String,
        /// This one.
        here: String,
    },
    /// Its time is over.
    #[error("the join token {id} ended at {expired}, and it is {now}; ask the controller for a new one")]
    Expired {
        /// Its name.
        id: String,
        /// When it ended.
        expired: WallTime,
        /// What the controller's calendar shows.
        now: WallTime,
    },
    /// It was used as often as it may be.
    #[error("the join token {id} is used up: it was good for {uses}; ask the controller for a new one")]
    UsedUp {
        /// Its name.
        id: String,
        /// How often it could be used.
        uses: u32,
    },
    /// The name has a certificate, and the token was not made for that name.
    #[error(
        "worker {worker} has a certificate until {until}, and the join token {id} is for new names; start the worker with the folder that holds its certificate, choose another name, or make a token for this one with `loadgen controller token join --name {worker}`"
    )]
    Taken {
        /// Its name.
        id: String,
        /// The name that was asked for.
        worker: String,
        /// When the name's certificate ends.
        until: WallTime,
    },
    /// It is for other workers.
    #[error("the join token {id} is for workers called `{pattern}`, not for `{worker}`")]
    Worker {
        /// Its name.
        id: String,
        /// The names it is for.
        pattern: String,
        /// The name that was asked for.
        worker: String,
    },
}

/// A token cannot be issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// It would be good for nothing, or for too much.
    #[error("a join token is good for 1 to {max} workers, not for {0}", max = JoinToken::MAX_USES)]
    Uses(u32),
    /// It would live too long, or not at all.
    #[error("a join token counts for 1s to {max}, not for {0}", max = JoinToken::MAX_VALIDITY)]
    Validity(Nanos),
    /// The pattern is longer than a name.
    #[error("`{0}` is no pattern for names of workers; use at most 64 of a-z, 0-9, `.`, `_`, `-` and `*`")]
    Pattern(String),
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

/// The key under which a controller signs its join tokens.
pub struct JoinKey([u8; 32]);

impl JoinKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, IssueError> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| IssueError::Random)?;
        Ok(Self(bytes))
    }

    /// Reads a key that [`JoinKey::to_text`] gave; `None` when it is none.
    pub fn from_text(text: &str) -> Option<Self> {
        hex::decode(text.trim()).map(Self)
    }

    /// The key, to be kept where only its owner can read it.
    pub fn to_text(&self) -> Secret {
        Secret::new(hex::encode(&self.0))
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

impl fmt::Debug for JoinKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinKey(…)")
    }
}

impl JoinToken {
    /// The most certificates one token is good for.
    pub const MAX_USES: u32 = 10_000;
    /// The longest a token counts: 7 days.
    pub const MAX_VALIDITY: Nanos = Nanos::from_secs(7 * 86_400);

    /// Makes a token for `cluster`: what it says, and the text to hand to workers.
    ///
    /// # Errors
    /// When the grant is out of range or the system has no randomness.
    pub fn issue(
        key: &JoinKey,
        cluster: &str,
        grant: JoinGrant,
        now: WallTime,
    ) -> Result<(Self, Secret), IssueError> {
        if !(1..=Self::MAX_USES).contains(&grant.uses) {
            return Err(IssueError::Uses(grant.uses));
        }
        if !(Nanos::SECOND..=Self::MAX_VALIDITY).contains(&grant.validity) {
            return Err(IssueError::Validity(grant.validity));
        }
        if let Some(pattern) = grant.workers.as_ref().filter(|pattern| !is_pattern(pattern)) {
            return Err(IssueError::Pattern(pattern.clone()));
        }
        let mut id = [0; 8];
        SystemRandom::new().fill(&mut id).map_err(|_| IssueError::Random)?;
        let token = Self {
            id: hex::encode(&id),
            cluster: cluster.to_owned(),
            uses: grant.uses,
            expires: now.after(grant.validity),
            workers: grant.workers,
        };
        let text = token.signed(key);
        Ok((token, text))
    }

    fn signed(&self, key: &JoinKey) -> Secret {
        let claim = serde_json::to_vec(self).expect("texts and numbers are always JSON");
        let signed = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(claim));
        let tag = hmac::sign(&key.hmac(), signed.as_bytes());
        Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }

    /// Checks a token that a worker shows: that it was made here, for `cluster`, and counts `now`. How often it was used
    /// is the [`TokenLedger`]'s to know.
    ///
    /// # Errors
    /// When it counts nothing here and now. The comparison of signatures takes the same time whatever they are.
    pub fn verify(key: &JoinKey, cluster: &str, text: &str, now: WallTime) -> Result<Self, JoinTokenError> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(JoinTokenError::Malformed);
        }
        let (signed, tag) = text.split_once('.').ok_or(JoinTokenError::Malformed)?;
        let claim = signed.strip_prefix(PREFIX).ok_or(JoinTokenError::Malformed)?;
        // The decoder refuses padding and spare bits, so a token has one spelling.
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| JoinTokenError::Malformed)?;
        hmac::verify(&key.hmac(), signed.as_bytes(), &tag).map_err(|_| JoinTokenError::Signature)?;
        let claim = URL_SAFE_NO_PAD.decode(claim).map_err(|_| JoinTokenError::Malformed)?;
        let token: Self = serde_json::from_slice(&claim).map_err(|_| JoinTokenError::Malformed)?;
        if token.cluster != cluster {
            return Err(JoinTokenError::Cluster { token: token.cluster, here: cluster.to_owned() });
        }
        if now >= token.expires {
            return Err(JoinTokenError::Expired { id: token.id, expired: token.expires, now });
        }
        Ok(token)
    }

    /// Says whether the token is good for a worker of this name.
    ///
    /// # Errors
    /// When its pattern is another.
    pub fn allows(&self, worker: &str) -> Result<(), JoinTokenError> {
        match &self.workers {
            Some(pattern) if !matches(pattern, worker) => Err(JoinTokenError::Worker {
                id: self.id.clone(),
                pattern: pattern.clone(),
                worker: worker.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

fn is_pattern(pattern: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-*".contains(&byte);
    (1..=64).contains(&pattern.len()) && pattern.bytes().all(known)
}

/// Whether `name` is one of those `pattern` stands for: literal but for `*`, which is any characters or none.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, mut rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    while let Some((part, after)) = rest.split_once('*') {
        // The first place is enough: whatever fits after a later one fits after it too.
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
        rest = after;
    }
    name.len() >= rest.len() && name.ends_with(rest)
}

/// Longer texts are no tokens, and do not fit into the message that carries them: a claim has five short fields.
const MAX_TEXT: usize = 512;
