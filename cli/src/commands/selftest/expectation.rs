//! A known value beside the measured one.

use report::figures::{count, percent, span_us};

/// What should have been measured, what was, and how much they may differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expectation {
    pub(super) experiment: &'static str,
    pub(super) what: String,
    pub(super) unit: Unit,
    pub(super) known: f64,
    pub(super) measured: Option<f64>,
    /// The largest difference that still holds, in the same unit.
    pub(super) bound: f64,
}

/// The unit of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Us,
}

impl Expectation {
    /// Whether the measured value is near enough; one that is missing is not.
    pub(super) fn holds(&self) -> bool {
        self.error().is_some_and(|error| error.abs() <= self.bound)
    }

    /// Measured less known.
    fn error(&self) -> Option<f64> {
        self.measured.map(|measured| measured - self.known)
    }
}

/// Writes the rows for people.
pub(super) fn table(rows: &[Expectation]) -> String {
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let mut experiment = "";
    for row in rows {
        if row.experiment != experiment {
            experiment = row.experiment;
            let columns = format!("{:>12}{:>12}{:>12}{:>12}", "known", "measured", "error", "bound");
            text.push_str(&format!("\n{experiment:<w$}{columns}\n", w = width + 4));
        }
        let show = |value: f64| amount(value, row.unit);
        let measured = row.measured.map_or_else(|| "-".to_owned(), show);
        let error = row
            .error()
            .map_or_else(|| "-".to_owned(), |error| format!("{}{}", sign(error), show(error.abs())));
        let relative = match row.error() {
            Some(error) if row.known > 0.0 && error != 0.0 => {
                format!("  {}{}", sign(error), percent(error.abs() / row.known))
            }
            _ => String::new(),
        };
        let mark = if row.holds() { "✓" } else { "✗" };
        text.push_str(&format!(
            "  {mark} {:<width$}{:>12}{measured:>12}{error:>12}{:>12}{relative}\n",
            row.what,
            show(row.known),
            show(row.bound),
        ));
    }
    let failed = rows.iter().filter(|row| !row.holds()).count();
    text.push_str(&match failed {
        0 => format!("\nall {} values are within their bounds\n", rows.len()),
        failed => format!("\n{failed} of {} values are not within their bounds\n", rows.len()),
    });
    text
}

fn sign(error: f64) -> &'static str {
    if error < 0.0 {
        "-"
    } else if error > 0.0 {
        "+"
    } else {
        ""
    }
}

fn amount(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => count(value.round() as u64),
        Unit::Us => span_us(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(known: f64, measured: Option<f64>) -> Expectation {
        Expectation {
            experiment: "fixed delay",
            what: "p50".into(),
            unit: Unit::Us,
            known,
            measured,
            bound: 500.0,
        }
    }

    #[test]
    fn errors_are_held_against_their_bounds_in_both_directions() {
        assert!(row(5_000.0, Some(5_400.0)).holds());
        assert!(row(5_000.0, Some(4_600.0)).holds());
        assert!(!row(5_000.0, Some(5_600.0)).holds());
        assert!(!row(5_000.0, None).holds());
    }

    #[test]
    fn the_table_shows_known_measured_error_and_bound() {
        insta::assert_snapshot!(table(&[
            row(5_000.0, Some(5_075.0)),
            row(0.0, Some(0.0)),
            row(5_000.0, Some(4_000.0)),
            row(1.0, None)
        ]));
    }
}
