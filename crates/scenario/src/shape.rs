//! The shape of a scenario file: every object with its keys, their types and their texts.
//!
//! These types are never filled. The JSON Schema is derived from them, and each hands its keys to the reader, so
//! the two cannot drift apart; what a value may be is said by the types of [`scalar`](crate::scalar).
#![expect(dead_code, reason = "shapes are described, not filled")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::scalar::{
    AnyJson, ArrivalsWord, BytesText, Count, DurationText, ExecutorWord, Flag, Integer, LinesPerError,
    LogExecutionsText, MaxVus, OnWorkerLossWord, OverloadWord, PacingWord, PercentText, PropagateWord,
    RateText, RejoinWord, SamplingText, ScalarText, SlowText, SpansPerSecond, StatusText, Strings, ThinkText,
    Threads, TimeLimitText, TraceShapeWord,
};

/// An object of the file: what it is called in messages, and its keys.
pub(crate) trait Shape {
    /// In a message: "`rat` is no key of …".
    const NAME: &'static str;
    /// All keys, in the order in which the reference lists them.
    const KEYS: &'static [&'static str];
}

macro_rules! shapes {
    ($(
        $(#[$meta:meta])*
        $shape:ident($name:literal) { $($(#[$field_meta:meta])* $key:ident: $type:ty,)* }
    )*) => {$(
        #[derive(JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$meta])*
        pub(crate) struct $shape { $($(#[$field_meta])* $key: $type,)* }

        impl Shape for $shape {
            const NAME: &'static str = $name;
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];
        }
    )*};
}

shapes! {
    /// A loadgen scenario file: a target, named scenarios with their load, and conditions the run must meet.
    #[schemars(title = "loadgen scenario")]
    FileShape("a scenario file") {
        /// How the run is called in reports. Default: the file's name without its extension.
        name: Option<String>,
        /// Where requests go.
        target: TargetShape,
        /// Labels on everything the run measures.
        tags: Option<BTreeMap<String, ScalarText>>,
        /// The named scenarios; they run at the same time.
        #[schemars(extend("minProperties" = 1))]
        scenarios: BTreeMap<String, ScenarioShape>,
        /// Conditions the run must meet: a metric, perhaps with a filter, to one or more expressions.
        /// Example: `"response_time{scenario:browse}": ["p(99) < 200ms"]`.
        thresholds: Option<BTreeMap<String, Strings>>,
        /// When a measurement counts as suspect or invalid.
        verdict: Option<VerdictShape>,
        /// How precisely slots are released: `balanced` (tens of microseconds late, cheap) or `precise` (a few
        /// microseconds, at the price of CPU time). Default: `balanced`.
        pacing: Option<PacingWord>,
        /// Engine threads: a number, or `auto` for one per allowed CPU less one. Default: `auto`.
        threads: Option<Threads>,
        /// What random arrivals and think times are drawn from. Default: 0; the same seed gives the same plan.
        seed: Option<Integer>,
        /// Where the result goes. Default: a new folder below `loadgen-results`.
        out: Option<String>,
        /// What happens to a run over many workers when some are lost or come.
        options: Option<OptionsShape>,
        /// Which executions become spans and log lines, and how much of a run's telemetry may be lost. Where it goes is said
        /// by the `OTEL_…` variables of each process.
        telemetry: Option<TelemetryShape>,
    }

    /// A loadgen policy file: what whoever makes load on a machine may do. What it does not mention is allowed.
    #[schemars(title = "loadgen policy")]
    PolicyShape("a policy file") {
        /// Where load may go beside this machine itself: addresses, networks (`10.0.0.0/8`) and hosts, each perhaps with
        /// a port (`staging.example:443`).
        allow_targets: Option<Vec<String>>,
        /// The most iterations started per time, of all scenarios of a run together: `5000/s`. Load without an arrival
        /// rate is refused.
        max_rate: Option<RateText>,
        /// The names of the environment variables that `${secret.NAME}` may stand for.
        allow_secrets: Option<Vec<String>>,
    }

    /// What happens to a run over many workers when some are lost or come. Not part of the test: in no scenario digest.
    OptionsShape("options") {
        /// What becomes of a lost worker's share: the others carry it (`redistribute`), nobody does (`continue`), or the
        /// run ends (`fail`). Default: `redistribute`.
        on_worker_loss: Option<OnWorkerLossWord>,
        /// The part of the run's workers, by weight, that may be lost; more end it. Default: 100%, as long as one is left.
        max_lost: Option<PercentText>,
        /// Whether a worker may come to a run under way, for the first time or again: `next_revision` or `never`. Default:
        /// `next_revision`.
        rejoin: Option<RejoinWord>,
        /// Whether a run that lost a worker may pass. Default: false.
        allow_degraded: Option<Flag>,
    }

    /// What a run tells about itself while it runs. Not part of the test: in no scenario digest.
    TelemetryShape("telemetry") {
        /// Which executions become spans.
        traces: Option<TracesShape>,
        /// Which executions have a line in the log: `off`, `sampled`, `failed`, `sampled,failed` or `all`. Default:
        /// `sampled,failed`.
        log_executions: Option<LogExecutionsText>,
        /// Lines of failed executions of one kind that an engine thread writes in a second; the others are counted in one
        /// line. Default: 10.
        max_lines_per_error: Option<LinesPerError>,
        /// The part of the spans, data points or log records of a process that the receiver may not have; with more the run
        /// ends with exit code 115. Default: 1%.
        max_loss: Option<PercentText>,
    }

    /// Which executions become spans, and what the target is told of it.
    #[schemars(transform = crate::schema::slow_needs_tail)]
    TracesShape("telemetry.traces") {
        /// `off`; a share (`5%`), drawn before an execution begins; or `tail`: those that failed or were slow, decided when
        /// they are over. Default: 5%.
        sampling: Option<SamplingText>,
        /// With `tail`: the response time above which an execution is slow, a quantile of the last seconds (`p99.9`) or a
        /// time (`500ms`). Default: p99.9.
        slow: Option<SlowText>,
        /// Whether all executions of a scenario are in one trace (`tree`), or each in one of its own (`linked`), for long
        /// runs. Default: `tree`.
        shape: Option<TraceShapeWord>,
        /// The most spans of executions and requests that the whole run makes in a second. Default: 1000.
        max_spans_per_second: Option<SpansPerSecond>,
        /// Which requests carry `traceparent`, `tracestate` and `baggage`: those of `sampled` executions (with `tail` all),
        /// `always` all, or `never` any. Default: `sampled`.
        propagate: Option<PropagateWord>,
    }

    /// Where requests go and how connections to it are made.
    TargetShape("the target") {
        /// What paths of steps are appended to: `http://host:port/prefix`, `https://…`, or `demo://` for the built-in
        /// target.
        url: String,
        /// Settings for `https`.
        tls: Option<TlsShape>,
        /// Headers of every request, unless its step sets the same one. Values may hold `${secret.NAME}`.
        headers: Option<BTreeMap<String, ScalarText>>,
        /// Addresses to use in place of looking a host up: `example.com: 10.0.0.7`.
        resolve: Option<BTreeMap<String, String>>,
        /// Bounds on the phases of a request; each has an error class of its own.
        timeouts: Option<TimeoutsShape>,
    }

    /// What a scenario changes in the target; the rest is taken from the file's `target`.
    TargetChangeShape("the scenario's target") {
        /// What paths of its steps are appended to.
        url: Option<String>,
        /// Settings for `https`.
        tls: Option<TlsShape>,
        /// Headers added to, or put in place of, those of the file's target.
        headers: Option<BTreeMap<String, ScalarText>>,
        /// Addresses added to, or put in place of, those of the file's target.
        resolve: Option<BTreeMap<String, String>>,
        /// Bounds on the phases of a request.
        timeouts: Option<TimeoutsShape>,
    }

    /// Settings for `https`. Files are PEM and are looked for beside the scenario file.
    TlsShape("tls") {
        /// Certificates to trust in place of the public roots.
        ca: Option<String>,
        /// Client certificate chain; needs `key`.
        cert: Option<String>,
        /// Private key of the client certificate; needs `cert`.
        key: Option<String>,
        /// Whether the server's certificate is verified. Default: true.
        verify: Option<Flag>,
        /// The name asked for (SNI) and verified, when it is not the host of the URL.
        server_name: Option<String>,
    }

    /// Bounds on the phases of a request.
    TimeoutsShape("timeouts") {
        /// Looking the host up. Default: 5s.
        dns: Option<DurationText>,
        /// The TCP handshake. Default: 5s.
        connect: Option<DurationText>,
        /// The TLS handshake. Default: 5s.
        tls: Option<DurationText>,
        /// The whole request from its actual start to its last byte, unless its step says otherwise. Default: 30s.
        request: Option<DurationText>,
    }

    /// One user journey with its load. Which keys it may have depends on its `executor`.
    #[schemars(transform = crate::schema::executor_rules)]
    ScenarioShape("a scenario") {
        /// How iterations start.
        executor: ExecutorWord,
        /// Iterations started per time, whatever the target does: `200/s`, `90/m`. For `constant-arrival-rate`.
        rate: Option<RateText>,
        /// How long it is measured: `30s`, `5m`. For `constant-arrival-rate` and `constant-vus`.
        duration: Option<DurationText>,
        /// Runs at the same load before `duration`; sent, shown apart, in no statistic. Default: 0s.
        warm_up: Option<DurationText>,
        /// The rate at the start. Default: 0/s. For `ramping-arrival-rate`.
        start_rate: Option<RateText>,
        /// The number of users at the start. Default: 1. For `ramping-vus`.
        start_vus: Option<Count>,
        /// Stretches of time, each moving linearly to its `target`. For the `ramping-…` executors.
        #[schemars(length(min = 1, max = 1000))]
        stages: Option<Vec<StageShape>>,
        /// The number of virtual users. For `constant-vus` and `shared-iterations`.
        vus: Option<Count>,
        /// The iterations of all users together. For `shared-iterations`.
        iterations: Option<Count>,
        /// No iteration starts later than this. Default: 10m. For `shared-iterations`.
        max_duration: Option<DurationText>,
        /// Whether starts are evenly spaced (`uniform`) or random (`poisson`). Default: `uniform`. For arrival rates.
        arrivals: Option<ArrivalsWord>,
        /// The most virtual users at once: a number, or `auto` for as many as the machine can hold. Default: `auto`. For
        /// arrival rates.
        max_vus: Option<MaxVus>,
        /// What happens to an iteration that finds no free user: it waits (`queue`) or is dropped at once (`drop`).
        /// Default: `queue`. For arrival rates.
        overload: Option<OverloadWord>,
        /// The longest wait of a queued iteration before it is dropped. Default: 30s. For arrival rates.
        queue_timeout: Option<DurationText>,
        /// How long iterations may go on after the end before they are cancelled. Default: 30s.
        graceful_stop: Option<DurationText>,
        /// Labels on everything the scenario measures, beside those of the file.
        tags: Option<BTreeMap<String, ScalarText>>,
        /// What the scenario changes in the target.
        target: Option<TargetChangeShape>,
        /// What an iteration does, in order.
        #[schemars(length(min = 1, max = 10000))]
        steps: Option<Vec<StepShape>>,
        /// A Rust task registered under this name, in place of `steps`.
        task: Option<String>,
    }

    /// A stretch of time.
    StageShape("a stage") {
        /// How long it lasts.
        duration: DurationText,
        /// The level at its end: a rate (`500/s`) or a number of users.
        target: StageTarget,
        /// Whether what starts in it counts; `false` for a warm-up. Default: true.
        measure: Option<Flag>,
    }

    /// One action of an iteration: a request or a think time.
    #[schemars(transform = crate::schema::step_rules)]
    StepShape("a step") {
        /// Sends a GET request to this path or absolute URL.
        get: Option<String>,
        /// Sends a POST request.
        post: Option<String>,
        /// Sends a PUT request.
        put: Option<String>,
        /// Sends a PATCH request.
        patch: Option<String>,
        /// Sends a DELETE request.
        delete: Option<String>,
        /// Sends a HEAD request.
        head: Option<String>,
        /// Sends an OPTIONS request.
        options: Option<String>,
        /// Sends a request with any other method.
        request: Option<RequestShape>,
        /// Waits: `250ms`, or `250ms..1s` for a span drawn evenly between both.
        think: Option<ThinkText>,
        /// What it is measured under; unique within the scenario. Default: method and path.
        name: Option<String>,
        /// Parameters appended to the URL. A list repeats the parameter. Values may hold `${secret.NAME}`.
        query: Option<BTreeMap<String, QueryValue>>,
        /// Headers. Values may hold `${secret.NAME}`.
        headers: Option<BTreeMap<String, ScalarText>>,
        /// A text to send. It may hold `${secret.NAME}`.
        body: Option<BytesText>,
        /// A value to send as JSON. Texts in it may hold `${secret.NAME}`.
        json: Option<AnyJson>,
        /// The whole request from its actual start to its last byte. Default: the target's `timeouts.request`.
        timeout: Option<DurationText>,
        /// What is checked on the response.
        checks: Option<ChecksShape>,
    }

    /// A request with any method.
    RequestShape("a request") {
        /// The method, for example `PROPFIND`.
        #[schemars(regex(pattern = r"^[A-Za-z-]+$|\$\{"))]
        method: String,
        /// A path or an absolute URL.
        url: String,
    }

    /// Checks on a response. A failed check is counted; it fails the request only with `required: true`.
    ChecksShape("checks") {
        /// The status: `200`, `2xx`, `200-299`, or a list of these. It also counts as success what it names.
        status: Option<StatusCheck>,
        /// Header names, each to its value or to how it must match.
        header: Option<BTreeMap<String, HeaderCheck>>,
        /// How the body must match.
        body: Option<BodyMatchShape>,
        /// The response time: `< 200ms`.
        response_time: Option<ResponseTimeCheck>,
    }

    /// A status check in its long form.
    StatusCheckShape("a status check") {
        /// The statuses.
        is: StatusText,
        /// Whether the request fails when it does not hold. Default: false.
        required: Option<Flag>,
    }

    /// How a header must match: exactly one of `equals`, `contains` and `present`.
    #[schemars(transform = crate::schema::one_match)]
    HeaderMatchShape("a header check") {
        /// The value is exactly this.
        equals: Option<ScalarText>,
        /// The value contains this.
        contains: Option<ScalarText>,
        /// The header is there, whatever its value; only `true` is allowed.
        present: Option<Flag>,
        /// Whether the request fails when it does not hold. Default: false.
        required: Option<Flag>,
    }

    /// How a body must match: exactly one of `equals` and `contains`.
    #[schemars(transform = crate::schema::one_match)]
    BodyMatchShape("a body check") {
        /// The body is exactly this.
        equals: Option<ScalarText>,
        /// The body contains this.
        contains: Option<ScalarText>,
        /// Whether the request fails when it does not hold. Default: false.
        required: Option<Flag>,
    }

    /// A check of the response time in its long form.
    ResponseTimeShape("a response time check") {
        /// It is below this.
        below: DurationText,
        /// Whether the request fails when it does not hold. Default: false.
        required: Option<Flag>,
    }

    /// When a measurement counts as suspect or invalid.
    VerdictShape("verdict") {
        /// Above these it is marked suspect.
        suspect: Option<SuspectShape>,
        /// Above these it is invalid.
        invalid: Option<InvalidShape>,
    }

    /// Above these a measurement is marked suspect.
    SuspectShape("verdict.suspect") {
        /// The 99th percentile of the generator's own lateness. Default: 1ms.
        dispatch_lag_p99: Option<DurationText>,
        /// How busy an engine thread may be in a closed model. Default: 95%.
        thread_busy: Option<PercentText>,
    }

    /// Above these a measurement is invalid.
    InvalidShape("verdict.invalid") {
        /// The 99th percentile of the generator's own lateness. Default: 20ms.
        dispatch_lag_p99: Option<DurationText>,
        /// Slots not sent because the generator stalled, of those due. Default: 0.5%.
        generator_stall: Option<PercentText>,
        /// Requests that failed by the generator's own fault, of those attempted. Default: 0.1%.
        own_faults: Option<PercentText>,
        /// The part of the run in which the generator's CPU was throttled. Default: 5%.
        throttled: Option<PercentText>,
    }
}

/// A rate or a number of users.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(crate) enum StageTarget {
    Rate(RateText),
    Vus(Count),
}

/// A value or a list of values.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(crate) enum QueryValue {
    One(ScalarText),
    Many(Vec<ScalarText>),
}

/// Statuses, or the long form.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(crate) enum StatusCheck {
    Short(StatusText),
    Long(StatusCheckShape),
}

/// The value, or how it must match.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(crate) enum HeaderCheck {
    Short(ScalarText),
    Long(HeaderMatchShape),
}

/// `< 200ms`, or the long form.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(crate) enum ResponseTimeCheck {
    Short(TimeLimitText),
    Long(ResponseTimeShape),
}
