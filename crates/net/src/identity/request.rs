//! A worker's wish for a certificate.

use std::fmt;

use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::{Identity, IdentityError, Secret};

/// A new key and the request that its public half be signed. The key stays where it was made.
pub struct CertificateRequest {
    pem: String,
    key: KeyPair,
}

/// The library could not make a key or a request.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a key and a certificate request")]
pub struct RequestError(#[from] rcgen::Error);

impl CertificateRequest {
    /// Makes a new P-256 key and a request for it. The request names nobody: the authority decides the name.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn create() -> Result<Self, RequestError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = DistinguishedName::new();
        let pem = params.serialize_request(&key)?.pem()?;
        Ok(Self { pem, key })
    }

    /// The request to send, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The key to keep beside the certificate, PEM.
    pub fn key_pem(&self) -> Secret {
        Secret::new(self.key.serialize_pem())
    }

    /// Ties the key to the chain that came back.
    ///
    /// # Errors
    /// When the chain cannot be read or is another key's.
    pub fn complete(&self, chain: &[u8]) -> Result<Identity, IdentityError> {
        Identity::from_pem(chain, self.key_pem().expose().as_bytes())
    }
}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateRequest").finish_non_exhaustive()
    }
}
