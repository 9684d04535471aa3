//! A cluster between bad networks and bad peers: controller, workers and target in this process, over the real stack.
//!
//! Whatever is done to the control plane, what is reported is what the target counted. One module per kind of trouble;
//! `stage.rs` sets the scene. Loads are small: what is looked at are counts, never how fast something was.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "hostile/api_clients.rs"]
mod api_clients;
#[path = "hostile/credentials.rs"]
mod credentials;
#[path = "hostile/crowds.rs"]
mod crowds;
#[path = "hostile/liars.rs"]
mod liars;
#[path = "hostile/links.rs"]
mod links;
#[path = "hostile/partitions.rs"]
mod partitions;
#[path = "hostile/rogue.rs"]
mod rogue;
#[path = "hostile/simulated.rs"]
mod simulated;
#[path = "hostile/stage.rs"]
mod stage;
#[path = "hostile/targets.rs"]
mod targets;
