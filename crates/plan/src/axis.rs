//! The cumulative axis of a rate profile and its exact inverse.
//!
//! On the axis lie *marks* 0, 1, 2, …, `scale` of them for each planned slot: mark m is due at the smallest whole
//! nanosecond t with `scale · N(t) ≥ m`, where N is the integral of the rate. With scale 1 the marks are the
//! slots of uniform arrivals; with 2³² they are the places a random arrival can have.
//!
//! All amounts are integers over a common denominator. A piece of constant rate is inverted by one division, a
//! ramp by a guess in floating point that an exact comparison of 256-bit products then corrects: the answer is
//! exact, not close, and the same on every machine.

mod ramp;

use units::{Nanos, Rate};

use self::ramp::Ramp;
use crate::Stage;
use crate::rational::{Sum, gcd};

/// The cumulative axis of a profile; one without any mark by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Axis {
    /// Stretches in which at least one mark is due, in order; what lies between them holds none.
    pieces: Box<[Piece]>,
    /// Marks below this are due before the profile's end.
    total: u128,
}

/// A stretch of time over which the rate moves linearly: one stage.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    start: u64,
    /// The first mark due after `start`.
    first: u128,
    /// The last mark due no later than the end.
    last: u128,
    inverse: Inverse,
}

#[derive(Clone, Debug, PartialEq)]
enum Inverse {
    /// A constant rate: mark `first + j` is due after ⌊(j·step + offset) / divisor⌋.
    Division { step: u128, offset: u128, divisor: u128 },
    /// A ramp.
    Ramp(Box<Ramp>),
}

impl Axis {
    /// The axis of `stages` with `scale` marks per slot.
    ///
    /// # Errors
    /// The number of the stage, from 1, from which on the marks cannot be counted exactly.
    pub(crate) fn new(stages: &[Stage<Rate>], scale: u64) -> Result<Self, usize> {
        let mut pieces = Vec::with_capacity(stages.len());
        let (mut start, mut passed) = (0, Sum::ZERO);
        for (index, stage) in stages.iter().enumerate() {
            let next = Line::of(stage)
                .and_then(|line| {
                    let reached = line.add_area(passed, scale)?;
                    if reached.whole() > passed.whole() {
                        pieces.push(Piece::new(start, &line, scale, passed, reached)?);
                    }
                    Some(reached)
                })
                .ok_or(index + 1)?;
            start += stage.duration.as_u64();
            passed = next;
        }
        let mut axis = Self { pieces: pieces.into(), total: passed.whole() + 1 };
        // Mark 0 is due at the start of every profile, but one whose rate is zero all along plans nothing.
        axis.total = if passed == Sum::ZERO { 0 } else { axis.due_before(Nanos::new(start)) };
        Ok(axis)
    }

    /// How many marks are due before the profile's end.
    pub(crate) fn total(&self) -> u128 {
        self.total
    }

    /// When `mark` is due; `None` if not before the profile's end.
    pub(crate) fn due(&self, mark: u128) -> Option<Nanos> {
        (mark < self.total).then(|| self.instant(mark))
    }

    /// As [`Axis::due`], for marks asked in ascending order: `piece` remembers where the last one was, from 0.
    pub(crate) fn due_walking(&self, mark: u128, piece: &mut usize) -> Option<Nanos> {
        if mark >= self.total {
            return None;
        }
        if mark == 0 {
            return Some(Nanos::ZERO);
        }
        while self.pieces[*piece].last < mark {
            *piece += 1;
        }
        Some(self.pieces[*piece].instant(mark))
    }

    /// How many marks are due before `t`.
    pub(crate) fn due_before(&self, t: Nanos) -> u128 {
        if t.is_zero() {
            return 0;
        }
        let after = self.pieces.partition_point(|piece| piece.start < t.as_u64());
        let Some(piece) = after.checked_sub(1).map(|index| &self.pieces[index]) else {
            return self.total.min(1);
        };
        // Bisection over an exact, monotone function needs no inverse of the inverse.
        let (mut low, mut high) = (piece.first, (piece.last + 1).min(self.total));
        while low < high {
            let middle = low + (high - low) / 2;
            if piece.instant(middle) < t {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn instant(&self, mark: u128) -> Nanos {
        if mark == 0 {
            return Nanos::ZERO;
        }
        self.pieces[self.pieces.partition_point(|piece| piece.last < mark)].instant(mark)
    }
}

/// The rate of one stage over one denominator: (from + (to − from)·x/duration) / per, x from the stage's start.
struct Line {
    duration: u64,
    from: u128,
    to: u128,
    per: u128,
}

impl Line {
    fn of(stage: &Stage<Rate>) -> Option<Self> {
        let per = |rate: Rate| u128::from(rate.per().as_u64());
        let (p, q) = match (stage.from.is_zero(), stage.to.is_zero()) {
            // Zero is zero per anything.
            (true, _) => (per(stage.to), per(stage.to)),
            (_, true) => (per(stage.from), per(stage.from)),
            _ => (per(stage.from), per(stage.to)),
        };
        let shared = gcd(p, q);
        Some(Self {
            duration: stage.duration.as_u64(),
            from: u128::from(stage.from.count()).checked_mul(q / shared)?,
            to: u128::from(stage.to.count()).checked_mul(p / shared)?,
            per: (p / shared).checked_mul(q)?,
        })
    }

    /// `passed` plus the marks of this stage.
    fn add_area(&self, passed: Sum, scale: u64) -> Option<Sum> {
        let twice = self.from.checked_add(self.to)?.checked_mul(u128::from(self.duration))?;
        let halves = self.per.checked_mul(2)?;
        let scale = u128::from(scale);
        passed
            .checked_add((twice / halves).checked_mul(scale)?, 1)?
            .checked_add((twice % halves).checked_mul(scale)?, halves)
    }
}

impl Piece {
    fn new(start: u64, line: &Line, scale: u64, passed: Sum, reached: Sum) -> Option<Self> {
        let constant = if line.from == line.to { Self::division(line, scale, passed, reached) } else { None };
        Some(Self {
            start,
            first: passed.whole() + 1,
            last: reached.whole(),
            inverse: match constant {
                Some(division) => division,
                // Also for a constant rate whose numbers are too large for a division in 128 bits.
                None => Inverse::Ramp(Box::new(Ramp::new(line, scale, passed, reached)?)),
            },
        })
    }

    /// Mark `first + j` needs (j·of + lead)/of marks more than at the start, with lead = of − part, at
    /// scale·from/per marks in a nanosecond.
    fn division(line: &Line, scale: u64, passed: Sum, reached: Sum) -> Option<Inverse> {
        let (part, of) = (passed.part(), passed.of());
        let divisor = of.checked_mul(u128::from(scale))?.checked_mul(line.from)?;
        let shared = gcd(divisor, line.per);
        let (divisor, factor) = (divisor / shared, line.per / shared);
        let step = of.checked_mul(factor)?;
        // The division rounds up, so the divisor less one goes on top.
        let offset = (of - part).checked_mul(factor)?.checked_add(divisor - 1)?;
        (reached.whole() - passed.whole()).checked_mul(step)?.checked_add(offset)?;
        Some(Inverse::Division { step, offset, divisor })
    }

    /// When `mark`, one of this piece, is due.
    fn instant(&self, mark: u128) -> Nanos {
        let j = mark - self.first;
        let x = match &self.inverse {
            Inverse::Division { step, offset, divisor } => ((j * step + offset) / divisor) as u64,
            Inverse::Ramp(ramp) => ramp.inverse(j, self.last - mark),
        };
        Nanos::new(self.start + x)
    }
}

#[cfg(test)]
mod tests;
