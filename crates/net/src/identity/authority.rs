//! The cluster's own certificate authority.

use std::fmt;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::CertificateDer;
use units::Nanos;

use super::certificate::WORKER_URI;
use super::{Fingerprint, Identity, IdentityError, Secret, WorkerNameError, certificates, check_worker_name};
use crate::WallTime;

/// Signs the certificates of one cluster: its controller's and its workers'.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
}

/// Why an authority cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The bytes are not its certificate and key.
    #[error(
        "cannot read the {0} of the certificate authority; restore the file, or remove both to make a new authority, under which every worker joins anew"
    )]
    Read(&'static str),
    /// Certificate and key are of two authorities.
    #[error("the authority's key is not its certificate's; restore the pair that was made together")]
    NoPair,
    /// A request cannot be signed.
    #[error("cannot read the certificate request, or it is not signed with its own key")]
    Request(#[source] rcgen::Error),
    /// The name is none for a worker.
    #[error("cannot sign for this worker")]
    Worker(#[from] WorkerNameError),
    /// The name is none for a server.
    #[error("`{name}` is neither a host name nor an IP address that a certificate can hold")]
    ServerName {
        /// The name.
        name: String,
        /// What the library says.
        source: rcgen::Error,
    },
    /// The library cannot.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// What was just made cannot be used.
    #[error("cannot use the certificate just made")]
    Use(#[from] IdentityError),
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

impl Authority {
    /// How long the authority itself counts: 10 years, since all certificates end with it.
    pub const VALIDITY: Nanos = Nanos::from_secs(3650 * 86_400);
    /// How long a worker's certificate counts unless told otherwise: 90 days. It renews it with itself.
    pub const WORKER_VALIDITY: Nanos = Nanos::from_secs(90 * 86_400);
    /// How long the controller's certificate counts: a year, and it makes a new one at every start.
    pub const SERVER_VALIDITY: Nanos = Nanos::from_secs(365 * 86_400);

    /// Makes a new authority for a cluster.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn create(cluster: &str, now: WallTime) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Make)?;
        let mut params = params(format!("loadgen cluster {cluster}"), now, Self::VALIDITY)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(AuthorityError::Make)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads an authority from what [`Authority::certificate_pem`] and [`Authority::key_pem`] gave.
    ///
    /// # Errors
    /// When either cannot be read, or they do not belong together.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, AuthorityError> {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let key = text(key).and_then(|pem| KeyPair::from_pem(pem).ok()).ok_or(AuthorityError::Read("key"))?;
        let unreadable = || AuthorityError::Read("certificate");
        let certificate_pem = text(certificate).ok_or_else(unreadable)?.to_owned();
        let certificate = certificates(certificate).ok_or_else(unreadable)?.remove(0);
        // A certificate of another authority would sign, and no peer would believe it.
        Identity::from_pem(certificate_pem.as_bytes(), key.serialize_pem().as_bytes())
            .map_err(|_| AuthorityError::NoPair)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_| unreadable())?;
        Ok(Self { issuer, certificate, certificate_pem })
    }

    /// Its certificate, which every member of the cluster trusts, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its key, PEM: who has it can be anyone.
    pub fn key_pem(&self) -> Secret {
        Secret::new(self.issuer.key().serialize_pem())
    }

    /// What a worker that joins knows it by.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// Signs a worker's request for the name `worker`; the names in the request itself count nothing. Returns the
    /// worker's certificate, PEM.
    ///
    /// # Errors
    /// When the request cannot be read or is not signed with its own key, or the name is none.
    pub fn sign_worker(
        &self,
        request: &str,
        worker: &str,
        now: WallTime,
        validity: Nanos,
    ) -> Result<String, AuthorityError> {
        check_worker_name(worker)?;
        let request = CertificateSigningRequestParams::from_pem(request).map_err(AuthorityError::Request)?;
        let mut params = params(format!("loadgen worker {worker}"), now, validity)?;
        let uri = format!("{WORKER_URI}{worker}").try_into().map_err(AuthorityError::Make)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate =
            params.signed_by(&request.public_key, &self.issuer).map_err(AuthorityError::Make)?;
        Ok(certificate.pem())
    }

    /// Makes the controller's identity for the host names and addresses under which it is reached. Its chain holds the
    /// authority's certificate, so that a worker which knows only the fingerprint can find it there.
    ///
    /// # Errors
    /// When a name is neither a host name nor an address.
    pub fn server(
        &self,
        names: &[String],
        now: WallTime,
        validity: Nanos,
    ) -> Result<Identity, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Make)?;
        let mut params = params("loadgen controller".to_owned(), now, validity)?;
        for name in names {
            let san = match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    name.as_str()
                        .try_into()
                        .map_err(|source| AuthorityError::ServerName { name: name.clone(), source })?,
                ),
            };
            params.subject_alt_names.push(san);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Make)?;
        let chain = format!("{}{}", certificate.pem(), self.certificate_pem);
        Ok(Identity::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes())?)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "authority {}", self.fingerprint())
    }
}

/// What all certificates share: a random serial, and a beginning before now, since clocks differ.
fn params(name: String, now: WallTime, validity: Nanos) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).map_err(|_| AuthorityError::Random)?;
    // Positive and of full length, so that DER neither pads nor shortens it.
    serial[0] = serial[0] & 0x3f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let instant =
        |time: WallTime| date_time_ymd(1970, 1, 1) + Duration::from_secs(time.as_unix().min(LAST_SECOND));
    params.not_before = instant(now.before(CLOCK_DIFFERENCE));
    params.not_after = instant(now.after(validity));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// How far the clocks of two machines may differ before a new certificate counts nothing.
const CLOCK_DIFFERENCE: Nanos = Nanos::from_secs(300);
/// The last second of 9999, which is the last that a certificate can say.
const LAST_SECOND: u64 = 253_402_300_799;
