//! Lines of the log: whose, and how many.

use super::*;

#[test]
fn an_execution_that_is_not_drawn_and_fails_is_written_down_from_its_failure_on() {
    let options = options(Sampling::Off);
    let traced = Traced::new(rate(10, 1), vec![GET; 4], options, ExecutionLog::default());
    let answers = |nth| (1, if nth == 6 || nth == 13 { RESET } else { Outcome::Succeeded });
    let (kept, _) = traced.answering(answers).run_to(5_000).finish();
    assert_eq!(numbers(&kept), [1, 3]);
    let indices: Vec<Vec<_>> =
        kept.iter().map(|record| record.requests.iter().map(|request| request.index).collect()).collect();
    assert_eq!(indices, [vec![2, 3], vec![1, 2, 3]]);
    assert_eq!(kept.iter().map(|record| record.more_requests).collect::<Vec<_>>(), [2, 1]);
    for record in kept {
        assert_eq!((record.kept.traced, record.kept.logged), (false, true));
    }
}

#[test]
fn failed_lines_are_limited_by_class_and_second_and_the_rest_is_counted() {
    let log = ExecutionLog { lines_per_error: 3, ..ExecutionLog::default() };
    let answers = |nth| (0, [RESET, RESET, DNS, Outcome::Succeeded][nth as usize % 4]);
    for all in [false, true] {
        let log = ExecutionLog { all, ..log };
        let traced = Traced::new(rate(100, 3), vec![GET], options(Sampling::Off), log).answering(answers);
        let traced = traced.run_to(5_000);
        let start = traced.bench.start;
        let (kept, told) = traced.finish();
        let of = |class: Option<ErrorClass>, second: u64| {
            let matching = kept.iter().filter(|record| {
                let at = record.started_at.saturating_since(start).as_u64() / 1_000_000_000;
                record.kept.logged && record.first_failure() == class && at == second
            });
            matching.count()
        };
        for second in 0..3 {
            assert_eq!((of(Some(ErrorClass::Reset), second), of(Some(ErrorClass::Dns), second)), (3, 3));
            assert_eq!(of(None, second), if all { 25 } else { 0 });
        }
        let suppressed = |class: ErrorClass| told.suppressed[class.index()];
        assert_eq!((suppressed(ErrorClass::Reset), suppressed(ErrorClass::Dns)), (150 - 9, 75 - 9));
        assert_eq!(told.suppressed.iter().sum::<u64>(), 225 - 18);
    }
}

#[test]
fn spans_that_have_no_line_leave_all_the_same() {
    let log = ExecutionLog { lines_per_error: 1, ..ExecutionLog::default() };
    let traced = Traced::new(rate(100, 1), vec![GET], ratio(1.0), log).prompt(RESET);
    let (kept, told) = traced.run_to(3_000).finish();
    assert_eq!(kept.len(), 100);
    assert_eq!(kept.iter().filter(|record| record.kept.logged).count(), 1);
    assert_eq!(told.suppressed[ErrorClass::Reset.index()], 99);
}

#[test]
fn lines_are_of_those_that_were_asked_for() {
    let lines = |options: TraceOptions, log: ExecutionLog| {
        let answers = |nth| (0, if nth == 50 { RESET } else { Outcome::Succeeded });
        let traced = Traced::new(rate(100, 1), vec![GET], options, log).answering(answers);
        let (kept, _) = traced.run_to(3_000).finish();
        kept.iter().filter(|record| record.kept.logged).count()
    };
    let drawn = drawn(0.5, 100);
    assert!(!drawn.contains(&50), "or the numbers below are others");
    assert_eq!(lines(ratio(0.5), NO_LOG), 0);
    assert_eq!(lines(ratio(0.5), ExecutionLog { sampled: true, ..NO_LOG }), drawn.len());
    assert_eq!(lines(ratio(0.5), ExecutionLog { failed: true, ..NO_LOG }), 1);
    assert_eq!(lines(ratio(0.5), ExecutionLog::default()), drawn.len() + 1);
    assert_eq!(lines(ratio(0.5), ExecutionLog { all: true, ..NO_LOG }), 100);
    assert_eq!(lines(options(Sampling::Off), ExecutionLog { all: true, ..NO_LOG }), 100);
    assert_eq!(lines(options(Sampling::Off), ExecutionLog::default()), 1);
}

#[test]
fn a_failure_that_was_cut_off_is_no_failed_execution() {
    let ops = vec![GET, think(1_000)];
    let traced = Traced::new(rate(100, 10), ops, options(Sampling::Off), ExecutionLog::default());
    let mut traced = traced.prompt(RESET);
    traced.bench.run_to(95);
    traced.bench.core.drain(traced.bench.clock.now());
    traced.bench.next = traced.bench.core.turn();
    let (kept, told) = traced.finish();
    assert_eq!((kept, told), (Vec::new(), TraceTally::default()));
}
