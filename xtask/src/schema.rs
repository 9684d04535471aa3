//! The committed JSON Schemas, and whether they are what the code says.

use std::path::Path;

use anyhow::{Context, ensure};

/// Every committed schema: where it lies, and its current text.
fn schemas() -> [(&'static str, String); 5] {
    [
        ("scenarios/schema/scenario.schema.json", scenario::schema_json()),
        ("scenarios/schema/policy.schema.json", scenario::policy_schema_json()),
        ("api/schema/result.schema.json", api::result::schema_json()),
        ("api/schema/manifest.schema.json", api::manifest::schema_json()),
        ("api/openapi/loadgen.v1.json", controller::server::http::openapi_json()),
    ]
}

/// Writes the schemas, or with `check` compares them with what is committed.
///
/// # Errors
/// When a file cannot be written, or has drifted.
pub(crate) fn run(root: &Path, check: bool) -> anyhow::Result<()> {
    let mut drifted = Vec::new();
    for (path, current) in schemas() {
        let file = root.join(path);
        if check {
            if std::fs::read_to_string(&file).ok().as_deref() != Some(current.as_str()) {
                drifted.push(path);
            }
            continue;
        }
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(&file, current).with_context(|| format!("cannot write {path}"))?;
        println!("schema: wrote {path}");
    }
    ensure!(drifted.is_empty(), "drifted: {}; `cargo xtask schema` writes them", drifted.join(", "));
    if check {
        println!("schema: every committed schema is what the code says");
    }
    Ok(())
}
