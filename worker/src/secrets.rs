//! Which secrets a run may have of this machine.
//!
//! A secret is an environment variable of its name, and whoever submits a run writes the names. So a worker of a cluster
//! hands out only those that its operator names, and nobody hands out our own variables, which hold tokens.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStringExt;

use protocols::{Secret, Secrets};

use crate::limits::LoadLimits;

/// Which secrets a worker hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedSecrets {
    /// All but our own variables: for a run that its user starts on their own machine.
    All,
    /// These.
    Only(BTreeSet<String>),
}

impl AllowedSecrets {
    /// What names of variables start with that are never handed out.
    pub const RESERVED: &str = "LOADGEN_";

    fn allows(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

impl LoadLimits {
    /// Why the secret `name` is not handed out by the worker called `worker`, if it is not.
    pub(crate) fn refuse_secret(&self, name: &str, worker: &str) -> Option<String> {
        let refused = format!("the secret `{name}` is not one that worker `{worker}` hands out");
        if name.starts_with(AllowedSecrets::RESERVED) {
            let reserved = AllowedSecrets::RESERVED;
            return Some(format!(
                "{refused}: variables that begin with `{reserved}` are loadgen's own; name it otherwise"
            ));
        }
        if !self.secrets.allows(name) {
            return Some(format!("{refused}; whoever runs it can allow it with `--allow-secret {name}`"));
        }
        let file = self.file.as_ref()?;
        let is_allowed = file.secrets.as_ref().is_none_or(|secrets| secrets.contains(name));
        let cure = || {
            let path = &file.path;
            format!(
                "{refused}; whoever runs it can allow it by adding `{name}` to `allow_secrets` in `{path}`"
            )
        };
        (!is_allowed).then(cure)
    }
}

/// Secrets are environment variables of exactly their name.
pub(crate) struct Environment;

impl Secrets for Environment {
    fn secret(&self, name: &str) -> Option<Secret> {
        // A name with `=` or NUL cannot be one, and would panic in some versions of the standard library.
        let is_possible = !name.is_empty() && !name.contains(['=', '\0']);
        let value = is_possible.then(|| std::env::var_os(name)).flatten()?;
        Some(Secret::new(value.into_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FilePolicy;

    fn only(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_secret_is_handed_out_only_if_flags_and_file_name_it() {
        let file = FilePolicy {
            path: "/etc/policy.yaml".into(),
            secrets: Some(only(&["A", "B"])),
            ..FilePolicy::default()
        };
        let limits = LoadLimits {
            secrets: AllowedSecrets::Only(only(&["A", "C"])),
            file: Some(file),
            ..LoadLimits::default()
        };
        assert_eq!(limits.refuse_secret("A", "w1"), None);
        let by_flag = limits.refuse_secret("B", "w1").unwrap();
        assert!(
            by_flag.contains("`B`") && by_flag.contains("`w1`") && by_flag.ends_with("`--allow-secret B`"),
            "{by_flag}"
        );
        let by_file = limits.refuse_secret("C", "w1").unwrap();
        assert!(by_file.ends_with("adding `C` to `allow_secrets` in `/etc/policy.yaml`"), "{by_file}");
        let nobody = LoadLimits { secrets: AllowedSecrets::Only(BTreeSet::new()), ..LoadLimits::default() };
        assert!(nobody.refuse_secret("A", "w1").is_some());
    }

    #[test]
    fn our_own_variables_are_never_handed_out() {
        let named = AllowedSecrets::Only(only(&["LOADGEN_API_TOKEN"]));
        for secrets in [AllowedSecrets::All, named] {
            let limits = LoadLimits { secrets, ..LoadLimits::default() };
            let line = limits.refuse_secret("LOADGEN_API_TOKEN", "local").unwrap();
            assert!(line.contains("loadgen's own"), "{line}");
        }
        assert_eq!(LoadLimits::default().refuse_secret("PATH", "local"), None);
    }

    #[test]
    fn what_cannot_name_a_variable_is_no_secret() {
        assert!(Environment.secret("PATH").is_some());
        assert!(Environment.secret("A=B").is_none() && Environment.secret("").is_none());
    }
}
