//! The `loadgen` command: the library's command line without tasks of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadgen::App::new().main()
}
