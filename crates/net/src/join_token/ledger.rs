//! How often join tokens were used, and for whom.

use std::collections::{BTreeMap, BTreeSet};

use ring::digest;
use serde::{Deserialize, Serialize};

use super::{JoinToken, JoinTokenError};
use crate::{WallTime, hex};

/// Counts the uses of join tokens. Pure: whoever keeps it, keeps it beside the key that signs the tokens.
///
/// It also knows which names have a certificate. A token that is good for any name is good for new ones only: who may
/// add a worker may not become one that is there. One whose pattern was made for a name may have it anew, for a worker
/// that lost its key. What ended is forgotten, so the ledger holds no more than what is good at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLedger {
    used: BTreeMap<String, Used>,
    /// Names of workers, with the end of the last certificate of each.
    #[serde(default)]
    named: BTreeMap<String, WallTime>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    expires: WallTime,
    /// Digests of the requests it paid for, with the names they were for.
    requests: BTreeSet<String>,
}

impl TokenLedger {
    /// Pays for the request of a certificate for `worker`, which counts until `until`, with a verified token. The same
    /// request for the same name is not paid again: a worker whose answer was lost asks once more, and a stranger who
    /// copied it has no key for what comes back.
    ///
    /// # Errors
    /// When the token was used as often as it may be, has ended, or is not meant for a name that has a certificate.
    pub fn redeem(
        &mut self,
        token: &JoinToken,
        worker: &str,
        request: &[u8],
        now: WallTime,
        until: WallTime,
    ) -> Result<(), JoinTokenError> {
        self.forget(now);
        if now >= token.expires {
            return Err(JoinTokenError::Expired { id: token.id.clone(), expired: token.expires, now });
        }
        let asked = [worker.as_bytes(), b"\n", request].concat();
        let asked = hex::encode(digest::digest(&digest::SHA256, &asked).as_ref());
        let used = self.used.get(&token.id).map_or(&NONE, |used| &used.requests);
        if used.contains(&asked) {
            return Ok(());
        }
        if used.len() >= token.uses as usize {
            return Err(JoinTokenError::UsedUp { id: token.id.clone(), uses: token.uses });
        }
        if let Some(until) = self.named.get(worker).filter(|_| token.workers.is_none()) {
            let (id, worker) = (token.id.clone(), worker.to_owned());
            return Err(JoinTokenError::Taken { id, worker, until: *until });
        }
        let used = self.used.entry(token.id.clone());
        let used = used.or_insert_with(|| Used { expires: token.expires, requests: BTreeSet::new() });
        used.requests.insert(asked);
        self.named.insert(worker.to_owned(), until);
        Ok(())
    }

    /// Takes note that the certificate of `worker` was renewed, and counts until `until`.
    pub fn renewed(&mut self, worker: &str, now: WallTime, until: WallTime) {
        self.forget(now);
        self.named.insert(worker.to_owned(), until);
    }

    fn forget(&mut self, now: WallTime) {
        self.used.retain(|_, used| now < used.expires);
        self.named.retain(|_, until| now < *until);
    }

    /// How often a token was used.
    pub fn uses(&self, token_id: &str) -> usize {
        self.used.get(token_id).map_or(0, |used| used.requests.len())
    }
}

static NONE: BTreeSet<String> = BTreeSet::new();
