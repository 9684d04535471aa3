//! The programs of others: where they are, and what is said where they are not.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::harness::repository;

/// A program that `.ci/real_parts` installs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `@elastic/mockotlpserver`, as a folder of modules for node.
    Receiver,
    Prometheus,
    Promtool,
    VictoriaMetrics,
}

impl Part {
    /// Where it is; `None` where it is missing, which is said loudly.
    ///
    /// # Panics
    /// When it is missing although `LOADGEN_TEST_REAL` says where it must be.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let named = std::env::var_os("LOADGEN_TEST_REAL");
        let folder = named.as_ref().map_or_else(|| repository().join("target/tools/real"), PathBuf::from);
        let path = folder.join(self.place());
        // Written last by the installation: what stands beside it is whole.
        if path.exists() && folder.join("installed").exists() {
            return Some(path);
        }
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let text = format!("NOT TRIED: {test} needs {self:?}, and there is no {}", path.display());
        assert!(named.is_none(), "{text}");
        say(&format!("{text}; `.ci/real_parts` installs it"));
        None
    }

    fn place(self) -> &'static Path {
        Path::new(match self {
            Self::Receiver => "receiver/node_modules",
            Self::Prometheus => "bin/prometheus",
            Self::Promtool => "bin/promtool",
            Self::VictoriaMetrics => "bin/victoria-metrics",
        })
    }
}

/// Past the capture of a passing test's output, which would swallow it.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
