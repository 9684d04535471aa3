//! One run over three workers is one run everywhere.

use std::collections::BTreeSet;

use crate::harness::{Place, target};
use crate::receiver::Receiver;
use crate::run::{ALL, Executions, begin, finish, journey, sorted};

#[test]
fn three_workers_and_their_controller_say_one_run_id_on_every_point_span_and_line() {
    let place = Place::new("one-run-id");
    let Some(receiver) = Receiver::start(&place) else { return };
    let target = target();
    place.write("s.yaml", journey(&target.url(), "90/s", "2s", ALL));
    let run = finish(begin(&place, &["--workers", "3"], &receiver.variables("grpc")));
    let received = receiver.finish(&place);

    run.everything_carries_the_run(&received);
    run.everything_was_acknowledged(&received);
    let executions = Executions::of(&received);
    assert_eq!(executions.spans.len() as u64, run.result.totals.iterations.started);
    assert_eq!(executions.requests.len() as u64, run.result.totals.requests.attempted);

    // Who sent what: every worker its executions, and each process says who it is.
    let names: BTreeSet<String> = run.result.workers.iter().map(|worker| worker.name.clone()).collect();
    assert_eq!(names.len(), 3, "{:#?}", run.result.workers);
    let senders: BTreeSet<String> =
        executions.spans.iter().map(|span| span.attributes["worker"].clone()).collect();
    assert_eq!(senders, names);
    for worker in &run.result.workers {
        let of_it = executions.spans.iter().filter(|span| span.attributes["worker"] == worker.name);
        assert_eq!(of_it.count() as u64, worker.sums.iterations, "{}", worker.name);
    }

    // The lines of this command and what came over OTLP from the workers, between Prepare and Sealed.
    let run_id = run.result.identity.run_id.as_str();
    assert!(!run.lines.is_empty());
    for line in &run.lines {
        assert_eq!(line["run_id"], run_id, "{line}");
    }
    let of_records = received.records.iter().filter(|record| !record.span.is_empty());
    let of_records: Vec<_> = of_records.map(|record| (&record.trace, &record.span)).collect();
    let of_spans: Vec<_> = executions.spans.iter().map(|span| (&span.trace, &span.id)).collect();
    assert_eq!(sorted(of_records), sorted(of_spans));
    println!(
        "{} spans, {} points and {} records of 4 processes carry {run_id}",
        received.spans.len(),
        received.points.len(),
        received.records.len()
    );
}
