//! Thousands of schedules, each from its seed, and what must hold in every one of them.
//!
//! One that fails prints its seed. `SIMULATION_SEED=… cargo test -p loadgen-simulation --test schedules` runs it again and
//! writes down what happened in it; its seed then goes into [`ONCE_BROKEN`], to be run for ever.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use api::ExitCode;
use loadgen_simulation::{Outcome, Verdict, Workloads, simulate};

/// Schedules that showed a fault once.
const ONCE_BROKEN: &[u64] = &[
    // A worker whose lease was over asked to be called again at once until its last request had ended.
    91, 99, 106, 157, 182, 292,
    // One that joined a run under way never started when it was told to before it was ready.
    64,
    // One that was ready and left before the start booked its part of a plan that others carried.
    1193, 2771,
    // The stop of one that leaves came on its beats, before it knew that nothing was its own any more.
    3235, 3974, 17_568, 18_198,
    // One that was not ready yet took up a revision late that gave it nothing: the run was marked as degraded.
    15_660,
    // A command of an earlier controller began a run, which the real first command then could not.
    201, 535, 953, 970,
];

/// Runs one schedule; what did not hold in it, if something did not.
fn run(workloads: &Workloads, seed: u64) -> Result<Outcome, String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| simulate(workloads, seed, false))).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("SIMULATION_SEED={seed}: panicked: {}", text.unwrap_or_default())
    })?;
    match &outcome.broken {
        Some(why) => Err(format!("SIMULATION_SEED={seed}: {why}")),
        None => Ok(outcome),
    }
}

/// Runs the schedules of all `seeds`, on as many CPUs as there are; how their runs ended.
fn hold(seeds: Range<u64>) -> Vec<Verdict> {
    let lanes = thread::available_parallelism().map_or(1, |lanes| lanes.get() as u64);
    let lane = |lane: u64| {
        let (seeds, workloads) = (seeds.clone(), Workloads::default());
        seeds
            .skip(lane as usize)
            .step_by(lanes as usize)
            .map(|seed| run(&workloads, seed))
            .collect::<Vec<_>>()
    };
    let outcomes: Vec<Result<Outcome, String>> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|number| scope.spawn(move || lane(number))).collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    let broken: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    let few: Vec<&str> = broken.iter().take(5).map(|why| why.as_str()).collect();
    assert!(
        broken.is_empty(),
        "{} of {} schedules are broken:\n{}",
        broken.len(),
        outcomes.len(),
        few.join("\n\n")
    );
    outcomes.into_iter().flatten().flat_map(|outcome| outcome.verdicts).collect()
}

#[test]
fn whatever_goes_wrong_runs_end_and_their_numbers_are_true() {
    let verdicts = hold(0..1_000);
    // What the schedules are for did happen in them.
    let count = |is: &dyn Fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| is(verdict)).count();
    let ended = |verdict: &Verdict, code: ExitCode| verdict.exit == Some(code);
    let seen: BTreeMap<&str, usize> = BTreeMap::from([
        ("passed", count(&|verdict| ended(verdict, ExitCode::Passed) && !verdict.is_degraded)),
        (
            "passed although degraded",
            count(&|verdict| ended(verdict, ExitCode::Passed) && verdict.is_degraded),
        ),
        ("degraded", count(&|verdict| ended(verdict, ExitCode::WorkersLost))),
        ("stopped", count(&|verdict| ended(verdict, ExitCode::StoppedBySignal))),
        ("never began", count(&|verdict| verdict.exit.is_none())),
        ("requests untold", count(&|verdict| verdict.untold > 0)),
        ("slots of nobody", count(&|verdict| verdict.missing > 0)),
        ("slots twice, and told so", count(&|verdict| verdict.twice > 0)),
        ("revised more than once", count(&|verdict| verdict.revisions > 1)),
        ("more than five lives", count(&|verdict| verdict.sessions > 5)),
    ]);
    assert!(seen.values().all(|count| *count >= 5), "{seen:#?}");
}

#[test]
fn schedules_that_were_broken_once_hold() {
    let workloads = Workloads::default();
    let broken: Vec<String> = ONCE_BROKEN.iter().filter_map(|seed| run(&workloads, *seed).err()).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    let workloads = Workloads::default();
    let mut hashes = BTreeMap::new();
    for seed in 5_000..5_100 {
        let [once, again] = [false, false].map(|readable| simulate(&workloads, seed, readable));
        let told = simulate(&workloads, seed, true);
        assert_eq!((once.hash, &once.verdicts), (again.hash, &again.verdicts), "seed {seed}");
        assert_eq!(once.hash, told.hash, "seed {seed}: to be read changes nothing");
        assert!(!told.lines.is_empty() && once.lines.is_empty());
        hashes.insert(once.hash, seed);
    }
    assert_eq!(hashes.len(), 100, "other seeds are other schedules");
}

/// For people: the schedule of `SIMULATION_SEED`, line by line.
#[test]
fn a_schedule_can_be_read() {
    let Ok(seed) = std::env::var("SIMULATION_SEED") else { return };
    let outcome = simulate(&Workloads::default(), seed.parse().unwrap(), true);
    // Not by a macro, whose output is kept from people when the test passes.
    let mut out = std::io::stdout().lock();
    for line in &outcome.lines {
        writeln!(out, "{line}").unwrap();
    }
    writeln!(out, "{:#?}", outcome.verdicts).unwrap();
    assert_eq!(outcome.broken, None);
}

/// What CI runs.
mod bounded {
    #[test]
    #[ignore = "a minute"]
    fn twenty_thousand_schedules_hold() {
        super::hold(0..20_000);
    }
}

#[test]
#[ignore = "an hour"]
fn a_million_schedules_hold() {
    // In parts, so that a broken one is told of before the end.
    for part in 0..50 {
        hold(part * 20_000..(part + 1) * 20_000);
    }
}
