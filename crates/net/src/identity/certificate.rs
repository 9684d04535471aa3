//! What a certificate says.

use std::fmt;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::{WallTime, hex};

/// What is worth knowing of a certificate. That it is true is the handshake's to check.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The worker it was made for; `None` on a server's.
    pub worker: Option<String>,
    /// Its number at its authority, in hexadecimal.
    pub serial: String,
    /// The second before which it does not count.
    pub not_before: WallTime,
    /// The second after which it does not count any more.
    pub not_after: WallTime,
}

/// Why a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is none.
    #[error("the bytes are no X.509 certificate")]
    Malformed,
    /// The worker's name in it is none.
    #[error("the certificate names a worker that cannot be")]
    Worker(#[from] WorkerNameError),
    /// It names more than one worker.
    #[error("the certificate names {0} workers; a worker has one of its own")]
    ManyWorkers(usize),
}

/// A text cannot be a worker's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be a worker's name; use 1 to 64 letters, digits, `.`, `_` and `-`, a letter or digit first"
)]
pub struct WorkerNameError(String);

/// Says whether `name` can be a worker's: it stands in certificates, labels, logs and file names. The messages between
/// controller and worker take the same names.
///
/// # Errors
/// When it is empty, longer than 63 or has other characters than a-z, 0-9, `.`, `_` and `-`.
pub fn check_worker_name(name: &str) -> Result<(), WorkerNameError> {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = (1..=63).contains(&name.len())
        && name.as_bytes().first().is_some_and(is_plain)
        && name.bytes().all(|byte| is_plain(&byte) || b"._-".contains(&byte));
    // What came may be long, and may hold what does things to a terminal.
    let shown = || name.chars().take(64).flat_map(char::escape_default).collect();
    fits.then_some(()).ok_or_else(|| WorkerNameError(shown()))
}

impl CertificateFacts {
    /// Reads a certificate.
    ///
    /// # Errors
    /// When it is none, or names a worker that cannot be.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::Malformed)?;
        let names = parsed.subject_alternative_name().map_err(|_| CertificateError::Malformed)?;
        let uris = names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::URI(uri) => uri.strip_prefix(WORKER_URI),
            _ => None,
        });
        let workers: Vec<&str> = uris.collect();
        if workers.len() > 1 {
            return Err(CertificateError::ManyWorkers(workers.len()));
        }
        let worker = workers.first().map(|&worker| worker.to_owned());
        if let Some(worker) = &worker {
            check_worker_name(worker)?;
        }
        let second = |time: x509_parser::time::ASN1Time| {
            WallTime::from_unix(u64::try_from(time.timestamp()).unwrap_or(0))
        };
        Ok(Self {
            worker,
            serial: hex::encode(parsed.raw_serial()),
            not_before: second(parsed.validity.not_before),
            not_after: second(parsed.validity.not_after),
        })
    }
}

impl fmt::Debug for CertificateFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {} until {}", self.serial, self.not_after)?;
        self.worker.iter().try_for_each(|worker| write!(f, " of worker {worker}"))
    }
}

/// What stands before a worker's name in its certificate.
pub(super) const WORKER_URI: &str = "loadgen://worker/";
