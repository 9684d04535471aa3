//! Names in traces: derived from run, scenario and iteration, so that every process knows them without asking another.
//!
//! The run's trace has the run's own ID. Each scenario has a root span in a trace of its own, linked to the run's; in
//! [`TraceShape::Tree`] its executions are that span's children, in [`TraceShape::Linked`] each has a trace of its own.
//! Nothing here is random at run time: the same run, scenario, iteration and request always have the same names, on
//! whatever worker they were made. Names are mixed by SplitMix64's finaliser (Stafford's variant 13).

use std::fmt;

/// A trace, never 0. Prints as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub u128);

/// A span of a trace, never 0. Prints as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub u64);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One span by its whole name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace it is in.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
}

/// What goes to the target with a request: the span it belongs to there, and whether its record is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The request's own span.
    pub context: TraceContext,
    /// Whether the execution is sampled, or may yet be.
    pub sampled: bool,
}

/// How executions hang together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceShape {
    /// All executions of a scenario in the scenario's trace, as children of its root span.
    #[default]
    Tree,
    /// Every execution a trace of its own, linked to the scenario's root span: for long runs.
    Linked,
}

/// The names of a run's own spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunKey {
    run: u128,
}

impl RunKey {
    /// Of the run with this ID, the 128 bits of its UUID.
    pub const fn new(run: u128) -> Self {
        Self { run }
    }

    /// The run's root span; its trace has the run's ID.
    pub const fn context(self) -> TraceContext {
        let span = mix((self.run >> 64) as u64 ^ mix(self.run as u64));
        TraceContext { trace: TraceId(nonzero128(self.run)), span: SpanId(nonzero(span)) }
    }

    /// The names of a scenario of the run, by its position in the plan.
    pub const fn scenario(self, scenario: u32, shape: TraceShape) -> ScenarioKey {
        let base = mix(mix((self.run >> 64) as u64 ^ STREAM) ^ self.run as u64);
        let key = mix(base ^ (scenario as u64 + 1).wrapping_mul(GOLDEN));
        let high = mix(key ^ STREAM);
        let trace = TraceId(nonzero128((high as u128) << 64 | mix(high) as u128));
        let span = SpanId(nonzero(mix(key.wrapping_add(GOLDEN))));
        ScenarioKey { key, shape, root: TraceContext { trace, span } }
    }
}

/// The names of a scenario's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScenarioKey {
    key: u64,
    shape: TraceShape,
    root: TraceContext,
}

impl ScenarioKey {
    /// The scenario's root span.
    pub const fn root(&self) -> TraceContext {
        self.root
    }

    /// How its executions hang together.
    pub const fn shape(&self) -> TraceShape {
        self.shape
    }

    /// A number drawn for iteration `n`, uniform over all of `u64`: what sampling by a ratio goes by.
    ///
    /// # Cost
    /// Two multiplications, about 1 ns.
    #[inline]
    pub const fn draw(&self, n: u64) -> u64 {
        let state = self.key.wrapping_add(n.wrapping_mul(DRAW_STEP));
        let product = (state as u128) * ((state ^ DRAW_MASK) as u128);
        (product >> 64) as u64 ^ product as u64
    }

    /// The span of the execution of iteration `n`.
    ///
    /// # Cost
    /// Three or four rounds of mixing.
    #[inline]
    pub const fn execution(&self, n: u64) -> TraceContext {
        let name = mix(self.key ^ n.wrapping_mul(GOLDEN));
        let span = SpanId(nonzero(mix(name ^ STREAM)));
        let trace = match self.shape {
            TraceShape::Tree => self.root.trace,
            TraceShape::Linked => {
                TraceId(nonzero128((mix(name.wrapping_add(STREAM)) as u128) << 64 | name as u128))
            }
        };
        TraceContext { trace, span }
    }
}

impl TraceContext {
    /// The span of request number `index` of this execution, counted from 0.
    #[inline]
    pub const fn request(&self, index: u32) -> Self {
        let span = mix(self.span.0 ^ (index as u64 + 1).wrapping_mul(GOLDEN));
        Self { trace: self.trace, span: SpanId(nonzero(span)) }
    }
}

