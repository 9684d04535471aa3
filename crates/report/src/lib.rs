//! Renderings of a result: pure functions from [`api::result::ResultFile`] to text.
//!
//! Nothing here measures, judges or prints: what is not in the result is not in a report, and the caller says where the
//! text goes. Start reading at [`text`]; [`figures`] writes numbers as people read them. The machine form needs no
//! rendering: it is [`ResultFile::to_json`](api::result::ResultFile::to_json).
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod figures;
mod palette;
mod text;

pub use palette::Palette;
pub use text::{TextOptions, text};

#[cfg(test)]
mod sample;
