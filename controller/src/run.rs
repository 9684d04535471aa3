//! One run, from its creation to its seal.
//!
//! ```text
//! Created ─joined─▸ Preparing ─prepared─▸ Arming ─started─▸ Running ─plan over─▸ Draining ─grace over─▸ Collecting ─▸ Sealed
//!    │ stop            │ stop, refused      │ stop            │ stop: drain 2 s     │ 2nd stop: cancel      ▴ all ended,
//!    └─────────────────┴────────────────────┴─────────────────┴─────────────────────┴───────────────────────┘ or the limit
//! ```
//!
//! The machine does no I/O and owns no clock: [`RunMachine::step`] takes an instant and something that happened, and
//! says what to do about it. It wants to be called again at [`RunMachine::wake_at`] at the latest. Every state has a
//! limit, so every run ends; what is missing then is said in the result.

mod ending;
mod facts;
mod machine;
mod message;
mod sealed;
mod spec;

pub use machine::RunMachine;
pub use message::{Input, Output};
pub use sealed::SealedRun;
pub use spec::{RunSpec, WorkerSpec};

#[cfg(test)]
mod tests;
