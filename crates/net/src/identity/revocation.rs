//! Certificates that count no more although they have not ended.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::CertificateFacts;

/// What is revoked: single certificates, and workers whatever certificate they have. The caller keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocations {
    /// Serials of certificates, in hexadecimal.
    pub serials: BTreeSet<String>,
    /// Names of workers.
    pub workers: BTreeSet<String>,
}

impl Revocations {
    /// Whether this certificate counts no more.
    pub fn covers(&self, certificate: &CertificateFacts) -> bool {
        self.serials.contains(&certificate.serial)
            || certificate.worker.as_ref().is_some_and(|worker| self.workers.contains(worker))
    }
}

/// The revocations in force, shared by all handshakes: a change counts from the next one on.
#[derive(Clone, Debug, Default)]
pub struct RevocationList(Arc<RwLock<Revocations>>);

impl RevocationList {
    /// Shares `revocations`.
    pub fn new(revocations: Revocations) -> Self {
        Self(Arc::new(RwLock::new(revocations)))
    }

    /// Puts other revocations in force.
    pub fn replace(&self, revocations: Revocations) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = revocations;
    }

    /// Whether this certificate counts no more.
    pub fn covers(&self, certificate: &CertificateFacts) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).covers(certificate)
    }

    /// Whether nobody may be this worker.
    pub fn covers_worker(&self, worker: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).workers.contains(worker)
    }
}
