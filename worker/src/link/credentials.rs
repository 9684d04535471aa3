//! What a worker has to show, and whom it believes.

use std::fmt;
use std::io;

use net::WallTime;
use net::identity::{Identity, IdentityError, Secret};
use net::tls::{Authorities, TlsError, Trust};
use units::Nanos;

/// What a worker has to show, and whom it believes.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Nothing, and anybody: only with a controller that was started with `--insecure`.
    Insecure,
    /// A join token, to get a certificate with.
    Join {
        /// The token.
        token: Secret,
        /// How the controller is known.
        trust: Trust,
    },
    /// A certificate that the cluster issued to this worker earlier; it is renewed at half of its life.
    Issued {
        /// The certificate.
        issued: Issued,
        /// How the controller is known; `None` for the authority that issued the certificate.
        trust: Option<Trust>,
    },
    /// A certificate that its operator brings, and renews.
    Own {
        /// The chain, PEM.
        chain_pem: Vec<u8>,
        /// Its key, PEM.
        key_pem: Secret,
        /// How the controller is known.
        trust: Trust,
    },
}

/// A certificate that a cluster issued: what is to be kept, by its owner only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its key, PEM.
    pub key_pem: Secret,
    /// The certificate of the authority that signed it, PEM.
    pub authority_pem: String,
}

impl Issued {
    /// The certificate and its key, checked to belong together.
    ///
    /// # Errors
    /// When they cannot be read or do not.
    pub fn identity(&self) -> Result<Identity, IdentityError> {
        Identity::from_pem(self.certificate_pem.as_bytes(), self.key_pem.expose().as_bytes())
    }
}

/// Keeps an issued certificate where the next start of the worker finds it.
pub struct Keep(KeepIssued);

type KeepIssued = Box<dyn FnMut(&Issued) -> io::Result<()> + Send>;

impl Keep {
    /// Has `keep` called with every certificate that is issued, before it is used.
    pub fn with(keep: impl FnMut(&Issued) -> io::Result<()> + Send + 'static) -> Self {
        Self(Box::new(keep))
    }

    /// Keeps nothing: the worker joins anew at its next start.
    pub fn nothing() -> Self {
        Self::with(|_| Ok(()))
    }

    pub(crate) fn keep(&mut self, issued: &Issued) -> io::Result<()> {
        (self.0)(issued)
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keep")
    }
}

/// Why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Credentials {
    /// Whom to believe, and what to show; nobody and nothing without TLS.
    pub(crate) fn to_show(&self) -> Result<(Option<Trust>, Option<Identity>), CredentialsError> {
        Ok(match self {
            Self::Insecure => (None, None),
            Self::Join { trust, .. } => (Some(trust.clone()), None),
            Self::Issued { issued, trust } => {
                let trust = match trust {
                    Some(trust) => trust.clone(),
                    None => Trust::Authorities(Authorities::from_pem(issued.authority_pem.as_bytes())?),
                };
                (Some(trust), Some(issued.identity()?))
            }
            Self::Own { chain_pem, key_pem, trust } => {
                let identity = Identity::from_pem(chain_pem, key_pem.expose().as_bytes())?;
                (Some(trust.clone()), Some(identity))
            }
        })
    }

    /// What to get a certificate with, where there is none yet.
    pub(crate) fn to_join(&self) -> Option<(Secret, Trust)> {
        match self {
            Self::Join { token, trust } => Some((token.clone(), trust.clone())),
            Self::Insecure | Self::Issued { .. } | Self::Own { .. } => None,
        }
    }

    /// When an issued certificate is to be renewed: half of its life.
    pub(crate) fn renew_at(&self) -> Option<WallTime> {
        let Self::Issued { issued, .. } = self else { return None };
        let identity = issued.identity().ok()?;
        let facts = identity.facts();
        let life = facts.not_after.as_unix().saturating_sub(facts.not_before.as_unix());
        Some(facts.not_before.after(Nanos::from_secs(life / 2)))
    }
}
