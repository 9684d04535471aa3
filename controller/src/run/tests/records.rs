//! Records, checkpoints, and the fold over them.

use super::*;

/// Whether the fold of what `store` holds is that of the machine.
fn assert_replays(machine: &RunMachine) {
    let store = machine.store();
    let (from, mut fold) = match store.latest_checkpoint() {
        Some((seq, fold)) => (seq, fold.clone()),
        None => (RecordSeq(0), RunFold::new(&machine.spec)),
    };
    for (_, record) in store.read_after(from) {
        fold.apply(&record);
    }
    assert_eq!(format!("{fold:?}"), format!("{:?}", machine.fold()));
}

#[test]
fn records_are_numbered_without_gaps_and_give_the_same_run_again() {
    let mut bench = Bench::running_as(spec(&["a", "b"]));
    bench.measured(0, 0, &[(0, OK)]);
    bench.lose(1);
    bench.join("b");
    bench.stop(StopMode::Drain);
    let records = bench.machine.store().read_after(RecordSeq(0));
    let numbers: Vec<u64> = records.iter().map(|(seq, _)| seq.0).collect();
    assert_eq!(numbers, (1..=records.len() as u64).collect::<Vec<_>>());
    assert!(matches!(*records[0].1, Record::Created { .. }));
    assert_replays(&bench.machine);
}

#[test]
fn memory_holds_no_more_records_than_come_together_between_two_checkpoints() {
    let mut bench = Bench::running_as(spec_of_seconds(&["a"], 10_000));
    for second in 0..1_000 {
        bench.measured(0, second, &[(u64::from(second) * 10, OK)]);
        bench.now = bench.now + Nanos::SECOND;
        if second % 97 == 0 {
            assert_replays(&bench.machine);
        }
    }
    let kept = bench.machine.store().read_after(RecordSeq(0));
    assert!(kept.len() <= 256, "{}", kept.len());
    assert!(kept[0].0 > RecordSeq(700), "numbers go on after a checkpoint");
    assert_replays(&bench.machine);
    bench.ended(0, final_fact(1_000, 1_000));
    assert_replays(&bench.machine);
    assert_eq!(bench.sealed().merged.totals().all_steps().requests.attempted, 1_000);
}

#[test]
fn a_fact_is_recorded_before_it_is_acknowledged() {
    /// Notes how many facts were kept when.
    #[derive(Debug, Default)]
    struct Watched(MemoryStore, u64);
    impl Store for Watched {
        fn append(&mut self, record: Arc<Record>) -> RecordSeq {
            self.1 += u64::from(matches!(*record, Record::FactAccepted { .. }));
            self.0.append(record)
        }
        fn latest_checkpoint(&self) -> Option<(RecordSeq, &RunFold)> {
            self.0.latest_checkpoint()
        }
        fn read_after(&self, seq: RecordSeq) -> Vec<(RecordSeq, Arc<Record>)> {
            self.0.read_after(seq)
        }
        fn checkpoint(&mut self, fold: &RunFold) {
            self.0.checkpoint(fold);
        }
    }
    let spec = spec(&["a"]);
    let now = Timestamp::from_nanos(1);
    let mut machine = RunMachine::with_store(now, spec.clone(), Watched::default()).unwrap();
    let Peer { worker, session } = spec.workers[0].peer();
    let body = FactBody::Prepared(prepared(&spec));
    let mut out = Vec::new();
    machine.step(
        now,
        Input::Fact(Box::new(Fact { run_id: run_id(), worker, session, seq: 1, body })),
        &mut out,
    );
    let acked = out.iter().find_map(|output| match output {
        Output::Ack { ack, .. } => Some((ack.through, ack.epoch)),
        _ => None,
    });
    assert_eq!((acked, machine.store().1), (Some((1, control::Epoch(3))), 1));
}
