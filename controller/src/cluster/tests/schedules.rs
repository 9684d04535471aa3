//! Any order of anything: nothing panics, authority is never shared, every run ends.

use std::collections::BTreeMap;

use api::http::RunEventBody;
use control::{CommandId, LeaseToken};
use proptest::prelude::*;

use super::*;
use crate::run::Actor;

#[derive(Clone, Debug)]
enum Event {
    Enrol { worker: u8, session: u8 },
    Open(usize),
    Close(usize),
    Beat(usize),
    OldBeat(usize),
    Obey(usize),
    Fact(usize),
    Applied(usize, u64),
    Leave(usize, bool),
    Submit { key: u8, expect: u32 },
    Control(u8, u8),
    Drain(u8, bool),
    Passes(Nanos),
    Asleep(Nanos),
    Build,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let life = 0_usize..8;
    let millis = |range: std::ops::Range<u64>| range.prop_map(Nanos::from_millis);
    let event = prop_oneof![
        4 => (0_u8..4, 0_u8..6).prop_map(|(worker, session)| Event::Enrol { worker, session }),
        3 => life.clone().prop_map(Event::Open),
        1 => life.clone().prop_map(Event::Close),
        8 => life.clone().prop_map(Event::Beat),
        2 => life.clone().prop_map(Event::OldBeat),
        8 => life.clone().prop_map(Event::Obey),
        3 => life.clone().prop_map(Event::Fact),
        2 => (life.clone(), 0_u64..9).prop_map(|(life, through)| Event::Applied(life, through)),
        1 => (life, any::<bool>()).prop_map(|(life, fast)| Event::Leave(life, fast)),
        3 => (0_u8..6, 0_u32..4).prop_map(|(key, expect)| Event::Submit { key, expect }),
        2 => (0_u8..6, 0_u8..6).prop_map(|(run, what)| Event::Control(run, what)),
        1 => (0_u8..4, any::<bool>()).prop_map(|(worker, fast)| Event::Drain(worker, fast)),
        6 => millis(0..3_000).prop_map(Event::Passes),
        1 => millis(0..30_000).prop_map(Event::Asleep),
        2 => Just(Event::Build),
    ];
    prop::collection::vec(event, 0..120)
}

/// Everything that was ever enrolled, and what must hold of it.
struct Schedule {
    bench: Bench,
    lives: Vec<Life>,
    /// The last token of each worker.
    tokens: BTreeMap<WorkerId, LeaseToken>,
    /// Commands on the stream of a life when it was told that it has lost its authority.
    fenced_at: BTreeMap<LinkId, usize>,
}

impl Schedule {
    fn enrol(&mut self, worker: u8, session: u8) {
        let name = format!("w{worker}");
        let Ok(enrolled) = self.bench.enrol(&name, u128::from(session) + 1) else { return };
        let worker = WorkerId::new(name);
        let last = self.tokens.insert(worker.clone(), enrolled.token);
        let session = control::SessionId(uuid::Uuid::from_u128(u128::from(session) + 1));
        let known = self.lives.iter_mut().find(|life| life.worker == worker && life.session == session);
        let is_same =
            known.as_ref().is_some_and(|life| Some(life.token) == last && life.token == enrolled.token);
        assert!(is_same || last.is_none_or(|last| enrolled.token > last), "tokens rise");
        match known {
            Some(life) => life.token = enrolled.token,
            None => self.lives.push(Life {
                worker,
                session,
                token: enrolled.token,
                link: LinkId(0),
                beats: 0,
                progress: 0,
                facts: BTreeMap::new(),
                applied: BTreeMap::new(),
            }),
        }
    }

