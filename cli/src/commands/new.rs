//! `loadgen new`: a commented scenario file to start from.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;
use api::ExitCode;

use crate::app::Process;
use crate::args::NewArgs;
use crate::console::print_to_stdout;
use crate::failure::Failure;

/// Writes the template to its file, which must not exist, or to stdout.
pub(crate) fn new(process: &Process, args: &NewArgs) -> Result<ExitCode, Failure> {
    if let Err(error) = args.url.parse::<scenario::BaseUrl>() {
        return Err(Failure::invalid(format!("--url: {error}")));
    }
    let text = scenario::template(&args.url, &args.rate.to_string(), &args.duration.to_string());
    match args.file.as_deref().filter(|path| *path != Path::new("-")) {
        None => print_to_stdout(&text).context("cannot print the template")?,
        Some(path) => {
            write(path, &text)?;
            let path = path.display();
            process
                .console
                .say(&format!("wrote {path}; next: loadgen validate {path}, then loadgen run {path}"));
        }
    }
    Ok(ExitCode::Passed)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AlreadyExists => "; remove it first, or choose another name",
            io::ErrorKind::NotFound => "; make its folder first",
            _ => "",
        };
        Failure::invalid(format!("cannot write `{}`: {error}{hint}", path.display()))
    })
}
