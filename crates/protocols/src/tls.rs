//! TLS settings, with ring as the one provider of cryptography.
//!
//! The provider is named here and never taken from the process, so what else is linked changes nothing. Sessions
//! are not resumed: every handshake that is measured is a whole one, and no ticket store is shared by threads.

mod session;

use std::sync::Arc;

use plan::TlsPlan;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

pub(crate) use session::Session;

/// Why TLS settings are of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text is not PEM.
    #[error("cannot read the {what} as PEM; give a file with `-----BEGIN …-----` lines")]
    NotPem {
        /// Which of the texts.
        what: &'static str,
        /// What the reader found.
        source: pem::Error,
    },
    /// The text holds nothing of the kind.
    #[error("there is no certificate in the {what}; give a PEM file that holds at least one")]
    NoCertificate {
        /// Which of the texts.
        what: &'static str,
    },
    /// A certificate cannot be trusted as an authority.
    #[error("a certificate in the CA file cannot be used as an authority; give the CA's own certificate")]
    Authority(#[source] rustls::Error),
    /// A certificate without a key, or the other way round.
    #[error("a client certificate needs both `cert` and `key`; the {missing} is missing")]
    Incomplete {
        /// Which is missing.
        missing: &'static str,
    },
    /// The client certificate and its key cannot be used.
    #[error("the client certificate and its key cannot be used; check that they belong together")]
    ClientCertificate(#[source] rustls::Error),
    /// The name to ask for is neither a host name nor an address.
    #[error("`{0}` is neither a host name nor an IP address")]
    ServerName(String),
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Unsupported(#[source] rustls::Error),
}

/// What is needed to begin a session with one origin.
#[derive(Clone, Debug)]
pub(crate) struct TlsSetup {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

impl TlsSetup {
    pub(crate) fn new(plan: &TlsPlan, host: &str) -> Result<Self, TlsError> {
        let name = plan.server_name.as_deref().unwrap_or(host);
        let name =
            ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))?;
        Ok(Self { config: Arc::new(client_config(plan)?), name })
    }
}

fn client_config(plan: &TlsPlan) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unsupported)?
        .with_root_certificates(roots(plan)?);
    let mut config = match (&plan.cert, &plan.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => return Err(TlsError::Incomplete { missing: "key" }),
        (None, Some(_)) => return Err(TlsError::Incomplete { missing: "certificate" }),
        (Some(chain), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|source| TlsError::NotPem { what: "private key", source })?;
            builder
                .with_client_auth_cert(certificates(chain, "client certificate")?, key)
                .map_err(TlsError::ClientCertificate)?
        }
    };
    if !plan.verify {
        config.dangerous().set_certificate_verifier(Arc::new(TrustAnyone { algorithms }));
    }
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn roots(plan: &TlsPlan) -> Result<RootCertStore, TlsError> {
    let Some(ca) = &plan.ca else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca, "CA file")? {
        roots.add(certificate).map_err(TlsError::Authority)?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::NotPem { what, source })?;
    if certificates.is_empty() { Err(TlsError::NoCertificate { what }) } else { Ok(certificates) }
}

/// Trusts whoever answers, for `verify: false`. Signatures are still checked, so the peer holds its key.
#[derive(Debug)]
struct TrustAnyone {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
