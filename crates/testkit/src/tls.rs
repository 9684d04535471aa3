//! Certificates good and bad, and a small HTTPS server that shows them.
//!
//! ```
//! use loadgen_testkit::tls::{Authority, Clients, Server, Subject};
//!
//! let authority = Authority::new();
//! let server = Server::start(&authority.issue(Subject::Expired), Clients::Anyone);
//! assert!(server.url().starts_with("https://127.0.0.1:"));
//! assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
//! ```

mod server;

pub use server::{Clients, Server};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority of its own, that nobody trusts who is not told to.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A server at `localhost`, 127.0.0.1 and ::1.
    Valid,
    /// As valid, but until the year 2001.
    Expired,
    /// As valid, but not before the year 4000.
    NotYetValid,
    /// A server at `elsewhere.example`.
    WrongName,
    /// As valid, but signed by itself.
    SelfSigned,
    /// A client.
    Client,
}

/// A certificate and its key.
#[derive(Debug)]
pub struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

const RUNS: &str = "the parameters of a test certificate are constant and right";

impl Authority {
    /// Makes an authority with a new key.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "loadgen test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect(RUNS);
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect(RUNS) }
    }

    /// The certificate to trust, in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a certificate with a new key.
    pub fn issue(&self, subject: Subject) -> Identity {
        let names: &[&str] = match subject {
            Subject::Client => &[],
            Subject::WrongName => &["elsewhere.example"],
            _ => &["localhost", "127.0.0.1", "::1"],
        };
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect(RUNS);
        params.distinguished_name.push(DnType::CommonName, format!("loadgen test {subject:?}"));
        params.extended_key_usages = vec![match subject {
            Subject::Client => ExtendedKeyUsagePurpose::ClientAuth,
            _ => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        match subject {
            Subject::Expired => params.not_after = date_time_ymd(2001, 1, 1),
            Subject::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
            _ => {}
        }
        let key = KeyPair::generate().expect(RUNS);
        let certificate = match subject {
            Subject::SelfSigned => params.self_signed(&key),
            _ => params.signed_by(&key, &self.issuer),
        };
        Identity { certificate: certificate.expect(RUNS), key }
    }

    fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    /// The key in PEM (PKCS #8).
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }
}

#[cfg(test)]
mod tests;
