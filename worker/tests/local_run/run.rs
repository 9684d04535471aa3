//! A worker in this process, and the controller's end of the conversation.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use control::{
    Ack, Command, CommandBody, CommandId, Epoch, Fact, FactBody, FinalFact, Prepare, Prepared, RunId,
    SessionId, TracedRequest, WorkerId,
};
use engine::TaskRegistry;
use loadgen_worker::{LoadLimits, LocalWorker, Report, WorkerOptions, WorkerTelemetry};
use metrics::{IterationLedger, RequestLedger, Snapshot};
use plan::{Revision, Share};
use target::{Config, Target};
use units::{Clock, MonotonicClock, Nanos};
use uuid::Uuid;

/// A worker, and the controller's end of the conversation.
pub(crate) struct Run {
    pub(crate) worker: LocalWorker,
    pub(crate) facts: Receiver<Fact>,
    commands: Cell<u64>,
    /// The last command that the worker said it applied.
    pub(crate) applied: Arc<AtomicU64>,
}

/// Longer than anything here takes on the busiest machine: only a hang gets there.
pub(crate) const HANG: Duration = Duration::from_secs(60);

pub(crate) fn run_id() -> RunId {
    RunId::new(Uuid::from_u128(7))
}

impl Run {
    pub(crate) fn start(tasks: TaskRegistry) -> Self {
        Self::start_with(tasks, WorkerTelemetry::default())
    }

    pub(crate) fn start_with(tasks: TaskRegistry, telemetry: WorkerTelemetry) -> Self {
        let (sender, facts) = sync_channel(LocalWorker::MOST_UNACKED);
        let options = WorkerOptions {
            run_id: run_id(),
            id: WorkerId::new("local"),
            tasks,
            target_threads: Some("target-".into()),
            pin: true,
            limits: LoadLimits::default(),
            telemetry,
        };
        let applied = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&applied);
        let report = move |report| match report {
            // A test that is over listens no more.
            Report::Fact(fact) => drop(sender.send(*fact)),
            Report::Applied(through) => told.store(through.0, Ordering::Relaxed),
        };
        let worker = LocalWorker::start(options, report).unwrap();
        Self { worker, facts, commands: Cell::new(0), applied }
    }

    pub(crate) fn command(&self, body: CommandBody) {
        self.commands.set(self.commands.get() + 1);
        let id = CommandId(self.commands.get());
        self.worker.command(Command { run_id: run_id(), epoch: Epoch(0), id, body });
    }

    pub(crate) fn prepare(&self, document: &str, threads: u32, preflight: bool) {
        self.command(CommandBody::Prepare(Box::new(Prepare {
            document: document.into(),
            files: Vec::new(),
            revision: Revision::first(Share::whole()),
            threads: Some(threads),
            preflight,
        })));
    }

    /// The next fact, acknowledged.
    pub(crate) fn next(&self) -> FactBody {
        let fact = self.facts.recv_timeout(HANG).unwrap();
        assert_eq!((fact.run_id, fact.session), (run_id(), SessionId::IN_PROCESS));
        self.worker.ack(Ack { run_id: run_id(), epoch: Epoch(0), through: fact.seq });
        fact.body
    }

    pub(crate) fn prepared(&self) -> Prepared {
        match self.next() {
            FactBody::Prepared(prepared) => prepared,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn begin(&self) {
        let at = MonotonicClock.now() + Nanos::from_millis(50);
        self.command(CommandBody::Start { at });
        assert!(matches!(self.next(), FactBody::Started { at: started, .. } if started >= at));
    }

    /// What is said until the end: the sum of what was measured, and the last fact.
    pub(crate) fn end(&self) -> (Sum, FinalFact) {
        let mut sum = Sum::default();
        loop {
            match self.next() {
                FactBody::Measured(snapshot) => sum.add(&snapshot),
                FactBody::Traced(requests) => sum.traced.extend(requests),
                FactBody::Final(last) => return (sum, *last),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Sum {
    pub(crate) iterations: IterationLedger,
    pub(crate) requests: RequestLedger,
    pub(crate) snapshots: u64,
    /// Requests that can be found in traces.
    pub(crate) traced: Vec<TracedRequest>,
}

impl Sum {
    pub(crate) fn add(&mut self, snapshot: &Snapshot) {
        self.snapshots += 1;
        for scenario in snapshot.scenarios.values() {
            self.iterations.merge(&scenario.iterations);
            self.iterations.merge(&scenario.warm_up_iterations);
            self.requests.merge(&scenario.warm_up_requests);
        }
        for step in snapshot.steps.values() {
            self.requests.merge(&step.requests);
        }
    }

    /// Ledgers are closed and say what the last fact says.
    #[track_caller]
    pub(crate) fn agrees_with(&self, last: &FinalFact) {
        self.iterations.check_closed().unwrap();
        self.requests.check_closed().unwrap();
        assert_eq!(self.requests.attempted, last.requests_attempted);
        assert_eq!(self.iterations.started.count, last.iterations_started);
        assert_eq!(last.faults, Vec::<String>::new());
        assert!(!last.panicked);
    }
}

pub(crate) fn target() -> Target {
    Target::bind(Config::default()).unwrap()
}

pub(crate) fn document(target: &str, scenario: &str) -> String {
    format!(r#"{{"name": "test", "target": {{"url": "{target}"}}, "scenarios": {{"s": {scenario}}}}}"#)
}
