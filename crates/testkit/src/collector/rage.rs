//! A schedule of misbehaviour, drawn from a seed.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Shared;
use super::behaviour::Behaviour;

/// Misbehaves while it is asked for, until the runtime ends.
pub(super) async fn run(shared: &Shared) {
    let mut asked = shared.rage.subscribe();
    loop {
        let rage = *asked.borrow_and_update();
        let Some((seed, longest)) = rage else {
            shared.change(|state| state.is_raging = false);
            if asked.changed().await.is_err() {
                return;
            }
            continue;
        };
        let mut dice = Dice(seed);
        loop {
            let pause = longest.mul_f64(dice.below(1_001) as f64 / 1_000.0);
            if timeout(pause, asked.changed()).await.is_ok() {
                break;
            }
            // One change in eight is an outage, which is no longer than the pauses.
            if dice.below(8) == 0 {
                shared.is_up.send_replace(false);
                sleep(longest.mul_f64(dice.below(1_001) as f64 / 1_000.0)).await;
                shared.is_up.send_replace(true);
            } else {
                let behaviour = dice.behaviour(longest);
                shared.change(|state| state.script.standing = behaviour);
            }
        }
    }
}

/// SplitMix64: all that is asked of it is that it differs from seed to seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn behaviour(&mut self, longest: Duration) -> Behaviour {
        let span = longest.mul_f64(self.below(1_001) as f64 / 1_000.0);
        match self.below(14) {
            0 => Behaviour::Slow(span),
            1 => Behaviour::Reject,
            2 => Behaviour::Unauthenticated,
            3 => Behaviour::Unavailable(None),
            4 => Behaviour::Unavailable(Some(span)),
            5 => Behaviour::Exhausted(Some(span)),
            6 => Behaviour::Partial(self.below(8)),
            7 => Behaviour::Mute,
            8 => Behaviour::AcceptThenDie,
            9 => Behaviour::HalfThenDie,
            10 => Behaviour::Die,
            11 => Behaviour::Hang,
            _ => Behaviour::Accept,
        }
    }
}
