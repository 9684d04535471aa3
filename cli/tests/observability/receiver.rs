//! An OTLP receiver of independent make, as a process of its own.

use rustix::process::Signal;

use crate::harness::{Place, Running, repository};
use crate::parts::Part;
use crate::received::Received;

/// It listens for gRPC and for HTTP.
pub(crate) struct Receiver {
    process: Running,
    http: String,
    grpc: String,
}

impl Receiver {
    /// Starts it; what it takes in lands in `place`. `None` where it is not installed.
    pub(crate) fn start(place: &Place) -> Option<Self> {
        let modules = Part::Receiver.find()?;
        let mut command = place.command("node");
        command.arg(repository().join("cli/tests/observability/receiver/receiver.js")).arg(FILE);
        command.env("NODE_PATH", modules.canonicalize().unwrap());
        let process = Running::of(command);
        let line = process.first_line();
        let mut words = line.split_whitespace();
        let mut after =
            |name| words.find(|word| *word == name).and_then(|_| words.next()).unwrap().to_owned();
        let (http, grpc) = (after("http"), after("grpc"));
        Some(Self { process, http, grpc })
    }

    /// The variables that send everything here by `protocol`, logs too.
    pub(crate) fn variables(&self, protocol: &'static str) -> Vec<(&'static str, String)> {
        let address = if protocol == "grpc" { &self.grpc } else { &self.http };
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
            ("OTEL_LOGS_EXPORTER", "otlp".to_owned()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500".to_owned()),
        ]
    }

    /// Ends it, and reads what it took in.
    #[track_caller]
    pub(crate) fn finish(mut self, place: &Place) -> Received {
        self.process.signal(Signal::TERM);
        let outcome = self.process.wait();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "the receiver failed");
        Received::read(&place.join(FILE))
    }
}

const FILE: &str = "received.jsonl";
