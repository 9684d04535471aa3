use std::collections::BTreeMap;

use control::FileContent;
use plan::{
    Encoding, LoadModel, OriginId, Program, RequestPlan, Revision, ScenarioPlan, Seed, Share, StatusSet,
    Step, StepId, Template, TemplatePart,
};
use units::Nanos;
use uuid::Uuid;

use super::*;
use crate::limits::LoadLimits;
use crate::secrets::AllowedSecrets;

fn plan(body: ScenarioBody) -> RunPlan {
    RunPlan {
        scenarios: vec![ScenarioPlan {
            name: "browse".into(),
            tags: BTreeMap::new(),
            load: LoadModel::SharedIterations { vus: 1, iterations: 1, max_duration: Nanos::SECOND },
            body,
            graceful_stop: Nanos::SECOND,
        }],
        steps: vec![Step { scenario: plan::ScenarioId(0), name: "pay".into() }],
        requests: Vec::new(),
        origins: Vec::new(),
        checks: Vec::new(),
        seed: Seed(1),
    }
}

fn secret(name: &str) -> Template {
    let secret = TemplatePart::Secret { name: name.into(), encoding: Encoding::AsIs };
    Template { parts: vec![TemplatePart::Literal(b"x".to_vec()), secret] }
}

#[test]
fn a_task_nobody_registered_is_refused_with_those_that_are() {
    struct Idle;
    impl api::task::TaskLifecycle for Idle {
        async fn init(&mut self, _: &mut api::task::TaskContext) -> Result<(), api::task::InitError> {
            Ok(())
        }
        async fn execute(&mut self, _: &mut api::task::TaskContext) -> api::task::TaskOutcome {
            api::task::TaskOutcome::Succeeded
        }
        async fn teardown(&mut self, _: &mut api::task::TaskContext) {}
    }
    let plan = plan(ScenarioBody::Task { task: "pay".into(), step: StepId(0) });
    let mut registry = TaskRegistry::default();
    let line = |known: &str| {
        format!("scenario `browse` wants the task `pay`, which this program does not have; {known}")
    };
    assert_eq!(missing_tasks(&plan, &registry), [line("there are none")]);
    registry.register("search", || Idle);
    registry.register("login", || Idle);
    assert_eq!(missing_tasks(&plan, &registry), [line("there are: login, search")]);
    registry.register("pay", || Idle);
    assert!(missing_tasks(&plan, &registry).is_empty());
}

#[test]
fn every_secret_that_is_not_set_is_named_once() {
    let mut plan = plan(ScenarioBody::Program(Program::default()));
    plan.requests.push(RequestPlan {
        step: StepId(0),
        origin: OriginId(0),
        method: "GET".into(),
        path: secret("TEST_NOT_SET_B"),
        headers: vec![("a".into(), secret("TEST_NOT_SET_A")), ("p".into(), secret("PATH"))],
        body: secret("TEST_NOT_SET_B"),
        timeout: Nanos::SECOND,
        expected: StatusSet::success(),
        checks: Vec::new(),
    });
    let line = |name: &str| {
        format!("the secret `{name}` is not set; set the environment variable {name} where the load is made")
    };
    let expected = [line("TEST_NOT_SET_A"), line("TEST_NOT_SET_B")];
    assert_eq!(missing_secrets(&plan), expected, "PATH is always set");
}

#[test]
fn causes_stand_in_the_line_of_a_refusal() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `{name}`")]
    struct Outer {
        name: &'static str,
        source: std::io::Error,
    }
    let error = Outer { name: "ca.pem", source: std::io::Error::other("disk on fire") };
    assert_eq!(impossible(error), Refusal::Impossible(vec!["cannot read `ca.pem`: disk on fire".into()]));
}

fn options() -> WorkerOptions {
    WorkerOptions {
        run_id: control::RunId::new(Uuid::nil()),
        id: control::WorkerId::new("w"),
        tasks: TaskRegistry::default(),
        target_threads: None,
        pin: true,
        limits: LoadLimits::default(),
        telemetry: crate::export::WorkerTelemetry::default(),
    }
}

