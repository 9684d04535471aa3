//! The command line as it may be written down: without what may be a secret.
//!
//! Values are found by what the flags came to, not by their spelling: `-eK=V`, `--env K=V` and `-qe K=V` end alike.

use std::ffi::OsString;

use crate::args::Command;

/// The arguments, the program's name first, with `…` in place of what may be a secret.
pub(crate) fn without_secrets(arguments: &[OsString], command: &Command) -> Vec<String> {
    let secrets = secrets(command);
    let told = |argument: &OsString| {
        let text = argument.to_string_lossy();
        let hidden = secrets.iter().filter(|secret| text.ends_with(&secret.whole));
        // The longest one: a value may be the end of another.
        match hidden.max_by_key(|secret| secret.whole.len()) {
            Some(Secret { whole, told }) => format!("{}{told}", &text[..text.len() - whole.len()]),
            None => text.into_owned(),
        }
    };
    arguments.iter().map(told).collect()
}

/// The end of an argument, and what is told of it.
struct Secret {
    whole: String,
    told: String,
}

fn secrets(command: &Command) -> Vec<Secret> {
    let hidden = |kept: &str, hidden: &str| Secret {
        whole: format!("{kept}{hidden}"),
        told: format!("{kept}{HIDDEN}"),
    };
    let secrets = match command {
        Command::Run(args) => {
            let env = args.workload.env.iter().map(|pair| hidden(&format!("{}=", pair.key), &pair.value));
            let set = args.workload.set.iter().filter(|pair| may_be_secret(&pair.key, &pair.value));
            let set = set.map(|pair| hidden(&format!("{}=", pair.key), &pair.value));
            env.chain(set).collect()
        }
        Command::Http(args) => {
            let headers = args.headers.iter().map(|header| match header.split_once(':') {
                Some((name, value)) => hidden(&format!("{name}:"), value),
                None => hidden("", header),
            });
            let body = args.body.iter().filter(|body| !body.starts_with('@')).map(|body| hidden("", body));
            let query = args.url.split_once('?').map(|(path, query)| hidden(&format!("{path}?"), query));
            headers.chain(body).chain(query).collect()
        }
        _ => Vec::new(),
    };
    // Nothing is hidden in an empty value, which every text ends with.
    secrets
        .into_iter()
        .filter(|secret: &Secret| secret.whole != secret.told.trim_end_matches(HIDDEN))
        .collect()
}

/// Whether a value of a scenario may hold what nobody else should see: whatever is sent. A mapping or a list may hold
/// any of it.
fn may_be_secret(path: &str, value: &str) -> bool {
    // A key may stand in quotes.
    let keys = || path.split('.').map(|key| key.trim_matches('"'));
    value.trim_start().starts_with(['{', '['])
        || ["headers", "query", "body", "json"].iter().any(|part| keys().any(|key| key == *part))
        || ["url", "get", "post", "put", "patch", "delete", "head", "options"]
            .iter()
            .any(|part| keys().next_back() == Some(part))
}

const HIDDEN: &str = "…";

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    fn told(line: &[&str]) -> String {
        let arguments: Vec<OsString> = std::iter::once(&"loadgen").chain(line).map(OsString::from).collect();
        let cli = Cli::try_parse_from(&arguments).unwrap();
        without_secrets(&arguments, &cli.command).join(" ")
    }

    #[test]
    fn of_variables_only_the_keys_are_told_however_they_are_spelt() {
        let line = [
            "run",
            "-eA=s3cret",
            "-e",
            "B=s3cret",
            "--env",
            "C=s3cret",
            "--env=D=s3cret",
            "-qe",
            "E=s3cret",
            "x.yaml",
        ];
        assert_eq!(told(&line), "loadgen run -eA=… -e B=… --env C=… --env=D=… -qe E=… x.yaml");
    }

    #[test]
    fn what_is_sent_is_not_told() {
        let line = [
            "run",
            "x.yaml",
            "--set",
            "target.headers.authorization=Bearer s3cret",
            "--set",
            "scenarios.a.rate=5/s",
        ];
        assert_eq!(
            told(&line),
            "loadgen run x.yaml --set target.headers.authorization=… --set scenarios.a.rate=5/s"
        );
        let line = [
            "http",
            "http://x/a?token=s3cret",
            "-H",
            "Authorization: s3cret",
            "-HCookie:s3cret",
            "--body",
            "s3cret",
            "-r",
            "5/s",
        ];
        assert_eq!(told(&line), "loadgen http http://x/a?… -H Authorization:… -HCookie:… --body … -r 5/s");
        assert_eq!(
            told(&["http", "http://x/", "--body", "@order.json"]),
            "loadgen http http://x/ --body @order.json"
        );
    }

    #[test]
    fn what_is_sent_is_not_told_in_whatever_form_it_is_set() {
        let line = [
            "run",
            "x.yaml",
            "--set",
            r#""target"."headers".authorization=s3cret"#,
            "--set",
            "target={url: http://x, headers: {authorization: s3cret}}",
            "--set",
            "scenarios.a.steps= [{get: /?token=s3cret}]",
        ];
        assert_eq!(
            told(&line),
            r#"loadgen run x.yaml --set "target"."headers".authorization=… --set target=… --set scenarios.a.steps=…"#
        );
    }

    #[test]
    fn an_empty_value_hides_nothing_else() {
        assert_eq!(told(&["run", "x.yaml", "-e", "A="]), "loadgen run x.yaml -e A=");
        assert_eq!(told(&["http", "http://x/", "--body", ""]), "loadgen http http://x/ --body ");
    }
}
