//! Whom an encrypted connection believes, and what it shows itself.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{Protocol, SettingsError};

/// A file that a variable names.
#[derive(Clone, Debug)]
pub(super) struct NamedFile {
    pub(super) variable: String,
    pub(super) path: PathBuf,
}

/// The files of one destination.
#[derive(Clone, Debug, Default)]
pub(super) struct TrustFiles {
    pub(super) authorities: Option<NamedFile>,
    pub(super) chain: Option<NamedFile>,
    pub(super) key: Option<NamedFile>,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// It holds no certificate.
    #[error("it holds no certificate; give PEM text with `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    /// It holds no private key.
    #[error("it holds no private key; give PEM text with `-----BEGIN PRIVATE KEY-----`")]
    NoKey,
    /// What it holds cannot be used.
    #[error("what it holds cannot be used for TLS")]
    Unusable(#[source] rustls::Error),
}

impl TrustFiles {
    /// Makes the settings of connections: TLS 1.2 and 1.3, as collectors elsewhere have either.
    pub(super) fn client_config(&self, protocol: Protocol) -> Result<Arc<ClientConfig>, SettingsError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring offers both versions")
            .with_root_certificates(self.roots()?);
        let mut config = match (&self.chain, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(chain), Some(key)) => builder
                .with_client_auth_cert(chain.certificates()?, key.key()?)
                .map_err(|error| chain.error(FileError::Unusable(error)))?,
            (Some(alone), None) | (None, Some(alone)) => {
                return Err(SettingsError::HalfPair { variable: alone.variable.clone() });
            }
        };
        config.alpn_protocols = vec![match protocol {
            Protocol::Grpc => b"h2".to_vec(),
            Protocol::Http => b"http/1.1".to_vec(),
        }];
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, SettingsError> {
        let Some(file) = &self.authorities else {
            return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
        };
        let mut roots = RootCertStore::empty();
        for certificate in file.certificates()? {
            roots.add(certificate).map_err(|error| file.error(FileError::Unusable(error)))?;
        }
        Ok(roots)
    }
}

impl NamedFile {
    fn read(&self) -> Result<Vec<u8>, SettingsError> {
        fs::read(&self.path).map_err(|error| self.error(FileError::Read(error)))
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
        let certificates = CertificateDer::pem_slice_iter(&self.read()?).collect::<Result<Vec<_>, _>>();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(self.error(FileError::NoCertificate)),
        }
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, SettingsError> {
        PrivateKeyDer::from_pem_slice(&self.read()?).map_err(|_| self.error(FileError::NoKey))
    }

    fn error(&self, source: FileError) -> SettingsError {
        SettingsError::File { variable: self.variable.clone(), path: self.path.clone(), source }
    }
}
