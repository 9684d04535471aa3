//! What people and pipelines show to the HTTP API.
//!
//! A token is random and is kept as its SHA-256 only: who reads the controller's state can use none. Its id is no secret;
//! it stands in the log and in the annotation of everything that was changed with it.
//!
//! ```text
//! lga1_<id: 12 hexadecimal digits>_<secret: 64 hexadecimal digits>
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};

use crate::identity::Secret;
use crate::{WallTime, hex};

/// What every API token begins with.
pub const PREFIX: &str = "lga1_";

/// What a token is good for; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at runs, workers and results.
    Observe,
    /// Start, change and stop runs.
    Run,
    /// Drain and revoke workers, make and revoke tokens.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Observe, Self::Run, Self::Admin];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Run => "run",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role; there are observe, run and admin")]
pub struct RoleError(String);

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(name: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| RoleError(name.to_owned()))
    }
}

/// Who calls, once the token was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's id.
    pub token: String,
    /// What it is good for.
    pub role: Role,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiTokenError {
    /// It is no token.
    #[error("this is no API token; give the whole text that begins with `{PREFIX}`")]
    Malformed,
    /// It is none of ours, or not any more. Which of both, a stranger need not know.
    #[error("the API token is not known here; ask the controller's operator for one")]
    Unknown,
    /// It may do less.
    #[error("the API token {token} may {has}, and this needs {needs}; ask for a token of that role")]
    Role {
        /// The token's id.
        token: String,
        /// What it is good for.
        has: Role,
        /// What is needed.
        needs: Role,
    },
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

impl Caller {
    /// Says whether the caller may do what needs `role`.
    ///
    /// # Errors
    /// When its token is good for less.
    pub fn may(&self, role: Role) -> Result<(), ApiTokenError> {
        if self.role >= role {
            return Ok(());
        }
        Err(ApiTokenError::Role { token: self.token.clone(), has: self.role, needs: role })
    }
}

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownToken {
    role: Role,
    made: WallTime,
    /// From when on it counts no more; `None` for one that counts until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<WallTime>,
    /// SHA-256 of its secret, in hexadecimal.
    sha256: String,
}

/// The tokens that count. The caller keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenSet {
    tokens: BTreeMap<String, KnownToken>,
}

impl TokenSet {
    /// Makes a token that counts until it is revoked: its id, and the text, which cannot be had again.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn create(&mut self, role: Role, now: WallTime) -> Result<(String, Secret), ApiTokenError> {
        self.create_until(role, now, None)
    }

    /// The same, for a token that counts no more from `expires` on.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn create_until(
        &mut self,
        role: Role,
        now: WallTime,
        expires: Option<WallTime>,
    ) -> Result<(String, Secret), ApiTokenError> {
        let (mut id, mut secret) = ([0; 6], [0; 32]);
        let random = SystemRandom::new();
        random.fill(&mut id).and_then(|()| random.fill(&mut secret)).map_err(|_| ApiTokenError::Random)?;
        let id = hex::encode(&id);
        let text = Secret::new(format!("{PREFIX}{id}_{}", hex::encode(&secret)));
        self.tokens.insert(id.clone(), KnownToken { role, made: now, expires, sha256: sha256(&secret) });
        Ok((id, text))
    }

    /// Lets a token count no more. Says whether it did.
    pub fn revoke(&mut self, id: &str) -> bool {
        self.tokens.remove(id).is_some()
    }

    /// The tokens that were made and not revoked: id, role, when it was made, and from when on it counts no more.
    pub fn list(&self) -> impl Iterator<Item = (&str, Role, WallTime, Option<WallTime>)> {
        self.tokens.iter().map(|(id, token)| (id.as_str(), token.role, token.made, token.expires))
    }

    /// Checks a token that somebody shows now.
    ///
    /// # Errors
    /// When the text is no token, or none that counts.
    pub fn verify(&self, text: &str) -> Result<Caller, ApiTokenError> {
        self.verify_at(text, WallTime::now())
    }

    /// Checks a token that somebody shows at `now`. The comparison takes the same time whatever the secret is.
    ///
    /// # Errors
    /// When the text is no token, or none that counts.
    fn verify_at(&self, text: &str, now: WallTime) -> Result<Caller, ApiTokenError> {
        let (id, secret) = text
            .trim()
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(ApiTokenError::Malformed)?;
        hex::decode::<6>(id).ok_or(ApiTokenError::Malformed)?;
        let secret = hex::decode::<32>(secret).ok_or(ApiTokenError::Malformed)?;
        let known = self.tokens.get(id).ok_or(ApiTokenError::Unknown)?;
        // Comparing two MACs under one key is comparing what they are of, in constant time.
        let key = hmac::Key::new(hmac::HMAC_SHA256, id.as_bytes());
        let expected = hmac::sign(&key, known.sha256.as_bytes());
        hmac::verify(&key, sha256(&secret).as_bytes(), expected.as_ref())
            .map_err(|_| ApiTokenError::Unknown)?;
        if known.expires.is_some_and(|expires| now >= expires) {
            return Err(ApiTokenError::Unknown);
        }
        Ok(Caller { token: id.to_owned(), role: known.role })
    }
}

