//! The subcommands, one module each.

pub(crate) mod completions;
pub(crate) mod demo_target;
pub(crate) mod http;
pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod selftest;
pub(crate) mod validate;
