//! What a scenario file means, validated: defaults are filled in, units are numbers, cross references hold.
//!
//! A [`Workload`] comes from [`load()`](crate::load()), [`Workload::from_canonical_json`] or
//! [`http_workload`](crate::http_workload); code that holds one does not check it again.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metrics::Threshold;
use plan::{Arrivals, Overload, StatusSet, TextMatch};
use units::{Nanos, Rate};

use crate::{BaseUrl, Json, LossPolicy, StepUrl, Telemetry, Text, VerdictBounds};

/// Everything one file describes.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// How the run is called in reports; the file's stem when the file does not say.
    pub name: String,
    /// Where requests go unless a scenario says otherwise.
    pub target: Target,
    /// Labels on everything the run measures.
    pub tags: BTreeMap<String, String>,
    /// The scenarios in the order of the file; at least one.
    pub scenarios: Vec<Scenario>,
    /// Conditions the run must meet.
    pub thresholds: Vec<Threshold>,
    /// When a measurement is suspect or invalid.
    pub verdict: VerdictBounds,
    /// How the generator runs it.
    pub options: RunOptions,
}

/// How the generator runs a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOptions {
    /// How precisely slots are released.
    pub pacing: Pacing,
    /// Engine threads; `None` for one per allowed CPU less one.
    pub threads: Option<u32>,
    /// What random arrivals and think times are drawn from.
    pub seed: u64,
    /// Where the result goes; `None` for a new folder below `loadgen-results`.
    pub out: Option<String>,
    /// What happens when workers are lost or come.
    pub loss: LossPolicy,
    /// What it tells about itself.
    pub telemetry: Telemetry,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            pacing: Pacing::Balanced,
            threads: None,
            seed: 0,
            out: None,
            loss: LossPolicy::default(),
            telemetry: Telemetry::default(),
        }
    }
}

/// How precisely slots are released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pacing {
    /// By a timer of the kernel: tens of microseconds late, and cheap.
    #[default]
    Balanced,
    /// Spins the last microseconds before a slot: a few microseconds late, at the price of CPU time.
    Precise,
}

/// Where requests go, and how connections to it are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What paths of steps are appended to.
    pub url: BaseUrl,
    /// Settings for `https`.
    pub tls: Tls,
    /// Headers of every request, unless the step sets the same one.
    pub headers: Vec<(String, Text)>,
    /// Addresses to use in place of looking a host up.
    pub resolve: BTreeMap<String, IpAddr>,
    /// Bounds on the phases of a request.
    pub timeouts: Timeouts,
}

impl Target {
    /// The built-in target with default settings.
    pub fn demo() -> Self {
        Self {
            url: BaseUrl::Demo,
            tls: Tls::default(),
            headers: Vec::new(),
            resolve: BTreeMap::new(),
            timeouts: Timeouts::default(),
        }
    }
}

/// TLS settings; files by the path the scenario names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// PEM certificates to trust in place of the public roots.
    pub ca: Option<String>,
    /// PEM client certificate chain.
    pub cert: Option<String>,
    /// PEM private key of the client certificate.
    pub key: Option<String>,
    /// Whether the server's certificate is verified.
    pub verify: bool,
    /// The name asked for and verified, when it is not the host.
    pub server_name: Option<String>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { ca: None, cert: None, key: None, verify: true, server_name: None }
    }
}

/// Bounds on the phases of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Looking the host up; 5 s by default.
    pub dns: Nanos,
    /// The TCP handshake; 5 s by default.
    pub connect: Nanos,
    /// The TLS handshake; 5 s by default.
    pub tls: Nanos,
    /// From a request's actual start to its last byte, unless its step says otherwise; 30 s by default.
    pub request: Nanos,
}

impl Default for Timeouts {
    fn default() -> Self {
        let handshake = Nanos::from_secs(5);
        Self { dns: handshake, connect: handshake, tls: handshake, request: Nanos::from_secs(30) }
    }
}

/// One named user journey with its load.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name, unique in the file.
    pub name: String,
    /// When iterations start.
    pub load: Load,
    /// How long iterations may go on after the last planned instant before they are cancelled.
    pub graceful_stop: Nanos,
    /// Labels on everything it measures, beside those of the run.
    pub tags: BTreeMap<String, String>,
    /// Where its requests go; the run's target unless the scenario changes it.
    pub target: Target,
    /// What an iteration does.
    pub body: Body,
}