/// The tokens in force, shared by all requests: a change counts from the next one on.
#[derive(Clone, Debug, Default)]
pub struct TokenList(Arc<RwLock<TokenSet>>);

impl TokenList {
    /// Puts other tokens in force.
    pub fn replace(&self, tokens: TokenSet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    /// As [`TokenSet::verify`].
    ///
    /// # Errors
    /// When the text is no token, or none that counts.
    pub fn verify(&self, text: &str) -> Result<Caller, ApiTokenError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).verify(text)
    }
}

impl From<TokenSet> for TokenList {
    fn from(tokens: TokenSet) -> Self {
        Self(Arc::new(RwLock::new(tokens)))
    }
}

fn sha256(secret: &[u8; 32]) -> String {
    hex::encode(digest::digest(&digest::SHA256, secret).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_unix(1_795_267_715);

    #[test]
    fn a_token_is_known_by_its_secret_and_kept_without_it() {
        let mut tokens = TokenSet::default();
        let (id, text) = tokens.create(Role::Run, NOW).unwrap();
        assert!(text.expose().starts_with(&format!("lga1_{id}_")));
        assert_eq!(tokens.verify(text.expose()), Ok(Caller { token: id.clone(), role: Role::Run }));

        let kept = serde_json::to_string(&tokens).unwrap();
        let secret = text.expose().rsplit('_').next().unwrap();
        assert!(!kept.contains(secret) && !format!("{tokens:?}{text:?}").contains(secret));
        let tokens: TokenSet = serde_json::from_str(&kept).unwrap();
        assert!(tokens.verify(text.expose()).is_ok());
        assert_eq!(tokens.list().collect::<Vec<_>>(), [(id.as_str(), Role::Run, NOW, None)]);
    }

    #[test]
    fn a_token_with_any_bit_flipped_counts_nothing() {
        let mut tokens = TokenSet::default();
        let (_, text) = tokens.create(Role::Admin, NOW).unwrap();
        for bit in 0..8 * text.expose().len() {
            let mut bytes = text.expose().as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(damaged) = String::from_utf8(bytes) {
                assert!(tokens.verify(&damaged).is_err(), "{damaged}");
            }
        }
    }

    #[test]
    fn a_revoked_token_and_one_of_another_controller_are_unknown() {
        let (mut tokens, mut others) = (TokenSet::default(), TokenSet::default());
        let (id, text) = tokens.create(Role::Observe, NOW).unwrap();
        let (_, foreign) = others.create(Role::Admin, NOW).unwrap();
        assert_eq!(tokens.verify(foreign.expose()), Err(ApiTokenError::Unknown));
        assert!(tokens.revoke(&id) && !tokens.revoke(&id));
        assert_eq!(tokens.verify(text.expose()), Err(ApiTokenError::Unknown));
        assert_eq!(tokens.verify("Bearer x"), Err(ApiTokenError::Malformed));
    }

    #[test]
    fn a_token_counts_until_it_expires() {
        let mut tokens = TokenSet::default();
        let end = NOW.after(units::Nanos::from_secs(60));
        let (_, text) = tokens.create_until(Role::Run, NOW, Some(end)).unwrap();
        let kept = serde_json::to_string(&tokens).unwrap();
        let tokens: TokenSet = serde_json::from_str(&kept).unwrap();
        let last = end.before(units::Nanos::SECOND);
        assert!(
            tokens.verify_at(text.expose(), NOW).is_ok() && tokens.verify_at(text.expose(), last).is_ok()
        );
        assert_eq!(tokens.verify_at(text.expose(), end), Err(ApiTokenError::Unknown));
    }

    #[test]
    fn a_change_of_the_tokens_counts_for_whoever_shares_them() {
        let mut tokens = TokenSet::default();
        let (id, text) = tokens.create(Role::Run, NOW).unwrap();
        let list = TokenList::from(tokens.clone());
        let shared = list.clone();
        assert!(shared.verify(text.expose()).is_ok());
        tokens.revoke(&id);
        list.replace(tokens);
        assert_eq!(shared.verify(text.expose()), Err(ApiTokenError::Unknown));
    }

    #[test]
    fn a_role_may_do_what_those_below_it_may() {
        for has in Role::ALL {
            for needs in Role::ALL {
                let caller = Caller { token: "0011".to_owned(), role: has };
                assert_eq!(caller.may(needs).is_ok(), has as u8 >= needs as u8, "{has} {needs}");
            }
            assert_eq!(has.name().parse(), Ok(has));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
