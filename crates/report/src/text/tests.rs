use super::*;
use crate::sample;

fn plain(result: &ResultFile, width: usize) -> String {
    text(result, TextOptions { color: false, width })
}

#[test]
fn a_passed_run_reads_at_a_glance() {
    insta::assert_snapshot!(plain(&sample::passed(), 100));
}

#[test]
fn an_invalid_run_says_why_and_what_to_change() {
    insta::assert_snapshot!(plain(&sample::invalid(), 100));
}

#[test]
fn a_run_without_any_number_still_has_a_summary() {
    insta::assert_snapshot!(plain(&sample::nothing(), 100));
}

#[test]
fn the_layout_fits_its_width_and_is_the_same_on_wider_terminals() {
    let result = sample::invalid();
    assert_eq!(plain(&result, 100), plain(&result, 120));
    for line in plain(&result, 120).lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        assert_eq!(line, line.trim_end(), "no blanks at the end");
    }
}

#[test]
fn names_of_steps_that_are_too_long_for_a_line_are_cut() {
    let mut result = sample::invalid();
    let steps = result.scenarios.iter_mut().flat_map(|scenario| &mut scenario.steps);
    steps.for_each(|step| step.name = "a long name of a step ".repeat(9));
    for width in [80, 100] {
        let page = plain(&result, width);
        let counts = page.split("STATUS CODES").nth(1).unwrap().split("LEDGERS").next().unwrap();
        assert!(counts.lines().all(|line| line.chars().count() <= width), "{counts}");
        assert!(width < 100 || counts.contains('…'), "{counts}");
    }
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let result = sample::invalid();
    let colored = text(&result, TextOptions { color: true, width: 100 });
    assert!(colored.contains("\x1b[31m✗\x1b[0m"));
    let mut stripped = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain(&result, 100));
}

#[test]
fn quantiles_among_censored_values_print_as_lower_bounds() {
    let page = plain(&sample::invalid(), 100);
    assert!(page.contains("≥1.00s"), "{page}");
    assert!(page.contains("measured ≥1.00s"), "{page}");
}

#[test]
fn text_wraps_between_words_only() {
    assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    assert_eq!(wrap("a-very-long-word b", 5), ["a-very-long-word", "b"]);
    assert_eq!(fit("abcdef", 4), "abc…");
}
