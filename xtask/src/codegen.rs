//! The Rust form of the published protocol: written by `cargo xtask codegen` and committed, so that building needs no
//! protoc; `--check` finds out whether it still is what the proto files say.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, ensure};
use protox::prost_reflect::prost_types::FileDescriptorSet;
use tonic_prost_build::configure;

/// Where the proto files lie, and the files of the protocol below that.
const PROTO: &str = "api/proto";
const FILES: [&str; 7] = [
    "loadgen/v1/command.proto",
    "loadgen/v1/content.proto",
    "loadgen/v1/control.proto",
    "loadgen/v1/enrolment.proto",
    "loadgen/v1/fact.proto",
    "loadgen/v1/identity.proto",
    "loadgen/v1/snapshot.proto",
];

/// What is generated of them, and the name the generator gives it.
const GENERATED: &str = "crates/control/src/wire/generated/loadgen_v1.rs";
const GENERATED_AS: &str = "loadgen.v1.rs";

/// Writes the generated code, or with `check` compares it with what is committed.
///
/// # Errors
/// When the proto files are wrong, or a file cannot be read or written, or has drifted.
pub(crate) fn run(root: &Path, check: bool) -> anyhow::Result<()> {
    let current = generate(root)?;
    let file = root.join(GENERATED);
    if check {
        let is_current = std::fs::read_to_string(&file).ok().as_deref() == Some(current.as_str());
        ensure!(is_current, "drifted: {GENERATED}; `cargo xtask codegen` writes it");
        println!("codegen: {GENERATED} is what the proto files say");
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(&file, current).with_context(|| format!("cannot write {GENERATED}"))?;
    println!("codegen: wrote {GENERATED}");
    Ok(())
}

/// The protocol as the proto files define it.
fn descriptors(root: &Path) -> anyhow::Result<FileDescriptorSet> {
    protox::compile(FILES, [root.join(PROTO)]).map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn generate(root: &Path) -> anyhow::Result<String> {
    let set = descriptors(root)?;
    let methods = methods(&set);
    // The generator writes files only: into a folder of the build, not among the sources.
    let scratch = root.join("target/codegen");
    std::fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .btree_map(".")
        .bytes(".loadgen.v1.Fact.measured")
        .bytes(".loadgen.v1.Chunk.data")
        // A join token is in no log.
        .skip_debug([".loadgen.v1.CertificateRequest"])
        .out_dir(&scratch)
        .compile_fds(set)
        .context("cannot generate from the proto files")?;
    let code = std::fs::read_to_string(scratch.join(GENERATED_AS)).context("nothing was generated")?;
    Ok(format!("{code}{methods}"))
}

/// Every method of the protocol, for whoever has to say of each who may call it.
fn methods(set: &FileDescriptorSet) -> String {
    let mut code =
        String::from("/// The path of every method, in order of the services and of their methods.\n");
    let mut paths = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let methods = service.method.iter();
            paths.extend(
                methods.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())),
            );
        }
    }
    let _ = writeln!(code, "pub const METHODS: [&str; {}] = [", paths.len());
    for path in paths {
        let _ = writeln!(code, "    \"{path}\",");
    }
    code.push_str("];\n");
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    /// What must not change once it is published: numbers, types and labels of fields, values of enums, methods.
    #[test]
    fn published_numbers_never_change() {
        let mut lines = String::new();
        for file in descriptors(root()).unwrap().file {
            for message in &file.message_type {
                for field in &message.field {
                    let kind = field.type_name.clone().unwrap_or_else(|| format!("{:?}", field.r#type()));
                    let label = format!("{:?}", field.label());
                    let (message, name, number) = (message.name(), field.name(), field.number());
                    let _ = writeln!(lines, "{message}.{name} = {number}: {label} {kind}");
                }
            }
            for kind in &file.enum_type {
                for value in &kind.value {
                    let _ = writeln!(lines, "{}.{} = {}", kind.name(), value.name(), value.number());
                }
            }
            for service in &file.service {
                for method in &service.method {
                    let side = |streams: bool| if streams { "stream " } else { "" };
                    let (name, input, output) = (method.name(), method.input_type(), method.output_type());
                    let (up, down) = (side(method.client_streaming()), side(method.server_streaming()));
                    let _ = writeln!(lines, "{}/{name}({up}{input}) = {down}{output}", service.name());
                }
            }
        }
        insta::assert_snapshot!(lines);
    }

    #[test]
    fn every_proto_file_is_compiled() {
        let mut found: Vec<_> = std::fs::read_dir(root().join(PROTO).join("loadgen/v1"))
            .unwrap()
            .map(|entry| format!("loadgen/v1/{}", entry.unwrap().file_name().to_str().unwrap()))
            .collect();
        found.sort();
        assert_eq!(found, FILES);
    }

    #[test]
    fn what_is_committed_is_what_the_proto_files_say() {
        assert!(run(root(), true).is_ok(), "run `cargo xtask codegen`");
    }
}