fn prepare(request: &Prepare, options: &WorkerOptions) -> Result<Ready, Refusal> {
    super::prepare(request, options, &Lease::forever(), &Watcher::nobody())
}

fn request(document: &str) -> Prepare {
    Prepare {
        document: document.into(),
        files: vec![FileContent { path: "unused".into(), bytes: Arc::from(&b"x"[..]) }],
        revision: Revision::first(Share::whole()),
        threads: Some(2),
        preflight: false,
    }
}

/// A workload as a command line would send it.
fn document(max_vus: &str) -> String {
    format!(
        r#"{{"name": "n", "target": {{"url": "http://127.0.0.1:9"}}, "scenarios": {{"browse": {{
            "executor": "constant-arrival-rate", "rate": "10/s", "duration": "1s", "max_vus": {max_vus},
            "steps": [{{"get": "/", "name": "list"}}]}}}}}}"#
    )
}

#[test]
fn a_document_becomes_threads_that_wait() {
    let ready =
        prepare(&request(&document("7")), &options()).map_err(|refusal| format!("{refusal:?}")).unwrap();
    assert_eq!((ready.prepared.threads, ready.prepared.max_vus), (2, 7));
    assert_eq!((ready.threads.len(), ready.drains.len()), (2, 2));
    let numbers: Vec<_> =
        ready.threads.iter().map(|thread| (thread.config.thread, thread.config.threads)).collect();
    assert_eq!(numbers, [(0, 2), (1, 2)]);
    let automatic = prepare(&request(&document("\"auto\"")), &options())
        .map_err(|refusal| format!("{refusal:?}"))
        .unwrap();
    let parts: u32 = automatic.threads.iter().map(|thread| thread.config.max_vus[0]).sum();
    assert_eq!(parts, automatic.prepared.max_vus);
    assert!(parts >= 2);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refusal = |prepare_: &Prepare| match prepare(prepare_, &options()) {
        Err(Refusal::Impossible(lines)) => lines.join("\n"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was accepted"),
    };
    assert!(!refusal(&request("{}")).is_empty());
    let many = Prepare { threads: Some(5_000), ..request(&document("1")) };
    assert_eq!(refusal(&many), "5000 engine threads are wanted; 1 to 1024 are possible");
    let share = Share { index: 3, ..Share::whole() };
    let stranger = Prepare { revision: Revision::first(share), ..request(&document("1")) };
    assert_eq!(refusal(&stranger), "cannot deal the run: share 3 does not exist; there are 1");
    let preflight = Prepare { preflight: true, ..request(&document("1")) };
    assert!(refusal(&preflight).starts_with("target http://127.0.0.1:9: "));
}

#[test]
fn a_rate_above_the_workers_ceiling_is_forbidden() {
    let limits = |rate: &str| LoadLimits { max_rate: Some(rate.parse().unwrap()), ..LoadLimits::default() };
    let with = |rate| prepare(&request(&document("7")), &WorkerOptions { limits: limits(rate), ..options() });
    assert!(with("10/s").is_ok());
    match with("9/s") {
        Err(Refusal::Forbidden(lines)) => assert!(lines[0].contains("9/s"), "{lines:?}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[test]
fn threads_are_pinned_only_if_that_is_wanted() {
    let options = WorkerOptions { pin: false, ..options() };
    let ready =
        prepare(&request(&document("7")), &options).map_err(|refusal| format!("{refusal:?}")).unwrap();
    assert!(ready.threads.iter().all(|thread| thread.cpu.is_none()));
}

#[test]
fn a_secret_that_the_worker_does_not_hand_out_is_forbidden_and_not_said_to_be_missing() {
    let document =
        document("7").replace(r#""get": "/""#, r#""get": "/", "headers": {"a": "${secret.PATH}"}"#);
    let with = |limits| prepare(&request(&document), &WorkerOptions { limits, ..options() });
    assert!(with(LoadLimits::default()).is_ok());
    let nothing = AllowedSecrets::Only(std::collections::BTreeSet::new());
    match with(LoadLimits { secrets: nothing, ..LoadLimits::default() }) {
        Err(Refusal::Forbidden(lines)) => assert!(lines[0].contains("`--allow-secret PATH`"), "{lines:?}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was accepted"),
    }
}
