//! Every answer is held against rational arithmetic without bounds.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{ToPrimitive, Zero};
use proptest::prelude::*;

use super::*;

fn big(number: impl Into<BigInt>) -> BigRational {
    BigRational::from_integer(number.into())
}

/// The cumulative axis as it is defined, in numbers without bounds.
struct Oracle {
    /// Start and end of each stage, marks at its start, marks per nanosecond there and half their growth.
    pieces: Vec<(u64, u64, BigRational, BigRational, BigRational)>,
    scale: BigRational,
}

impl Oracle {
    fn new(stages: &[Stage<Rate>], scale: u64) -> Self {
        let mut oracle = Self { pieces: Vec::new(), scale: big(scale) };
        for stage in stages {
            let start = oracle.end();
            let passed = oracle.marks_at(start);
            let per_nano = |rate: Rate| {
                BigRational::new(rate.count().into(), rate.per().as_u64().into()) * oracle.scale.clone()
            };
            let (from, to) = (per_nano(stage.from), per_nano(stage.to));
            let half_growth = (to - from.clone()) / big(2 * u128::from(stage.duration.as_u64()));
            oracle.pieces.push((start, start + stage.duration.as_u64(), passed, from, half_growth));
        }
        oracle
    }

    fn end(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.1)
    }

    /// scale · N(t)
    fn marks_at(&self, t: u64) -> BigRational {
        let Some((start, _, passed, from, half_growth)) = self.pieces.iter().find(|piece| t <= piece.1)
        else {
            return BigRational::zero();
        };
        let x = big(t - start);
        passed + x.clone() * (from + half_growth * x)
    }

    /// How many marks are due before `t`: mark m is if `scale·N(t − 1) ≥ m`.
    fn marks_before(&self, t: u64) -> u128 {
        if t == 0 || self.marks_at(self.end()).is_zero() {
            return 0;
        }
        self.marks_at(t - 1).floor().to_integer().to_u128().unwrap() + 1
    }
}

/// `total · pick / 2⁶⁴`.
fn part_of(total: u128, pick: u64) -> u128 {
    let pick = u128::from(pick);
    (total >> 64) * pick + ((u128::from(total as u64) * pick) >> 64)
}

/// Asks for marks all over the axis, at the borders of its pieces and at both ends, once one by one and once walking.
fn check(stages: &[Stage<Rate>], scale: u64, picks: &[u64]) {
    let axis = Axis::new(stages, scale).unwrap();
    let oracle = Oracle::new(stages, scale);
    let end = oracle.end();
    assert_eq!(axis.total(), oracle.marks_before(end), "total");

    let mut marks = vec![0, 1, 2];
    marks.extend(
        axis.pieces.iter().flat_map(|piece| [piece.first, piece.first + 1, piece.last, piece.last + 1]),
    );
    marks.extend(picks.iter().map(|pick| part_of(axis.total(), *pick)));
    marks.extend((0..3).map(|back| axis.total().saturating_sub(back)));
    marks.sort_unstable();

    let (mut piece, mut previous) = (0, Nanos::ZERO);
    for mark in marks {
        let due = axis.due(mark);
        assert_eq!(due, axis.due_walking(mark, &mut piece), "walking to mark {mark}");
        assert_eq!(due.is_some(), mark < axis.total(), "mark {mark}");
        let Some(due) = due else { continue };
        let (t, goal) = (due.as_u64(), big(mark));
        assert!(oracle.marks_at(t) >= goal, "mark {mark} is not reached at {t}");
        assert!(t == 0 || oracle.marks_at(t - 1) < goal, "mark {mark} is reached before {t}");
        assert!(due >= previous, "mark {mark} is due before the one before it");
        previous = due;
        assert!(axis.due_before(due) <= mark && mark < axis.due_before(due + Nanos::new(1)), "{mark}");
    }
    for t in picks.iter().map(|pick| pick % (end + 1)).chain([0, 1, end - 1, end]) {
        assert_eq!(axis.due_before(Nanos::new(t)), oracle.marks_before(t), "before {t}");
    }
}

