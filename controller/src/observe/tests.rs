//! A run as it is observed: what is shown, and what is sent.

use std::collections::BTreeMap;

use control::{Fact, FactBody};
use metrics::{ErrorClass, Snapshot};
use net::probe::{Form, Page};
use scenario::compile;
use telemetry::Board;

use super::*;
use crate::fixture::{Fate, final_fact, layout, prepared, run_id, snapshot, spec};
use crate::run::{Peer, Record, RunSpec, WorkerSpec};

/// 10/s for 2 s, of which 1 in 10 may fail.
fn workload() -> Workload {
    let document = serde_json::json!({
        "name": "shop",
        "target": { "url": "http://127.0.0.1:9" },
        "scenarios": {
            "browse": {
                "executor": "constant-arrival-rate", "rate": "10/s", "duration": "2s",
                "steps": [{ "get": "/", "name": "list", "checks": { "status": 200 } }]
            },
            "poll": { "executor": "constant-vus", "vus": 3, "duration": "2s", "steps": [{ "get": "/" }] }
        },
        "thresholds": {
            "failed{scenario:browse}": ["rate < 10%"],
            "response_time": ["p(99) < 1s"]
        }
    });
    Workload::from_canonical_json(&document.to_string(), &Files::default()).unwrap()
}

const CREATED: Timestamp = Timestamp::from_nanos(1_000_000_000);
const START: Timestamp = Timestamp::from_nanos(2_000_000_000);

/// A run of workers `a` and `b` by its records.
struct Observed {
    spec: RunSpec,
    fold: RunFold,
    seqs: BTreeMap<usize, u64>,
    board: Board,
    observer: Option<RunObserver>,
}

impl Observed {
    fn new(telemetry: &Telemetry) -> Self {
        let workload = workload();
        let plan = Arc::new(compile(&workload, &Files::default()).unwrap());
        let spec = RunSpec { layout: layout(&plan), plan: Arc::clone(&plan), ..spec(&["a", "b"]) };
        let about = About { run_id: run_id(), workload: &workload, files: &Files::default(), plan: &plan };
        let observer = RunObserver::start(telemetry, &about).unwrap();
        let mut fold = RunFold::new(&spec);
        fold.apply(&Record::Created { at: CREATED, workers: spec.workers.clone() });
        let board = telemetry.board.clone();
        let mut run = Self { spec, fold, seqs: BTreeMap::new(), board, observer: Some(observer) };
        for worker in 0..2 {
            run.says(worker, CREATED, FactBody::Prepared(prepared(&run.spec)));
        }
        run.fold.apply(&Record::Armed { start: START });
        for worker in 0..2 {
            run.says(worker, START, FactBody::Started { at: START, clock_error: Nanos::ZERO });
        }
        run
    }

    fn says(&mut self, worker: usize, at: Timestamp, body: FactBody) {
        let WorkerSpec { worker: name, session, .. } = self.spec.workers[worker].clone();
        let seq = self.seqs.entry(worker).or_default();
        *seq += 1;
        let fact = Fact { run_id: run_id(), worker: name, session, seq: *seq, body };
        self.fold.apply(&Record::FactAccepted { at, fact: Box::new(fact) });
    }

    fn measures(&mut self, second: u32, slots: &[(u64, Fate)]) {
        let measured: Snapshot = snapshot(&self.spec.layout, second, Nanos::ZERO, slots);
        let at = START + Nanos::from_secs(u64::from(second) + 1);
        self.says(0, at, FactBody::Measured(Box::new(measured)));
    }

    fn live(&mut self, after: Nanos) {
        self.observer.as_mut().unwrap().live(START + after, &self.fold);
    }

    fn sealed(mut self) -> (SealedRun, RunObserver) {
        let at = START + Nanos::from_millis(2_050);
        self.says(0, at, FactBody::Final(Box::new(final_fact(20, 20))));
        self.fold.apply(&Record::Sealed { at, refused_facts: 0 });
        let sealed = SealedRun::of(self.fold, self.spec.policy);
        (sealed, self.observer.take().unwrap())
    }

    /// The value of the series that begins so, less the labels that all of the run have.
    fn shown(&self, series: &str) -> Option<f64> {
        shown(&self.board, series)
    }
}

fn page(board: &Board) -> String {
    let mut page = Page::default();
    board.show(&mut page);
    String::from_utf8(page.encode(Form::Text)).unwrap()
}

fn shown(board: &Board, series: &str) -> Option<f64> {
    let page = page(board);
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels: Vec<&str> =
        labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
    let run = format!("run_id=\"{}\"", run_id());
    let mut found = page.lines().filter(|line| {
        let Some((of, rest)) = line.split_once('{') else { return false };
        let Some((own, _)) = rest.rsplit_once('}') else { return false };
        let own: Vec<&str> = own.split(',').collect();
        let is_of_run = own.contains(&run.as_str()) && own.contains(&"worker=\"controller\"");
        of == name
            && is_of_run
            && own.len() == labels.len() + 2
            && labels.iter().all(|label| own.contains(label))
    });
    let value = found.next()?.rsplit_once(' ')?.1.parse().unwrap();
    assert!(found.next().is_none(), "{series} is there once");
    Some(value)
}

