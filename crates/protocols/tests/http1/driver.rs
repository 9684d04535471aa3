//! A small engine: a task per connection, a sleeping task per timer, and what ended.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{CallId, Completion, ConnectionGauges, Event, Outbox, Protocol};
use loadgen_protocols::{
    Http1, PrepareError, Prepared, Propagated, Resolve, Secret, Secrets, TargetPolicy, Tcp, Transport,
    prepare,
};
use metrics::{Outcome, TraceParent};
use plan::{
    Check, CheckId, CheckKind, Origin, OriginId, RequestId, RequestPlan, RunPlan, ScenarioId, Scheme, Seed,
    StatusSet, Step, StepId, Template, TlsPlan,
};
use tokio::sync::{Notify, oneshot};
use tokio::task::{LocalSet, spawn_local};
use units::{Clock, MonotonicClock, Nanos};

/// Long enough never to be reached by what works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An origin at `address`, named by its address, with patient bounds.
pub(crate) fn origin(address: SocketAddr) -> Origin {
    Origin {
        scheme: Scheme::Http,
        host: address.ip().to_string(),
        port: address.port(),
        address: None,
        tls: TlsPlan::default(),
        dns_timeout: PATIENCE.into(),
        connect_timeout: PATIENCE.into(),
        tls_timeout: PATIENCE.into(),
    }
}

/// A patient request for `/` at the first origin.
pub(crate) fn request(method: &str) -> RequestPlan {
    RequestPlan {
        step: StepId(0),
        origin: OriginId(0),
        method: method.to_owned(),
        path: Template::literal("/"),
        headers: vec![],
        body: Template::default(),
        timeout: PATIENCE.into(),
        expected: StatusSet::success(),
        checks: vec![],
    }
}

/// The request with another timeout.
pub(crate) fn hasty(request: RequestPlan) -> RequestPlan {
    RequestPlan { timeout: Nanos::from_millis(50), ..request }
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn secret(&self, _: &str) -> Option<Secret> {
        None
    }
}

/// Prepares requests to one origin; `checks` are those of all of them.
pub(crate) fn prepared(
    origin: Origin,
    requests: Vec<RequestPlan>,
    checks: Vec<CheckKind>,
) -> Result<Prepared, PrepareError> {
    prepare(&plan(origin, requests, checks), &NoSecrets, None)
}

/// Prepares requests to one origin that may have trace headers.
pub(crate) fn propagating(origin: Origin, requests: Vec<RequestPlan>, run: Propagated) -> Prepared {
    prepare(&plan(origin, requests, vec![]), &NoSecrets, Some(run)).unwrap()
}

fn plan(origin: Origin, requests: Vec<RequestPlan>, checks: Vec<CheckKind>) -> RunPlan {
    let check = |kind| Check { step: StepId(0), name: String::new(), required: true, kind };
    let ids: Vec<_> = (0..checks.len() as u32).map(CheckId).collect();
    RunPlan {
        scenarios: vec![],
        steps: vec![Step { scenario: ScenarioId(0), name: "step".into() }],
        requests: requests
            .into_iter()
            .map(|request| RequestPlan { checks: ids.clone(), ..request })
            .collect(),
        origins: vec![origin],
        checks: checks.into_iter().map(check).collect(),
        seed: Seed(0),
    }
}

/// The kernel's TCP, to anywhere.
pub(crate) fn tcp() -> Tcp {
    Tcp::new(Arc::new(TargetPolicy::unrestricted()))
}

type Answer = oneshot::Sender<io::Result<Vec<IpAddr>>>;

/// Look-ups that the test answers.
#[derive(Default)]
pub(crate) struct Lookups {
    asked: Mutex<Vec<Answer>>,
}

