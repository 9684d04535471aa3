//! A light look at certificates and keys; rustls looks closer before the run.

/// What a PEM file should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PemKind {
    /// One or more certificates.
    Certificates,
    /// A private key.
    PrivateKey,
}

/// Why a file is not what it should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PemError {
    #[error("is empty")]
    Empty,
    #[error("is no PEM file: it has no line `-----BEGIN {0}-----`")]
    NoBlock(&'static str),
    #[error("holds a `{found}` where a `{wanted}` is wanted")]
    OtherBlock { found: String, wanted: &'static str },
    #[error("holds an encrypted key, and there is no one to ask for its passphrase")]
    Encrypted,
    #[error("is cut off: `-----BEGIN {0}-----` has no end line")]
    CutOff(String),
    #[error("is damaged: what stands between its lines is no base64 of DER")]
    Damaged,
}

impl PemKind {
    fn wanted(self) -> &'static str {
        match self {
            Self::Certificates => "CERTIFICATE",
            Self::PrivateKey => "PRIVATE KEY",
        }
    }

    fn accepts(self, label: &str) -> bool {
        match self {
            Self::Certificates => label == "CERTIFICATE",
            Self::PrivateKey => matches!(label, "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY"),
        }
    }
}

/// Checks that `bytes` hold at least one block of this kind, whole and in base64.
pub(super) fn check_pem(kind: PemKind, bytes: &[u8]) -> Result<(), PemError> {
    if bytes.is_empty() {
        return Err(PemError::Empty);
    }
    let text = String::from_utf8_lossy(bytes);
    let mut other = None;
    let mut found = false;
    let mut rest = text.as_ref();
    while let Some((_, block)) = rest.split_once("-----BEGIN ") {
        let Some((label, body)) = block.split_once("-----") else { break };
        let Some((body, after)) = body.split_once(&format!("-----END {label}-----")) else {
            return Err(PemError::CutOff(label.to_owned()));
        };
        rest = after;
        if kind.accepts(label) {
            check_body(body)?;
            found = true;
        } else if kind == PemKind::PrivateKey && label == "ENCRYPTED PRIVATE KEY" {
            return Err(PemError::Encrypted);
        } else {
            other.get_or_insert_with(|| label.to_owned());
        }
    }
    match other {
        _ if found => Ok(()),
        Some(found) => Err(PemError::OtherBlock { found, wanted: kind.wanted() }),
        None => Err(PemError::NoBlock(kind.wanted())),
    }
}

/// Whether a block's body is base64 of a DER sequence, which starts with 0x30: an `M`.
fn check_body(body: &str) -> Result<(), PemError> {
    // Old keys carry headers (`Proc-Type: 4,ENCRYPTED`).
    if body.contains("Proc-Type:") {
        return Err(PemError::Encrypted);
    }
    let digits: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let whole = digits.len() >= 8 && digits.len().is_multiple_of(4) && digits.iter().all(base64);
    if whole && digits[0] == b'M' { Ok(()) } else { Err(PemError::Damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_told_apart() {
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIBszCC\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN EC PRIVATE KEY-----\nMIIBszCC\n-----END EC PRIVATE KEY-----\n";
        let check =
            |kind, text: &str, expected| assert_eq!(check_pem(kind, text.as_bytes()), expected, "{text}");
        check(PemKind::Certificates, certificate, Ok(()));
        check(PemKind::Certificates, &format!("a comment\n{certificate}{key}"), Ok(()));
        check(PemKind::PrivateKey, key, Ok(()));
        check(PemKind::Certificates, "", Err(PemError::Empty));
        check(PemKind::Certificates, "hello", Err(PemError::NoBlock("CERTIFICATE")));
        let found = "EC PRIVATE KEY".to_owned();
        check(PemKind::Certificates, key, Err(PemError::OtherBlock { found, wanted: "CERTIFICATE" }));
        check(
            PemKind::Certificates,
            "-----BEGIN CERTIFICATE-----\nMIIB",
            Err(PemError::CutOff("CERTIFICATE".to_owned())),
        );
        check(PemKind::Certificates, &certificate.replace("MIIB", "%%%%"), Err(PemError::Damaged));
        check(PemKind::PrivateKey, &key.replace("EC", "ENCRYPTED"), Err(PemError::Encrypted));
    }
}
