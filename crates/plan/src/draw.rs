//! Random numbers as a pure function of where they are used.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014;
//! finaliser: Stafford's variant 13) read by index: it has no state but a counter, so the i-th number of a stream
//! needs none of those before it, and every thread of every worker draws the same. It is not for secrets.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use units::Nanos;

use crate::ScenarioId;

/// What everything random in a run is drawn from.
///
/// Prints as a decimal number and reads decimal or, with `0x`, hexadecimal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text is no seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a seed; write a number from 0 to 18446744073709551615")]
pub struct ParseSeedError {
    text: String,
    source: ParseIntError,
}

impl FromStr for Seed {
    type Err = ParseSeedError;

    fn from_str(text: &str) -> Result<Self, ParseSeedError> {
        let parsed = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        parsed.map(Self).map_err(|source| ParseSeedError { text: text.to_owned(), source })
    }
}

/// One stream of random numbers, read by index.
///
/// # Cost
/// Reading one number: one round of mixing, about 1.5 ns. Making a stream or a branch: two or three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    key: u64,
}

impl Draws {
    /// The stream number `stream` of a run.
    pub const fn new(seed: Seed, stream: u64) -> Self {
        Self { key: mix(seed.0.wrapping_add(GOLDEN)) }.branch(stream)
    }

    /// A stream of its own for each `branch` of this one.
    pub const fn branch(self, branch: u64) -> Self {
        // Turned by half a word, so that a branch's key is none of the numbers that are drawn.
        Self { key: mix(self.at(branch).rotate_left(32)) }
    }

    /// The number at `counter`: 64 random bits.
    pub const fn at(self, counter: u64) -> u64 {
        mix(self.key.wrapping_add(counter.wrapping_mul(GOLDEN)))
    }
}

/// 64 random bits for place `counter` of stream `stream`; the same as `Draws::new(seed, stream).at(counter)`.
pub const fn draw(seed: Seed, stream: u64, counter: u64) -> u64 {
    Draws::new(seed, stream).at(counter)
}

/// Makes 64 random bits a span drawn uniformly from `min..=max`; `min` when `max` is not above it.
pub fn uniform_between(bits: u64, min: Nanos, max: Nanos) -> Nanos {
    // A multiplication in place of a remainder (Lemire 2019); without his rejection step the odds of two spans
    // differ by less than one in 2⁶⁴ divided by the width.
    let width = u128::from(max.saturating_sub(min).as_u64()) + 1;
    min + Nanos::new(((u128::from(bits) * width) >> 64) as u64)
}

/// The think time of operation `op` in iteration `n` of a scenario, drawn uniformly from `min..=max`: the same
/// whichever worker, thread and user runs the iteration.
///
/// # Cost
/// Six rounds of mixing, two of them the same for a whole scenario: about 4 to 8 ns.
pub fn think_time(seed: Seed, scenario: ScenarioId, n: u64, op: usize, min: Nanos, max: Nanos) -> Nanos {
    let draws = Draws::new(seed, Purpose::ThinkTime.stream(scenario)).branch(n);
    uniform_between(draws.at(op as u64), min, max)
}

/// What a stream is for: two purposes never share one.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Arrivals = 1,
    ThinkTime = 2,
}

impl Purpose {
    pub(crate) const fn stream(self, scenario: ScenarioId) -> u64 {
        ((self as u64) << 32) | scenario.0 as u64
    }
}

/// The finaliser of SplitMix64: a bijection in which every bit of the input moves half the bits of the output.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 2⁶⁴ divided by the golden ratio, made odd: the step of SplitMix64.
pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first numbers of the reference implementation (prng.di.unimi.it/splitmix64.c) seeded with 1234567.
        let reference = Draws { key: 1_234_567 };
        let numbers = [1, 2, 3, 4, 5].map(|i| reference.at(i));
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn streams_branches_and_seeds_share_no_number() {
        let mut seen = HashSet::new();
        for seed in 0..4 {
            for stream in 0..8 {
                for counter in 0..64 {
                    assert!(seen.insert(draw(Seed(seed), stream, counter)));
                    for branch in 0..4 {
                        assert!(seen.insert(Draws::new(Seed(seed), stream).branch(branch).at(counter)));
                    }
                }
            }
        }
    }

    #[test]
    fn think_times_fill_their_range_evenly() {
        let (min, max) = (Nanos::new(250), Nanos::new(259));
        let mut counts = [0_u32; 10];
        for n in 0..10_000 {
            let think = think_time(Seed(7), ScenarioId(1), n, 3, min, max);
            counts[(think - min).as_u64() as usize] += 1;
        }
        // Chi-square with 9 degrees of freedom: 27.9 is passed once in a thousand.
        let excess: f64 = counts.iter().map(|count| (f64::from(*count) - 1_000.0).powi(2) / 1_000.0).sum();
        assert!(excess < 27.9, "{counts:?}");
    }

    #[test]
    fn a_uniform_span_reaches_both_ends() {
        let (min, max) = (Nanos::new(5), Nanos::MAX);
        assert_eq!(uniform_between(0, min, max), min);
        assert_eq!(uniform_between(u64::MAX, min, max), max);
        assert_eq!(uniform_between(u64::MAX, min, min), min);
        assert_eq!(uniform_between(u64::MAX, max, min), max);
    }

    #[test]
    fn seeds_read_and_print() {
        let check = |text: &str, seed: u64| assert_eq!(text.parse(), Ok(Seed(seed)), "{text}");
        check("0", 0);
        check("18446744073709551615", u64::MAX);
        check("0xFf", 255);
        assert_eq!(Seed(42).to_string().parse(), Ok(Seed(42)));
        let error = "soon".parse::<Seed>().unwrap_err().to_string();
        assert_eq!(error, "`soon` is not a seed; write a number from 0 to 18446744073709551615");
    }
}
