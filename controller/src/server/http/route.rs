//! Everything the API can do, in one table: the router, the check of roles and the OpenAPI document are all made from
//! [`TABLE`], so a route without a role, a limit or a description does not exist.

use std::pin::Pin;

use api::http::{
    ClusterStatus, DrainWorker, NoParameters, RunPage, RunStatus, SetRate, StopRun, SubmitRun, Submitted,
};
use api::result::ResultFile;
use axum::response::Response;
use http::Method;
use net::api_token::Role;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::call::Call;
use super::refusal::Refusal;
use super::{contents, events, openapi, runs, workers};

/// Something the API can do.
pub(crate) struct Route {
    /// Its name in the document and in the log.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// Below [`BASE`], in the router's and the document's spelling alike.
    pub(crate) path: &'static str,
    /// What it does, for people.
    pub(crate) summary: &'static str,
    /// What a token must be good for.
    pub(crate) role: Role,
    /// The keys of its query; none if `None`.
    pub(crate) query: Option<SchemaOf>,
    /// Headers it reads beside those of every request.
    pub(crate) headers: &'static [Header],
    pub(crate) takes: Takes,
    pub(crate) gives: &'static [Gives],
    /// What may go wrong beside what may go wrong everywhere.
    pub(crate) refuses: &'static [(u16, &'static str)],
    pub(crate) carry_out: fn(Call) -> CarryingOut,
}

/// A request under way.
pub(crate) type CarryingOut = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;

/// The schema of a type, as the document has it.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A header of a request.
pub(crate) struct Header {
    pub(crate) name: &'static str,
    pub(crate) is_needed: bool,
    pub(crate) what: &'static str,
}

/// A body that is taken.
pub(crate) enum Takes {
    Nothing,
    /// JSON of at most so many bytes.
    Json(SchemaOf, usize),
    /// Bytes, as many as a content may have.
    Content,
}

/// A success.
pub(crate) struct Gives {
    pub(crate) status: u16,
    pub(crate) what: &'static str,
    pub(crate) body: Answer,
}

