//! Numbers as people read them: three significant digits and a unit.

/// A span of `us` microseconds with three significant digits: `850ns`, `12.3µs`, `1.23ms`, `45.6s`, `12m05s`.
///
/// ```
/// use loadgen_report::figures::span_us;
/// assert_eq!(span_us(1_234.5), "1.23ms");
/// assert_eq!(span_us(725_000_000.0), "12m05s");
/// ```
pub fn span_us(us: f64) -> String {
    let ns = us * 1e3;
    // A value that rounds up to the next unit is written in it: 999.6 ns are 1.00µs.
    if ns < 0.5 {
        "0".to_owned()
    } else if ns < 999.5 {
        format!("{ns:.0}ns")
    } else if us < 999.5 {
        format!("{}µs", three_digits(us))
    } else if us < 999_500.0 {
        format!("{}ms", three_digits(us / 1e3))
    } else if us < 599_500_000.0 {
        format!("{}s", three_digits(us / 1e6))
    } else {
        let seconds = (us / 1e6).round() as u64;
        match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
            (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
            (hours, minutes, seconds) => format!("{hours}h{minutes:02}m{seconds:02}s"),
        }
    }
}

/// A span of `ms` milliseconds, written as [`span_us`] does.
pub fn span_ms(ms: f64) -> String {
    span_us(ms * 1e3)
}

/// A rate per second: `200.0/s`, `12,345/s`.
pub fn rate(per_s: f64) -> String {
    if per_s.abs() < 1_000.0 {
        return format!("{per_s:.1}/s");
    }
    format!("{}/s", count(per_s.round() as u64))
}

/// A count with its thousands parted: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole in percent: `0%`, `0.042%`, `12.5%`, `100%`. Never rounded to none or all of it when it is neither.
pub fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if percent == 0.0 || percent == 100.0 {
        return format!("{percent:.0}%");
    }
    let decimals = match percent.abs() {
        small if small < 0.1 => 4,
        small if small < 1.0 => 3,
        large if large > 99.9 && large < 100.0 => 4,
        _ => 2,
    };
    let text = format!("{percent:.decimals$}");
    match text.as_str() {
        "100.0000" => ">99.9999%".to_owned(),
        "0.0000" => "<0.0001%".to_owned(),
        _ => format!("{}%", text.trim_end_matches('0').trim_end_matches('.')),
    }
}

/// The share of `part` in `whole` in percent; `-` when the whole is empty.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { percent(part as f64 / whole as f64) }
}

/// An amount of data: `512 B`, `1.5 MiB`.
pub fn bytes(n: u64) -> String {
    const STEPS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match STEPS.iter().find(|(_, unit)| n >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", n as f64 / *unit as f64),
        None => format!("{n} B"),
    }
}

fn three_digits(value: f64) -> String {
    let decimals = match value {
        small if small < 9.995 => 2,
        middle if middle < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_three_digits_and_the_unit_they_round_into() {
        let check = |us: f64, text: &str| assert_eq!(span_us(us), text);
        check(0.0, "0");
        check(0.064, "64ns");
        check(0.9996, "1.00µs");
        check(9.996, "10.0µs");
        check(12.34, "12.3µs");
        check(999.6, "1.00ms");
        check(99_960.0, "100ms");
        check(999_600.0, "1.00s");
        check(30_000_000.0, "30.0s");
        check(600_000_000.0, "10m00s");
        check(3_605_000_000.0, "1h00m05s");
    }

    #[test]
    fn percentages_never_claim_a_whole_that_is_not() {
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(0.0), "0%");
        assert_eq!(percent(0.999_999_9), ">99.9999%");
        assert_eq!(percent(0.000_000_1), "<0.0001%");
        assert_eq!(percent(0.999_98), "99.998%");
        assert_eq!(percent(0.000_42), "0.042%");
        assert_eq!(percent(0.1234), "12.34%");
        assert_eq!(share(1, 0), "-");
    }

    #[test]
    fn counts_rates_and_amounts_are_readable() {
        assert_eq!(
            [count(0), count(999), count(1_000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([rate(0.5), rate(199.96), rate(12_345.4)], ["0.5/s", "200.0/s", "12,345/s"]);
        assert_eq!([bytes(512), bytes(3 << 19)], ["512 B", "1.5 MiB"]);
    }
}
