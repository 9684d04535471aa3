//! Every metric there is: the one table that `docs/metrics.md` shows and every form takes its names from.
//!
//! Names are those of OpenTelemetry's semantic conventions where they have one, else `loadgen.…`. What Prometheus calls
//! them is derived ([`Instrument::prometheus_name`]). Of a run, all have the labels `run_id` and `worker` beside those of
//! the table; sums over `worker` give the run. Names, units and labels are frozen by `VERSIONING.md`.

pub use net::probe::{Instrument, Kind, Scope, Sender};

macro_rules! instruments {
    ($($id:ident: $name:literal, $unit:literal, $kind:ident, $scope:ident, $sender:ident, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: Instrument = Instrument {
                name: $name,
                unit: $unit,
                kind: Kind::$kind,
                scope: Scope::$scope,
                labels: &[$($label),*],
                sender: Sender::$sender,
                help: $help,
            };
        )*

        /// All of them, in the order of the table, but for those of [`net::probe::OWN`].
        pub static ALL: &[&Instrument] = &[$(&$id),*];
    };
}

instruments! {
    SERVICE_TIME: "http.client.request.duration", "s", Histogram, Run, Worker,
        ["scenario", "step", "http.request.method", "server.address", "server.port", "error.type"],
        "Service time of requests: completion less actual start; `error.type` is `failed` for those that failed, timed out or were cancelled.";
    TASK_DURATION: "loadgen.task.duration", "s", Histogram, Run, Worker, ["scenario", "step", "outcome"],
        "Service time of the executions of tasks: completion less actual start.";
    RESPONSE_TIME: "loadgen.request.response_time", "s", Histogram, Run, Worker, ["scenario", "step", "outcome"],
        "Response time of requests: completion less intended start, what a user would have waited.";
    REQUEST_QUEUE_WAIT: "loadgen.request.queue_wait", "s", Histogram, Run, Worker, ["scenario", "step"],
        "Queue wait of requests: actual start less release.";
    REQUEST_PHASES: "loadgen.request.phase.duration", "s", Histogram, Run, Worker, ["scenario", "step", "phase"],
        "Phases of requests: `dns`, `connect`, `tls`, `first_byte`, `receive`; only where they happened.";
    ITERATION_RESPONSE_TIME: "loadgen.iteration.response_time", "s", Histogram, Run, Worker, ["scenario", "outcome"],
        "Response time of iterations: end less intended start.";
    ITERATION_DURATION: "loadgen.iteration.duration", "s", Histogram, Run, Worker, ["scenario", "outcome"],
        "Duration of iterations: end less actual start, think times included.";
    ITERATION_QUEUE_WAIT: "loadgen.iteration.queue_wait", "s", Histogram, Run, Worker, ["scenario"],
        "Queue wait of iterations: start less release, waiting for a free virtual user.";
    DISPATCH_LAG: "loadgen.dispatch_lag", "s", Histogram, Run, Worker, ["scenario"],
        "The generator's own lateness: release less intended start.";
    REQUESTS: "loadgen.requests", "{request}", Counter, Run, Worker, ["scenario", "step", "outcome", "error.type"],
        "Requests that are over, by outcome: `succeeded`, `failed` (with the class of the error) or `cancelled`.";
    REQUESTS_ATTEMPTED: "loadgen.requests.attempted", "{request}", Counter, Run, Worker, ["scenario", "step"],
        "Requests that were begun.";
    REQUESTS_RESENT: "loadgen.requests.resent", "{request}", Counter, Run, Worker, ["scenario", "step"],
        "Requests that were sent a second time since a kept connection turned out to be closed.";
    RESPONSES: "loadgen.responses", "{response}", Counter, Run, Worker, ["scenario", "step", "status_class"],
        "Responses by class of status: `1xx` to `9xx`.";
    SENT: "loadgen.sent", "By", Counter, Run, Worker, ["scenario", "step"],
        "Bytes of requests, before TLS.";
    RECEIVED: "loadgen.received", "By", Counter, Run, Worker, ["scenario", "step"],
        "Bytes of responses, before TLS.";
    CHECKS: "loadgen.checks", "{check}", Counter, Run, Worker, ["scenario", "step", "check", "outcome"],
        "Checks on responses, by outcome: `passed` or `failed`.";
    SLOTS_PLANNED: "loadgen.slots.planned", "{slot}", Counter, Run, Controller, ["scenario"],
        "Slots that the plan had due so far, in an open model.";
    SLOTS_DUE: "loadgen.slots.due", "{slot}", Counter, Run, Worker, ["scenario"],
        "Slots that came due.";
    SLOTS_STARTED: "loadgen.slots.started", "{slot}", Counter, Run, Worker, ["scenario"],
        "Slots that became an iteration.";
    SLOTS_DROPPED: "loadgen.slots.dropped", "{slot}", Counter, Run, Worker, ["scenario", "reason"],
        "Slots given up although the generator was on time, by reason.";
    SLOTS_UNSENT: "loadgen.slots.unsent", "{slot}", Counter, Run, Worker, ["scenario", "reason"],
        "Slots that were never released, by reason.";
    SLOTS_UNACCOUNTED: "loadgen.slots.unaccounted", "{slot}", Counter, Run, Controller, ["scenario"],
        "Slots whose fate is unknown since their worker was lost.";
    ITERATIONS: "loadgen.iterations", "{iteration}", Counter, Run, Worker, ["scenario", "outcome"],
        "Iterations that are over, by outcome: `succeeded`, `failed` or `cancelled`.";
    WARM_UP_ITERATIONS: "loadgen.warm_up.iterations", "{iteration}", Counter, Run, Worker, ["scenario"],
        "Iterations begun in warm-up, which are in no other counter.";
    WARM_UP_REQUESTS: "loadgen.warm_up.requests", "{request}", Counter, Run, Worker, ["scenario"],
        "Requests begun in warm-up, which are in no other counter.";
    TARGET_RATE: "loadgen.target_rate", "{iteration}/s", Gauge, Run, Controller, ["scenario"],
        "Iterations per second that the plan wants now.";
    TARGET_USERS: "loadgen.target_users", "{user}", Gauge, Run, Controller, ["scenario"],
        "Virtual users that the plan wants now, in a closed model.";
    VIRTUAL_USERS: "loadgen.virtual_users", "{user}", Gauge, Run, Worker, [],
        "Virtual users: the active ones in a closed model, the most that were busy at once in an open one.";
    ITERATIONS_IN_FLIGHT: "loadgen.iterations.in_flight", "{iteration}", Gauge, Run, Worker, ["scenario"],
        "Iterations that run, warm-up included.";
    REQUESTS_IN_FLIGHT: "loadgen.requests.in_flight", "{request}", Gauge, Run, Worker, ["scenario"],
        "Requests that wait for their response, warm-up included.";
    QUEUE_DEPTH: "loadgen.queue.depth", "{slot}", Gauge, Run, Worker, ["scenario"],
        "Slots that are due and wait for a virtual user, warm-up included.";
    POOL_OPEN: "loadgen.pool.open", "{connection}", Gauge, Run, Worker, [],
        "Connections to targets that are open.";
    POOL_OPENED: "loadgen.pool.opened", "{connection}", Counter, Run, Worker, [],
        "Connections to targets that were opened.";
    POOL_REUSED: "loadgen.pool.reused", "{request}", Counter, Run, Worker, [],
        "Requests that were sent on a connection that had carried one before.";
    ENGINE_WALL: "loadgen.engine.wall", "s", Counter, Run, Worker, ["thread"],
        "Time that an engine thread was there for: what the other times of it are parts of.";
    ENGINE_BUSY: "loadgen.engine.busy", "s", Counter, Run, Worker, ["thread"],
        "Time in which an engine thread was not waiting for events.";
    ENGINE_CPU: "loadgen.engine.cpu", "s", Counter, Run, Worker, ["thread"],
        "Processor time of an engine thread.";
    ENGINE_STALLED: "loadgen.engine.stalled", "s", Counter, Run, Worker, ["thread"],
        "Time in which an engine thread stood still although something was due, beyond 100 ms each.";
    INTERVALS_COALESCED: "loadgen.intervals.coalesced", "{interval}", Counter, Run, Worker, [],
        "Intervals that could not be handed over in time and were recorded with the next one.";
    WORKER_CPU: "loadgen.worker.cpu", "s", Counter, Run, Worker, ["part"],
        "Processor time of the worker's process while load is made, by part: `engine` or `other` threads.";
    WORKER_BUSIEST_THREAD: "loadgen.worker.busiest_thread", "1", Gauge, Run, Worker, [],
        "The busiest engine thread's processor time as a part of the time.";
    WORKER_THROTTLED: "loadgen.worker.throttled", "s", Counter, Run, Worker, [],
        "Time that the worker's process was throttled by a CPU quota.";
    WORKER_STOLEN: "loadgen.worker.stolen", "s", Counter, Run, Worker, [],
        "Time stolen from the worker's machine by its host, over all CPUs.";
    WORKER_CLOCK_STEP: "loadgen.worker.clock_step", "s", Gauge, Run, Worker, [],
        "The largest step of the worker's wall clock against its monotonic one.";
    WORKER_MEMORY: "loadgen.worker.memory", "By", Gauge, Run, Worker, [],
        "Memory that the worker's process holds.";
    WORKER_MEMORY_PEAK: "loadgen.worker.memory.peak", "By", Gauge, Run, Worker, [],
        "The most memory that the worker's process held at once.";
    WORKER_TCP_RETRANSMITS: "loadgen.worker.tcp.retransmits", "{segment}", Counter, Run, Worker, [],
        "TCP segments that the worker's machine sent again since the run began; of all its processes in the network namespace.";
    WORKER_TCP_SYN_RETRANSMITS: "loadgen.worker.tcp.syn_retransmits", "{segment}", Counter, Run, Worker, [],
        "TCP segments that ask for a connection and that the worker's machine sent again since the run began: the other side did not take them at first; of all its processes in the network namespace.";
    WORKER_TCP_SYN_DROPS: "loadgen.worker.tcp.syn_drops", "{connection}", Counter, Run, Worker, [],
        "Connections that the worker's machine did not accept since a listener's queue was full, since the run began; of all its processes in the network namespace.";
    RUN_WORKERS: "loadgen.run.workers", "{worker}", Gauge, Run, Controller, ["state"],
        "Workers of the run, by where they stand in it: `preparing`, `ready`, `working`, `leaving`, `finished`, `refused`, `lost` or `dismissed`.";
    RUN_INFO: "loadgen.run.info", "{run}", Gauge, Run, Controller,
        ["name", "scenario_digest", "plan_hash", "seed", "version"],
        "What the run is; always 1.";
    VERDICT: "loadgen.verdict", "{verdict}", Gauge, Run, Controller, ["verdict"],
        "The verdict as it stands: 1 for `passed`, `failed` or `invalid`, 0 for the others.";
    SUCCESS: "loadgen.success", "1", Gauge, Run, Controller, ["scenario"],
        "Requests that succeeded as a part of those that succeeded or failed, since the run began; without `scenario`, of the whole run.";
    ERROR_BUDGET_BURN: "loadgen.error_budget.burn", "1", Gauge, Run, Controller, ["scenario", "metric", "expression"],
        "How fast a threshold's error budget is used: the part of requests that failed in the last 60 s, divided by the part that the threshold allows; above 1 it will not last.";
    ERROR_BUDGET_LEFT: "loadgen.error_budget.left", "1", Gauge, Run, Controller, ["scenario", "metric", "expression"],
        "What is left of a threshold's error budget: 1 less the part of requests that failed since the run began, divided by the part that the threshold allows; below 0 it is not met.";
    THRESHOLD_MET: "loadgen.threshold.met", "{threshold}", Gauge, Run, Controller, ["scenario", "metric", "expression"],
        "Whether a threshold is met as it stands: 1 or 0.";
    EXECUTIONS_OVER_BUDGET: "loadgen.telemetry.executions.over_budget", "{execution}", Counter, Run, Worker, [],
        "Executions that sampling would have kept but for the budget of spans.";
    LINES_SUPPRESSED: "loadgen.telemetry.lines.suppressed", "{line}", Counter, Run, Worker, ["error.type"],
        "Log lines of failed executions that were only counted, by class of the error.";
    TELEMETRY_ITEMS: "loadgen.telemetry.items", "{item}", Counter, Run, Both, ["signal", "state"],
        "Spans, data points and log records of the run, by what became of them: `produced` is the sum of `acknowledged`, `rejected`, `lost`, `unknown` and what is under way; `retried` stands beside.";
    EXPORTER_FAILURES: "loadgen.telemetry.exporter.failures", "{failure}", Counter, Run, Both, [],
        "How often an exporter panicked, or all of them hung: the run goes on, and what they had is `lost` or `unknown`.";
    SERIES_FOLDED: "loadgen.telemetry.series.folded", "{series}", Gauge, Run, Both, ["metric"],
        "Series of a metric that are beyond the most it may have, and so counted under `other`.";
    CONFIGURATION_LOADS: "loadgen.configuration.loads", "{load}", Counter, Process, Both, ["kind", "outcome"],
        "Files that were read, by kind (`scenario`, `policy`) and outcome (`loaded`, `refused`).";
    BUILD_INFO: "loadgen.build.info", "{program}", Gauge, Process, Both, ["version", "role"],
        "The program; always 1.";
    WORKER_READY: "loadgen.worker.ready", "{worker}", Gauge, Process, Worker, [],
        "Whether the worker can take part in a run: 1 or 0.";
    WORKER_RUNS: "loadgen.worker.runs", "{run}", Gauge, Process, Worker, [],
        "Runs the worker takes part in or holds facts of.";
    WORKER_SUPERSEDED_MESSAGES: "loadgen.worker.superseded_messages", "{message}", Counter, Process, Worker, [],
        "Commands and acknowledgements of a superseded controller, session or lease, without effect.";
    CONTROLLER_EPOCH: "loadgen.controller.epoch", "{life}", Gauge, Process, Controller, [],
        "The controller's life, from 1.";
    WORKERS: "loadgen.workers", "{worker}", Gauge, Process, Controller, ["state"],
        "Workers, by where they stand.";
    WORKER_BEAT_AGE: "loadgen.worker.beat_age", "s", Gauge, Process, Controller, ["worker"],
        "Time since a worker's last sign of life; only of workers that hold a lease.";
    RUNS: "loadgen.runs", "{run}", Gauge, Process, Controller, ["state"],
        "Runs that are not over, by where they stand.";
    RUN_STATE: "loadgen.run.state", "{run}", Gauge, Process, Controller, ["run_id", "name", "state"],
        "Each run that is not over, and where it stands; always 1.";
    WATCHERS: "loadgen.watchers", "{watcher}", Gauge, Process, Controller, [],
        "Clients that follow events of runs.";
    PROCESS_START: "process.start_time", "s", Gauge, Process, Both, [],
        "When the process began, in seconds since the beginning of 1970.";
    PROCESS_CPU: "process.cpu.time", "s", Counter, Process, Both, [],
        "Processor time of the process.";
    PROCESS_MEMORY: "process.memory.usage", "By", Gauge, Process, Both, [],
        "Memory that the process holds.";
    PROCESS_FILES: "process.open_files", "{file}", Gauge, Process, Both, [],
        "Files and sockets that the process has open.";
    PROCESS_THREADS: "process.threads", "{thread}", Gauge, Process, Both, [],
        "Threads of the process.";
}

/// Gauges that say what came of a run rather than how it stands: they are there for its last scrape.
pub static OUTCOMES: &[&Instrument] = &[&RUN_INFO, &VERDICT, &SUCCESS, &ERROR_BUDGET_LEFT, &THRESHOLD_MET];

#[cfg(test)]
mod tests;
