//! One timer per virtual user: think times and whatever instant a protocol asked for.
//!
//! A hierarchical timing wheel over dense indices. Setting, clearing and firing are O(1); entries are links in arrays
//! indexed by user, so that nothing is allocated once the users exist. Instants are rounded up to [`TICK`], so a timer
//! never fires early. (Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.)

use units::Timestamp;

/// A set of at most one timer for each of a growing number of users.
#[derive(Debug)]
pub(crate) struct Timers {
    /// The tick up to which everything has fired.
    now: u64,
    links: Vec<Link>,
    /// First entry of each slot of each level.
    heads: Box<[[u32; SLOTS]; LEVELS]>,
    /// Bit s of level l: slot s holds something.
    occupied: [u64; LEVELS],
}

#[derive(Clone, Copy, Debug)]
struct Link {
    /// The tick at which it fires; [`UNSET`] while the user has no timer.
    tick: u64,
    previous: u32,
    next: u32,
    level: u8,
    slot: u8,
}

/// 2^14 ns: finer than the kernel wakes us.
const TICK_BITS: u32 = 14;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// 64^7 ticks of 16 µs are more than two years.
const LEVELS: usize = 7;
const NONE: u32 = u32::MAX;
const UNSET: u64 = u64::MAX;

impl Timers {
    /// A wheel in which nothing fires before `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            now: now.as_nanos() >> TICK_BITS,
            links: Vec::new(),
            heads: Box::new([[NONE; SLOTS]; LEVELS]),
            occupied: [0; LEVELS],
        }
    }

    /// Makes room for users `0..users`.
    pub(crate) fn grow(&mut self, users: usize) {
        if users > self.links.len() {
            let unset = Link { tick: UNSET, previous: NONE, next: NONE, level: 0, slot: 0 };
            self.links.resize(users, unset);
        }
    }

    /// Sets the timer of `user`, in place of one it has.
    pub(crate) fn set(&mut self, user: u32, at: Timestamp) {
        self.clear(user);
        // Rounded up, and never into the tick that has just fired: it would wait for a whole turn of the wheel.
        let tick = (at.as_nanos().saturating_add((1 << TICK_BITS) - 1) >> TICK_BITS).max(self.now + 1);
        self.link(user, tick);
    }

    /// Takes the timer of `user` away, if it has one.
    pub(crate) fn clear(&mut self, user: u32) {
        let link = self.links[user as usize];
        if link.tick == UNSET {
            return;
        }
        if link.previous == NONE {
            self.heads[link.level as usize][link.slot as usize] = link.next;
            if link.next == NONE {
                self.occupied[link.level as usize] &= !(1 << link.slot);
            }
        } else {
            self.links[link.previous as usize].next = link.next;
        }
        if link.next != NONE {
            self.links[link.next as usize].previous = link.previous;
        }
        self.links[user as usize].tick = UNSET;
    }

    /// Fires the next timer that is due at `now`: its user, whose timer is then unset.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<u32> {
        let now = now.as_nanos() >> TICK_BITS;
        loop {
            let (level, slot, tick) = self.first()?;
            if tick > now {
                // Nothing is due; slots in between are empty, so the wheel may turn on.
                self.now = self.now.max(now);
                return None;
            }
            self.now = self.now.max(tick);
            let user = self.heads[level][slot];
            if level == 0 {
                self.clear(user);
                return Some(user);
            }
            self.cascade(level, slot);
        }
    }

    /// The instant before which nothing fires; [`Timestamp::NEVER`] when nothing is set. At most one turn of a coarse
    /// slot too early, never too late.
    pub(crate) fn next(&self) -> Timestamp {
        match self.first() {
            Some((_, _, tick)) => Timestamp::from_nanos(tick.saturating_mul(1 << TICK_BITS)),
            None => Timestamp::NEVER,
        }
    }

    /// The first slot that holds something, with the tick at which it begins.
    fn first(&self) -> Option<(usize, usize, u64)> {
        let mut first: Option<(usize, usize, u64)> = None;
        for level in 0..LEVELS {
            if self.occupied[level] == 0 {
                continue;
            }
            let shift = SLOT_BITS * level as u32;
            let here = (self.now >> shift) & (SLOTS as u64 - 1);
            // Slots are ordered from the present one on, around the wheel.
            let ahead = self.occupied[level].rotate_right(here as u32).trailing_zeros() as u64;
            let slot = (here + ahead) & (SLOTS as u64 - 1);
            let begins = (((self.now >> shift) + ahead) << shift).max(self.now);
            if first.is_none_or(|(_, _, tick)| begins < tick) {
                first = Some((level, slot as usize, begins));
            }
        }
        first
    }

    /// Moves everything in a coarse slot that has come up to finer levels.
    fn cascade(&mut self, level: usize, slot: usize) {
        let mut user = std::mem::replace(&mut self.heads[level][slot], NONE);
        self.occupied[level] &= !(1 << slot);
        while user != NONE {
            let Link { tick, next, .. } = self.links[user as usize];
            self.link(user, tick);
            user = next;
        }
    }

    fn link(&mut self, user: u32, tick: u64) {
        // The level whose slots are just fine enough to tell `tick` from `now`.
        let differing = (tick ^ self.now) | (SLOTS as u64 - 1);
        let level = (((63 - differing.leading_zeros()) / SLOT_BITS) as usize).min(LEVELS - 1);
        let slot = ((tick >> (SLOT_BITS * level as u32)) & (SLOTS as u64 - 1)) as usize;
        let next = std::mem::replace(&mut self.heads[level][slot], user);
        if next != NONE {
            self.links[next as usize].previous = user;
        }
        self.links[user as usize] = Link { tick, previous: NONE, next, level: level as u8, slot: slot as u8 };
        self.occupied[level] |= 1 << slot;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_nanos(micros * 1_000)
    }

    #[test]
    fn a_timer_fires_once_and_never_early() {
        let mut timers = Timers::new(at(1_000));
        timers.grow(1);
        timers.set(0, at(5_000));
        assert_eq!(timers.pop_due(at(4_990)), None);
        assert_eq!(timers.pop_due(at(5_020)), Some(0));
        assert_eq!(timers.pop_due(at(9_000)), None);
        assert_eq!(timers.next(), Timestamp::NEVER);
    }

    #[test]
    fn a_timer_set_for_the_past_fires_within_a_tick() {
        let mut timers = Timers::new(at(1_000));
        timers.grow(1);
        timers.set(0, at(3));
        assert_eq!(timers.pop_due(at(1_040)), Some(0));
    }

    proptest! {
        /// Against an ordered map: the same timers fire, none early, none later than a tick after its instant.
        #[test]
        fn the_wheel_agrees_with_an_ordered_map(
            steps in prop::collection::vec((0u32..20, 0u64..40_000_000_000, any::<bool>(), 0u64..3_000_000_000), 1..200),
        ) {
            let start = 777_000_000_000_000;
            let mut now = start;
            let mut timers = Timers::new(Timestamp::from_nanos(now));
            timers.grow(20);
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            for (user, after, clear, pass) in steps {
                if clear {
                    timers.clear(user);
                    model.remove(&user);
                } else {
                    timers.set(user, Timestamp::from_nanos(now + after));
                    model.insert(user, now + after);
                }
                now += pass;
                if let Some(first) = model.values().min() {
                    // Two ticks: one of rounding up, one when it was set into the tick at hand.
                    prop_assert!(timers.next().as_nanos() <= first + (2 << TICK_BITS));
                }
                while let Some(user) = timers.pop_due(Timestamp::from_nanos(now)) {
                    let due = model.remove(&user);
                    prop_assert!(due.is_some_and(|due| due <= now), "user {user} fired early");
                }
                for (user, due) in &model {
                    prop_assert!(due + (2 << TICK_BITS) > now, "user {user} is late");
                }
            }
        }
    }
}
