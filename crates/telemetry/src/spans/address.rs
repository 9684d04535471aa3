//! Addresses as they may be shown.

/// What stands where something is not shown.
pub const REDACTED: &str = "REDACTED";

/// Parts of the names of query parameters whose values are keys or passwords, lower case. Those of the semantic conventions
/// (`url.full`: `AWSAccessKeyId`, `Signature`, `sig`, `X-Goog-Signature`) and their like.
const SENSITIVE: [&str; 12] = [
    "accesskey",
    "signature",
    "credential",
    "token",
    "secret",
    "passw",
    "pwd",
    "apikey",
    "api_key",
    "api-key",
    "auth",
    "session",
];

/// Names that are sensitive as a whole.
const SENSITIVE_NAMES: [&str; 7] = ["sig", "key", "code", "pass", "jwt", "otp", "pin"];

/// The target of a request as it may be shown: values of sensitive query parameters are not.
pub(super) fn shown(target: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_sensitive(name) => format!("{name}={REDACTED}"),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", shown.collect::<Vec<_>>().join("&"))
}

/// The path of a target, without its query.
pub(super) fn path(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SENSITIVE_NAMES.contains(&name.as_str()) || SENSITIVE.iter().any(|part| name.contains(part))
}

/// Host and port as an address has them; an IPv6 address in brackets, the scheme's own port left out.
pub(super) fn authority(scheme: &str, host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    match (scheme, port) {
        ("http", 80) | ("https", 443) => host,
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_sensitive_parameters_are_not_shown() {
        let check = |target, expected| assert_eq!(shown(target), expected);
        check("/a", "/a");
        check("/a?b=c", "/a?b=c");
        check("/a?AWSAccessKeyId=1&Signature=2&x=3", "/a?AWSAccessKeyId=REDACTED&Signature=REDACTED&x=3");
        check("/a?sig=1&X-Goog-Signature=2&token&k=", "/a?sig=REDACTED&X-Goog-Signature=REDACTED&token&k=");
        check("/a?access_token=a=b#token=c", "/a?access_token=REDACTED");
        check("/a?pass=1&jwt=2&compass=3", "/a?pass=REDACTED&jwt=REDACTED&compass=3");
        check("/a?design=1", "/a?design=1");
    }

    #[test]
    fn an_address_is_written_as_a_browser_would() {
        assert_eq!(authority("http", "shop.test", 80), "shop.test");
        assert_eq!(authority("http", "shop.test", 443), "shop.test:443");
        assert_eq!(authority("https", "::1", 8443), "[::1]:8443");
        assert_eq!(path("/a/b?c#d"), "/a/b");
    }
}
