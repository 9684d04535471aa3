//! The summary on the terminal, in the order people know from other tools.

mod explain;
mod judgement;
mod ledgers;
mod telemetry;
mod times;
mod totals;
mod workers;

use api::result::{Mark, ResultFile, VerdictOutcome};

use crate::Palette;
use crate::figures::span_ms;

/// How the summary looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Whether it is coloured.
    pub color: bool,
    /// Columns there are; the layout uses at most 100, so that it is the same on all wider terminals.
    pub width: usize,
}

/// Renders the summary of `result`: header, thresholds, totals, checks, times, statuses, errors, ledgers, warm-up,
/// workers when there are several, telemetry and the slowest requests where it was sent, verdict.
pub fn text(result: &ResultFile, options: TextOptions) -> String {
    let mut page = Page::new(options);
    header(&mut page, result);
    judgement::thresholds(&mut page, &result.thresholds);
    totals::totals(&mut page, result);
    totals::checks(&mut page, &result.scenarios);
    times::times(&mut page, result);
    totals::statuses(&mut page, result);
    totals::errors(&mut page, result);
    ledgers::ledgers(&mut page, &result.totals);
    ledgers::warm_up(&mut page, &result.totals);
    workers::workers(&mut page, result);
    telemetry::telemetry(&mut page, result);
    telemetry::slowest(&mut page, &result.slowest);
    judgement::verdict(&mut page, result);
    page.text
}

fn header(page: &mut Page, result: &ResultFile) {
    let identity = &result.identity;
    let palette = page.palette;
    page.line(&format!("{}  {}", palette.bold(&identity.name), verdict_words(palette, result)));
    page.field("run", &identity.run_id);
    page.field("plan", &format!("{}  seed {}", short(&identity.plan_hash), result.seed));
    page.field("scenario", &short(&identity.scenario_digest));
    let place = if result.target.in_process { " (in this process, on the same CPUs)" } else { "" };
    page.field("target", &format!("{}{place}", result.target.url));
    let time = &result.time;
    let started = time.started_at.as_deref().unwrap_or("never started");
    let load = format!("{started}, {} of load, {} planned", span_ms(time.load_ms), span_ms(time.planned_ms));
    page.field("time", &load);
    if !result.tags.is_empty() {
        let tags: Vec<String> = result.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        page.field("tags", &tags.join(" "));
    }
    for annotation in &result.annotations {
        let text = match (&annotation.by, annotation.at_ms) {
            (Some(by), Some(at_ms)) if at_ms >= 0.0 => {
                format!("{} ({by}, at {})", annotation.text, span_ms(at_ms))
            }
            (Some(by), _) => format!("{} ({by})", annotation.text),
            (None, _) => annotation.text.clone(),
        };
        page.field("note", &text);
    }
    if let Some(degraded) = &result.degraded {
        workers::degraded(page, degraded);
    }
}

/// The verdict in capitals, with its marks.
fn verdict_words(palette: Palette, result: &ResultFile) -> String {
    let mut words = match result.verdict.outcome {
        VerdictOutcome::Passed => palette.good("PASSED"),
        VerdictOutcome::Failed => palette.bad("FAILED"),
        VerdictOutcome::Invalid => palette.bad("INVALID"),
    };
    for mark in &result.verdict.marks {
        let mark = match mark {
            Mark::Suspect => "suspect",
            Mark::Degraded => "degraded",
        };
        words.push_str(&palette.warn(&format!(", {mark}")));
    }
    words
}

/// The beginning of a digest: enough to compare by eye.
fn short(digest: &str) -> String {
    digest.chars().take(16).collect()
}

/// The text as it grows, and how it is laid out.
struct Page {
    text: String,
    palette: Palette,
    width: usize,
}

impl Page {
    fn new(options: TextOptions) -> Self {
        let width = options.width.clamp(MIN_WIDTH, MAX_WIDTH);
        Self { text: String::new(), palette: Palette::new(options.color), width }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        let heading = self.palette.bold(heading);
        self.text.push('\n');
        self.line(&heading);
    }

    /// A name and its value; a long value goes on below itself.
    fn field(&mut self, name: &str, value: &str) {
        let mut name = self.palette.dim(&format!("{name:<FIELD_WIDTH$}"));
        for row in wrap(value, self.width - INDENT - FIELD_WIDTH) {
            self.line(&format!("  {name}{row}"));
            name = " ".repeat(FIELD_WIDTH);
        }
    }
}

/// Breaks `text` between words into rows of at most `width` characters; a longer word has a row of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    // Double blanks part columns and stay.
    for word in text.split(' ') {
        let row = rows.last_mut().expect("there is always a row");
        if row.is_empty() {
            row.push_str(word);
        } else if row.chars().count() + 1 + word.chars().count() <= width {
            row.push(' ');
            row.push_str(word);
        } else {
            rows.push(word.to_owned());
        }
    }
    rows
}

/// `text` in at most `width` characters, the end cut off when there are more.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width - 1).collect();
    cut.push('…');
    cut
}

const MIN_WIDTH: usize = 60;
const MAX_WIDTH: usize = 100;
const INDENT: usize = 2;
const FIELD_WIDTH: usize = 13;

#[cfg(test)]
mod tests;
