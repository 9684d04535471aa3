//! Who may send load, and for how long.

use api::http::{RunEventBody, WorkerState};

use super::*;

fn is_fenced(ack: &BeatAck) -> bool {
    matches!(ack.standing, Standing::Fenced { .. })
}

#[test]
fn a_worker_whose_answer_was_lost_gets_the_same_one_again() {
    let mut bench = Bench::new();
    let first = bench.enrol("a", 1).unwrap();
    assert_eq!(bench.enrol("a", 1), Ok(first));
    assert_eq!((first.epoch, first.version), (control::Epoch(3), 1));
}

#[test]
fn a_worker_that_enrols_again_after_its_lease_gets_a_higher_token_and_the_run_gives_its_part_up() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    let run = bench.run(1);
    bench.live(3, &mut [&mut life]);
    let old = life.clone();
    let again = bench.enrol("a", 1).unwrap();
    assert!(again.token > old.token);
    assert!(bench.closed.contains(&old.link), "what was said before the new grant does not come after it");
    assert!(is_fenced(&bench.beat_again(&old)));
    let is_lost =
        |body: &RunEventBody| matches!(body, RunEventBody::Incident { text } if text.contains("lost"));
    assert!(bench.events[&run].iter().any(|(_, body)| is_lost(body)), "{:?}", bench.events[&run]);
    assert!(bench.cluster.run(run).unwrap().degraded);
}

#[test]
fn another_life_of_a_worker_takes_over_and_the_old_one_is_told() {
    let mut bench = Bench::new();
    let mut old = bench.worker("a", 1);
    let mut other = bench.worker("b", 9);
    let run = bench.run(1);
    bench.live(2, &mut [&mut old, &mut other]);
    let (commands, ..) = bench.counts(&old);
    assert!(commands > 0);

    let mut new = bench.worker("a", 2);
    assert!(new.token > old.token);
    assert_eq!(bench.counts(&old).2, 1, "on its stream");
    assert_eq!(bench.beat_again(&old).standing, Standing::Fenced { current: new.token });
    assert_eq!(bench.beat_again(&new).standing, Standing::Current);
    // The new life gets a part of the run that is under way; the old one gets no command any more.
    bench.live(3, &mut [&mut new, &mut other]);
    assert!(bench.counts(&new).0 > 0);
    assert_eq!(bench.counts(&old).0, commands);
    assert_eq!(bench.cluster.run(run).unwrap().workers, ["a", "b"]);
    // What the old one knows is still taken.
    let fact = old.fact(run, FactBody::Final(Box::new(crate::fixture::final_fact(0, 0))));
    let seq = fact.seq;
    bench.say(&old, WorkerMessage::Fact(Box::new(fact)));
    assert_eq!(bench.last_ack(&old).unwrap().through, seq);
}

#[test]
fn a_run_whose_only_worker_is_restarted_goes_on_with_the_new_life() {
    let mut bench = Bench::new();
    let mut old = bench.worker("a", 1);
    let run = bench.run(1);
    bench.live(3, &mut [&mut old]);
    let mut new = bench.worker("a", 2);
    bench.live(3, &mut [&mut new]);
    let status = bench.cluster.run(run).unwrap();
    assert_eq!(status.state, api::http::RunState::Running);
    assert!(status.degraded);
    assert_eq!(bench.counts(&old).2, 1);
}

#[test]
fn a_run_that_takes_no_new_life_gives_the_old_one_up_when_it_comes() {
    let mut bench = Bench::new();
    let mut old = bench.worker("a", 1);
    let mut other = bench.worker("b", 9);
    let mut fixed = submission(1);
    fixed.workload.options.loss.rejoin = scenario::Rejoin::Never;
    bench.submit(fixed, "1").unwrap();
    bench.live(3, &mut [&mut old, &mut other]);
    bench.worker("a", 2);
    assert!(bench.cluster.run(run_id(1)).unwrap().degraded);
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Ready));
}

