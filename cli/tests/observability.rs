//! Telemetry of the real binary, held against programs of others: an OTLP receiver, Prometheus, VictoriaMetrics; and, for
//! the books, against a collector of ours that fails.
//!
//! `.ci/real_parts` installs the former. A test that does not find them says `NOT TRIED` on stderr, whatever the output of
//! tests is captured, and passes; where `LOADGEN_TEST_REAL` says where they are, as in CI, it fails. Figures are printed
//! with `--nocapture`; the long form of the slow ones is
//! `cargo test --release -p loadgen --test observability -- --ignored`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::print_stdout, reason = "what the slow ones are run for are the figures")]

#[path = "observability/accounting.rs"]
mod accounting;
#[path = "observability/cluster.rs"]
mod cluster;
#[path = "observability/dashboards.rs"]
mod dashboards;
#[path = "observability/documents.rs"]
mod documents;
#[allow(dead_code, reason = "shared with the behaviour tests, which need all of it")]
mod harness;
#[path = "observability/http.rs"]
mod http;
#[path = "observability/one_run_id.rs"]
mod one_run_id;
#[path = "observability/over_otlp.rs"]
mod over_otlp;
#[path = "observability/parts.rs"]
mod parts;
#[path = "observability/prometheus.rs"]
mod prometheus;
#[path = "observability/quantiles.rs"]
mod quantiles;
#[path = "observability/received.rs"]
mod received;
#[path = "observability/receiver.rs"]
mod receiver;
#[path = "observability/run.rs"]
mod run;
#[path = "observability/scraped.rs"]
mod scraped;
#[path = "observability/slowest.rs"]
mod slowest;
#[path = "observability/victoria.rs"]
mod victoria;