/// All zeroes name nothing (W3C Trace Context, section 3.2.2).
const fn nonzero(id: u64) -> u64 {
    if id == 0 { 1 } else { id }
}

const fn nonzero128(id: u128) -> u128 {
    if id == 0 { 1 } else { id }
}

/// 2⁶⁴ divided by the golden ratio, odd: consecutive numbers are spread over all of `u64`.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// wyrand's constants: a draw is made for every iteration, and one multiplication to 128 bits costs half of a mixing. Names
/// need mixing, which gives no two numbers the same.
const DRAW_STEP: u64 = 0xa076_1d64_78bd_642f;
const DRAW_MASK: u64 = 0xe703_7ed1_a0b4_28db;
/// Tells names that are drawn from one number apart.
const STREAM: u64 = 0xd1b5_4a32_d192_ed03;

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const RUN: RunKey = RunKey::new(0x0192_3f4e_8a6b_7c5d_9e0f_1a2b_3c4d_5e6f);
    const SHAPES: [TraceShape; 2] = [TraceShape::Tree, TraceShape::Linked];

    fn name(context: TraceContext) -> String {
        format!("{} {}", context.trace, context.span)
    }

    /// Other processes, and versions of this one, derive the same names: these must never change.
    #[test]
    fn the_names_of_a_run_are_these() {
        let tree = RUN.scenario(1, TraceShape::Tree);
        let linked = RUN.scenario(1, TraceShape::Linked);
        let names = [
            RUN.context(),
            RUN.scenario(0, TraceShape::Tree).root(),
            tree.root(),
            tree.execution(0),
            tree.execution(1_000_000),
            tree.execution(0).request(0),
            tree.execution(0).request(15),
            linked.execution(0),
            linked.execution(0).request(0),
        ];
        assert_eq!(names.map(name), GOLDEN_NAMES);
        assert_eq!([tree.draw(0), tree.draw(1), linked.draw(1)], GOLDEN_DRAWS);
    }

    /// Worked out by another program after the formulas above.
    const GOLDEN_NAMES: [&str; 9] = [
        "01923f4e8a6b7c5d9e0f1a2b3c4d5e6f adbb3c92f96fef8c",
        "f78ddefa685037073c9e40ddbf14fc39 d7ca175599c94598",
        "99b2264909283503c351bfe2698a19f1 1ff151d9e36f3186",
        "99b2264909283503c351bfe2698a19f1 6b1ded69ac2a0fb9",
        "99b2264909283503c351bfe2698a19f1 a8561207f7c138b7",
        "99b2264909283503c351bfe2698a19f1 0ac07d3c3fa39eb6",
        "99b2264909283503c351bfe2698a19f1 8aeefdfc6b622944",
        "1767f202f1d2d675e8bf6f92012923ce 6b1ded69ac2a0fb9",
        "1767f202f1d2d675e8bf6f92012923ce 0ac07d3c3fa39eb6",
    ];
    const GOLDEN_DRAWS: [u64; 3] = [0xbc5a_b796_83fd_ec4f, 0xf716_9663_1395_2151, 0xf716_9663_1395_2151];

    #[test]
    fn the_trace_of_a_run_has_its_id() {
        assert_eq!(RUN.context().trace.to_string(), "01923f4e8a6b7c5d9e0f1a2b3c4d5e6f");
    }

    #[test]
    fn a_name_of_all_zeroes_names_nothing_and_is_not_given() {
        assert_eq!(name(RunKey::new(0).context()), format!("{:032x} {:016x}", 1, 1));
        assert_eq!((nonzero(0), nonzero(7), nonzero128(0), nonzero128(7)), (1, 7, 1, 7));
    }

    #[test]
    fn a_tree_has_one_trace_and_links_have_one_each() {
        let tree = RUN.scenario(0, TraceShape::Tree);
        let linked = RUN.scenario(0, TraceShape::Linked);
        assert_eq!(tree.root(), linked.root(), "the root does not depend on the shape");
        assert_ne!(tree.root().trace, RUN.context().trace);
        for n in 0..1_000 {
            assert_eq!(tree.execution(n).trace, tree.root().trace);
            assert_eq!(tree.execution(n).span, linked.execution(n).span);
            assert_ne!(linked.execution(n).trace, tree.root().trace);
            assert_eq!(linked.execution(n).request(3).trace, linked.execution(n).trace);
        }
    }

    #[test]
    fn no_two_spans_of_a_run_have_one_name() {
        for shape in SHAPES {
            let mut spans = HashSet::from([RUN.context().span]);
            let mut traces = HashSet::from([RUN.context().trace]);
            let mut count = 1;
            for scenario in 0..4 {
                let key = RUN.scenario(scenario, shape);
                spans.insert(key.root().span);
                traces.insert(key.root().trace);
                count += 1;
                for n in 0..10_000 {
                    let execution = key.execution(n);
                    spans.insert(execution.span);
                    spans.extend((0..4).map(|index| execution.request(index).span));
                    traces.insert(execution.trace);
                    count += 5;
                }
            }
            assert_eq!(spans.len(), count);
            let expected = if shape == TraceShape::Tree { 5 } else { 5 + 40_000 };
            assert_eq!(traces.len(), expected);
        }
    }

    /// The sum of squared deviations of `counts` from their mean, in units of it.
    fn chi_squared(counts: &[u64]) -> f64 {
        let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
        counts.iter().map(|count| (*count as f64 - mean).powi(2) / mean).sum()
    }

    /// The same numbers on every machine, so it holds always or never: 255 degrees of freedom, 99.99 % of draws that are
    /// uniform lie between 178 and 351.
    #[test]
    fn draws_are_uniform_in_their_high_and_in_their_low_bits() {
        for (run, scenario) in [(0, 0), (1, 0), (u128::MAX, 3), (RUN.run, 0), (RUN.run, 1)] {
            let key = RunKey::new(run).scenario(scenario, TraceShape::Tree);
            let (mut high, mut low) = ([0; 256], [0; 256]);
            for n in 0..100_000 {
                high[(key.draw(n) >> 56) as usize] += 1;
                low[(key.draw(n) & 0xff) as usize] += 1;
            }
            for counts in [high, low] {
                let chi = chi_squared(&counts);
                assert!((178.0..351.0).contains(&chi), "{run:x}/{scenario}: {chi}");
            }
        }
    }

    /// A thread has every fourth iteration, say: it must not be one of the lucky ones because of that.
    #[test]
    fn draws_are_uniform_for_every_part_of_the_iterations() {
        let key = RUN.scenario(0, TraceShape::Linked);
        for threads in 1..=8_u64 {
            for thread in 0..threads {
                let mine = (0..200_000_u64).map(|i| i * threads + thread);
                let drawn = mine.filter(|n| key.draw(*n) < u64::MAX / 20).count() as f64;
                // 10,000 are expected, with a standard deviation of 97.
                assert!((drawn - 10_000.0).abs() < 500.0, "{thread} of {threads}: {drawn}");
            }
        }
    }

    proptest! {
        #[test]
        fn names_are_never_zero_and_the_same_each_time(run: u128, scenario: u32, n: u64, index: u32) {
            for shape in SHAPES {
                let key = RunKey::new(run).scenario(scenario, shape);
                let execution = key.execution(n);
                for context in [RunKey::new(run).context(), key.root(), execution, execution.request(index)] {
                    prop_assert!(context.trace.0 != 0 && context.span.0 != 0);
                }
                let again = RunKey::new(run).scenario(scenario, shape).execution(n).request(index);
                prop_assert_eq!(again, execution.request(index));
            }
        }

        #[test]
        fn runs_scenarios_iterations_and_requests_are_told_apart(
            run: u128, other: u128, n: u64, m: u64, index in 0..u32::MAX,
        ) {
            prop_assume!(run != other && n != m);
            for shape in SHAPES {
                let key = RunKey::new(run).scenario(0, shape);
                prop_assert_ne!(key.root(), RunKey::new(other).scenario(0, shape).root());
                prop_assert_ne!(key.root(), RunKey::new(run).scenario(1, shape).root());
                prop_assert_ne!(key.execution(n).span, key.execution(m).span);
                let execution = key.execution(n);
                prop_assert_ne!(execution.request(index), execution.request(index + 1));
                prop_assert_ne!(execution.request(index), execution);
            }
        }
    }
}
