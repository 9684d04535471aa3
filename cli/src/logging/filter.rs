//! Which log lines are shown, and which are exported.

use tracing_subscriber::EnvFilter;

use super::FILTER_VARIABLE;
use crate::args::LogFormat;

/// What is shown on the console: what the user wants, or what is usual. A terminal shows no line per execution unless the
/// user speaks of them.
pub(super) fn shown(wanted: Option<&str>, usual: &str, format: LogFormat) -> String {
    let shown = wanted.unwrap_or(usual);
    if format == LogFormat::Human && !wanted.is_some_and(|wanted| wanted.contains(EXECUTIONS)) {
        return format!("{shown},{EXECUTIONS}=off");
    }
    shown.to_owned()
}

/// What may be exported; more than `info` never is. What a process shows when the user says nothing is a matter of its
/// terminal, not of its telemetry.
pub(super) fn exported(wanted: Option<&str>) -> String {
    wanted.unwrap_or("info").to_owned()
}

/// Reads a filter.
///
/// # Errors
/// When it is none.
pub(super) fn parsed(filter: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(filter).map_err(|error| {
        anyhow::anyhow!(
            "{FILTER_VARIABLE} is not a filter: {error}; write for example `debug` or `loadgen_worker=debug`"
        )
    })
}

/// The target of lines about executions.
const EXECUTIONS: &str = "loadgen::execution";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_executions_only_to_those_who_ask_for_them() {
        let check = |wanted: Option<&str>, format: LogFormat, expected: &str| {
            assert_eq!(shown(wanted, "info", format), expected, "{wanted:?}");
        };
        check(None, LogFormat::Human, "info,loadgen::execution=off");
        check(Some("debug"), LogFormat::Human, "debug,loadgen::execution=off");
        check(Some("warn,loadgen::execution=info"), LogFormat::Human, "warn,loadgen::execution=info");
        check(None, LogFormat::Json, "info");
        assert_eq!(
            shown(None, "warn,loadgen::execution=info", LogFormat::Human),
            "warn,loadgen::execution=info,loadgen::execution=off"
        );
        check(Some("warn"), LogFormat::Json, "warn");
    }

    #[test]
    fn what_is_exported_follows_the_user_and_not_the_terminal() {
        assert_eq!(exported(None), "info");
        assert_eq!(exported(Some("warn")), "warn");
    }

    #[test]
    fn what_is_no_filter_is_told_with_its_cure() {
        let error = parsed("loadgen=loud").unwrap_err().to_string();
        assert!(
            error.starts_with("LOADGEN_LOG is not a filter") && error.contains("write for example"),
            "{error}"
        );
    }
}
