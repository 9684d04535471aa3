//! `loadgen schema`: the JSON Schema of scenario, policy and result files and of run manifests.

use anyhow::Context as _;
use api::ExitCode;

use crate::args::{SchemaArgs, SchemaKind};
use crate::console::print_to_stdout;
use crate::failure::Failure;

/// Prints the schema.
pub(crate) fn schema(args: &SchemaArgs) -> Result<ExitCode, Failure> {
    let text = match args.kind {
        SchemaKind::Scenario => scenario::schema_json(),
        SchemaKind::Policy => scenario::policy_schema_json(),
        SchemaKind::Result => api::result::schema_json(),
        SchemaKind::Manifest => api::manifest::schema_json(),
    };
    print_to_stdout(&text).context("cannot print the schema")?;
    Ok(ExitCode::Passed)
}