#[test]
fn a_session_without_authority_gets_no_command_whatever_its_run_says() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    let run = bench.run(1);
    bench.live(2, &mut [&mut life]);
    let to = crate::run::Peer::new(life.worker.clone(), life.session);
    let body = CommandBody::Stop(StopMode::Cancel);
    let command = control::Command { run_id: run, epoch: control::Epoch(3), id: control::CommandId(9), body };
    let say = |bench: &mut Bench| {
        let said = crate::run::Output::Command { to: to.clone(), command: command.clone() };
        bench.call(|cluster, _, out| cluster.carry_out(run, &mut vec![said], out));
    };
    let (before, ..) = bench.counts(&life);
    say(&mut bench);
    assert_eq!(bench.counts(&life).0, before + 1);
    bench.pass(patience());
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Lost));
    say(&mut bench);
    assert_eq!(bench.counts(&life).0, before + 1);
}

#[test]
fn a_new_life_that_does_not_open_a_stream_keeps_nothing_for_itself() {
    let mut bench = Bench::new();
    let mut old = bench.worker("a", 1);
    let mut other = bench.worker("b", 9);
    let run = bench.run(1);
    bench.live(3, &mut [&mut old, &mut other]);
    bench.enrol("a", 2).unwrap();
    bench.live(1, &mut [&mut other]);
    assert!(!bench.cluster.run(run).unwrap().degraded, "it may still come");
    bench.live(2, &mut [&mut other]);
    assert!(bench.cluster.run(run).unwrap().degraded);
}

#[test]
fn a_lease_ends_at_its_instant_and_not_before() {
    for beats in [0, 1] {
        let mut bench = Bench::new();
        let mut life = bench.worker("a", 1);
        for _ in 0..beats {
            bench.pass(SECOND);
            bench.beat(&mut life);
        }
        bench.pass(patience().saturating_sub(Nanos::new(1)));
        assert_eq!(state_of(&bench, "a"), Some(WorkerState::Ready));
        bench.pass(Nanos::new(1));
        assert_eq!(state_of(&bench, "a"), Some(WorkerState::Lost));
        assert_eq!(bench.counts(&life).2, 1);
        assert!(is_fenced(&bench.beat(&mut life)));
    }
}

#[test]
fn a_lease_counts_from_when_a_beat_came_and_not_from_when_it_was_looked_at() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    bench.pass(SECOND);
    let received_at = bench.now;
    bench.pass(SECOND + SECOND);
    life.beats += 1;
    let now = bench.now;
    assert!(!is_fenced(&bench.cluster.beat(now, &life.beat(), received_at)));
    bench.pass(patience().saturating_sub(SECOND + SECOND + Nanos::new(1)));
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Ready));
    bench.pass(Nanos::new(1));
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Lost));
}

#[test]
fn a_beat_that_comes_again_lengthens_nothing() {
    let mut bench = Bench::new();
    let life = bench.worker("a", 1);
    for _ in 0..10 {
        bench.pass(SECOND);
        bench.beat_again(&life);
    }
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Lost));
}

#[test]
fn time_in_which_the_controller_slept_ends_no_lease() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    bench.now = bench.now + Nanos::from_secs(3_600);
    bench.call(|cluster, now, out| cluster.tick(now, out));
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Ready));
    // Nor when the first thing it hears of when it wakes is a beat.
    bench.now = bench.now + Nanos::from_secs(3_600);
    assert_eq!(bench.beat(&mut life).standing, Standing::Current);
    // Awake again, it counts as ever.
    bench.pass(patience() + SECOND);
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Lost));
}

#[test]
fn a_worker_that_is_alive_and_gets_nowhere_under_load_is_lost() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    let mut idle = bench.worker("b", 2);
    let run = bench.run(1);
    let lives = &mut [&mut life, &mut idle];
    for _ in 0..4 {
        bench.live(1, lives);
    }
    assert_eq!(bench.cluster.run(run).unwrap().state, api::http::RunState::Running);
    let limit = options().stuck_limit.as_secs_f64() as u64;
    for second in 0..=limit {
        // Beats go on, for one of them without progress.
        lives[0].beats += 1;
        // The last progress was a second before the first of these.
        assert_eq!(is_fenced(&bench.beat_again(lives[0])), second + 1 >= limit, "{second}");
        bench.beat(lives[1]);
        bench.pass(SECOND);
    }
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Lost));
    assert_eq!(state_of(&bench, "b"), Some(WorkerState::Working));
}

