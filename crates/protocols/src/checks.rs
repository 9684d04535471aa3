//! Checks on responses, evaluated on the bytes as they come.
//!
//! A request's checks are compiled once to a [`CheckSet`]; what held is one bit per check. Bodies are kept only for
//! requests that check them, and only when they do not come in one piece. Checks on the response time are the
//! engine's: their bit stays 0 here.

use httparse::Header;
use memchr::memmem::Finder;
use metrics::{ErrorClass, Outcome};
use plan::{Check, CheckKind, StatusSet, TextMatch};

use crate::codec::Observer;

/// How much of a body is kept for its checks; what comes after it is not searched.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How many checks one request may have: the bits of the answer.
pub(crate) const MAX_CHECKS: usize = 64;

/// What is demanded of the responses to one request.
#[derive(Debug)]
pub(crate) struct CheckSet {
    expected: StatusSet,
    checks: Box<[Demand]>,
    /// Bits of the checks that fail the request, without those on the response time.
    required: u64,
    on_body: bool,
    /// How many bytes of a body its checks can tell apart.
    keep: usize,
}

#[derive(Debug)]
enum Demand {
    Status(StatusSet),
    Header { name: String, value: Matcher },
    Body(Matcher),
    ResponseTime,
}

#[derive(Debug)]
enum Matcher {
    Present,
    Equals(Box<[u8]>),
    Contains(Box<Finder<'static>>),
}

impl Matcher {
    fn new(text: &TextMatch) -> Self {
        match text {
            TextMatch::Present => Self::Present,
            TextMatch::Equals(text) => Self::Equals(text.as_bytes().into()),
            TextMatch::Contains(text) => Self::Contains(Box::new(Finder::new(text).into_owned())),
        }
    }

    fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Equals(text) => **text == *bytes,
            Self::Contains(finder) => finder.find(bytes).is_some(),
        }
    }
}

impl CheckSet {
    /// Compiles at most [`MAX_CHECKS`] checks; a response succeeds with a status out of `expected`.
    pub(crate) fn new<'c>(expected: StatusSet, checks: impl IntoIterator<Item = &'c Check>) -> Self {
        let mut set =
            Self { expected, checks: Box::default(), required: 0, on_body: false, keep: MAX_BODY_BYTES };
        let mut demands = Vec::new();
        for (bit, check) in checks.into_iter().enumerate() {
            debug_assert!(bit < MAX_CHECKS, "more checks than bits");
            if check.required && !matches!(check.kind, CheckKind::ResponseTime(_)) {
                set.required |= 1 << bit;
            }
            demands.push(match &check.kind {
                CheckKind::Status(statuses) => Demand::Status(statuses.clone()),
                CheckKind::Header { name, value } => {
                    Demand::Header { name: name.clone(), value: Matcher::new(value) }
                }
                CheckKind::Body(text) => {
                    set.on_body = true;
                    if let TextMatch::Equals(text) = text {
                        // One byte more, so that a longer body is not taken for an equal one.
                        set.keep = set.keep.max(text.len() + 1);
                    }
                    Demand::Body(Matcher::new(text))
                }
                CheckKind::ResponseTime(_) => Demand::ResponseTime,
            });
        }
        set.checks = demands.into();
        set
    }

    /// Whether bodies must be kept.
    pub(crate) fn on_body(&self) -> bool {
        self.on_body
    }

    /// The outcome of a complete response.
    pub(crate) fn outcome(&self, seen: Seen) -> Outcome {
        if !self.expected.contains(seen.status) {
            Outcome::Failed(ErrorClass::Status)
        } else if self.required & !seen.held != 0 {
            Outcome::Failed(ErrorClass::Check)
        } else {
            Outcome::Succeeded
        }
    }

    fn judge(&self, seen: &mut Seen, holds: impl Fn(&Demand) -> bool) {
        for (bit, demand) in self.checks.iter().enumerate() {
            seen.held |= u64::from(holds(demand)) << bit;
        }
    }
}

/// What was found out about one response so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its status, or 0 before the head.
    pub(crate) status: u16,
    /// Bit i: check i held.
    pub(crate) held: u64,
}

/// Evaluates a [`CheckSet`] on what a codec reads.
pub(crate) struct Observation<'a> {
    pub(crate) set: &'a CheckSet,
    pub(crate) seen: &'a mut Seen,
    /// What was found out from the last head of a response to the same request.
    pub(crate) known: &'a mut Seen,
    /// The body so far, when it did not come in one piece and is checked.
    pub(crate) body: &'a mut Vec<u8>,
}

