//! Why a threshold was not met.

use api::result::Explanation;

use super::{Page, wrap};

/// The columns that an explanation stands in from: those of its threshold's name.
const INDENT: usize = 6;

pub(super) fn explanation(page: &mut Page, explanation: &Explanation) {
    let width = page.width - INDENT;
    for row in wrap(&explanation.text, width) {
        page.line(&format!("{:INDENT$}{row}", ""));
    }
    // An identifier is copied whole, so each has a line of its own.
    for (number, trace) in explanation.traces.iter().enumerate() {
        let label = if number == 0 { "look at trace" } else { "" };
        page.line(&format!("{:INDENT$}{label:<13} {trace}", ""));
    }
}