#[test]
fn a_lost_worker_is_listed_for_ten_minutes() {
    let mut bench = Bench::new();
    // Somebody is there, so that the cluster looks.
    let mut other = bench.worker("b", 2);
    bench.worker("a", 1);
    let mut live = |bench: &mut Bench, seconds| bench.live(seconds, &mut [&mut other]);
    live(&mut bench, 7);
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Lost));
    live(&mut bench, 590);
    assert_eq!(state_of(&bench, "a"), Some(WorkerState::Lost));
    live(&mut bench, 12);
    assert_eq!(state_of(&bench, "a"), None);
}

#[test]
fn who_cannot_take_part_is_told_why() {
    let mut small = options();
    small.max_workers = 2;
    let mut bench = Bench::with(small);
    let refused = |bench: &mut Bench, proven: Option<&str>, enrol| {
        let proven = proven.map(WorkerId::new);
        bench.call(|cluster, now, out| cluster.enrol(now, proven.as_ref(), enrol, out)).unwrap_err()
    };
    for name in ["", "a b", "../x", "Ä", &"x".repeat(64)] {
        assert!(matches!(refused(&mut bench, None, enrol(name, 1)), EnrolRefusal::Name { .. }), "{name}");
    }
    let other = refused(&mut bench, Some("b"), enrol("a", 1)).to_string();
    assert!(other.contains("certificate is that of `b`"), "{other}");
    let mut old = enrol("a", 1);
    old.versions = ProtocolVersions { oldest: 7, newest: 9 };
    assert!(matches!(refused(&mut bench, None, old), EnrolRefusal::Version { .. }));

    bench.enrol("a", 1).unwrap();
    bench.enrol("b", 2).unwrap();
    assert_eq!(bench.enrol("c", 3), Err(EnrolRefusal::Full { limit: 2 }));
    assert!(bench.enrol("b", 4).is_ok(), "who is there already takes no further place");
    bench.pass(patience() + SECOND);
    assert!(bench.enrol("c", 3).is_ok(), "the lost have no place");
    bench.call(|cluster, now, out| cluster.shut_down(now, out));
    assert_eq!(bench.enrol("d", 5), Err(EnrolRefusal::ShuttingDown));
}

#[test]
fn workers_that_were_lost_do_not_fill_the_memory() {
    let mut small = options();
    small.max_workers = 2;
    let mut bench = Bench::with(small);
    for n in 0..50 {
        bench.enrol(&format!("w{n}"), n).unwrap();
        bench.pass(patience() + SECOND);
    }
    assert!(bench.cluster.status(bench.now).workers.len() <= 4);
}

#[test]
fn a_stop_rides_on_beats() {
    let mut bench = Bench::new();
    let mut life = bench.worker("a", 1);
    let run = bench.run(1);
    bench.live(2, &mut [&mut life]);
    assert_eq!(bench.beat(&mut life).stop, None);
    let stop = |bench: &mut Bench, cancel| {
        let by = crate::run::Actor::new("t");
        bench.call(|cluster, now, out| cluster.control(now, run, &RunControl::Stop { cancel }, by, out))
    };
    stop(&mut bench, false).unwrap();
    assert_eq!(bench.beat(&mut life).stop, Some((run, StopMode::Drain)));
    stop(&mut bench, true).unwrap();
    assert_eq!(bench.beat(&mut life).stop, Some((run, StopMode::Cancel)));
    bench.obey(&mut life);
    assert_eq!(bench.beat(&mut life).stop, None, "it is free again");
}

#[test]
fn a_beat_of_nobody_is_answered_so() {
    let mut bench = Bench::new();
    let life = bench.worker("a", 1);
    let mut stranger = life.clone();
    stranger.worker = WorkerId::new("b");
    assert_eq!(bench.beat_again(&stranger).standing, Standing::Unknown);
    let mut future = life.clone();
    future.token.counter += 1;
    assert_eq!(bench.beat_again(&future).standing, Standing::Unknown);
    let mut past = life.clone();
    past.token.epoch = control::Epoch(2);
    past.token.counter = 99;
    assert_eq!(bench.beat_again(&past).standing, Standing::Fenced { current: life.token });
}
