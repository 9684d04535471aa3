//! The subcommands, one module each.

pub(crate) mod completions;
pub(crate) mod controller;
pub(crate) mod demo_target;
pub(crate) mod http;
pub(crate) mod limits;
pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod selftest;
pub(crate) mod status;
pub(crate) mod steer;
pub(crate) mod validate;
pub(crate) mod worker;
