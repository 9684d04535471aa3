//! Any events in any order: what never may happen, and that the end always comes.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    Pass(u64),
    Enrolled,
    Failed,
    Beat,
    Fence,
    Stale(u64),
    Welcome(bool),
    Command(u128, u64),
    LastWord(u128),
    Over(u128),
    Cut,
    Leave(bool),
    Farewell,
    OldStream,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0_u64..3_000).prop_map(Event::Pass),
        4 => Just(Event::Enrolled),
        2 => Just(Event::Failed),
        8 => Just(Event::Beat),
        1 => Just(Event::Fence),
        2 => (0_u64..2).prop_map(Event::Stale),
        4 => any::<bool>().prop_map(Event::Welcome),
        4 => (1_u128..4, 1_u64..4).prop_map(|(run, id)| Event::Command(run, id)),
        3 => (1_u128..4).prop_map(Event::LastWord),
        2 => (1_u128..4).prop_map(Event::Over),
        2 => Just(Event::Cut),
        1 => any::<bool>().prop_map(Event::Leave),
        1 => Just(Event::Farewell),
        2 => Just(Event::OldStream),
    ]
}

/// What the outside knows of authority: whether beats are made, and the runs that may make load.
#[derive(Default)]
struct Outside {
    has_lease: bool,
    open: bool,
    begun: Vec<RunKey>,
    loads: Vec<RunKey>,
}

fn happen(play: &mut Play, event: Event) {
    match event {
        Event::Pass(millis) => {
            play.now = play.now + Nanos::from_millis(millis);
            play.input(Input::Tick);
        }
        Event::Enrolled => play.enrol(),
        Event::Failed => play.input(Input::Enrolled(Err(EnrolFailure::Failed("no".into())))),
        Event::Beat => play.beat(),
        Event::Fence => {
            let current = LeaseToken { epoch: Epoch(2), counter: play.grants + 1 };
            play.say(ControllerMessage::Fenced { current });
        }
        Event::Stale(epoch) => {
            let command = Command { run_id: run(1), epoch: Epoch(epoch), id: CommandId(1), body: stop() };
            let stream = play.stream;
            play.say_in(Epoch(epoch), stream, ControllerMessage::Command(Box::new(command)));
        }
        Event::Welcome(knows) => play.welcome(if knows { &[(1, 0), (2, 0), (3, 0)] } else { &[] }),
        Event::Command(number, id) => play.command(number, id, stop()),
        Event::LastWord(number) => {
            let key = play.key(number);
            play.last_word(key, 1);
        }
        Event::Over(number) => {
            let key = play.key(number);
            play.last_word(key, 1);
            play.input(Input::RunOver(key));
        }
        Event::Cut => {
            let stream = play.stream;
            play.input(Input::Closed { stream, why: "cut".into() });
        }
        Event::Leave(fast) => {
            play.input(Input::Leave(if fast { LeaveMode::Fast } else { LeaveMode::Graceful }));
        }
        Event::Farewell => play.say(ControllerMessage::Farewell),
        Event::OldStream => {
            let stream = play.stream.wrapping_sub(1);
            play.say_in(Epoch(2), stream, ControllerMessage::Farewell);
        }
    }
}

impl Outside {
    fn look(&mut self, play: &mut Play) {
        for done in play.done() {
            match done.as_str() {
                text if text.starts_with("beat for") => {
                    assert!(!self.has_lease, "one lease at a time");
                    self.has_lease = true;
                }
                "beat no more" => (self.has_lease, self.open) = (false, false),
                text if text.starts_with("hello") => {
                    assert!(self.has_lease, "a stream without a lease");
                    self.open = true;
                }
                "close" => self.open = false,
                text if text.starts_with("fact ")
                    || text.starts_with("tell ")
                    || text.starts_with("applied ") =>
                {
                    assert!(self.open, "{text} without a stream");
                }
                text if text.ends_with(": begin") => {
                    assert!(self.open && self.has_lease, "a run begins without authority");
                    let number = text[4..text.len() - 7].parse().unwrap();
                    let key = play.key(number);
                    assert!(!self.begun.contains(&key), "a run begins once in a session");
                    self.begun.push(key);
                    self.loads.push(key);
                }
                _ => {}
            }
        }
        let known = play.link.runs.unended();
        self.loads.retain(|key| known.contains(key));
        assert!(self.loads.len() <= 1, "at most one run makes load");
        assert_eq!(play.link.membership.is_some(), self.has_lease, "authority is what is beaten for");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn authority_is_single_messages_need_a_stream_and_a_leave_ends(
        seed in any::<u64>(),
        events in prop::collection::vec(event(), 0..80),
    ) {
        let mut play = Play::seeded(seed, None);
        let mut outside = Outside::default();
        outside.look(&mut play);
        for event in events {
            if play.exit.is_some() {
                break;
            }
            happen(&mut play, event);
            outside.look(&mut play);
            prop_assert!(play.exit.is_some() || play.link.wake_at() > play.now, "it waits for the past");
        }
        if play.exit.is_none() {
            play.input(Input::Leave(LeaveMode::Graceful));
            outside.look(&mut play);
            let until = play.now + Nanos::from_secs(35);
            while play.exit.is_none() && play.now < until {
                let wake_at = play.link.wake_at();
                prop_assert!(wake_at > play.now, "it waits for the past");
                play.now = wake_at.min(until);
                play.input(Input::Tick);
                outside.look(&mut play);
            }
        }
        prop_assert!(play.exit.is_some(), "35 s are enough to go, whatever the controller does");
        prop_assert!(!outside.has_lease, "and nothing is kept");
    }

    #[test]
    fn the_same_events_have_the_same_consequences(
        seed in any::<u64>(),
        events in prop::collection::vec(event(), 0..60),
    ) {
        let trace = || {
            let mut play = Play::seeded(seed, None);
            let mut trace = Vec::new();
            for event in &events {
                if play.exit.is_none() {
                    happen(&mut play, *event);
                    trace.extend(play.done());
                }
            }
            trace
        };
        prop_assert_eq!(trace(), trace());
    }
}
