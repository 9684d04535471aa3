//! The progress bar: one line that is drawn again and again.

use controller::LiveView;
use report::Palette;
use report::figures::{count, span_us};

use super::{pace, phase, time};

/// Draws `view` in one line of less than `columns` columns, so that no terminal wraps it. What does not fit is left out,
/// the least important first; the bar has what remains.
pub(super) fn bar(view: &LiveView, columns: usize, palette: Palette) -> String {
    let percent = (view.progress.as_f64() * 100.0).round();
    let (elapsed, remaining) = (view.elapsed.as_micros_f64(), view.remaining.as_micros_f64());
    let errors = format!("errors {}", count(view.errors));
    let mut parts = vec![
        format!("{percent:>3}% {}, {} left", span_us(elapsed), span_us(remaining)),
        pace(view),
        errors.clone(),
    ];
    if let Some(times) = &view.response_time {
        parts.push(format!("p50 {} p99 {}", time(times.p50), time(times.p99)));
    }
    parts.push(format!("users {}", count(view.vus)));
    for (name, n) in [("queued", view.queued), ("dropped", view.dropped), ("unsent", view.unsent)] {
        if n > 0 {
            parts.push(format!("{name} {}", count(n)));
        }
    }
    if phase(view) != "running" {
        parts.push(phase(view).to_owned());
    }
    let room = columns.saturating_sub(1);
    while parts.len() > 1 && width(&parts) + FRAME + SHORTEST > room {
        parts.pop();
    }
    if width(&parts) > room {
        return parts[0].chars().take(room).collect();
    }
    let length = room.saturating_sub(width(&parts) + FRAME).min(LONGEST);
    let paint =
        |part: &String| if *part == errors && view.errors > 0 { palette.bad(part) } else { part.clone() };
    let text = parts.iter().map(paint).collect::<Vec<_>>().join(GAP);
    if length < SHORTEST {
        return text;
    }
    let full = ((view.progress.as_f64() * length as f64) as usize).min(length);
    format!("[{}{}] {text}", palette.good(&"=".repeat(full)), " ".repeat(length - full))
}

fn width(parts: &[String]) -> usize {
    parts.iter().map(|part| part.chars().count()).sum::<usize>() + GAP.len() * (parts.len() - 1)
}

const LONGEST: usize = 20;
const SHORTEST: usize = 5;
/// Brackets and a blank.
const FRAME: usize = 3;
const GAP: &str = "  ";

#[cfg(test)]
mod tests {
    use super::super::sample::view;
    use super::*;

    #[test]
    fn a_wide_terminal_shows_everything() {
        assert_eq!(
            bar(&view(), 140, Palette::default()),
            "[========            ]  40% 12.0s, 18.0s left  198 of 200/s  errors 2  p50 1.02ms p99 ≥4.08ms  users 7"
        );
        assert_eq!(
            bar(&view(), 80, Palette::default()),
            "[==    ]  40% 12.0s, 18.0s left  198 of 200/s  errors 2  p50 1.02ms p99 ≥4.08ms"
        );
    }

    #[test]
    fn a_line_never_fills_its_terminal() {
        for columns in 1..160 {
            let line = bar(&view(), columns, Palette::default());
            assert!(line.chars().count() < columns.max(2), "{columns}: {line}");
        }
    }
}
