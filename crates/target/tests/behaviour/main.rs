//! The target as a client sees it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod client;
mod endpoints;
mod server;
