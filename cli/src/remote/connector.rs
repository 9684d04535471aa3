//! How a controller's API is reached: from the flags to a connection.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use net::deadline::{Limits, Meter};
use net::dial::{CallError, DialError, Dialer, Endpoint, Http1, Scheme};
use net::identity::{Fingerprint, Secret};
use net::tls::{Alpn, Authorities, HandshakeError, Trust, client_config};

use super::error::RemoteError;
use crate::args::TrustArgs;
use crate::failure::Failure;
use crate::secrets;
use crate::state::{self, Folders};

/// A controller's API, and what is needed to be let in.
#[derive(Debug)]
pub(crate) struct Connector {
    dialer: Dialer,
    endpoint: Endpoint,
    bearer: Option<HeaderValue>,
}

impl Connector {
    /// Reaches the controller at `url` (one on this machine without it) with what `args` say; what they do not say is
    /// looked up in the state of a controller on this machine.
    ///
    /// # Errors
    /// When a file cannot be read, the address is none, or a token would cross the network in the clear.
    pub(crate) fn of_flags(url: Option<&str>, args: &TrustArgs) -> Result<Self, Failure> {
        let endpoint: Endpoint = url.unwrap_or(LOCAL_API).parse().map_err(Failure::invalid)?;
        let state = Folders::of_user().controller;
        let is_here = is_loopback(&endpoint);
        let trust = match endpoint.scheme() {
            Scheme::Http if is_here || args.insecure => None,
            Scheme::Http => {
                let message = format!(
                    "{endpoint} is not encrypted and not this machine: the token could be read on the way; use \
                     https://, or say --insecure"
                );
                return Err(Failure::invalid(message));
            }
            Scheme::Https => Some(trust(args, is_here.then_some(&*state))?),
        };
        let token = match &args.api_token_file {
            Some(file) => Some(secrets::read_token(file).map_err(Failure::invalid)?),
            None => match std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.trim().is_empty()) {
                Some(token) => Some(Secret::new(token.trim())),
                // Only to whom the same state proves: not in the clear, and to nobody another authority speaks for.
                None if is_here && endpoint.scheme() == Scheme::Https && !args.names_an_authority() => {
                    of_this_machine(&state.join(state::ADMIN_TOKEN))?
                }
                None => None,
            },
        };
        Self::new(endpoint, trust, token.as_ref())
    }

    /// Reaches the controller at `endpoint` with these; without trust it is not encrypted.
    ///
    /// # Errors
    /// When TLS cannot be set up or the token is none.
    pub(crate) fn new(
        endpoint: Endpoint,
        trust: Option<Trust>,
        token: Option<&Secret>,
    ) -> Result<Self, Failure> {
        let tls = trust.map(|trust| client_config(&trust, None, Alpn::Http1)).transpose();
        let tls = tls.map_err(|error| Failure::invalid(chain(&error)))?;
        let bearer = token.map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| {
                Failure::invalid("the API token is none: it has characters that no token has")
            })?;
            value.set_sensitive(true);
            Ok::<_, Failure>(value)
        });
        let meter = Arc::new(Meter::new(Limits::default()));
        Ok(Self { dialer: Dialer { tls, meter }, endpoint, bearer: bearer.transpose()? })
    }

    /// The controller's address, as people write it.
    pub(super) fn controller(&self) -> String {
        self.endpoint.to_string()
    }

    /// What an `Authorization` header says; nothing without a token.
    pub(super) fn bearer(&self) -> Option<&HeaderValue> {
        self.bearer.as_ref()
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<Http1, RemoteError> {
        let controller = self.controller();
        self.dialer.http1(&self.endpoint).await.map_err(|error| match error {
            DialError::Timeout(error) => RemoteError::Timeout(error),
            // It ends, or has no place: nothing was said of who it is.
            DialError::Handshake { source: HandshakeError::Closed | HandshakeError::Broken(_), .. } => {
                RemoteError::Unreachable { controller, reason: causes(&error) }
            }
            DialError::Handshake { .. } | DialError::Scheme { .. } => {
                RemoteError::Untrusted { controller, reason: causes(&error) }
            }
            DialError::Resolve { .. } | DialError::Connect { .. } => {
                RemoteError::Unreachable { controller, reason: causes(&error) }
            }
        })
    }

    /// Says that a connection broke.
    pub(super) fn broken(&self, error: CallError) -> RemoteError {
        broken(&self.controller(), error)
    }

    /// Says that what answers is no controller.
    pub(super) fn foreign(&self, reason: impl Into<String>) -> RemoteError {
        RemoteError::Foreign { controller: self.controller(), reason: reason.into() }
    }
}