    fn happen(&mut self, event: &Event) {
        let by = || Actor::new("t");
        let bench = &mut self.bench;
        match *event {
            Event::Enrol { worker, session } => self.enrol(worker, session),
            Event::Submit { key, expect } => {
                let submission = Submission { expect_workers: expect, ..submission(u128::from(key) + 1) };
                drop(bench.submit(submission, &key.to_string()));
            }
            Event::Control(run, what) => {
                let control = match what {
                    0 => RunControl::Pause,
                    1 => RunControl::Resume,
                    2 => RunControl::Scale { scenario: None, factor: 2.0 },
                    3 => RunControl::Rate { scenario: None, rate: units::Rate::from_per_second(3) },
                    what => RunControl::Stop { cancel: what == 4 },
                };
                let run = run_id(u128::from(run) + 1);
                drop(bench.call(|cluster, now, out| cluster.control(now, run, &control, by(), out)));
            }
            Event::Drain(worker, fast) => {
                let (worker, mode) = (WorkerId::new(format!("w{worker}")), mode(fast));
                drop(bench.call(|cluster, now, out| cluster.drain(now, &worker, mode, by(), out)));
            }
            Event::Passes(span) => bench.pass(span),
            Event::Asleep(span) => {
                bench.now = bench.now + span;
                bench.call(|cluster, now, out| cluster.tick(now, out));
            }
            Event::Build => bench.build(),
            Event::Open(index)
            | Event::Close(index)
            | Event::Beat(index)
            | Event::OldBeat(index)
            | Event::Obey(index)
            | Event::Fact(index)
            | Event::Applied(index, _)
            | Event::Leave(index, _) => self.live(index, event),
        }
        self.check();
    }

    fn live(&mut self, index: usize, event: &Event) {
        let now = self.bench.now;
        let bench = &mut self.bench;
        let Some(life) = self.lives.get_mut(index) else { return };
        match *event {
            Event::Open(_) => {
                let hello = life.says(WorkerMessage::Hello { runs: Vec::new() });
                if let Ok(link) = bench.call(|cluster, now, out| cluster.open(now, hello, out)) {
                    life.link = link;
                }
            }
            Event::Close(_) => bench.cluster.closed(now, life.link),
            Event::Beat(_) => drop(bench.beat(life)),
            Event::OldBeat(_) => drop(bench.beat_again(life)),
            Event::Obey(_) => bench.obey(life),
            Event::Fact(_) => {
                let run = life.facts.keys().next().copied().unwrap_or(run_id(1));
                bench.tell(life, run, FactBody::Once { task: "t".to_owned(), failure: None });
            }
            Event::Applied(_, through) => {
                let through = CommandId(through);
                bench.say(life, WorkerMessage::Applied { run_id: run_id(1), through });
            }
            Event::Leave(_, fast) => bench.say(life, WorkerMessage::Leave(mode(fast))),
            _ => unreachable!("the others are of no life"),
        }
    }

    /// A stream on which somebody was told that another token counts gets no command, unless it is the one that was granted.
    fn check(&mut self) {
        for life in &self.lives {
            let heard = self.bench.heard(life);
            let is_fenced = |said: &ControllerMessage| matches!(said, ControllerMessage::Fenced { current } if *current > life.token);
            if !heard.iter().any(is_fenced) {
                continue;
            }
            let (commands, ..) = self.bench.counts(life);
            let before = *self.fenced_at.entry(life.link).or_insert(commands);
            assert_eq!(commands, before, "{} got a command after it was fenced", life.worker);
        }
        for (run, events) in &self.bench.events {
            let numbers: Vec<u64> = events.iter().map(|(seq, _)| *seq).collect();
            assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{run}");
            let seals = events.iter().filter(|(_, body)| matches!(body, RunEventBody::Sealed(_))).count();
            assert!(
                seals <= 1 && (seals == 0 || matches!(events.last(), Some((_, RunEventBody::Sealed(_)))))
            );
        }
    }
}

fn mode(fast: bool) -> LeaveMode {
    if fast { LeaveMode::Fast } else { LeaveMode::Graceful }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_authority_is_never_shared_and_every_run_ends(events in events()) {
        let mut schedule = Schedule {
            bench: Bench::new(),
            lives: Vec::new(),
            tokens: BTreeMap::new(),
            fenced_at: BTreeMap::new(),
        };
        for event in &events {
            schedule.happen(event);
        }
        // Every token that was granted is its worker's alone.
        let mut tokens: Vec<LeaseToken> = schedule.tokens.values().copied().collect();
        tokens.sort_unstable();
        tokens.dedup();
        prop_assert_eq!(tokens.len(), schedule.tokens.len());
        // Nobody says anything any more, and still everything ends.
        let bench = &mut schedule.bench;
        for _ in 0..90 {
            bench.pass(Nanos::from_secs(60));
            bench.build();
        }
        for run in bench.cluster.runs() {
            prop_assert_eq!(run.state, api::http::RunState::Sealed, "{:?}", run);
        }
        bench.call(|cluster, now, out| cluster.shut_down(now, out));
        prop_assert!(bench.cluster.has_ended());
    }
}
