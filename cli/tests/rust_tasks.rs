//! Rust tasks beside YAML steps, through the library.
//!
//! The command line with a task is a program of its own: this test binary, started again with [`child`] as its only
//! test.

use std::sync::atomic::{AtomicU64, Ordering};

use loadgen::task::{InitError, TaskContext, TaskLifecycle, TaskOutcome};

use crate::harness::{Place, Running, WIDE_BOUNDS, target};

/// Counts what the engine does with it.
struct Life;

static INITS: AtomicU64 = AtomicU64::new(0);
static EXECUTIONS: AtomicU64 = AtomicU64::new(0);
static TEARDOWNS: AtomicU64 = AtomicU64::new(0);

impl TaskLifecycle for Life {
    async fn init(&mut self, _: &mut TaskContext) -> Result<(), InitError> {
        INITS.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn execute(&mut self, cx: &mut TaskContext) -> TaskOutcome {
        EXECUTIONS.fetch_add(1, Ordering::Relaxed);
        assert!(cx.iteration % 10 != 7, "every tenth panics");
        if cx.iteration % 10 == 3 { TaskOutcome::Failed } else { TaskOutcome::Succeeded }
    }

    async fn teardown(&mut self, _: &mut TaskContext) {
        TEARDOWNS.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the task counted in a child process.
#[derive(Debug)]
pub(crate) struct Lives {
    pub(crate) inits: u64,
    pub(crate) executions: u64,
    pub(crate) teardowns: u64,
}

impl Lives {
    /// Reads what the child left in `place`.
    pub(crate) fn read(place: &Place) -> Self {
        let text = std::fs::read_to_string(place.join(LIVES)).unwrap();
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        Self { inits: next(), executions: next(), teardowns: next() }
    }
}

/// Starts `loadgen` with the task `life`.
pub(crate) fn start(place: &Place, args: &[&str]) -> Running {
    let mut command = place.command(std::env::current_exe().unwrap());
    command.args(["--exact", "rust_tasks::child", "--nocapture"]);
    command.env(ARGUMENTS, args.join("\n"));
    Running::of(command)
}

#[test]
fn child() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let arguments = std::iter::once("loadgen").chain(arguments.lines());
    let app =
        loadgen::App::new().task("life", || Life).task("unmade", || -> Life { panic!("not to be made") });
    let code = app.run(arguments.collect::<Vec<_>>());
    let counted = [&INITS, &EXECUTIONS, &TEARDOWNS].map(|n| n.load(Ordering::Relaxed).to_string());
    std::fs::write(LIVES, counted.join(" ")).unwrap();
    std::process::exit(i32::from(code.code()));
}

#[test]
fn a_task_has_the_same_ledgers_and_exactly_one_teardown_per_user() {
    let place = Place::new("task");
    let target = target();
    let file = format!(
        "target: {{ url: \"{}\" }}\nverdict: {{ invalid: {WIDE_BOUNDS} }}\nscenarios:\n  \
         native: {{ executor: constant-arrival-rate, rate: 100/s, duration: 1s, task: life }}\n  \
         http: {{ executor: constant-arrival-rate, rate: 50/s, duration: 1s, steps: [{{ get: / }}] }}\n",
        target.url()
    );
    place.write("s.yaml", file);
    let outcome = start(&place, &["run", "s.yaml", "--quiet", "--out", "r.json"]).wait().expect(0);
    let text = std::fs::read_to_string(place.join("r.json")).unwrap();
    let result = api::result::ResultFile::from_json(&text).unwrap();
    let native = &result.scenarios[0];
    let (started, unsent) = (native.iterations.started, native.iterations.unsent.generator_stall);
    assert_eq!(started + unsent, 100, "{:?}", native.iterations);
    let errors: Vec<_> = native.steps[0].errors.iter().map(|e| e.class.as_str()).collect();
    assert_eq!(errors, ["task", "task_panic"]);
    let failed: u64 = native.steps[0].errors.iter().map(|e| e.count).sum();
    assert_eq!(native.iterations.failed, failed);
    assert!(failed <= 20 && failed + unsent >= 20, "every fifth fails: {:?}", native.iterations);
    assert_eq!(target.stats().arrivals, result.scenarios[1].iterations.started);
    let lives = Lives::read(&place);
    assert_eq!(lives.executions, started);
    assert!(lives.inits > 0);
    assert_eq!(lives.teardowns, lives.inits, "{lives:?}");
    assert_eq!(outcome.stderr.matches("every tenth panics").count(), 5, "panics are logged, not without end");
}

#[test]
fn a_task_that_is_not_registered_is_told_by_its_name() {
    let place = Place::new("no-task");
    place.write(
        "s.yaml",
        "target: { url: \"demo://\" }\nscenarios:\n  native: { executor: constant-vus, vus: 1, duration: 1s, task: nobody }\n",
    );
    let outcome = place.loadgen(&["run", "s.yaml", "--no-out"]).expect(104);
    assert!(outcome.stderr.contains("nobody"), "{}", outcome.stderr);
}

#[test]
fn a_panic_outside_of_a_task_ends_with_109_and_still_has_a_result() {
    let place = Place::new("panic");
    let file = format!(
        "target: {{ url: \"demo://\" }}\nverdict: {{ invalid: {WIDE_BOUNDS} }}\nscenarios:\n  \
         native: {{ executor: constant-vus, vus: 1, duration: 1s, task: unmade }}\n"
    );
    place.write("s.yaml", file);
    let outcome = start(&place, &["run", "s.yaml", "--quiet", "--out", "r.json"]).wait().expect(109);
    assert!(
        outcome.stderr.contains("panicked at") && outcome.stderr.contains("not to be made"),
        "{}",
        outcome.stderr
    );
    let text = std::fs::read_to_string(place.join("r.json")).unwrap();
    let result = api::result::ResultFile::from_json(&text).unwrap();
    assert!(result.exit.conditions.contains(api::Condition::Panicked));
}

const ARGUMENTS: &str = "TEST_ARGUMENTS";
const LIVES: &str = "lives.txt";
