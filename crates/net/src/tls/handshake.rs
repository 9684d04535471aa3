//! Why a handshake failed, in words that say what to do.

use std::error::Error as StdError;
use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

use super::verifiers::OtherFingerprint;
use crate::WallTime;
use crate::identity::Fingerprint;

/// Why two processes do not talk to each other.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// Another authority signed the peer's certificate.
    #[error(
        "the peer's certificate is not of this cluster's authority; check that both belong to one cluster"
    )]
    UnknownAuthority,
    /// The chain does not hold the authority that was expected.
    #[error(
        "the peer's authority does not have the fingerprint {expected}; check the fingerprint, and that the address is the controller's"
    )]
    Fingerprint {
        /// The fingerprint that was given.
        expected: Fingerprint,
    },
    /// The peer's certificate has ended.
    #[error(
        "the peer's certificate ended at {not_after}, and it is {now} here; renew it, or set this machine's clock"
    )]
    Expired {
        /// What this machine's calendar shows.
        now: WallTime,
        /// When it ended.
        not_after: WallTime,
    },
    /// The peer's certificate does not count yet.
    #[error(
        "the peer's certificate counts from {not_before}, and it is {now} here; set the clocks of both machines"
    )]
    NotYetValid {
        /// What this machine's calendar shows.
        now: WallTime,
        /// When it begins.
        not_before: WallTime,
    },
    /// The certificate is for other names.
    #[error("the peer's certificate is for {}, not for {expected}; dial it by one of those, or give the controller `--name {expected}`", presented.join(", "))]
    Name {
        /// The name that was dialled.
        expected: String,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The peer's certificate was revoked.
    #[error("the peer's certificate is revoked")]
    Revoked,
    /// The peer's certificate is not made for what it is shown for.
    #[error("the peer's certificate is not made for this side of a connection")]
    Purpose,
    /// The peer showed no certificate.
    #[error("the peer showed no certificate, and this needs one")]
    NoCertificate,
    /// The peer refused what was shown to it.
    #[error("the peer refused the connection: {0}")]
    Refused(PeerReason),
    /// The peer does not speak TLS.
    #[error("the peer does not speak TLS; if it runs with `--insecure`, dial it by `http://`")]
    NotTls,
    /// The peer speaks TLS where none is expected.
    #[error("the peer speaks TLS, and this side does not; use one scheme on both sides")]
    NotPlain,
    /// The peer speaks TLS, but another protocol in it.
    #[error("the peer speaks another protocol than {0}; check the port")]
    Protocol(&'static str),
    /// The peer ended the connection.
    #[error(
        "the peer closed the connection before it said anything; check scheme and port, and whether it takes more connections"
    )]
    Closed,
    /// The peer's TLS is not ours.
    #[error("the TLS handshake failed")]
    Tls(#[source] Error),
    /// The connection broke.
    #[error("the connection broke in the handshake")]
    Broken(#[source] io::Error),
}

/// Why the other side refused, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerReason {
    /// It does not know the authority.
    #[error("our certificate is not of its authority; join the cluster anew")]
    UnknownAuthority,
    /// The certificate has ended or does not count yet.
    #[error("our certificate has ended or does not count yet by its clock; renew it or set the clocks")]
    Expired,
    /// The certificate was revoked.
    #[error("our certificate is revoked; ask the controller's operator")]
    Revoked,
    /// It wants a certificate.
    #[error("it wants a certificate; join the cluster first")]
    NoCertificate,
    /// It speaks no protocol in common.
    #[error("it speaks no protocol in common with us; check the port and the versions of both programs")]
    Protocol,
    /// Something else about the certificate.
    #[error("our certificate is not to its liking")]
    Certificate,
}

impl HandshakeError {
    /// Looks for the reason of a failure in an error and its causes; `None` when the handshake is not to blame.
    pub fn find(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(tls) = error.downcast_ref::<Error>() {
                return Some(Self::of(tls.clone()));
            }
            if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
                && let Some(found) = Self::find(inner)
            {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// Whether trying again cannot help: somebody has to change something first, and not only a clock or a peer that is
    /// busy.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::UnknownAuthority
            | Self::Fingerprint { .. }
            | Self::Name { .. }
            | Self::Revoked
            | Self::Purpose
            | Self::NoCertificate
            | Self::Refused(_)
            | Self::NotTls
            | Self::NotPlain
            | Self::Protocol(_) => true,
            // The peer may get a new certificate, and clocks are set by themselves.
            Self::Expired { .. } | Self::NotYetValid { .. } => false,
            Self::Closed | Self::Tls(_) | Self::Broken(_) => false,
        }
    }

    /// The reason behind the failure of reading or writing in a handshake.
    pub(crate) fn of_io(error: io::Error) -> Self {
        match Self::find(&error) {
            Some(found) => found,
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            None => Self::Broken(error),
        }
    }

    fn of(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(problem) => Self::of_certificate(problem),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::AlertReceived(alert) => match PeerReason::of(alert) {
                Some(reason) => Self::Refused(reason),
                None => Self::Tls(error),
            },
            Error::InvalidMessage(_) => Self::NotTls,
            Error::NoApplicationProtocol => Self::Protocol("this port's"),
            other => Self::Tls(other),
        }
    }

    fn of_certificate(problem: CertificateError) -> Self {
        match problem {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownAuthority,
            CertificateError::ExpiredContext { time, not_after } => {
                Self::Expired { now: second(time), not_after: second(not_after) }
            }
            CertificateError::NotValidYetContext { time, not_before } => {
                Self::NotYetValid { now: second(time), not_before: second(not_before) }
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                Self::Name { expected: expected.to_str().into_owned(), presented }
            }
            CertificateError::Revoked => Self::Revoked,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::Purpose
            }
            CertificateError::Other(other) => match other.0.downcast_ref::<OtherFingerprint>() {
                Some(OtherFingerprint(expected)) => Self::Fingerprint { expected: *expected },
                None => Self::Tls(Error::InvalidCertificate(CertificateError::Other(other))),
            },
            problem => Self::Tls(Error::InvalidCertificate(problem)),
        }
    }
}

impl PeerReason {
    fn of(alert: AlertDescription) -> Option<Self> {
        Some(match alert {
            AlertDescription::UnknownCA => Self::UnknownAuthority,
            AlertDescription::CertificateExpired => Self::Expired,
            AlertDescription::CertificateRevoked => Self::Revoked,
            AlertDescription::CertificateRequired => Self::NoCertificate,
            AlertDescription::ProtocolVersion
            | AlertDescription::NoApplicationProtocol
            | AlertDescription::HandshakeFailure => Self::Protocol,
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError => Self::Certificate,
            _ => return None,
        })
    }
}

fn second(time: UnixTime) -> WallTime {
    WallTime::from_unix(time.as_secs())
}
