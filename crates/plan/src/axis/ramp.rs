//! The exact inverse of a ramp: a guess in floating point, corrected by comparing integers.

use super::Line;
use crate::rational::{Sum, gcd};

/// The inverse on a piece whose rate moves.
///
/// Mark `first + j` is reached x into the piece when x·weight·(base ± slope·x) ≥ (j·of + lead)·bar.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ramp {
    of: u128,
    lead: u128,
    weight: u128,
    bar: u128,
    base: u128,
    slope: u128,
    falls: bool,
    length: u64,
    guess: Guess,
}

impl Ramp {
    /// `None` when its numbers are too large. `passed` and `reached` are the marks up to its start and its end.
    pub(super) fn new(line: &Line, scale: u64, passed: Sum, reached: Sum) -> Option<Self> {
        let (of, lead) = (passed.of(), passed.of() - passed.part());
        let duration = u128::from(line.duration);
        // scale·N(x) = scale·x·(2·duration·from + (to − from)·x) / (2·duration·per)
        let weight = of.checked_mul(u128::from(scale))?;
        let bar = line.per.checked_mul(2)?.checked_mul(duration)?;
        let shared = gcd(weight, bar);
        let (weight, bar) = (weight / shared, bar / shared);
        // Every product that `reached` makes has to fit; the largest ones are these.
        duration.checked_mul(weight)?;
        line.from.max(line.to).checked_mul(2)?.checked_mul(duration)?;
        (reached.whole() - passed.whole()).checked_mul(of)?.checked_add(lead)?;
        Some(Self {
            of,
            lead,
            weight,
            bar,
            base: 2 * duration * line.from,
            slope: line.from.abs_diff(line.to),
            falls: line.to < line.from,
            length: line.duration,
            guess: Guess::new(line, scale, passed, reached),
        })
    }

    /// The smallest x at which mark `first + j`, with `after` more marks behind it in the piece, is reached.
    pub(super) fn inverse(&self, j: u128, after: u128) -> u64 {
        let need = (j * self.of + self.lead).carrying_mul(self.bar, 0);
        let need = (need.1, need.0);
        let mut x = self.guess.instant(j, after, self.falls).min(self.length);
        // The guess is right or off by one except in profiles of many days. Both loops end: nothing is reached at
        // 0, and every mark of the piece is reached at its end.
        if self.reached(x, need) {
            while self.reached(x - 1, need) {
                x -= 1;
            }
        } else {
            x += 1;
            while !self.reached(x, need) {
                x += 1;
            }
        }
        x
    }

    fn reached(&self, x: u64, need: (u128, u128)) -> bool {
        let x = u128::from(x);
        let bend = self.slope * x;
        let height = if self.falls { self.base - bend } else { self.base + bend };
        let (low, high) = (x * self.weight).carrying_mul(height, 0);
        (high, low) >= need
    }
}

/// A first guess of a ramp's inverse in floating point.
///
/// y marks past the low end of the ramp, x = 2y / (b + √(b² + 2ay)) with b the rate there and a > 0 how fast it
/// grows. In this form nothing cancels, so x is good to a few units in the last place; a falling ramp is read
/// backwards from its end for the same reason.
#[derive(Clone, Debug, PartialEq)]
struct Guess {
    duration: f64,
    /// The smaller rate, in marks per nanosecond.
    b: f64,
    /// Twice the growth, in marks per nanosecond².
    a2: f64,
    /// From the start to the first mark, in marks.
    lead: f64,
    /// From the last mark to the end, in marks.
    tail: f64,
}

impl Guess {
    fn new(line: &Line, scale: u64, passed: Sum, reached: Sum) -> Self {
        let unit = scale as f64 / line.per as f64;
        let duration = line.duration as f64;
        Self {
            duration,
            b: line.from.min(line.to) as f64 * unit,
            a2: 2.0 * line.from.abs_diff(line.to) as f64 * unit / duration,
            lead: (passed.of() - passed.part()) as f64 / passed.of() as f64,
            tail: reached.part() as f64 / reached.of() as f64,
        }
    }

    fn instant(&self, j: u128, after: u128, falls: bool) -> u64 {
        let y = if falls { after as f64 + self.tail } else { j as f64 + self.lead };
        let low = self.b + (self.b * self.b + self.a2 * y).sqrt();
        let x = if low > 0.0 { 2.0 * y / low } else { 0.0 };
        let x = if falls { self.duration - x } else { x };
        // What is below the range of integers becomes 0, what is above it their largest.
        x as u64
    }
}
