//! The fields that messages have in common, taken apart without trust and put together.

use units::{Nanos, Ratio, Timestamp};
use uuid::Uuid;

use super::{WireError, proto};
use crate::{ClusterId, ContentDigest, LeaseToken, RunId, SessionId, StopMode, WorkerId};

/// The most entries of most lists: lines for people, tasks, runs of a worker.
pub(super) const MAX_ENTRIES: usize = 256;
/// The longest name, in bytes.
pub(super) const MAX_NAME: usize = 256;
/// The longest line for people, in bytes; also the longest path.
pub(super) const MAX_LINE: usize = 4_096;
/// The most engine threads.
pub(super) const MAX_THREADS: u32 = metrics::Snapshot::MAX_THREADS;

/// Takes fields of the message that it names.
#[derive(Clone, Copy)]
pub(super) struct Reader(pub(super) &'static str);

impl Reader {
    pub(super) fn fault(self, field: &'static str, why: impl Into<String>) -> WireError {
        WireError { message: self.0, field, why: why.into() }
    }

    pub(super) fn required<T>(self, field: &'static str, value: Option<T>) -> Result<T, WireError> {
        value.ok_or_else(|| self.fault(field, "is missing"))
    }

    /// A list of at most `most`.
    pub(super) fn at_most<T>(
        self,
        field: &'static str,
        list: Vec<T>,
        most: usize,
    ) -> Result<Vec<T>, WireError> {
        self.within(field, list.len() as u64, 0, most as u64, "entries")?;
        Ok(list)
    }

    pub(super) fn within(
        self,
        field: &'static str,
        value: u64,
        least: u64,
        most: u64,
        what: &str,
    ) -> Result<u64, WireError> {
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        let space = if what.is_empty() { "" } else { " " };
        Err(self.fault(field, format!("is {value}{space}{what}; it may be {least} to {most}")))
    }

    /// A number that may be counted on from: below 2^63.
    pub(super) fn number(self, field: &'static str, value: u64) -> Result<u64, WireError> {
        self.within(field, value, 0, MAX_NUMBER, "")
    }

    pub(super) fn span(self, field: &'static str, nanos: u64) -> Result<Nanos, WireError> {
        self.within(field, nanos, 0, MAX_NUMBER, "ns").map(Nanos::new)
    }

    pub(super) fn instant(self, field: &'static str, nanos: u64) -> Result<Timestamp, WireError> {
        self.within(field, nanos, 0, MAX_NUMBER, "ns").map(Timestamp::from_nanos)
    }

    /// A finite number that is not negative.
    pub(super) fn ratio(self, field: &'static str, value: f64) -> Result<Ratio, WireError> {
        if value.is_finite() && value >= 0.0 {
            return Ok(Ratio::new(value));
        }
        Err(self.fault(field, format!("is {value}; it must be finite and not negative")))
    }

    fn uuid(self, field: &'static str, bytes: &[u8]) -> Result<Uuid, WireError> {
        Uuid::from_slice(bytes)
            .map_err(|_| self.fault(field, format!("has {} bytes instead of 16", bytes.len())))
    }

    pub(super) fn run(self, bytes: &[u8]) -> Result<RunId, WireError> {
        self.uuid("run_id", bytes).map(RunId::new)
    }

    pub(super) fn session(self, bytes: &[u8]) -> Result<SessionId, WireError> {
        self.uuid("session", bytes).map(SessionId)
    }

    pub(super) fn cluster(self, bytes: &[u8]) -> Result<ClusterId, WireError> {
        self.uuid("cluster", bytes).map(ClusterId)
    }

    pub(super) fn digest(self, bytes: &[u8]) -> Result<ContentDigest, WireError> {
        let digest = bytes.try_into().map(ContentDigest);
        digest.map_err(|_| self.fault("digest", format!("has {} bytes instead of 32", bytes.len())))
    }

    pub(super) fn worker(self, name: &str) -> Result<WorkerId, WireError> {
        WorkerId::parse(name).map_err(|error| self.fault("worker", error.to_string()))
    }

    pub(super) fn token(
        self,
        field: &'static str,
        token: Option<proto::LeaseToken>,
    ) -> Result<LeaseToken, WireError> {
        let token = self.required(field, token)?;
        let within = Reader("LeaseToken");
        Ok(LeaseToken {
            epoch: crate::Epoch(within.number("epoch", token.epoch)?),
            counter: within.number("counter", token.counter)?,
        })
    }

    pub(super) fn stop_mode(self, field: &'static str, mode: i32) -> Result<StopMode, WireError> {
        match proto::StopMode::try_from(mode) {
            Ok(proto::StopMode::Drain) => Ok(StopMode::Drain),
            Ok(proto::StopMode::Cancel) => Ok(StopMode::Cancel),
            Ok(proto::StopMode::Unspecified) | Err(_) => Err(self.unknown(field, mode)),
        }
    }

    /// A value of an enum that is not in its list, or none.
    pub(super) fn unknown(self, field: &'static str, value: i32) -> WireError {
        self.fault(field, format!("has the unknown value {value}"))
    }

    /// A text of at most `most` bytes that may be empty; without control characters, which could do things to a terminal.
    pub(super) fn text(self, field: &'static str, text: String, most: usize) -> Result<String, WireError> {
        self.within(field, text.len() as u64, 0, most as u64, "bytes long")?;
        if text.chars().any(char::is_control) {
            return Err(self.fault(field, "holds control characters"));
        }
        Ok(text)
    }

    /// A text of at least one and at most `most` bytes.
    pub(super) fn name(self, field: &'static str, text: String, most: usize) -> Result<String, WireError> {
        if text.is_empty() {
            return Err(self.fault(field, "is empty"));
        }
        self.text(field, text, most)
    }

    /// Lines for people, as [`lines`] writes them.
    pub(super) fn lines(self, field: &'static str, lines: Vec<String>) -> Result<Vec<String>, WireError> {
        let lines = self.at_most(field, lines, MAX_ENTRIES)?;
        lines.into_iter().map(|line| self.text(field, line, MAX_LINE)).collect()
    }
}

/// The highest number, time and span: one more does not overflow, and the highest that 64 bits hold often means "never".
const MAX_NUMBER: u64 = i64::MAX as u64;

/// A line for people as the other side takes it.
pub(super) fn line(text: &str) -> String {
    cut(text, MAX_LINE)
}

/// A text of at most `most` bytes: its end is left out where it is too long, and it has no control characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    const CUT: char = '…';
    let mut short = String::with_capacity(text.len().min(most));
    for letter in text.chars() {
        let letter = if letter.is_control() { ' ' } else { letter };
        if short.len() + letter.len_utf8() > most {
            while short.len() + CUT.len_utf8() > most {
                short.pop();
            }
            short.push(CUT);
            break;
        }
        short.push(letter);
    }
    short
}

/// Lines for people as the other side takes them: the last one says how many were too many.
pub(super) fn lines(texts: &[String]) -> Vec<String> {
    if texts.len() <= MAX_ENTRIES {
        return texts.iter().map(|text| line(text)).collect();
    }
    let kept = MAX_ENTRIES - 1;
    let rest = format!("and {} more", texts.len() - kept);
    texts[..kept].iter().map(|text| line(text)).chain([rest]).collect()
}

pub(super) fn uuid(uuid: Uuid) -> Vec<u8> {
    uuid.as_bytes().to_vec()
}

/// The upper and the lower half.
pub(super) fn halves(number: u128) -> (u64, u64) {
    ((number >> 64) as u64, number as u64)
}

pub(super) fn whole(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

impl From<LeaseToken> for proto::LeaseToken {
    fn from(token: LeaseToken) -> Self {
        Self { epoch: token.epoch.0, counter: token.counter }
    }
}

impl From<StopMode> for proto::StopMode {
    fn from(mode: StopMode) -> Self {
        match mode {
            StopMode::Drain => Self::Drain,
            StopMode::Cancel => Self::Cancel,
        }
    }
}
