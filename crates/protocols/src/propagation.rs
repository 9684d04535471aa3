//! Trace headers: they tell the target which run and which span a request belongs to.
//!
//! As W3C Trace Context (level 1) and W3C Baggage have them. `tracestate` and `baggage` name the run and stay the same
//! all through it. `traceparent` names the request's own span: its value has a fixed width, so it is a hole in the
//! request's image that is filled before the image is written.

use metrics::TraceParent;

/// Which run the target is told about. Whether it is told at all is said request by request, by the parent that
/// [`engine::Protocol::start`] is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Propagated {
    /// The 128 bits of the run's UUID.
    pub run_id: u128,
}

impl Propagated {
    /// `tracestate`: this tool's own entry.
    pub(crate) fn trace_state(self) -> String {
        format!("loadgen={:032x}", self.run_id)
    }

    /// `baggage`: the run's ID as it is written everywhere else.
    pub(crate) fn baggage(self) -> String {
        let hex = format!("{:032x}", self.run_id);
        let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        format!("loadgen.run_id={}", groups.join("-"))
    }
}

/// Width of a `traceparent`: `00-<trace>-<span>-<flags>`.
pub(crate) const PARENT_BYTES: usize = 55;

/// A `traceparent` that names nothing, to be filled in.
pub(crate) const NO_PARENT: &[u8; PARENT_BYTES] = b"00-00000000000000000000000000000000-0000000000000000-00";

/// Fills `hole` in with `parent`; `held` is what it was filled in with last, and what is the same is left as it is.
///
/// # Cost
/// About 4 instructions a digit: 64 for another span of the same trace, 200 for one of another. No allocation.
#[inline]
pub(crate) fn fill(hole: &mut [u8; PARENT_BYTES], held: Option<&TraceParent>, parent: &TraceParent) {
    if held.is_none_or(|held| held.context.trace != parent.context.trace) {
        write_hex(&mut hole[TRACE..TRACE + 32], &parent.context.trace.0.to_be_bytes());
    }
    write_hex(&mut hole[SPAN..SPAN + 16], &parent.context.span.0.to_be_bytes());
    // The flags are two digits, and only the lowest bit says something that is known here.
    hole[PARENT_BYTES - 1] = b'0' + u8::from(parent.sampled);
}

#[inline]
fn write_hex(digits: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&PAIRS[usize::from(*byte)]);
    }
}

/// Where the trace's digits begin.
const TRACE: usize = 3;
/// Where the span's digits begin.
const SPAN: usize = 36;

/// Both digits of every byte.
const PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use metrics::{SpanId, TraceContext, TraceId};
    use proptest::prelude::*;

    use super::*;

    fn parent() -> impl Strategy<Value = TraceParent> {
        // Few traces: a hole that keeps its trace is as likely as one that gets another.
        let trace = prop_oneof![Just(1_u128), Just(u128::MAX), any::<u128>()];
        (trace, any::<u64>(), any::<bool>()).prop_map(|(trace, span, sampled)| TraceParent {
            context: TraceContext { trace: TraceId(trace), span: SpanId(span) },
            sampled,
        })
    }

    proptest! {
        #[test]
        fn a_hole_holds_what_it_was_filled_with_last(parents in prop::collection::vec(parent(), 1..6)) {
            let mut hole = *NO_PARENT;
            let mut held = None;
            for parent in &parents {
                fill(&mut hole, held, parent);
                held = Some(parent);
                let flags = u8::from(parent.sampled);
                let expected = format!("00-{}-{}-{flags:02x}", parent.context.trace, parent.context.span);
                prop_assert_eq!(std::str::from_utf8(&hole).unwrap(), expected);
            }
        }
    }

    #[test]
    fn the_run_is_named_as_it_is_elsewhere() {
        let run = Propagated { run_id: 0x0193_5c1e_0000_7abc_8def_0123_4567_89ab };
        assert_eq!(run.trace_state(), "loadgen=01935c1e00007abc8def0123456789ab");
        assert_eq!(run.baggage(), "loadgen.run_id=01935c1e-0000-7abc-8def-0123456789ab");
    }
}
