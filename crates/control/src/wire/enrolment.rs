//! A certificate for a join token.

use std::fmt;

use super::field::Reader;
use super::{WireError, proto};
use crate::WorkerId;

/// A worker's wish for a certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The name to be certified.
    pub worker: WorkerId,
    /// The join token as the controller printed it: a secret. Empty where the caller's certificate is to be renewed.
    pub join_token: String,
    /// The certificate signing request, PEM.
    pub csr_pem: String,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateGrant {
    /// The worker's certificate, PEM.
    pub certificate_pem: String,
    /// The certificate of the authority that signed it, PEM.
    pub authority_pem: String,
}

/// The longest join token, in bytes.
const MAX_TOKEN: usize = 512;
/// The longest request or certificate, in bytes.
const MAX_PEM: usize = 16 << 10;

impl TryFrom<proto::CertificateRequest> for CertificateRequest {
    type Error = WireError;

    fn try_from(request: proto::CertificateRequest) -> Result<Self, WireError> {
        let of = Reader("CertificateRequest");
        Ok(Self {
            worker: of.worker(&request.worker)?,
            join_token: of.text("join_token", request.join_token, MAX_TOKEN)?,
            csr_pem: pem(of, "csr_pem", request.csr_pem)?,
        })
    }
}

impl From<&CertificateRequest> for proto::CertificateRequest {
    fn from(request: &CertificateRequest) -> Self {
        Self {
            worker: request.worker.as_str().to_owned(),
            join_token: request.join_token.clone(),
            csr_pem: request.csr_pem.clone(),
        }
    }
}

impl TryFrom<proto::CertificateGrant> for CertificateGrant {
    type Error = WireError;

    fn try_from(grant: proto::CertificateGrant) -> Result<Self, WireError> {
        let of = Reader("CertificateGrant");
        Ok(Self {
            certificate_pem: pem(of, "certificate_pem", grant.certificate_pem)?,
            authority_pem: pem(of, "authority_pem", grant.authority_pem)?,
        })
    }
}

impl From<&CertificateGrant> for proto::CertificateGrant {
    fn from(grant: &CertificateGrant) -> Self {
        Self { certificate_pem: grant.certificate_pem.clone(), authority_pem: grant.authority_pem.clone() }
    }
}

fn pem(of: Reader, field: &'static str, text: String) -> Result<String, WireError> {
    of.within(field, text.len() as u64, 1, MAX_PEM as u64, "bytes long")?;
    Ok(text)
}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        without_secrets(f, self.worker.as_str())
    }
}

impl fmt::Debug for proto::CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        without_secrets(f, &self.worker)
    }
}

fn without_secrets(f: &mut fmt::Formatter<'_>, worker: &str) -> fmt::Result {
    f.debug_struct("CertificateRequest").field("worker", &worker).finish_non_exhaustive()
}
