//! URLs of receivers.

use http::Uri;
use net::dial::Endpoint;

/// A URL taken apart.
#[derive(Debug)]
pub(super) struct Url {
    pub(super) endpoint: Endpoint,
    /// The path, at least a slash.
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// Whether the scheme had to be guessed.
    pub(super) is_guessed: bool,
}

/// Why a text is no URL of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is no URL, or names no host.
    #[error("it is no URL; write for example `http://collector:4318`")]
    Malformed,
    /// The scheme is another.
    #[error("its scheme is neither `http` nor `https`")]
    Scheme,
    /// It holds a user, and perhaps a password, which are not shown.
    #[error("it names a user; give credentials in `OTEL_EXPORTER_OTLP_HEADERS`")]
    User,
}

impl Url {
    /// Reads `scheme://host:port/path`; what has no scheme is taken for `http`, or for `https` when that `is_secure`.
    pub(super) fn parse(text: &str, is_secure: bool) -> Result<Self, UrlError> {
        let text = text.trim();
        let is_guessed = !text.contains("://");
        let whole = match (is_guessed, is_secure) {
            (false, _) => text.to_owned(),
            (true, false) => format!("http://{text}"),
            (true, true) => format!("https://{text}"),
        };
        let uri = whole
            .parse::<Uri>()
            .map_err(|_| if whole.contains('@') { UrlError::User } else { UrlError::Malformed })?;
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::User);
        }
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => ("http", 80),
            Some("https") => ("https", 443),
            _ => return Err(UrlError::Scheme),
        };
        // A port that is no number is no port at all for `Uri`; here it is a mistake.
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().len() == authority.host().len() => default_port,
            None => return Err(UrlError::Malformed),
        };
        let endpoint = format!("{scheme}://{}:{port}", authority.host());
        let endpoint = endpoint.parse().map_err(|_| UrlError::Malformed)?;
        let path = uri.path().to_owned();
        Ok(Self { endpoint, path, query: uri.query().map(str::to_owned), is_guessed })
    }

    /// The path to POST to: `path`, with the query if there is one.
    pub(super) fn target(&self, path: String) -> String {
        match &self.query {
            None => path,
            Some(query) => format!("{path}?{query}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_a_missing_scheme_is_guessed() {
        let cases = [
            ("http://collector:4318", "http://collector:4318", "/", false),
            ("https://otlp.example/otlp/", "https://otlp.example:443", "/otlp/", false),
            ("http://otlp.example", "http://otlp.example:80", "/", false),
            ("collector:4317", "http://collector:4317", "/", true),
            ("127.0.0.1:4317", "http://127.0.0.1:4317", "/", true),
            ("http://[::1]:4318/x/v1/traces", "http://[::1]:4318", "/x/v1/traces", false),
        ];
        for (text, endpoint, path, is_guessed) in cases {
            let url = Url::parse(text, false).unwrap();
            assert_eq!((url.endpoint.to_string().as_str(), url.path.as_str()), (endpoint, path), "{text}");
            assert_eq!(url.is_guessed, is_guessed, "{text}");
        }
        assert_eq!(Url::parse("c:4317", true).unwrap().endpoint.to_string(), "https://c:4317");
    }

    #[test]
    fn what_is_no_url_of_a_receiver_is_refused_with_its_reason() {
        let cases = [
            ("unix:///run/otlp.sock", UrlError::Malformed),
            ("grpc://c:4317", UrlError::Scheme),
            ("http://", UrlError::Malformed),
            ("http://c:port", UrlError::Malformed),
            ("http://c:0", UrlError::Malformed),
            ("http://a b:1", UrlError::Malformed),
            ("https://user:pass@c:4318", UrlError::User),
        ];
        for (text, error) in cases {
            assert_eq!(Url::parse(text, false).unwrap_err(), error, "{text}");
        }
    }
}
