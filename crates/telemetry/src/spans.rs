//! Spans of a run, made from what was measured: pure functions to the SDK's data, with names that are derived and not drawn.
//!
//! ```text
//! loadgen run checkout      the run's own trace; its ID is the run's               RunSpan       controller
//!    ↕ links
//! browse                    root of a trace for each scenario                      ScenarioSpan  controller
//!  └─ browse                INTERNAL, one execution: intended start … end          SpanCatalog   worker
//!      ├─ GET /list         CLIENT, one request: actual start … completion
//!      └─ GET /item
//! ```
//!
//! An execution's span begins when it was *due*: its duration is the response time that results report, and what it waited
//! for the generator or a virtual user is the gap before its first request, with events `released` and `started` at its
//! ends. A request's span lasts its *service time*, as the semantic conventions want it. No secret gets here: whoever makes
//! a [`SpanCatalog`] writes [`REDACTED`] where a template has one.

mod address;
mod catalog;
mod execution;
mod run;
#[cfg(test)]
mod tests;
mod wall;

pub use opentelemetry_sdk::trace::SpanData;

pub use self::address::REDACTED;
pub use self::catalog::{RequestNames, ScenarioNames, SpanCatalog, StepNames};
pub use self::execution::{failure_text, telling_request};
pub use self::run::{RunSpan, ScenarioSpan};
pub use self::wall::WallAnchor;
