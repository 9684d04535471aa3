//! What the controller says of itself.

use std::sync::Arc;

use net::deadline::{Limits, Meter};
use net::listen::ListenCounts;
use net::probe::{Form, Vitals};
use telemetry::Board;

use super::super::ClusterVitals;
use super::script::{RUNNING, Shared, play, run};
use crate::server::contents::Contents;

#[tokio::test]
async fn the_controller_counts_its_workers_runs_connections_and_waits() {
    let vitals = ClusterVitals {
        host: play(&Shared::default(), Contents::new(0)),
        meter: Arc::new(Meter::new(Limits::default())),
        listeners: vec![("workers", Arc::<ListenCounts>::default())],
        board: Board::new(),
    };
    assert_eq!(vitals.ready().await, Err("no workers".to_owned()));
    let text = String::from_utf8(vitals.metrics().await.encode(Form::Text)).unwrap();
    for line in [
        "loadgen_build_info{version=\"0.1.0\",role=\"controller\"} 1".to_owned(),
        "loadgen_controller_epoch 1".to_owned(),
        "loadgen_workers{state=\"ready\"} 1".to_owned(),
        "loadgen_workers{state=\"lost\"} 1".to_owned(),
        "loadgen_worker_beat_age_seconds{worker=\"w1\"} 0.25".to_owned(),
        "loadgen_runs{state=\"running\"} 1".to_owned(),
        "loadgen_runs{state=\"queued\"} 0".to_owned(),
        "loadgen_watchers 2".to_owned(),
        format!("loadgen_run_state{{run_id=\"{}\",name=\"checkout\",state=\"running\"}} 1", run(RUNNING)),
        "loadgen_connections_total{listener=\"workers\",outcome=\"established\"} 0".to_owned(),
        "loadgen_operations_total{operation=\"beat\",outcome=\"timed_out\"} 0".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(!text.contains("worker=\"w2\""), "a lost worker has no lease");
}
