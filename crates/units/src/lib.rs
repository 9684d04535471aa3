//! Numbers with units, and the two traits of time.
//!
//! Everything else in the workspace counts in these types: a [`Nanos`] is a span, a [`Timestamp`] an instant on
//! one monotonic clock, a [`Rate`] an exact rational. Adding two timestamps does not compile. The crate knows no
//! scenario, no histogram and no runtime; start reading at [`Nanos`] and [`Clock`].

mod amount;
mod clock;
mod rate;
mod span;

pub use amount::{Bytes, Ratio};
pub use clock::{Clock, ManualClock, MonotonicClock, Timer};
pub use rate::{ParseRateError, Rate, ScaleRateError};
pub use span::{Nanos, ParseSpanError, Timestamp};
