//! TLS settings of both sides, and why a handshake failed.
//!
//! TLS 1.3 only, with ring as the one provider, named here and never taken from the process. Sessions are not resumed:
//! a resumed one would not look at the revocations again.

mod handshake;
mod verifiers;

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub use handshake::{HandshakeError, PeerReason};

use crate::identity::{Fingerprint, Identity, RevocationList, certificates};
use verifiers::{PinnedAuthority, RevocableClients};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority's text holds no certificate.
    #[error(
        "there is no certificate of an authority in the text; give PEM with `-----BEGIN CERTIFICATE-----`"
    )]
    NoAuthority,
    /// A certificate cannot be trusted as an authority.
    #[error("a certificate cannot be used as an authority; give the authority's own certificate")]
    Authority(#[source] rustls::Error),
    /// Clients cannot be checked.
    #[error("cannot check clients by these authorities")]
    Clients(#[source] rustls::client::VerifierBuilderError),
    /// The certificate cannot be used.
    #[error("cannot use the certificate and its key for TLS")]
    Identity(#[source] rustls::Error),
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Unsupported(#[source] rustls::Error),
}

/// What is spoken over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2, for gRPC.
    Http2,
    /// HTTP/1.1, for the API.
    Http1,
}

impl Alpn {
    fn names(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http2 => vec![b"h2".to_vec()],
            Self::Http1 => vec![b"http/1.1".to_vec()],
        }
    }
}

/// Which peers are believed.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those with a certificate of one of these authorities.
    Authorities(Authorities),
    /// Those whose chain holds an authority with this fingerprint, and is signed by it.
    Fingerprint(Fingerprint),
}

/// Authorities whose certificates are at hand.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<RootCertStore>);

impl Authorities {
    /// Reads the certificates of authorities, PEM.
    ///
    /// # Errors
    /// When there is none, or one of no use.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let certificates = certificates(pem).ok_or(TlsError::NoAuthority)?;
        roots(certificates).map(Arc::new).map(Self).map_err(TlsError::Authority)
    }
}

/// How a server looks at its clients' certificates.
#[derive(Clone, Debug)]
pub struct ClientCheck {
    /// Whose certificates count.
    pub authorities: Authorities,
    /// Which of them count no more.
    pub revocations: RevocationList,
    /// Whether a client without a certificate is refused. Where new workers get theirs it is not; one that is shown
    /// must be good all the same.
    pub required: bool,
}

/// Settings of a server; without a check, clients show no certificate.
///
/// # Errors
/// When the identity or the authorities are of no use.
pub fn server_config(
    identity: &Identity,
    clients: Option<ClientCheck>,
    alpn: Alpn,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Unsupported)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(check) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(check.authorities.0, provider());
            let verifier = if check.required { verifier } else { verifier.allow_unauthenticated() };
            let verifier = verifier.build().map_err(TlsError::Clients)?;
            builder.with_client_cert_verifier(Arc::new(RevocableClients {
                verifier,
                revocations: check.revocations,
            }))
        }
    };
    let mut config =
        builder.with_single_cert(identity.chain(), identity.key()).map_err(TlsError::Identity)?;
    config.alpn_protocols = alpn.names();
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// Settings of a client; without an identity it shows no certificate.
///
/// # Errors
/// When the identity is of no use.
pub fn client_config(
    trust: &Trust,
    identity: Option<&Identity>,
    alpn: Alpn,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Unsupported)?;
    let builder = match trust {
        Trust::Authorities(authorities) => builder.with_root_certificates(Arc::clone(&authorities.0)),
        Trust::Fingerprint(fingerprint) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedAuthority::new(*fingerprint, provider()))),
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_auth_cert(identity.chain(), identity.key()).map_err(TlsError::Identity)?
        }
    };
    config.alpn_protocols = alpn.names();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The first byte of a TLS handshake.
pub(crate) const TLS_RECORD: u8 = 0x16;
/// The first byte of a refusal by TLS.
pub(crate) const TLS_ALERT: u8 = 0x15;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn roots(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    certificates.into_iter().try_for_each(|certificate| roots.add(certificate))?;
    Ok(roots)
}
