//! What a controller prints when it serves: its addresses, and the lines to paste.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use net::join_token::JoinGrant;
use units::Nanos;

use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::hosted::Hosted;
use crate::state::{self, ADMIN_TOKEN, AUTHORITY_CERTIFICATE};

/// Everything by which this machine may be called: what was `given` first, then its own name and the addresses it
/// listens on.
pub(super) fn names(given: &[String], listens: [IpAddr; 2]) -> Vec<String> {
    let mut names = given.to_vec();
    let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let addresses =
        listens.into_iter().filter(|address| !address.is_unspecified()).map(|address| address.to_string());
    let own = [hostname, "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    for name in addresses.chain(own) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The text. It holds a join token: who can read it can join.
pub(super) fn text(
    hosted: &Hosted,
    args: &ServeArgs,
    names: &[String],
    folder: &Path,
) -> Result<String, Failure> {
    let scheme = if args.insecure { "http" } else { "https" };
    let join = format!("{scheme}://{}", reached(hosted.workers(), names));
    let api = format!("{scheme}://{}", reached(hosted.api(), names));
    let mut text = format!("loadgen controller serves\n  workers  {join}\n  api      {api}\n");
    if let Some(probe) = hosted.probe() {
        text.push_str(&format!("  probe    http://{probe}\n"));
    }
    let (token, ca) = (folder.join(ADMIN_TOKEN), folder.join(AUTHORITY_CERTIFICATE));
    let (token, ca) = (quoted(&token), quoted(&ca));
    if args.insecure {
        text.push_str(&format!("\nstart a worker:\n  loadgen worker --join {join} --insecure\n"));
        text.push_str(&format!("run a scenario:\n  loadgen run scenario.yaml --controller {api}\n"));
        return Ok(text);
    }
    match hosted.fingerprint() {
        Some(fingerprint) => {
            let grant = JoinGrant { uses: USES, validity: VALIDITY, workers: None };
            let (_, join_token) = state::make_join_token(folder, grant).map_err(Failure::invalid)?;
            text.push_str(&format!(
                "\nstart a worker (at most {USES} within {VALIDITY}; then: loadgen controller token join):\n  \
                 LOADGEN_JOIN_TOKEN={} loadgen worker --join {join} --ca-fingerprint {fingerprint}\n",
                join_token.expose()
            ));
            text.push_str(&format!(
                "run a scenario:\n  loadgen run scenario.yaml --controller {api} --api-token-file {token} --ca {ca}\n"
            ));
        }
        None => {
            text.push_str(&format!(
                "\nstart a worker:\n  loadgen worker --join {join} --tls-cert FILE --tls-key FILE --ca FILE\n"
            ));
            text.push_str(&format!(
                "run a scenario:\n  loadgen run scenario.yaml --controller {api} --api-token-file {token} --ca FILE\n"
            ));
        }
    }
    Ok(text)
}

/// Where others reach what listens at `address`: by the first name where it listens everywhere.
fn reached(address: SocketAddr, names: &[String]) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    let name = names.first().map_or("127.0.0.1", String::as_str);
    if name.contains(':') {
        format!("[{name}]:{}", address.port())
    } else {
        format!("{name}:{}", address.port())
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+,:@".contains(&byte));
    if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Enough for a first cluster.
const USES: u32 = 10;
const VALIDITY: Nanos = Nanos::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_called_by_what_was_given_before_its_own_names() {
        let names =
            names(&["ctl.test".to_owned()], ["0.0.0.0".parse().unwrap(), "10.0.0.7".parse().unwrap()]);
        assert_eq!(names[..2], ["ctl.test", "10.0.0.7"]);
        assert!(names.contains(&"localhost".to_owned()) && names.contains(&"::1".to_owned()));
        assert_eq!(reached("0.0.0.0:7".parse().unwrap(), &names), "ctl.test:7");
        assert_eq!(reached("[::]:7".parse().unwrap(), &["fe80::1".to_owned()]), "[fe80::1]:7");
        assert_eq!(reached("127.0.0.1:7".parse().unwrap(), &names), "127.0.0.1:7");
    }

    #[test]
    fn a_path_is_pasted_as_one_word() {
        assert_eq!(quoted(Path::new("/var/lib/loadgen/ca.pem")), "/var/lib/loadgen/ca.pem");
        assert_eq!(quoted(Path::new("/it's here/x")), "'/it'\\''s here/x'");
    }
}