/// Says that a connection to `controller` broke.
pub(super) fn broken(controller: &str, error: CallError) -> RemoteError {
    let controller = controller.to_owned();
    match error {
        CallError::Timeout(error) => RemoteError::Timeout(error),
        CallError::Handshake { .. } => RemoteError::Untrusted { controller, reason: causes(&error) },
        CallError::Broken { .. } => RemoteError::Broken { controller, reason: causes(&error) },
        CallError::TooLong { .. } => RemoteError::Foreign { controller, reason: error.to_string() },
    }
}

/// What is trusted by the flags, or by the state of a controller on this machine.
fn trust(args: &TrustArgs, state: Option<&Path>) -> Result<Trust, Failure> {
    if let Some(text) = &args.ca_fingerprint {
        return text.parse::<Fingerprint>().map(Trust::Fingerprint).map_err(Failure::invalid);
    }
    let file: Option<PathBuf> = args.ca.clone().or_else(|| {
        let file = state?.join(state::AUTHORITY_CERTIFICATE);
        file.exists().then_some(file)
    });
    let Some(file) = file else {
        return Err(Failure::invalid(
            "nothing is trusted to be the controller; give its authority with --ca FILE or --ca-fingerprint HEX, which \
             `loadgen controller` prints",
        ));
    };
    let pem = secrets::read_certificate(&file).map_err(Failure::invalid)?;
    let authorities = Authorities::from_pem(&pem);
    authorities
        .map(Trust::Authorities)
        .map_err(|error| Failure::invalid(format!("`{}`: {}", file.display(), chain(&error))))
}

/// The administrator's token of a controller on this machine, where it may be read.
fn of_this_machine(file: &Path) -> Result<Option<Secret>, Failure> {
    if std::fs::File::open(file).is_err() {
        return Ok(None);
    }
    secrets::read_token(file).map(Some).map_err(Failure::invalid)
}

/// Whether nobody but this machine can be reached there.
fn is_loopback(endpoint: &Endpoint) -> bool {
    let host = endpoint.host();
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some libraries say what their cause says.
        if !text.ends_with(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        next = cause.source();
    }
    text
}

/// The causes of an error; the error itself when it has none.
fn causes(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), chain)
}

/// The variable that holds an API token.
pub(crate) const TOKEN_VARIABLE: &str = "LOADGEN_TOKEN";
/// Where the API of a controller on this machine is unless it was told otherwise.
const LOCAL_API: &str = "https://127.0.0.1:7401";

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str, args: &TrustArgs) -> String {
        Connector::of_flags(Some(url), args).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_token_does_not_cross_a_network_in_the_clear_unless_that_is_asked_for() {
        let args = TrustArgs::default();
        assert!(refusal("http://10.0.0.1:7401", &args).contains("--insecure"));
        assert!(Connector::of_flags(Some("http://127.0.0.1:7401"), &args).is_ok());
        let insecure = TrustArgs { insecure: true, ..TrustArgs::default() };
        assert!(Connector::of_flags(Some("http://10.0.0.1:7401"), &insecure).is_ok());
    }

    #[test]
    fn nobody_is_trusted_without_a_reason() {
        let args = TrustArgs::default();
        assert!(refusal("https://ctl.test:7401", &args).contains("--ca FILE or --ca-fingerprint HEX"));
        let wrong = TrustArgs { ca_fingerprint: Some("12".to_owned()), ..TrustArgs::default() };
        assert!(refusal("https://ctl.test:7401", &wrong).contains("64 hexadecimal digits"));
        let missing = TrustArgs { ca: Some("no-such.pem".into()), ..TrustArgs::default() };
        assert!(refusal("https://ctl.test:7401", &missing).contains("no-such.pem"));
    }

    #[test]
    fn no_token_is_seen_in_what_is_printed_of_a_connection() {
        let secret = Secret::new("lga1_secret");
        let connector = Connector::new("http://127.0.0.1:1".parse().unwrap(), None, Some(&secret)).unwrap();
        assert!(!format!("{connector:?}").contains("lga1_secret"));
    }
}
