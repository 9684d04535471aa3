//! What tracing may add to the cost of a request: held against another request of the same run, so that neither a toolchain
//! nor a baseline has a say in it.

use anyhow::{Context, bail};

use super::instructions::Instructions;

/// Without a tracer, …
const PLAIN: &str = "request";
/// … and with one that keeps no execution.
const OFF: &str = "request_sampled_off";

/// A way to trace, what it is held against, and the most it may cost more, as a part of that.
///
/// What is off may cost what branches cost. The ratios are what was asked for. Tail sampling writes every request down to
/// decide at its end: it is held to what writing all of them down may cost. Telling the target about every request is apart
/// from that: its span is named and its image filled in.
const LIMITS: [(&str, &str, f64); 6] = [
    (OFF, PLAIN, 0.01),
    ("request_sampled_1_percent", OFF, 0.01),
    ("request_sampled_5_percent", OFF, 0.05),
    ("request_sampled_100_percent", OFF, 0.25),
    ("request_sampled_tail", OFF, 0.25),
    ("request_propagated", OFF, 0.12),
];

/// Compares and prints every way to trace.
///
/// # Errors
/// When one costs more than it may, or was not measured.
pub(crate) fn compare(measured: &Instructions) -> anyhow::Result<()> {
    let cost = |name: &str| measured.get(name).copied().with_context(|| format!("`{name}` was not measured"));
    let mut failures = Vec::new();
    for (name, base, limit) in LIMITS {
        let (more, limit_percent) = (cost(name)? / cost(base)? - 1.0, limit * 100.0);
        let line = format!("{name}: {:+.2} % of `{base}`, at most {limit_percent:+.2} %", more * 100.0);
        println!("instructions: {line}");
        if more > limit {
            failures.push(line);
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    bail!("tracing gate:\n  {}", failures.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything at its limit, but for what `change` makes of it.
    fn measured(change: impl Fn(&str, f64) -> f64) -> Instructions {
        let mut measured = Instructions::from([(PLAIN.to_owned(), 1_000.0)]);
        for (name, base, limit) in LIMITS {
            let cost = change(name, measured[base] * (1.0 + limit) - 0.001);
            measured.insert(name.to_owned(), cost);
        }
        measured
    }

    #[test]
    fn what_is_within_every_limit_passes() {
        assert!(compare(&measured(|_, cost| cost)).is_ok());
    }

    #[test]
    fn one_way_that_costs_more_than_it_may_fails() {
        for (wrong, ..) in LIMITS {
            let error = compare(&measured(|name, cost| if name == wrong { cost + 0.1 } else { cost }));
            let text = error.unwrap_err().to_string();
            assert!(text.contains(wrong) && text.lines().count() == 2, "{text}");
        }
    }

    #[test]
    fn a_way_that_was_not_measured_is_no_pass() {
        for missing in LIMITS.iter().map(|(name, ..)| *name).chain([PLAIN]) {
            let mut measured = measured(|_, cost| cost);
            measured.remove(missing);
            assert!(compare(&measured).is_err(), "{missing}");
        }
    }
}
