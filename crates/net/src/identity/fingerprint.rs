//! A short form of an authority that people can paste.

use std::fmt;
use std::str::FromStr;

use ring::digest;
use rustls::pki_types::CertificateDer;

use crate::hex;

/// SHA-256 of an authority's certificate, written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = digest::digest(&digest::SHA256, certificate);
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// A text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a fingerprint; paste the 64 hexadecimal digits that the controller prints")]
pub struct FingerprintError(String);

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads 64 digits, also in the spelling of other tools: upper case, colons, a `sha256:` in front.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let plain = text.trim().to_ascii_lowercase();
        let digits = plain.strip_prefix("sha256:").unwrap_or(&plain).replace(':', "");
        hex::decode(&digits).map(Self).ok_or_else(|| FingerprintError(text.to_owned()))
    }
}
