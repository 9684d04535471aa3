//! A plan as text.

use report::figures::{bytes, count, span_ms};

use super::forecast::{Forecast, ScenarioForecast, SlotsInSeconds};

/// Renders `forecast` for people.
pub(super) fn text(forecast: &Forecast) -> String {
    let mut text = format!("{}\n", forecast.name);
    let mut field = |name: &str, value: String| text.push_str(&format!("  {name:<18}{value}\n"));
    field("plan hash", forecast.plan_hash.clone());
    field("scenario digest", forecast.scenario_digest.clone());
    field("config digest", forecast.config_digest.clone());
    field("seed", forecast.seed.to_string());
    let graceful = span_ms(forecast.graceful_stop_ms);
    field(
        "duration",
        format!("{}, then at most {graceful} for what is in flight", span_ms(forecast.duration_ms)),
    );
    let needs = &forecast.needs;
    let assumed = if needs.users_assumed { " (max_vus auto: as if an iteration took 1s)" } else { "" };
    field("users", format!("at most {}{assumed}", count(needs.users)));
    field("connections", format!("at most {}", count(needs.connections)));
    field("file handles", format!("at most {}", count(needs.file_handles)));
    let traced = match needs.trace_memory_bytes {
        0 => String::new(),
        all => {
            format!(", {} of it for tail sampling ({} a user)", bytes(all), bytes(needs.trace_bytes_per_user))
        }
    };
    field("memory", format!("about {}{traced}", bytes(needs.memory_bytes)));
    for scenario in &forecast.scenarios {
        text.push_str(&scenario_text(scenario));
    }
    if !forecast.slots_per_second.is_empty() {
        text.push_str(&seconds_text(forecast));
    }
    if let Some(shares) = &forecast.shares {
        text.push_str(&shares.text());
    }
    text
}

fn scenario_text(scenario: &ScenarioForecast) -> String {
    let mut text = format!("\n{}: {}", scenario.name, scenario.executor);
    if let Some(arrivals) = scenario.arrivals {
        text.push_str(&format!(", {arrivals} arrivals"));
    }
    if let Some(iterations) = scenario.iterations {
        text.push_str(&format!(", {} iterations", count(iterations)));
        if let Some(requests) = scenario.requests_per_iteration {
            text.push_str(&format!(" of {requests} {}", if requests == 1 { "request" } else { "requests" }));
        }
    }
    text.push('\n');
    text.push_str(&format!("  {:<5} {:>11} {:>11} {:>21} {:>13}\n", "stage", "from", "to", "level", "slots"));
    for (i, stage) in scenario.stages.iter().enumerate() {
        let level = if stage.from == stage.to {
            stage.from.clone()
        } else {
            format!("{} to {}", stage.from, stage.to)
        };
        let slots = stage.slots.map_or_else(|| "-".to_owned(), count);
        let warm_up = if stage.measured { "" } else { "  warm-up" };
        let (start, end) = (span_ms(stage.start_ms), span_ms(stage.end_ms));
        text.push_str(&format!("  {:<5} {start:>11} {end:>11} {level:>21} {slots:>13}{warm_up}\n", i + 1));
    }
    text
}

fn seconds_text(forecast: &Forecast) -> String {
    let counted = forecast.scenarios.iter().filter(|s| s.arrivals.is_some() && s.iterations.is_some());
    let open: Vec<&str> = counted.map(|scenario| scenario.name.as_str()).collect();
    let mut text = format!("\nslots per second\n  {:<17}", "seconds");
    for name in &open {
        text.push_str(&format!(" {:>w$}", name, w = column(name)));
    }
    text.push('\n');
    for row in fold(&forecast.slots_per_second) {
        let seconds = if row.first_second == row.last_second {
            row.first_second.to_string()
        } else {
            format!("{}..{}", row.first_second, row.last_second)
        };
        text.push_str(&format!("  {seconds:<17}"));
        for (slots, name) in row.slots.iter().zip(&open) {
            text.push_str(&format!(" {:>w$}", count(*slots), w = column(name)));
        }
        if row.merged {
            text.push_str("  in all");
        }
        text.push('\n');
    }
    text
}

fn column(name: &str) -> usize {
    name.chars().count().max(11)
}

/// At most [`MAX_ROWS`] rows: neighbours are added up where there are more.
fn fold(rows: &[SlotsInSeconds]) -> Vec<SlotsInSeconds> {
    let per_row = rows.len().div_ceil(MAX_ROWS).max(1);
    rows.chunks(per_row)
        .map(|chunk| match chunk {
            [row] => copy(row),
            _ => sum(chunk),
        })
        .collect()
}

fn sum(chunk: &[SlotsInSeconds]) -> SlotsInSeconds {
    let scenarios = chunk[0].slots.len();
    let in_row = |row: &SlotsInSeconds, i: usize| {
        let seconds = if row.merged { 1 } else { row.last_second - row.first_second + 1 };
        row.slots[i] * seconds
    };
    SlotsInSeconds {
        first_second: chunk[0].first_second,
        last_second: chunk[chunk.len() - 1].last_second,
        slots: (0..scenarios).map(|i| chunk.iter().map(|row| in_row(row, i)).sum()).collect(),
        merged: true,
    }
}

fn copy(row: &SlotsInSeconds) -> SlotsInSeconds {
    SlotsInSeconds { slots: row.slots.clone(), ..*row }
}

/// As many as fit on a screen or two; the JSON form has all.
const MAX_ROWS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_plan_is_added_up_into_few_rows_without_losing_a_slot() {
        let rows: Vec<SlotsInSeconds> = (0..1_000)
            .map(|i| SlotsInSeconds {
                first_second: 2 * i,
                last_second: 2 * i + 1,
                slots: vec![i],
                merged: false,
            })
            .collect();
        let folded = fold(&rows);
        assert!(folded.len() <= MAX_ROWS);
        assert_eq!(
            folded.iter().map(|row| row.slots[0]).sum::<u64>(),
            (0..1_000).map(|i| 2 * i).sum::<u64>()
        );
        assert_eq!(folded.last().map(|row| row.last_second), Some(1_999));
    }
}
