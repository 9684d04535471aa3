//! The policy file of a machine: what whoever makes load on it may do.

use std::collections::BTreeSet;
use std::str::FromStr;

use units::Rate;

use crate::read::Reader;
use crate::{Diagnostics, Environment, Folder, Source, load};

/// What a policy file says, with targets of type `T`. What it does not mention is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy<T> {
    /// Where load may go.
    pub allow_targets: Option<Vec<T>>,
    /// The most iterations per time.
    pub max_rate: Option<Rate>,
    /// The names of the secrets that scenarios may use.
    pub allow_secrets: Option<BTreeSet<String>>,
}

/// Reads a policy file, YAML or JSON, and checks everything at once; targets are parsed as `T`.
///
/// # Errors
/// Everything that is wrong with it, with positions and advice.
pub fn load_policy<T>(source: Source) -> Result<Policy<T>, Diagnostics>
where
    T: FromStr<Err: std::error::Error>,
{
    let (root, sources) = load::parse(source)?;
    // It stands for itself: nothing of it comes from elsewhere.
    let (environment, mut files) = (Environment::empty(), Folder::new(".", false));
    Reader::new(Diagnostics::new(sources), &environment, &mut files).read_policy(&root)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn read(text: &str) -> Result<Policy<IpAddr>, Diagnostics> {
        load_policy(Source { name: "policy.yaml".to_owned(), bytes: text.as_bytes().to_vec() })
    }

    /// Every problem as `line:column code`.
    #[track_caller]
    fn refused(text: &str, expected: &[&str]) {
        let diagnostics = read(text).unwrap_err();
        let found: Vec<String> = diagnostics
            .iter()
            .map(|problem| format!("{}:{} {}", problem.line, problem.column, problem.code))
            .collect();
        assert_eq!(found, expected, "{}", diagnostics.render(false));
    }

    #[test]
    fn a_policy_is_read_with_what_it_leaves_out() {
        let policy =
            read("allow_targets: [192.0.2.1, '::1']\nmax_rate: 5000/s\nallow_secrets: [TOKEN]\n").unwrap();
        assert_eq!(policy.allow_targets.unwrap().len(), 2);
        assert_eq!(policy.max_rate, Some("5000/s".parse().unwrap()));
        assert_eq!(policy.allow_secrets, Some(BTreeSet::from(["TOKEN".to_owned()])));
        let nothing = Policy { allow_targets: None, max_rate: None, allow_secrets: None };
        assert_eq!(read("{}").unwrap(), nothing);
        assert_eq!(read("allow_targets: []").unwrap(), Policy { allow_targets: Some(Vec::new()), ..nothing });
    }

    #[test]
    fn every_problem_of_a_policy_has_its_place() {
        refused("", &["1:1 empty-file"]);
        refused("max_rat: 5/s", &["1:1 unknown-key"]);
        refused("max_rate: 5", &["1:11 bad-rate"]);
        refused(
            "allow_targets:\n  - 10.0.0.1\n  - not one\nallow_secrets: [A=B, LOADGEN_X]\n",
            &["3:5 bad-target", "4:17 bad-name", "4:22 bad-name"],
        );
        refused("allow_targets: 10.0.0.1", &["1:16 wrong-type"]);
        refused("allow_secrets: ['${env.HOME}']", &["1:17 reference-not-allowed"]);
    }
}