impl Observer for Observation<'_> {
    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        self.seen.status = status;
        self.set.judge(self.seen, |demand| match demand {
            Demand::Status(statuses) => statuses.contains(status),
            Demand::Header { name, value } => headers
                .iter()
                .any(|header| header.name.eq_ignore_ascii_case(name) && value.matches(header.value)),
            Demand::Body(_) | Demand::ResponseTime => false,
        });
        *self.known = *self.seen;
    }

    fn head_again(&mut self) {
        *self.seen = *self.known;
    }

    fn body(&mut self, piece: &[u8], last: bool) {
        if !self.set.on_body {
            return;
        }
        let in_one_piece = last && self.body.is_empty();
        if !in_one_piece {
            let room = self.set.keep.saturating_sub(self.body.len());
            self.body.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        if last {
            let body = if in_one_piece { piece } else { self.body.as_slice() };
            self.set.judge(self.seen, |demand| match demand {
                Demand::Body(Matcher::Present) => !body.is_empty(),
                Demand::Body(text) => text.matches(body),
                Demand::Status(_) | Demand::Header { .. } | Demand::ResponseTime => false,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use plan::StepId;
    use units::Nanos;

    use super::*;

    fn check(kind: CheckKind, required: bool) -> Check {
        Check { step: StepId(0), name: String::new(), required, kind }
    }

    fn body(text: TextMatch) -> Check {
        check(CheckKind::Body(text), false)
    }

    fn header(name: &str, value: TextMatch) -> Check {
        check(CheckKind::Header { name: name.to_owned(), value }, false)
    }

    /// What holds of a response with this status, headers and body pieces.
    fn seen(checks: &[Check], status: u16, headers: &[(&str, &str)], pieces: &[&[u8]]) -> Seen {
        let set = CheckSet::new(StatusSet::success(), checks);
        let (mut seen, mut known, mut kept) = (Seen::default(), Seen::default(), Vec::new());
        let mut observation = Observation { set: &set, seen: &mut seen, known: &mut known, body: &mut kept };
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        observation.head(status, &headers);
        for (at, piece) in pieces.iter().enumerate() {
            observation.body(piece, at + 1 == pieces.len());
        }
        seen
    }

    #[test]
    fn every_check_has_its_bit() {
        let checks = [
            check(CheckKind::Status(StatusSet { ranges: vec![200..=200] }), false),
            check(CheckKind::Status(StatusSet { ranges: vec![500..=599] }), false),
            check(CheckKind::ResponseTime(Nanos::SECOND), true),
            header("x-id", TextMatch::Present),
            header("x-id", TextMatch::Equals("7".into())),
            header("x-none", TextMatch::Present),
            body(TextMatch::Contains("lo wo".into())),
            body(TextMatch::Equals("hello world".into())),
            body(TextMatch::Equals("hello".into())),
        ];
        for pieces in [&[b"hello world".as_slice()][..], &[b"hel", b"lo w", b"orld"], &[b"hello world", b""]]
        {
            let seen = seen(&checks, 200, &[("X-ID", "3"), ("x-id", "7")], pieces);
            assert_eq!(seen, Seen { status: 200, held: 0b0_1101_1001 }, "{pieces:?}");
        }
    }

    #[test]
    fn a_head_that_comes_again_holds_what_it_held_and_no_more() {
        let checks = [header("x-id", TextMatch::Present), body(TextMatch::Present)];
        let set = CheckSet::new(StatusSet::success(), &checks);
        let (mut known, mut kept) = (Seen::default(), Vec::new());
        let mut first = Seen::default();
        let mut observation = Observation { set: &set, seen: &mut first, known: &mut known, body: &mut kept };
        observation.head(200, &[Header { name: "X-Id", value: b"7" }]);
        observation.body(b"hello", true);
        assert_eq!(first.held, 0b11);
        let mut again = Seen::default();
        let mut observation = Observation { set: &set, seen: &mut again, known: &mut known, body: &mut kept };
        observation.head_again();
        observation.body(b"", true);
        assert_eq!(again, Seen { status: 200, held: 0b01 }, "the body is judged anew");
    }

    #[test]
    fn an_empty_body_is_not_present() {
        assert_eq!(seen(&[body(TextMatch::Present)], 200, &[], &[b""]).held, 0);
        assert_eq!(seen(&[body(TextMatch::Present)], 200, &[], &[b"x", b""]).held, 1);
    }

    #[test]
    fn a_body_beyond_the_bound_is_not_searched_and_not_mistaken_for_its_start() {
        let start = "x".repeat(MAX_BODY_BYTES);
        let checks = [body(TextMatch::Equals(start.clone())), body(TextMatch::Contains("needle".into()))];
        assert_eq!(seen(&checks, 200, &[], &[start.as_bytes(), b"needle", b""]).held, 0b00);
        assert_eq!(seen(&checks, 200, &[], &[start.as_bytes(), b""]).held, 0b01);
    }

    #[test]
    fn the_status_and_required_checks_decide_the_outcome() {
        let checks = [
            check(CheckKind::ResponseTime(Nanos::SECOND), true),
            check(CheckKind::Body(TextMatch::Present), true),
        ];
        let set = CheckSet::new(StatusSet { ranges: vec![200..=299] }, &checks);
        let outcome = |status, held| set.outcome(Seen { status, held });
        assert_eq!(outcome(200, 0b10), Outcome::Succeeded);
        assert_eq!(outcome(200, 0b00), Outcome::Failed(ErrorClass::Check));
        assert_eq!(outcome(302, 0b10), Outcome::Failed(ErrorClass::Status));
    }
}