/// When iterations of a scenario start: the executors.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// Open, at one rate.
    ConstantArrivalRate {
        /// Iterations per time; above zero.
        rate: Rate,
        /// How long it runs at that rate, unmeasured, before `duration`.
        warm_up: Nanos,
        /// How long it is measured.
        duration: Nanos,
        /// What all open models have.
        open: OpenLoad,
    },
    /// Open, at a rate that moves from stage to stage.
    RampingArrivalRate {
        /// The rate at the start.
        start_rate: Rate,
        /// The stages, each moving linearly to its target.
        stages: Vec<LoadStage<Rate>>,
        /// What all open models have.
        open: OpenLoad,
    },
    /// Closed, with a fixed number of users.
    ConstantVus {
        /// The users.
        vus: u32,
        /// How long it runs, unmeasured, before `duration`.
        warm_up: Nanos,
        /// How long it is measured.
        duration: Nanos,
    },
    /// Closed, with a number of users that moves from stage to stage.
    RampingVus {
        /// The users at the start.
        start_vus: u32,
        /// The stages, each moving linearly to its target.
        stages: Vec<LoadStage<u32>>,
    },
    /// Closed: a fixed number of iterations dealt to a fixed number of users.
    SharedIterations {
        /// The users.
        vus: u32,
        /// The iterations of all users together.
        iterations: u64,
        /// No iteration starts later than this.
        max_duration: Nanos,
    },
}

/// A stage as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadStage<T> {
    /// How long it lasts; positive.
    pub duration: Nanos,
    /// The level at its end.
    pub target: T,
    /// Whether what starts in it counts.
    pub measure: bool,
}

/// What all open models have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenLoad {
    /// Evenly spaced or random.
    pub arrivals: Arrivals,
    /// The most users at once; `None` for as many as the machine can hold.
    pub max_vus: Option<u32>,
    /// What happens to an iteration that finds no free user.
    pub overload: Overload,
}

/// What an iteration does.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// The steps in order; at least one of them a request.
    Steps(Vec<Step>),
    /// A Rust task registered under this name.
    Task(String),
}

/// One action of an iteration.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every step is a request")]
pub enum Step {
    /// Sends a request and waits for its end.
    Request(RequestStep),
    /// Waits for a span drawn uniformly from `min..=max`.
    Think {
        /// The shortest wait.
        min: Nanos,
        /// The longest wait.
        max: Nanos,
    },
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestStep {
    /// What it is measured under; unique within the scenario.
    pub name: String,
    /// The method, upper case.
    pub method: String,
    /// A path below the target's URL, or an absolute URL.
    pub url: StepUrl,
    /// Parameters appended to the URL's own query, in file order.
    pub query: Vec<(String, Text)>,
    /// Headers in file order.
    pub headers: Vec<(String, Text)>,
    /// What is sent with it.
    pub payload: Payload,
    /// From its actual start to its last byte.
    pub timeout: Nanos,
    /// What is checked on its response.
    pub checks: Vec<Check>,
}

/// What is sent with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// Nothing.
    None,
    /// A text as it is.
    Text(Text),
    /// A value, written as compact JSON.
    Json(Json),
}

/// A check on a response.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What must hold.
    pub condition: Condition,
    /// Whether the request fails when it does not.
    pub required: bool,
}

/// What a check demands.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The status is one of these.
    Status(StatusSet),
    /// The named header (lower case) matches.
    Header {
        /// The header's name in lower case.
        name: String,
        /// What its value must be.
        value: TextMatch,
    },
    /// The body matches.
    Body(TextMatch),
    /// The response time is below this.
    ResponseTime(Nanos),
}

impl Step {
    /// The request, if it is one.
    pub fn request(&self) -> Option<&RequestStep> {
        match self {
            Self::Request(request) => Some(request),
            Self::Think { .. } => None,
        }
    }
}

impl Workload {
    /// Whether any scenario goes to the built-in target, `demo://`.
    pub fn uses_demo_target(&self) -> bool {
        self.scenarios.iter().any(|scenario| scenario.target.url.is_demo())
    }

    /// Puts `url` in place of every `demo://`.
    pub fn replace_demo_target(&mut self, url: &BaseUrl) {
        let scenarios = self.scenarios.iter_mut().map(|scenario| &mut scenario.target);
        for target in std::iter::once(&mut self.target).chain(scenarios).filter(|target| target.url.is_demo())
        {
            target.url = url.clone();
        }
    }
}
