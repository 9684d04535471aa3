//! The policy file of a machine.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::Reader;
use crate::document::{Kind, Node};
use crate::overrides::PREFIX;
use crate::shape::PolicyShape;
use crate::{Diagnostics, Policy, names};

impl Reader<'_> {
    /// Reads the whole file.
    pub(crate) fn read_policy<T>(mut self, root: &Node) -> Result<Policy<T>, Diagnostics>
    where
        T: FromStr<Err: std::error::Error>,
    {
        let policy = self.policy(root);
        self.problems.sort();
        policy.filter(|_| self.problems.error_count() == 0).ok_or(self.problems)
    }

    fn policy<T>(&mut self, root: &Node) -> Option<Policy<T>>
    where
        T: FromStr<Err: std::error::Error>,
    {
        if root.kind == Kind::Null {
            // One that was emptied by accident must not allow everything.
            let help = "write `{}` for a policy that allows everything, or remove the file".to_owned();
            self.error("empty-file", root.span, "the policy file is empty", help);
            return None;
        }
        let fields = self.fields::<PolicyShape>("the policy file", root, root.span)?;
        let targets = self.optional(&fields, "allow_targets", Self::targets);
        let max_rate = self.optional(&fields, "max_rate", Self::rate);
        let secrets = self.optional(&fields, "allow_secrets", Self::secret_names);
        Some(Policy { allow_targets: targets?, max_rate: max_rate?, allow_secrets: secrets? })
    }

    fn targets<T>(&mut self, label: &str, node: &Node) -> Option<Vec<T>>
    where
        T: FromStr<Err: std::error::Error>,
    {
        self.each(label, node, |reader, label, item| match reader.literal(label, item)?.parse() {
            Ok(target) => Some(target),
            Err(error) => {
                reader.parse_error("bad-target", item.span, label, &error);
                None
            }
        })
    }

    fn secret_names(&mut self, label: &str, node: &Node) -> Option<BTreeSet<String>> {
        self.each(label, node, Self::secret_name)
    }

    /// A text that means the same whatever is set where it is read.
    fn literal(&mut self, label: &str, node: &Node) -> Option<String> {
        if matches!(&node.kind, Kind::String(raw) if raw.contains("${")) {
            let message = format!("`{label}` cannot refer to variables");
            let help = "write it out: a policy means the same whoever reads it".to_owned();
            self.error("reference-not-allowed", node.span, message, help);
            return None;
        }
        self.plain(label, node)
    }

    /// Reads every item of the list `node`, also after one that is wrong.
    fn each<T, C: FromIterator<T>>(
        &mut self,
        label: &str,
        node: &Node,
        read: impl Fn(&mut Self, &str, &Node) -> Option<T>,
    ) -> Option<C> {
        let read: Vec<Option<T>> =
            self.items(label, node)?.iter().map(|item| read(self, label, item)).collect();
        read.into_iter().collect()
    }

    fn secret_name(&mut self, label: &str, node: &Node) -> Option<String> {
        let name = self.literal(label, node)?;
        if !names::is_variable(&name) {
            let help = "use the name of an environment variable: letters, digits and `_`".to_owned();
            self.error("bad-name", node.span, format!("`{name}` cannot name a secret"), help);
            return None;
        }
        if name.starts_with(PREFIX) {
            let message = format!("`{name}` is one of loadgen's own variables, which no scenario may use");
            self.error("bad-name", node.span, message, "name the variable otherwise".to_owned());
            return None;
        }
        Some(name)
    }
}