#[test]
fn what_only_the_conducting_side_knows_is_on_the_page_under_its_own_name() {
    let telemetry = Telemetry::off();
    let mut run = Observed::new(&telemetry);
    assert!(page(&telemetry.board).contains("loadgen_run_info{"), "{}", page(&telemetry.board));
    let slots: Vec<(u64, Fate)> = (0..10).map(|n| (n, Fate::Succeeds)).collect();
    run.measures(0, &slots);
    run.live(Nanos::SECOND);
    for (series, value) in [
        ("loadgen_slots_planned_total{scenario=\"browse\"}", 10.0),
        ("loadgen_target_rate_per_second{scenario=\"browse\"}", 10.0),
        ("loadgen_target_users{scenario=\"poll\"}", 3.0),
        ("loadgen_run_workers{state=\"working\"}", 2.0),
        ("loadgen_run_workers{state=\"lost\"}", 0.0),
        ("loadgen_success_ratio{scenario=\"browse\"}", 1.0),
        ("loadgen_success_ratio", 1.0),
        ("loadgen_verdict{verdict=\"passed\"}", 1.0),
        ("loadgen_verdict{verdict=\"failed\"}", 0.0),
        (
            "loadgen_threshold_met{scenario=\"browse\",metric=\"failed{scenario:browse}\",expression=\"rate < 10%\"}",
            1.0,
        ),
        ("loadgen_threshold_met{metric=\"response_time\",expression=\"p(99) < 1s\"}", 1.0),
    ] {
        assert_eq!(run.shown(series), Some(value), "{series} in\n{}", page(&run.board));
    }

    // Three of the next ten fail: 3 of 20 in all, where 2 may. And a worker is lost.
    let fate = |n| if n < 13 { Fate::Fails(ErrorClass::Reset) } else { Fate::Succeeds };
    let slots: Vec<(u64, Fate)> = (10..20).map(|n| (n, fate(n))).collect();
    run.measures(1, &slots);
    let who = Peer::new(run.spec.workers[1].worker.clone(), run.spec.workers[1].session);
    let at = START + Nanos::from_millis(1_500);
    run.fold.apply(&Record::WorkerLost { at, who, reason: "its lease ended".to_owned(), may_go_on: false });
    run.live(Nanos::from_secs(2));
    let budget = "scenario=\"browse\",metric=\"failed{scenario:browse}\",expression=\"rate < 10%\"";
    let near = |series: String, expected: f64| {
        let value = run.shown(&series).unwrap_or_else(|| panic!("{series} in\n{}", page(&run.board)));
        assert!((value - expected).abs() < 1e-9, "{series} {value}");
    };
    near("loadgen_slots_planned_total{scenario=\"browse\"}".to_owned(), 20.0);
    near(format!("loadgen_error_budget_burn_ratio{{{budget}}}"), 1.5);
    near(format!("loadgen_error_budget_left_ratio{{{budget}}}"), -0.5);
    near(format!("loadgen_threshold_met{{{budget}}}"), 0.0);
    near("loadgen_success_ratio{scenario=\"browse\"}".to_owned(), 0.85);
    near("loadgen_run_workers{state=\"working\"}".to_owned(), 1.0);
    near("loadgen_run_workers{state=\"lost\"}".to_owned(), 1.0);
    near("loadgen_verdict{verdict=\"failed\"}".to_owned(), 1.0);
    near("loadgen_verdict{verdict=\"passed\"}".to_owned(), 0.0);

    // When it is over, levels fall and counters stay for a last scrape.
    let board = run.board.clone();
    let (sealed, observer) = run.sealed();
    assert_eq!(observer.close(&sealed), [], "nothing is sent");
    assert_eq!(shown(&board, "loadgen_run_workers{state=\"working\"}"), None);
    assert_eq!(shown(&board, "loadgen_target_rate_per_second{scenario=\"browse\"}"), None);
    assert_eq!(shown(&board, "loadgen_verdict{verdict=\"failed\"}"), Some(1.0), "what came of it stays too");
    assert_eq!(shown(&board, "loadgen_slots_planned_total{scenario=\"browse\"}"), Some(20.0));
}

#[test]
fn an_observer_that_is_dropped_leaves_no_level_behind() {
    let telemetry = Telemetry::off();
    let mut run = Observed::new(&telemetry);
    run.live(Nanos::SECOND);
    assert!(run.shown("loadgen_target_users{scenario=\"poll\"}").is_some());
    drop(run);
    assert_eq!(shown(&telemetry.board, "loadgen_target_users{scenario=\"poll\"}"), None);
}

#[test]
fn planned_slots_are_added_up_and_never_counted_twice() {
    let telemetry = Telemetry::off();
    let mut run = Observed::new(&telemetry);
    for millis in [100, 100, 90, 1_000, 1_950, 7_000, 3_000] {
        run.live(Nanos::from_millis(millis));
    }
    assert_eq!(run.shown("loadgen_slots_planned_total{scenario=\"browse\"}"), Some(20.0));
}
