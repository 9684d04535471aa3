//! Fingerprints of a plan and of what was sent.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use units::{Nanos, Rate};

use crate::draw::{GOLDEN, mix};
use crate::{Amendment, Arrivals, LoadChange, LoadModel, RunPlan, ScenarioId, Seed, Slot, Stage};

/// SHA-256 of the load models, arrival laws, seed and law version: equal means the same schedule.
///
/// It covers what decides *when something is planned*, for scenarios in order, with their names. It leaves out what
/// decides who sends it and what becomes of it: shares, threads, the limit of users of an open scenario, overload,
/// steps. Prints and reads as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlanHash(pub [u8; 32]);

impl PlanHash {
    /// The hash of scenarios in order, drawn from `seed`.
    pub fn of<'a>(scenarios: impl Iterator<Item = (&'a str, &'a LoadModel)>, seed: Seed) -> Self {
        let mut encoder = Encoder(Sha256::new());
        encoder.bytes(DOMAIN);
        encoder.number(LAW_VERSION);
        encoder.number(seed.0);
        for (name, load) in scenarios {
            encoder.tag(1);
            encoder.bytes(name.as_bytes());
            encoder.load(load);
        }
        encoder.tag(0);
        Self(encoder.0.finalize().into())
    }
}

impl RunPlan {
    /// The fingerprint of the schedule.
    pub fn plan_hash(&self) -> PlanHash {
        PlanHash::of(
            self.scenarios.iter().map(|scenario| (scenario.name.as_str(), &scenario.load)),
            self.seed,
        )
    }

    /// The fingerprint of the schedule as `amendments` changed it; without any that of the plan. Each one is chained to
    /// those before it, so it can be said at any time what was meant up to then.
    pub fn plan_hash_with(&self, amendments: &[Amendment]) -> PlanHash {
        amendments.iter().fold(self.plan_hash(), PlanHash::amended)
    }
}

impl PlanHash {
    /// The fingerprint of the schedule that had this one before `amendment`.
    pub fn amended(self, amendment: &Amendment) -> Self {
        let mut encoder = Encoder(Sha256::new());
        encoder.bytes(AMENDMENT_DOMAIN);
        encoder.bytes(&self.0);
        encoder.span(amendment.at);
        encoder.change(&amendment.change);
        Self(encoder.0.finalize().into())
    }
}

/// The canonical encoding: numbers as 8 bytes, little end first; texts and lists after their length; a tag before
/// each alternative. No two plans have the same bytes.
struct Encoder(Sha256);

impl Encoder {
    fn tag(&mut self, tag: u8) {
        self.0.update([tag]);
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn load(&mut self, load: &LoadModel) {
        match load {
            LoadModel::ArrivalRate { profile, arrivals, max_vus: _, overload: _ } => {
                self.tag(1);
                self.tag(match arrivals {
                    Arrivals::Uniform => 0,
                    Arrivals::Poisson => 1,
                });
                self.stages(profile.stages(), Self::rate);
            }
            LoadModel::VirtualUsers { profile } => {
                self.tag(2);
                self.stages(profile.stages(), |encoder, users| encoder.number(u64::from(users)));
            }
            LoadModel::SharedIterations { vus, iterations, max_duration } => {
                self.tag(3);
                self.number(u64::from(*vus));
                self.number(*iterations);
                self.span(*max_duration);
            }
        }
    }

    fn change(&mut self, change: &LoadChange) {
        match change {
            LoadChange::Rate { scenario, rate } => {
                self.tag(1);
                self.number(u64::from(scenario.0));
                self.rate(*rate);
            }
            LoadChange::Scale { scenario, factor } => {
                self.tag(2);
                self.tag(u8::from(scenario.is_some()));
                self.number(u64::from(scenario.map_or(0, |scenario| scenario.0)));
                // A change that was accepted has one way to say its factor; 0 and -0 multiply alike.
                self.number((factor.as_f64() + 0.0).to_bits());
            }
            LoadChange::Pause => self.tag(3),
            LoadChange::Resume => self.tag(4),
        }
    }

    fn stages<T: Copy>(&mut self, stages: &[Stage<T>], mut level: impl FnMut(&mut Self, T)) {
        self.number(stages.len() as u64);
        for stage in stages {
            self.span(stage.duration);
            level(self, stage.from);
            level(self, stage.to);
            self.tag(u8::from(stage.measured));
        }
    }

    fn rate(&mut self, rate: Rate) {
        self.number(rate.count());
        self.span(rate.per());
    }

    fn span(&mut self, span: Nanos) {
        self.number(span.as_u64());
    }
}

/// An additive digest of slots: the same set gives the same digest in any order and any grouping.
///
/// Each slot is mixed to 128 bits that are added up, so a missing, doubled, swapped or shifted slot shows. It guards
/// against mistakes, not against someone who looks for a collision. Prints and reads as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SlotsDigest(pub u128);

impl SlotsDigest {
    /// Adds one slot.
    ///
    /// # Cost
    /// Four rounds of mixing, about 6 ns.
    pub fn add(&mut self, scenario: ScenarioId, slot: Slot) {
        let Slot { n, due } = slot;
        // A bijection of (n, due) for each scenario, then both halves stirred into each other.
        let n = mix(n.wrapping_add(GOLDEN.wrapping_mul(u64::from(scenario.0) + 1)));
        let due = mix(due.as_u64() ^ n);
        let high = mix(n.wrapping_add(due.rotate_left(32)));
        let low = mix(due ^ high);
        self.0 = self.0.wrapping_add((u128::from(high) << 64) | u128::from(low));
    }

    /// Adds all slots of another digest.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SlotsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest; it has {digits} hexadecimal digits")]
pub struct ParseDigestError {
    text: String,
    digits: usize,
}

impl FromStr for PlanHash {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let error = || ParseDigestError { text: text.to_owned(), digits: 64 };
        let (high, low) = text.split_at_checked(32).ok_or_else(error)?;
        let halves = [hex(high).ok_or_else(error)?, hex(low).ok_or_else(error)?];
        let mut hash = [0; 32];
        for (bytes, half) in hash.chunks_exact_mut(16).zip(halves) {
            bytes.copy_from_slice(&half.to_be_bytes());
        }
        Ok(Self(hash))
    }
}

impl FromStr for SlotsDigest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        hex(text).map(Self).ok_or_else(|| ParseDigestError { text: text.to_owned(), digits: 32 })
    }
}

/// 32 hexadecimal digits; `from_str_radix` alone would also take fewer, and a sign.
fn hex(text: &str) -> Option<u128> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits { u128::from_str_radix(text, 16).ok() } else { None }
}

/// Tells the bytes of this encoding from any others that are hashed.
const DOMAIN: &[u8] = b"loadgen plan";

/// The same for an amendment.
const AMENDMENT_DOMAIN: &[u8] = b"loadgen amendment";

/// The version of the laws that make a schedule of a profile and a seed: raised when due times, the drawing of
/// random arrivals or the encoding change, so that plans made by different laws never seem equal.
const LAW_VERSION: u64 = 1;

#[cfg(test)]
mod tests;
