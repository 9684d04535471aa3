//! What the engine executes: load arithmetic, programs and their shares.
//!
//! A [`RunPlan`] is the whole run, independent of how many workers and threads carry it. Load is arithmetic here:
//! [`RateProfile::due`] is a pure function of the slot's index, [`Ownership`] says whose slot it is, and
//! [`Slots`] walks the slots of one thread. What changes of a run under way, its shares and rates, is a [`Revision`]; a
//! [`Timetable`] is what becomes of a scenario then. The crate knows no YAML, no socket and no clock; start reading at
//! [`RunPlan`] and [`RateProfile`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod arrivals;
mod axis;
mod course;
mod dealing;
mod digest;
mod draw;
mod encoding;
mod load;
mod profile;
mod program;
mod rational;
mod request;
mod revision;
mod schedule;
mod share;
mod slots;
mod stages;
mod timetable;
mod users;

pub use arrivals::Arrivals;
pub use course::{Course, CourseError, planned_in};
pub use dealing::Dealing;
pub use digest::{ParseDigestError, PlanHash, SlotsDigest};
pub use draw::{Draws, ParseSeedError, Seed, draw, think_time, uniform_between};
pub use encoding::Encoding;
pub use load::{LoadModel, Overload, Stage};
pub use profile::{ProfileError, RateProfile};
pub use program::{
    Check, CheckId, CheckKind, Op, OriginId, Program, RequestId, RunPlan, ScenarioBody, ScenarioId,
    ScenarioPlan, Step, StepId,
};
pub use request::{Origin, RequestPlan, Scheme, StatusSet, Template, TemplatePart, TextMatch, TlsPlan};
pub use revision::{Amendment, LoadChange, Revision};
pub use schedule::Schedule;
pub use share::{Owned, Ownership, Share, ShareError};
pub use slots::{Slot, Slots};
pub use timetable::{AmendmentError, MOST_AMENDMENTS, Timetable};
pub use users::{UserProfile, UserSpan};
