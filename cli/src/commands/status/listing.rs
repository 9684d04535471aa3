//! The status of a cluster as text.

use api::http::{ClusterStatus, Live, RunState, RunStatus, WorkerState, WorkerStatus};
use report::figures::{count, span_ms};

/// Renders a whole cluster for people.
pub(super) fn cluster(status: &ClusterStatus, controller: &str) -> String {
    let mut text = format!(
        "cluster {} at {controller}, version {}, life {}\n",
        status.cluster_id, status.version, status.epoch
    );
    if status.workers.is_empty() {
        text.push_str("\nno workers; `loadgen worker --join …` starts one\n");
    } else {
        let rows = status.workers.iter().map(worker_row);
        text.push_str(&table("workers", ["name", "state", "weight", "cpus", "heard", "run", "labels"], rows));
    }
    if status.runs.is_empty() {
        text.push_str("\nno runs under way\n");
    } else {
        let rows = status.runs.iter().map(|run| {
            [
                short(&run.run_id),
                run.name.clone(),
                state(run.state).to_owned(),
                run.workers.len().to_string(),
                note(run),
            ]
        });
        text.push_str(&table("runs", ["run", "name", "state", "workers", ""], rows));
    }
    text
}

/// Renders one run for people.
pub(super) fn run(status: &RunStatus) -> String {
    let mut text = format!("{}\n", status.name);
    let mut field = |name: &str, value: &str| text.push_str(&format!("  {name:<14}{value}\n"));
    field("run", &status.run_id);
    field("state", state(status.state));
    field("submitted", &format!("{} by {}", status.created_at, status.submitted_by));
    if let Some(at) = &status.started_at {
        field("started", at);
    }
    if !status.workers.is_empty() {
        field("workers", &status.workers.join(", "));
    }
    if status.degraded {
        field("degraded", "workers were lost");
    }
    if let Some(waits_for) = &status.waits_for {
        field("waits for", waits_for);
    }
    if let Some(live) = &status.live {
        field("load", &pace(live));
    }
    if let Some(exit) = &status.exit {
        field("exit code", &format!("{} {}", exit.code, exit.name));
        exit.reasons.iter().for_each(|reason| field("", reason));
    }
    text
}

fn worker_row(worker: &WorkerStatus) -> [String; 7] {
    let labels = worker.labels.iter().map(|(key, value)| format!("{key}={value}"));
    [
        worker.name.clone(),
        worker_state(worker.state).to_owned(),
        worker.weight.to_string(),
        worker.cpus.to_string(),
        format!("{} ago", span_ms(worker.last_beat_ms as f64)),
        worker.run_id.as_deref().map_or_else(|| "-".to_owned(), short),
        labels.collect::<Vec<_>>().join(" "),
    ]
}

/// What is worth saying of a run in one line.
fn note(run: &RunStatus) -> String {
    let mut notes: Vec<String> = run.live.iter().map(pace).collect();
    notes.extend(run.waits_for.clone());
    notes.extend(run.degraded.then(|| "degraded".to_owned()));
    notes.extend(run.exit.as_ref().map(|exit| format!("exit code {} {}", exit.code, exit.name)));
    notes.join("; ")
}

fn pace(live: &Live) -> String {
    let (elapsed, whole) = (live.elapsed_ms as f64, live.elapsed_ms.saturating_add(live.remaining_ms) as f64);
    format!(
        "{} of {}, {}/s, {} requests, {} errors",
        span_ms(elapsed),
        span_ms(whole),
        count(live.iterations_per_s),
        count(live.requests),
        count(live.errors)
    )
}

/// A heading and columns as wide as what stands in them.
fn table<const N: usize>(title: &str, heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(heads.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = format!("\n{title}\n");
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("  {cell:<width$}"));
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

/// The end of an ID, by which a run can be named.
fn short(run: &str) -> String {
    run.get(run.len().saturating_sub(8)..).unwrap_or(run).to_owned()
}

fn state(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Preparing => "preparing",
        RunState::Arming => "arming",
        RunState::Running => "running",
        RunState::Paused => "paused",
        RunState::Draining => "draining",
        RunState::Collecting => "collecting",
        RunState::Sealed => "sealed",
    }
}

fn worker_state(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Ready => "ready",
        WorkerState::Working => "working",
        WorkerState::Detached => "detached",
        WorkerState::Leaving => "leaving",
        WorkerState::Lost => "lost",
        WorkerState::Gone => "gone",
    }
}

#[cfg(test)]
mod tests {
    use api::http::RunExit;

    use super::*;

    fn a_run() -> RunStatus {
        RunStatus {
            run_id: "0190c0de-0000-7000-8000-000089abcdef".to_owned(),
            name: "shop".to_owned(),
            state: RunState::Running,
            created_at: "2026-01-02T03:04:05Z".to_owned(),
            submitted_by: "3f2a90c1d4e5".to_owned(),
            started_at: Some("2026-01-02T03:04:06Z".to_owned()),
            waits_for: None,
            workers: vec!["host-1".to_owned(), "host-2".to_owned()],
            degraded: true,
            live: Some(Live {
                running: true,
                elapsed_ms: 12_000,
                remaining_ms: 18_000,
                progress: 0.4,
                warming_up: false,
                planned_per_s: Some(200.0),
                iterations_per_s: 198,
                requests_per_s: 396,
                vus: 7,
                in_flight: 3,
                queued: 0,
                requests: 4_751,
                errors: 2,
                dropped: 0,
                unsent: 0,
                response_time: None,
                workers: 2,
            }),
            exit: None,
        }
    }

    #[test]
    fn a_cluster_is_shown_in_columns_and_a_run_by_the_end_of_its_id() {
        let worker = WorkerStatus {
            name: "host-1".to_owned(),
            session: String::new(),
            state: WorkerState::Working,
            version: "0.1.0".to_owned(),
            hostname: "host-1".to_owned(),
            labels: [("zone".to_owned(), "a".to_owned())].into(),
            weight: 3,
            cpus: 4,
            tasks: Vec::new(),
            run_id: Some(a_run().run_id),
            last_beat_ms: 420,
            clock_error_us: None,
        };
        let status = ClusterStatus {
            cluster_id: "c0ffee".to_owned(),
            epoch: 2,
            version: "0.1.0".to_owned(),
            workers: vec![worker],
            runs: vec![a_run()],
        };
        assert_eq!(
            cluster(&status, "https://ctl.test:7401"),
            "cluster c0ffee at https://ctl.test:7401, version 0.1.0, life 2\n\
             \n\
             workers\n  \
               name    state    weight  cpus  heard      run       labels\n  \
               host-1  working  3       4     420ms ago  89abcdef  zone=a\n\
             \n\
             runs\n  \
               run       name  state    workers\n  \
               89abcdef  shop  running  2        12.0s of 30.0s, 198/s, 4,751 requests, 2 errors; degraded\n"
        );
    }

    #[test]
    fn a_run_without_a_result_says_why() {
        let reasons = vec!["worker host-1: port 1 of 10.0.0.1 is not allowed".to_owned()];
        let exit = Some(RunExit { code: 116, name: "refused_by_policy".to_owned(), reasons });
        let text = run(&RunStatus { state: RunState::Sealed, live: None, exit, ..a_run() });
        assert!(
            text.contains("exit code     116 refused_by_policy\n") && text.contains("not allowed"),
            "{text}"
        );
    }
}
