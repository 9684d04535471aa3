//! One run, from its creation to its seal.
//!
//! ```text
//! Preparing ─prepared─▸ [Once] ─▸ Arming ─started─▸ Running ─plan over─▸ Draining ─grace over─▸ Collecting ─▸ Sealed
//!    │ stop, refused      │ failed  │ stop            │ stop: drain 2 s     │ 2nd stop: cancel      ▴ all ended,
//!    └────────────────────┴─────────┴─────────────────┴─────────────────────┴───────────────────────┘ or the limit
//!
//! while Arming or Running:  Join ─▸ Prepare (with nothing), Start ─prepared─▸ revision that gives it its part
//!                           Leave graceful ─▸ revision that takes it, then Stop     fast ─▸ Stop, its share waits
//!                           Lost ─▸ as the policy says: revision, nothing, or the end
//!                           Change ─▸ revision with an amendment
//! ```
//!
//! The machine does no I/O and owns no clock: [`RunMachine::step`] takes an instant and something that happened, and
//! says what to do about it. It wants to be called again at [`RunMachine::wake_at`] at the latest. Every state has a
//! limit, so every run ends; what is missing then is said in the result.
//!
//! What it decides it appends to a [`Store`] as a [`Record`] and lets the [`RunFold`] take effect of it; the result is
//! made of the fold alone. Authority and facts follow different rules: a session that was lost gets no commands any more,
//! but whatever it says is still taken, once and in order, until the run is sealed.

mod ending;
mod event;
mod facts;
mod fold;
mod link;
mod machine;
mod members;
mod message;
mod record;
mod revising;
mod sealed;
mod showing;
mod spec;
mod store;

pub use event::{Annotation, AnnotationKind, RunEvent, RunPhase, WorkerStanding};
pub use fold::RunFold;
pub use machine::RunMachine;
pub use message::{Actor, Input, Output, Peer};
pub use record::{Record, RecordSeq, Revised};
pub use revising::ChangeRefusal;
pub use sealed::SealedRun;
pub use spec::{RunSpec, WorkerSpec};
pub use store::{MemoryStore, Store};

#[cfg(test)]
mod tests;
