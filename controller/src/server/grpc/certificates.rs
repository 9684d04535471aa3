//! Who gets a certificate.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use control::wire::{CertificateGrant, CertificateRequest};
use control::{ClusterId, WorkerId};
use net::WallTime;
use net::identity::{Authority, AuthorityError, RevocationList, Secret};
use net::join_token::{IssueError, JoinGrant, JoinKey, JoinToken, JoinTokenError, TokenLedger};

/// Keeps the ledger of join tokens and names where a restart of the controller finds it.
pub type KeepLedger = Box<dyn Fn(&TokenLedger) -> io::Result<()> + Send + Sync>;

/// Signs the certificates of workers that have a join token, or a certificate that still counts.
pub struct CertificateDesk {
    cluster: String,
    authority: Authority,
    key: JoinKey,
    revocations: RevocationList,
    ledger: Mutex<TokenLedger>,
    keep: KeepLedger,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertifyError {
    /// The token is of no use.
    #[error(transparent)]
    Token(#[from] JoinTokenError),
    /// The name is revoked.
    #[error("worker {0} is revoked; ask the controller's operator")]
    Revoked(WorkerId),
    /// A certificate can only be renewed for its own name.
    #[error("a certificate of worker {proven} is not renewed for {asked}")]
    Renewal {
        /// The name in the certificate.
        proven: WorkerId,
        /// The name that was asked for.
        asked: WorkerId,
    },
    /// The request cannot be signed.
    #[error("the certificate request cannot be signed: {0}")]
    Request(#[source] AuthorityError),
    /// That the token was used could not be written down.
    #[error("the controller cannot write down that the join token was used: {0}")]
    Keep(#[source] io::Error),
}

impl CertificateDesk {
    /// Opens the desk of one cluster. `ledger` says how often tokens were used in earlier lives of the controller; `keep`
    /// is called with every change of it, before a certificate is handed out.
    pub fn new(
        cluster: ClusterId,
        authority: Authority,
        key: JoinKey,
        revocations: RevocationList,
        ledger: TokenLedger,
        keep: KeepLedger,
    ) -> Self {
        Self { cluster: cluster.to_string(), authority, key, revocations, ledger: Mutex::new(ledger), keep }
    }

    /// Makes a join token for this cluster.
    ///
    /// # Errors
    /// When the grant is out of range or the system has no randomness.
    pub fn issue_token(&self, grant: JoinGrant, now: WallTime) -> Result<(JoinToken, Secret), IssueError> {
        JoinToken::issue(&self.key, &self.cluster, grant, now)
    }

    /// The authority behind the desk.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Signs a request of a worker that has a join token. One without renews the certificate by which the caller has
    /// proven to be `proven`.
    pub(super) fn certify(
        &self,
        request: &CertificateRequest,
        proven: Option<&WorkerId>,
        now: WallTime,
    ) -> Result<CertificateGrant, CertifyError> {
        let worker = &request.worker;
        if self.revocations.covers_worker(worker.as_str()) {
            return Err(CertifyError::Revoked(worker.clone()));
        }
        let sign = || {
            self.authority
                .sign_worker(&request.csr_pem, worker.as_str(), now, Authority::WORKER_VALIDITY)
                .map_err(CertifyError::Request)
        };
        let until = now.after(Authority::WORKER_VALIDITY);
        let certificate_pem = match proven {
            Some(proven) if request.join_token.is_empty() => {
                if proven != worker {
                    let (proven, asked) = (proven.clone(), worker.clone());
                    return Err(CertifyError::Renewal { proven, asked });
                }
                let certificate = sign()?;
                self.note(|ledger| {
                    ledger.renewed(worker.as_str(), now, until);
                    Ok(())
                })?;
                certificate
            }
            _ => {
                let token = JoinToken::verify(&self.key, &self.cluster, &request.join_token, now)?;
                token.allows(worker.as_str())?;
                // A request that cannot be signed costs no use of the token.
                let certificate = sign()?;
                let csr = request.csr_pem.as_bytes();
                self.note(|ledger| ledger.redeem(&token, worker.as_str(), csr, now, until))?;
                certificate
            }
        };
        Ok(CertificateGrant { certificate_pem, authority_pem: self.authority.certificate_pem().to_owned() })
    }

    /// Writes a change of the ledger down, before it counts.
    fn note(
        &self,
        change: impl FnOnce(&mut TokenLedger) -> Result<(), JoinTokenError>,
    ) -> Result<(), CertifyError> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = ledger.clone();
        change(&mut changed)?;
        if changed != *ledger {
            (self.keep)(&changed).map_err(CertifyError::Keep)?;
            *ledger = changed;
        }
        Ok(())
    }
}

impl fmt::Debug for CertificateDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateDesk({}, {:?})", self.cluster, self.authority)
    }
}
