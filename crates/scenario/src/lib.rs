//! The scenario language: document, workload, compile.
//!
//! [`load()`] reads a file, YAML or JSON, into a tree in which every value knows where it stands, puts values from
//! outside over it ([`Overrides`]), expands `${env.…}`, and checks everything at once: what comes out is a
//! [`Workload`] or a list of [`Diagnostics`] with positions and advice. [`compile()`] turns a workload into the
//! [`plan::RunPlan`] that the engine executes. Between machines a workload travels as canonical JSON
//! ([`Workload::to_canonical_json`]), together with the [`Files`] it names. The crate opens no socket and resolves no
//! secret: `${secret.NAME}` stays a reference.
//!
//! The reference of the language is `docs/scenario-language.md`; the shapes in `shape.rs` are its skeleton.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod canonical;
mod compile;
mod diagnostic;
mod document;
mod edit;
mod environment;
mod executor;
mod files;
mod http;
mod json;
mod limits;
mod load;
mod loss;
mod names;
mod overrides;
mod policy;
mod read;
mod scalar;
mod schema;
mod shape;
mod source;
mod suggest;
mod telemetry;
mod template;
mod text;
mod url;
mod value_path;
mod verdict;
mod workload;

pub use canonical::CanonicalError;
pub use compile::{CompileError, catalog, compile};
pub use diagnostic::{Diagnostic, Diagnostics, Severity, Span};
pub use environment::Environment;
pub use files::{FileAccess, FileContent, FileError, Files, Folder};
pub use http::{HttpOptions, http_workload};
pub use json::Json;
pub use load::{Loaded, Source, ValueOrigin, load};
pub use loss::{LossPolicy, OnWorkerLoss, Rejoin};
pub use overrides::{Origin, Overrides};
pub use policy::{Policy, load_policy};
pub use schema::{policy_schema_json, schema, schema_json};
pub use telemetry::Telemetry;
pub use template::template;
pub use text::{Text, TextPart};
pub use url::{Authority, BaseUrl, StepUrl, UrlError};
pub use value_path::{PathKey, ValuePath};
pub use verdict::{InvalidBounds, SuspectBounds, VerdictBounds};
pub use workload::{
    Body, Check, Condition, Load, LoadStage, OpenLoad, Pacing, Payload, RequestStep, RunOptions, Scenario,
    Step, Target, Timeouts, Tls, Workload,
};
