//! `loadgen http`: one URL, through the same engine and to the same result as a file.

use std::path::Path;

use api::ExitCode;
use scenario::{Environment, FileAccess, Folder, HttpOptions};

use crate::app::Process;
use crate::args::HttpArgs;
use crate::execute::{RunOrder, execute, execute_over_workers};
use crate::failure::Failure;
use crate::source;

/// Loads the URL.
pub(crate) fn http(process: &Process, args: &HttpArgs) -> Result<ExitCode, Failure> {
    // Who types a command may name any file: `allow_outside`.
    let mut files = Folder::new(".", true);
    let options = HttpOptions { body: body(args.body.as_deref(), &mut files)?, ..options(args) };
    let environment = Environment::new([], source::variables());
    let loaded = scenario::http_workload(&options, &environment, &mut files);
    let order = RunOrder {
        loaded: &loaded,
        file: None,
        preflight: !args.no_preflight,
        output: &args.output,
        telemetry: &args.telemetry,
    };
    match args.workers {
        Some(workers) => execute_over_workers(process, &order, workers),
        None => execute(process, &order),
    }
}

fn options(args: &HttpArgs) -> HttpOptions {
    HttpOptions {
        url: args.url.clone(),
        method: args.method.clone(),
        headers: args.headers.clone(),
        body: None,
        rate: args.rate.map(|rate| rate.to_string()),
        connections: args.connections,
        requests: args.requests,
        duration: args.duration.map(|duration| duration.to_string()),
        timeout: args.timeout.map(|timeout| timeout.to_string()),
        insecure: args.insecure,
        ca: args.cacert.clone(),
        cert: args.cert.clone(),
        key: args.key.clone(),
        resolve: args.resolve.clone(),
        seed: args.seed,
        threads: args.threads,
        pacing: args.pacing.map(|pacing| pacing.word().to_owned()),
        out: args.output.out.clone(),
        log_executions: args.telemetry.log_executions(),
    }
}

/// The text of `--body`, or of the file it names with `@`.
fn body(given: Option<&str>, files: &mut dyn FileAccess) -> Result<Option<String>, Failure> {
    let Some(path) = given.and_then(|text| text.strip_prefix('@')) else {
        return Ok(given.map(str::to_owned));
    };
    let bytes = files.read(path).map_err(|error| {
        Failure::invalid(format!("cannot read the body from `{}`: {error}", Path::new(path).display()))
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Failure::invalid(format!("the body in `{path}` is not UTF-8; only texts can be sent"))
    })?;
    Ok(Some(text.to_owned()))
}
