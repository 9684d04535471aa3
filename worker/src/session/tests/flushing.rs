//! How long telemetry has, and what is said of it.

use super::*;

#[test]
fn telemetry_has_five_seconds_at_the_natural_end_and_less_after_each_stop() {
    let mut play = Play::running(1);
    play.tick(9_000);
    play.end(0, finished(7, 7));
    assert_eq!((play.done(), play.flush_until), (vec!["close".to_owned()], Some(at(14_000))));
    play.tick(10_000);
    play.command(CommandBody::Stop(StopMode::Drain));
    assert_eq!((play.done(), play.flush_until), (vec!["hasten".to_owned()], Some(at(10_700))));
    play.command(CommandBody::Stop(StopMode::Drain));
    assert_eq!(play.done(), Vec::<String>::new(), "no less for the same");
    play.tick(10_100);
    play.input(Input::Stop(StopMode::Cancel));
    assert_eq!((play.done(), play.flush_until), (vec!["hasten".to_owned()], Some(at(10_400))));
    play.input(Input::Abandoned);
    assert_eq!(play.done(), Vec::<String>::new());
    play.close(&[(7, 7)]);
    play.input(Input::Traced(Vec::new()));
    assert_eq!(play.done(), ["3:final"], "and no word after the last one");
}

#[test]
fn a_worker_that_leaves_while_it_flushes_has_less_time_for_it_and_carried_its_part() {
    let mut play = Play::running(1);
    play.tick(9_000);
    play.end(0, finished(7, 7));
    play.done();
    play.tick(9_500);
    let departure = Departure { since: at(9_400), drain: Nanos::from_millis(500) };
    play.input(Input::Leave(departure));
    assert_eq!((play.done(), play.flush_until), (vec!["hasten".to_owned()], Some(at(10_200))));
    play.tick(9_600);
    play.input(Input::Leave(departure));
    assert_eq!(play.done(), Vec::<String>::new(), "once");
    play.close(&[(7, 7)]);
    assert_eq!(play.last().left_at, None);
}

#[test]
fn after_a_stop_telemetry_is_given_up_before_the_controller_gives_the_worker_up() {
    let stopped = |mode, ended: u64| {
        let mut play = Play::running(1);
        play.command(CommandBody::Stop(mode));
        play.tick(1_000 + ended);
        play.end(0, finished(7, 7));
        play.flush_until.map(millis)
    };
    assert_eq!(stopped(StopMode::Drain, 100), Some(1_800), "0.7 s after the threads' end");
    assert_eq!(stopped(StopMode::Drain, 3_400), Some(4_800), "3.8 s after the stop");
    assert_eq!(stopped(StopMode::Cancel, 200), Some(1_900));
    assert_eq!(stopped(StopMode::Cancel, 1_400), Some(2_800), "1.8 s after the order to cancel");
    assert_eq!(stopped(StopMode::Cancel, 9_999), Some(2_800), "no thread ended");
}

#[test]
fn what_became_of_telemetry_is_in_the_last_word() {
    let mut play = Play::running(1);
    play.end(0, finished(1, 1));
    let report = metrics::SinkReport {
        signal: metrics::Signal::Traces,
        endpoint: "http://127.0.0.1:4317".into(),
        delivery: metrics::Delivery { produced: 3, lost: 3, ..metrics::Delivery::default() },
    };
    play.input(Input::Closed(Closing {
        telemetry: vec![report.clone()],
        over_budget: 5,
        faults: vec!["the exporter panicked".into()],
        ..Closing::default()
    }));
    let last = play.last();
    assert_eq!((&last.telemetry, last.executions_over_budget), (&vec![report], 5));
    assert_eq!(last.faults, ["the exporter panicked"]);
}
