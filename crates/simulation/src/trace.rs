//! What happened, as a number that tells two schedules apart, and as text for people.

use std::fmt::Debug;

use units::Timestamp;

/// What happened in a schedule.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    /// One line for each event, where somebody wants to read them.
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(is_readable: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: is_readable.then(Vec::new) }
    }

    /// Notes something: `number` stands for it.
    pub(crate) fn note(&mut self, at: Timestamp, number: u64, what: &dyn Debug) {
        for part in [at.as_nanos(), number] {
            self.hash = (self.hash ^ part).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
        if let Some(lines) = &mut self.lines {
            let mut text = format!("{:>12.6} {what:?}", at.as_nanos() as f64 / 1e9);
            if text.len() > LONGEST_LINE {
                let end = (0..=LONGEST_LINE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                text.truncate(end);
                text.push('…');
            }
            lines.push(text);
        }
    }

    /// A number that two schedules share only when all of it happened in both.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines.
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

/// A message with a histogram is long.
const LONGEST_LINE: usize = 400;