fn stage(secs: u64, from: Rate, to: Rate) -> Stage<Rate> {
    Stage { duration: Nanos::from_secs(secs), from, to, measured: true }
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

const SCALES: [u64; 2] = [1, 1 << 32];
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Rates as people write them: a whole or decimal number per second, minute or hour, or none.
fn written_rate() -> impl Strategy<Value = Rate> {
    let unit = prop::sample::select(vec!["s", "m", "h", "300ms"]);
    let number = prop_oneof![
        (0_u64..1_000_000).prop_map(|count| count.to_string()),
        (0_u64..100).prop_map(|count| count.to_string()),
        (0_u64..1_000_000, 1_u32..1_000_000).prop_map(|(whole, part)| format!("{whole}.{part:06}")),
    ];
    prop_oneof![
        1 => Just(Rate::ZERO),
        6 => (number, unit).prop_map(|(number, unit)| rate(&format!("{number}/{unit}"))),
    ]
}

fn written_duration() -> impl Strategy<Value = Nanos> {
    prop_oneof![
        1_u64..50,
        1_u64..10_000_000_000,
        (1_u64..7_200).prop_map(|secs| secs * 1_000_000_000),
        (1_u64..90_000).prop_map(|millis| millis * 1_000_000),
    ]
    .prop_map(Nanos::new)
}

/// Stages with jumps, ramps, plateaus and pauses.
fn written_stages() -> impl Strategy<Value = Vec<Stage<Rate>>> {
    let one = (written_duration(), written_rate(), written_rate(), any::<bool>()).prop_map(
        |(duration, from, to, constant)| Stage {
            duration,
            from,
            to: if constant { from } else { to },
            measured: true,
        },
    );
    prop::collection::vec(one, 1..5)
}

/// As many cases, unless the environment says how many.
fn cases(count: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { ProptestConfig::default() } else { ProptestConfig::with_cases(count) }
}

fn wild_stages() -> impl Strategy<Value = Vec<Stage<Rate>>> {
    let number = || prop_oneof![0..10_u64, any::<u32>().prop_map(u64::from), any::<u64>()];
    let rate = move || (number(), number()).prop_map(|(count, per)| Rate::new(count, Nanos::new(per.max(1))));
    let one = (1_u64..(1 << 50), 0_u32..50, rate(), rate()).prop_map(|(length, shift, from, to)| Stage {
        duration: Nanos::new((length >> shift).max(1)),
        from,
        to,
        measured: true,
    });
    prop::collection::vec(one, 1..4)
}

proptest! {
    // Numbers without bounds are slow unoptimised; the environment's `PROPTEST_CASES` still asks for more.
    #![proptest_config(cases(64))]

    #[test]
    fn what_people_write_is_scheduled_exactly(
        stages in written_stages(),
        picks in prop::collection::vec(any::<u64>(), 12),
    ) {
        for scale in SCALES {
            check(&stages, scale, &picks);
        }
    }

    #[test]
    fn anything_else_is_scheduled_exactly_or_refused(
        stages in wild_stages(),
        picks in prop::collection::vec(any::<u64>(), 8),
    ) {
        for scale in SCALES {
            if Axis::new(&stages, scale).is_ok() {
                check(&stages, scale, &picks);
            }
        }
    }
}

#[test]
fn the_largest_sane_profiles_fit() {
    let picks = [1, u64::MAX / 3, u64::MAX / 2, u64::MAX / 7 * 6, u64::MAX - (1 << 40)];
    let profiles: [&[Stage<Rate>]; 8] = [
        &[stage(DAY, rate("1000000/s"), rate("1000000/s"))],
        &[stage(DAY, rate("1000000000/s"), rate("1000000000/s"))],
        &[stage(8 * HOUR, rate("0/s"), rate("1000000/s")), stage(8 * HOUR, rate("1000000/s"), rate("0/s"))],
        &[stage(30 * DAY, rate("1/h"), rate("1/h"))],
        &[stage(30 * DAY, rate("7/h"), rate("1000000/s")), stage(HOUR, rate("11/m"), rate("13/h"))],
        &[
            stage(7, rate("999999.999999/s"), rate("0.000001/h")),
            stage(30 * DAY, rate("0.333333/h"), rate("999999.999999/s")),
            stage(DAY, rate("17/m"), rate("17/m")),
        ],
        &[stage(365 * DAY, rate("100/s"), rate("0/s"))],
        &[stage(365 * DAY, rate("5/d"), rate("0.7/h"))],
    ];
    for stages in profiles {
        for scale in SCALES {
            check(stages, scale, &picks);
        }
    }
}

#[test]
fn a_stage_that_cannot_be_counted_is_named() {
    let odd = |per| stage(DAY, Rate::new(1, Nanos::new(per)), Rate::ZERO);
    let sane = stage(1, rate("5/s"), rate("5/s"));
    // Two large primes: each fits, their common denominator does not.
    let stages = [sane, sane, odd(u64::MAX - 58), odd(u64::MAX - 82)];
    assert_eq!(Axis::new(&stages[..3], 1).err(), None);
    assert_eq!(Axis::new(&stages, 1).err(), Some(4));
}

#[test]
fn a_falling_ramp_is_exact_to_its_very_end() {
    // The rate is almost nothing there: a slot may be due thousands of nanoseconds after the one before would be.
    let stages = [stage(8 * HOUR, rate("1000000/s"), rate("0/s"))];
    // The last of 14.4 · 10⁹ slots.
    check(&stages, 1, &(1..200).map(|back| u64::MAX - (back << 30)).collect::<Vec<_>>());
}
