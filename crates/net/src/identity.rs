//! Who a process is: certificates, the authority that signs them, and which of them count no more.
//!
//! A worker makes a [`CertificateRequest`], whose key never leaves it; the controller's [`Authority`] signs it for one
//! worker id, whatever name the request asks for. Everything is bytes or PEM here; files are the callers'.

mod authority;
mod certificate;
mod fingerprint;
mod request;
mod revocation;
mod secret;
#[cfg(test)]
mod tests;

use std::fmt;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

pub use authority::{Authority, AuthorityError};
pub use certificate::{CertificateError, CertificateFacts, WorkerNameError, check_worker_name};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use request::{CertificateRequest, RequestError};
pub use revocation::{RevocationList, Revocations};
pub use secret::Secret;

/// A certificate with what leads to its authority, and the key that proves it is one's own.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    facts: CertificateFacts,
}

/// Why bytes are no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no certificate in them.
    #[error("cannot read a certificate chain; give PEM text with at least one `-----BEGIN CERTIFICATE-----`")]
    Chain,
    /// There is no key in them.
    #[error("cannot read a private key; give PEM text with one `-----BEGIN PRIVATE KEY-----`")]
    Key,
    /// The certificate cannot be used.
    #[error("cannot use the certificate")]
    Certificate(#[from] CertificateError),
    /// They are not a pair.
    #[error("the private key is not the certificate's; give the pair that was made together")]
    NoPair(#[source] rustls::Error),
}

impl Identity {
    /// Reads a certificate chain, the own certificate first, and its key, both PEM.
    ///
    /// # Errors
    /// When either cannot be read, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain = certificates(chain).ok_or(IdentityError::Chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::Key)?;
        let facts = CertificateFacts::read(chain.first().ok_or(IdentityError::Chain)?)?;
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &rustls::crypto::ring::default_provider())
            .map_err(IdentityError::NoPair)?;
        Ok(Self { chain, key, facts })
    }

    /// What its certificate says.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// All certificates of a PEM text, in its order; `None` when it is not PEM or holds none.
pub(crate) fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!certificates.is_empty()).then_some(certificates)
}