impl Lookups {
    /// How many look-ups have begun and were not answered.
    pub(crate) fn waiting(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Answers the oldest look-up.
    pub(crate) fn answer(&self, addresses: io::Result<Vec<IpAddr>>) {
        // Whoever asked may have gone.
        let _ = self.asked.lock().unwrap().remove(0).send(addresses);
    }
}

impl Resolve for Lookups {
    fn resolve(&self, _: &str) -> oneshot::Receiver<io::Result<Vec<IpAddr>>> {
        let (answer, receiver) = oneshot::channel();
        self.asked.lock().unwrap().push(answer);
        receiver
    }
}

/// Drives one protocol.
pub(crate) struct Driver<T: Transport = Tcp> {
    state: Rc<State<T>>,
    next_call: Cell<u32>,
}

struct State<T: Transport> {
    http: RefCell<Http1<T>>,
    outbox: RefCell<Outbox>,
    ended: RefCell<HashMap<CallId, Completion>>,
    changed: Notify,
}

impl Driver {
    /// Over TCP, for requests to one origin.
    pub(crate) fn new(origin: Origin, requests: Vec<RequestPlan>) -> Self {
        Self::over(tcp(), Arc::default(), prepared(origin, requests, vec![]).unwrap())
    }
}

impl<T: Transport> Driver<T> {
    pub(crate) fn over(transport: T, lookups: Arc<Lookups>, prepared: Prepared) -> Self {
        let http = Http1::over(transport, Arc::new(prepared), lookups);
        let state = State {
            http: RefCell::new(http),
            outbox: RefCell::default(),
            ended: RefCell::default(),
            changed: Notify::new(),
        };
        Self { state: Rc::new(state), next_call: Cell::new(0) }
    }

    /// Starts the request with this index, for a user of its own.
    pub(crate) fn start(&self, request: u32) -> CallId {
        self.start_below(request, None)
    }

    /// Starts the request with this index as the span that `parent` names.
    pub(crate) fn start_below(&self, request: u32, parent: Option<&TraceParent>) -> CallId {
        let call = CallId(self.next_call.replace(self.next_call.get() + 1));
        self.act(|http, out| http.start(call, RequestId(request), parent, &MonotonicClock, out));
        call
    }

    pub(crate) async fn end(&self, call: CallId) -> Completion {
        loop {
            if let Some(completion) = self.state.ended.borrow_mut().remove(&call) {
                return completion;
            }
            self.state.changed.notified().await;
        }
    }

    /// Starts the request with this index and waits for its end.
    pub(crate) async fn run(&self, request: u32) -> Completion {
        let call = self.start(request);
        self.end(call).await
    }

    pub(crate) async fn outcome(&self, request: u32) -> Outcome {
        self.run(request).await.outcome
    }

    pub(crate) fn cancel(&self, call: CallId) {
        self.act(|http, out| http.cancel(call, &MonotonicClock, out));
    }

    pub(crate) fn gauges(&self) -> ConnectionGauges {
        self.state.http.borrow().gauges()
    }

    /// Waits until so many connections are open.
    pub(crate) async fn await_open(&self, open: u64) {
        while self.gauges().open != open {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn act(&self, action: impl FnOnce(&mut Http1<T>, &mut Outbox)) {
        action(&mut self.state.http.borrow_mut(), &mut self.state.outbox.borrow_mut());
        State::drain(&self.state);
    }
}

impl<T: Transport> State<T> {
    fn drain(state: &Rc<Self>) {
        loop {
            let event = state.outbox.borrow_mut().pop();
            match event {
                None => return,
                Some(Event::Completed(completion)) => {
                    let before = state.ended.borrow_mut().insert(completion.call, completion);
                    assert_eq!(before, None, "a call ends once");
                    state.changed.notify_one();
                }
                Some(Event::Opened(io)) => {
                    let state = Rc::clone(state);
                    spawn_local(poll_fn(move |cx| {
                        let moved = state.http.borrow_mut().poll_io(
                            io,
                            cx,
                            &MonotonicClock,
                            &mut state.outbox.borrow_mut(),
                        );
                        Self::drain(&state);
                        moved
                    }));
                }
                Some(Event::Timer(call, at)) => {
                    let state = Rc::clone(state);
                    let wait = at.saturating_since(MonotonicClock.now());
                    spawn_local(async move {
                        tokio::time::sleep(wait.into()).await;
                        let (mut http, mut outbox) = (state.http.borrow_mut(), state.outbox.borrow_mut());
                        http.on_timer(call, &MonotonicClock, &mut outbox);
                        drop((http, outbox));
                        Self::drain(&state);
                    });
                }
            }
        }
    }
}

/// Runs a test on a runtime like the engine's, for at most [`PATIENCE`].
pub(crate) fn drive(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bounded = async { tokio::time::timeout(PATIENCE, test).await.expect("the test ends in time") };
    LocalSet::new().block_on(&runtime, bounded);
}
