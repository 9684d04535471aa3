//! Workers that tell what is not true.

use control::FactBody;
use metrics::{CheckCounts, Moments, ScenarioCounts, Snapshot, SparseHistogram};

use super::rogue::{Manner, Scene, Script, layout, play};
use super::stage::{Link, Stage, document};

/// A snapshot of which something is not true.
fn lie(change: impl FnOnce(&mut Snapshot) + Send + 'static) -> Script {
    Box::new(|scene: &Scene| {
        let mut snapshot = scene.snapshot(0, 20);
        change(&mut snapshot);
        vec![FactBody::Measured(Box::new(snapshot))]
    })
}

/// Twelve lies that no recorder would have told, each by the name of who tells it.
fn lies() -> Vec<(&'static str, Script)> {
    vec![
        ("other-plan", lie(|snapshot| snapshot.shape_hash ^= 1)),
        ("no-such-step", lie(|snapshot| snapshot.steps.extend([(9_999, snapshot.steps[&0].clone())]))),
        (
            "no-such-scenario",
            lie(|snapshot| snapshot.scenarios.extend([(u32::MAX, ScenarioCounts::default())])),
        ),
        ("no-such-check", lie(|snapshot| snapshot.checks.extend([(7, CheckCounts::default())]))),
        (
            "no-such-histogram",
            lie(|snapshot| {
                let any = snapshot.histograms.values().next().unwrap().clone();
                snapshot.histograms.insert(4_000_000, any);
            }),
        ),
        (
            "other-histogram",
            lie(|snapshot| {
                // A bucket that no shape has.
                let (series, histogram) = snapshot.histograms.pop_first().unwrap();
                let moments = Moments { count: 1, ..*histogram.moments() };
                let wrong = SparseHistogram::from_parts(moments, vec![(u32::MAX, 1)]).unwrap();
                snapshot.histograms.insert(series, wrong);
            }),
        ),
        ("far-future", lie(|snapshot| (snapshot.first, snapshot.last) = (1_000_000, 1_000_000))),
        ("end-of-time", lie(|snapshot| snapshot.last = u32::MAX)),
        ("too-much", lie(|snapshot| snapshot.steps.get_mut(&0).unwrap().requests.attempted = u64::MAX)),
        ("out-of-nothing", lie(|snapshot| snapshot.steps.get_mut(&0).unwrap().requests.attempted += 1_000)),
        ("never-over", lie(|snapshot| snapshot.steps.get_mut(&0).unwrap().requests.in_flight -= 50)),
        (
            "half-a-slot",
            lie(|snapshot| {
                let mut counts = ScenarioCounts::default();
                counts.iterations.due.count = 5;
                snapshot.scenarios.insert(0, counts);
            }),
        ),
    ]
}

#[test]
fn twelve_liars_are_named_and_what_the_honest_worker_says_counts() {
    let stage = Stage::with_workers(Link::Insecure, 1);
    let lies = lies();
    let names: Vec<&str> = lies.iter().map(|(name, _)| *name).collect();
    let count = lies.len() as u32 + 1;
    let layout = layout(&document(&stage.target.url(), "100/s", "5s", ""));
    for (name, script) in lies {
        let address = stage.worker_address();
        stage.spawn(play(address, name.to_owned(), layout.clone(), Manner::Plain, script));
    }
    stage.await_ready(count as usize);
    let run = stage.submit("100/s", "5s", count);
    let result = stage.result(run);
    // Nothing of what the liars said is in it.
    stage.holds(&result);
    let degraded = result.degraded.as_ref().unwrap();
    for name in &names {
        assert!(degraded.workers_lost.iter().any(|lost| lost == name), "{name}: {degraded:?}");
        let said = result.annotations.iter().any(|note| note.text.contains(name));
        assert!(said, "{name}: {:#?}", result.annotations);
    }
    assert_eq!(degraded.workers_lost.len(), names.len(), "{degraded:?}");
    let honest = result.workers.iter().find(|worker| worker.name == "w1").unwrap();
    assert!(honest.complete && honest.sums.requests == stage.arrived(), "{honest:#?}");
    assert!(honest.sums.requests > 100, "it took over what the others had: {honest:#?}");
    // The liars are still members; the honest one goes on with the next run, which wants nobody else.
    stage.end();
}

#[test]
fn a_session_that_is_played_back_counts_once() {
    let stage = Stage::with_workers(Link::Insecure, 1);
    let layout = layout(&document(&stage.target.url(), "100/s", "3s", ""));
    let script: Script = Box::new(|scene: &Scene| {
        let told = |second| FactBody::Measured(Box::new(scene.snapshot(second, 10)));
        vec![told(0), told(1), FactBody::Final(Box::new(Scene::last(20)))]
    });
    stage.spawn(play(stage.worker_address(), "parrot".to_owned(), layout, Manner::Parrot, script));
    stage.await_ready(2);
    let run = stage.submit("100/s", "5s", 2);
    let result = stage.result(run);
    let parrot = result.workers.iter().find(|worker| worker.name == "parrot").unwrap();
    assert_eq!((parrot.sums.requests, parrot.complete), (20, true), "{parrot:#?}");
    let honest = result.workers.iter().find(|worker| worker.name == "w1").unwrap();
    assert_eq!(honest.sums.requests, stage.arrived());
    assert_eq!(result.totals.requests.attempted, stage.arrived() + 20);
}