/// A body that is given.
pub(crate) enum Answer {
    Nothing,
    Json(SchemaOf),
    /// JSON that no type of ours describes.
    AnyJson,
    Events,
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What every path begins with.
pub(crate) const BASE: &str = "/api/v1";

/// A workload as canonical JSON; files travel apart.
const SUBMISSION_LIMIT: usize = 4 << 20;
/// An order of a few words.
const ORDER_LIMIT: usize = 16 << 10;

const STATUS_OF_RUN: Gives =
    Gives { status: 200, what: "Where the run stands now.", body: Answer::Json(schema::<RunStatus>) };
const NO_RUN: (u16, &str) = (404, "There is no such run.");
const RUN_GONE: (u16, &str) = (410, "The run is not kept any more.");
const WRONG_STATE: (u16, &str) = (409, "The run is not in a state for this.");

/// Everything the API can do.
pub(crate) static TABLE: &[Route] = &[
    Route {
        name: "putContent",
        method: Method::PUT,
        path: "/contents/{sha256}",
        summary: "Puts a file that a run will name, by the SHA-256 of its bytes.",
        role: Role::Run,
        query: None,
        headers: &[],
        takes: Takes::Content,
        gives: &[Gives { status: 204, what: "It is here, now or already.", body: Answer::Nothing }],
        refuses: &[
            (413, "It is larger than contents may be."),
            (422, "The bytes have another digest."),
            (507, "There is no room for it."),
        ],
        carry_out: |call| Box::pin(contents::put(call)),
    },
    Route {
        name: "hasContent",
        method: Method::HEAD,
        path: "/contents/{sha256}",
        summary: "Says whether a content is here.",
        role: Role::Run,
        query: None,
        headers: &[],
        takes: Takes::Nothing,
        gives: &[Gives { status: 204, what: "It is here.", body: Answer::Nothing }],
        refuses: &[(404, "It is not here.")],
        carry_out: |call| Box::pin(contents::head(call)),
    },
    Route {
        name: "submitRun",
        method: Method::POST,
        path: "/runs",
        summary: "Submits a run; the same key with the same body is the same run.",
        role: Role::Run,
        query: None,
        headers: &[Header {
            name: "Idempotency-Key",
            is_needed: true,
            what: "A text of the client's own that is new for every run.",
        }],
        takes: Takes::Json(schema::<SubmitRun>, SUBMISSION_LIMIT),
        gives: &[
            Gives { status: 201, what: "The run is made.", body: Answer::Json(schema::<Submitted>) },
            Gives { status: 200, what: "It was made before.", body: Answer::Json(schema::<Submitted>) },
        ],
        refuses: &[
            (409, "The key was used for another body, or a content is missing."),
            (422, "The workload is not valid."),
            (503, "As many runs wait as may."),
        ],
        carry_out: |call| Box::pin(runs::submit(call)),
    },
    Route {
        name: "listRuns",
        method: Method::GET,
        path: "/runs",
        summary: "Lists the runs the controller knows, the latest first.",
        role: Role::Observe,
        query: Some(schema::<runs::Selection>),
        headers: &[],
        takes: Takes::Nothing,
        gives: &[Gives { status: 200, what: "A page of them.", body: Answer::Json(schema::<RunPage>) }],
        refuses: &[],
        carry_out: |call| Box::pin(runs::list(call)),
    },
    Route {
        name: "getRun",
        method: Method::GET,
        path: "/runs/{run_id}",
        summary: "Says where a run stands.",
        role: Role::Observe,
        query: None,
        headers: &[],
        takes: Takes::Nothing,
        gives: &[STATUS_OF_RUN],
        refuses: &[NO_RUN, RUN_GONE],
        carry_out: |call| Box::pin(runs::status(call)),
    },
    Route {
        name: "getResult",
        method: Method::GET,
        path: "/runs/{run_id}/result",
        summary: "Gives the result of a run that is sealed.",
        role: Role::Observe,
        query: None,
        headers: &[],
        takes: Takes::Nothing,
        gives: &[Gives { status: 200, what: "The result.", body: Answer::Json(schema::<ResultFile>) }],
        refuses: &[NO_RUN, (409, "The run is not over."), (410, "It has none, or not any more.")],
        carry_out: |call| Box::pin(runs::result(call)),
    },
    Route {
        name: "stopRun",
        method: Method::POST,
        path: "/runs/{run_id}/stop",
        summary: "Ends a run.",
        role: Role::Run,
        query: None,
        headers: &[],
        takes: Takes::Json(schema::<StopRun>, ORDER_LIMIT),
        gives: &[STATUS_OF_RUN],
        refuses: &[NO_RUN, WRONG_STATE, RUN_GONE],
        carry_out: |call| Box::pin(runs::stop(call)),
    },
    Route {
        name: "setRate",
        method: Method::POST,
        path: "/runs/{run_id}/rate",
        summary: "Holds a scenario's rate to the end of its profile, or multiplies what remains.",
        role: Role::Run,
        query: None,
        headers: &[],
        takes: Takes::Json(schema::<SetRate>, ORDER_LIMIT),
        gives: &[STATUS_OF_RUN],
        refuses: &[NO_RUN, WRONG_STATE, RUN_GONE, (422, "The change makes no sense for this run.")],
        carry_out: |call| Box::pin(runs::set_rate(call)),
    },
    Route {
        name: "pauseRun",
        method: Method::POST,
        path: "/runs/{run_id}/pause",
        summary: "Stops the clocks of all profiles of a run.",
        role: Role::Run,
        query: None,
        headers: &[],
        takes: Takes::Json(schema::<NoParameters>, ORDER_LIMIT),
        gives: &[STATUS_OF_RUN],
        refuses: &[NO_RUN, WRONG_STATE, RUN_GONE],
        carry_out: |call| Box::pin(runs::pause(call)),
    },
    Route {
        name: "resumeRun",
        method: Method::POST,
        path: "/runs/{run_id}/resume",
        summary: "Lets the clocks of all profiles of a run go on.",
        role: Role::Run,
        query: None,
        headers: &[],
        takes: Takes::Json(schema::<NoParameters>, ORDER_LIMIT),
        gives: &[STATUS_OF_RUN],
        refuses: &[NO_RUN, WRONG_STATE, RUN_GONE],
        carry_out: |call| Box::pin(runs::resume(call)),
    },
    Route {
        name: "followRun",
        method: Method::GET,
        path: "/runs/{run_id}/events",
        summary: "Tells the events of a run, those that were and those to come, as server-sent events.",
        role: Role::Observe,
        query: Some(schema::<events::Position>),
        headers: &[Header {
            name: "Last-Event-ID",
            is_needed: false,
            what: "The number of the last event that was seen; counts more than `after`.",
        }],
        takes: Takes::Nothing,
        gives: &[Gives { status: 200, what: EVENTS, body: Answer::Events }],
        refuses: &[NO_RUN, RUN_GONE],
        carry_out: |call| Box::pin(events::follow(call)),
    },
    Route {
        name: "getStatus",
        method: Method::GET,
        path: "/status",
        summary: "Says how the cluster is.",
        role: Role::Observe,
        query: None,
        headers: &[],
        takes: Takes::Nothing,
        gives: &[Gives {
            status: 200,
            what: "Workers, and runs that are not over.",
            body: Answer::Json(schema::<ClusterStatus>),
        }],
        refuses: &[],
        carry_out: |call| Box::pin(workers::status(call)),
    },
    Route {
        name: "drainWorker",
        method: Method::POST,
        path: "/workers/{name}/drain",
        summary: "Lets a worker go.",
        role: Role::Admin,
        query: None,
        headers: &[],
        takes: Takes::Json(schema::<DrainWorker>, ORDER_LIMIT),
        gives: &[Gives { status: 204, what: "It is asked to go.", body: Answer::Nothing }],
        refuses: &[(404, "There is no such worker."), (409, "It is gone or lost already.")],
        carry_out: |call| Box::pin(workers::drain(call)),
    },
    Route {
        name: "getOpenApi",
        method: Method::GET,
        path: "/openapi.json",
        summary: "Gives this document.",
        role: Role::Observe,
        query: None,
        headers: &[],
        takes: Takes::Nothing,
        gives: &[Gives { status: 200, what: "This document.", body: Answer::AnyJson }],
        refuses: &[],
        carry_out: |call| Box::pin(openapi::give(call)),
    },
];

const EVENTS: &str = "A stream of `RunEvent`: `id` is `seq`, `event` is `kind`, `data` is the event. Numbers rise by \
    one. It ends after the event `sealed`, or with an event `cut` whose data is a `StreamCut`: then go on with \
    `Last-Event-ID`. A comment each 15 s without events shows that the stream lives.";
