//! What is measured: recorder, histograms, snapshots, totals, ledgers and thresholds.
//!
//! An engine thread writes into its own [`Recorder`] through [`Record`]; a [`Drain`] on the collector's side turns
//! each full interval into a [`Snapshot`]. Snapshots merge exactly and in any order, into [`Totals`] for the run and
//! into a [`Timeline`] of bounded size. [`Threshold`]s are pure functions of totals. Single executions that are kept, as
//! [`TraceOptions`] and [`ExecutionLog`] say, leave as [`ExecutionRecord`]s by an [`execution_queue`]; their names in
//! traces are derived by a [`RunKey`]. The crate knows no plan, no socket and no clock: series are dense indices over a
//! [`Catalog`], time comes as [`units::Nanos`]. Start reading at [`Record`], then [`Snapshot`] and [`TimeStats`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod delivery;
mod execution;
mod execution_queue;
mod fault;
mod hex_u128;
mod histogram;
mod interval;
mod interval_counts;
mod layout;
mod ledger;
mod metric;
mod outcome;
mod packed;
mod record;
mod recorder;
mod sample;
mod sampling;
mod selector;
mod shape;
mod snapshot;
mod sparse;
mod statistic;
mod suggestion;
mod threshold;
mod time_stats;
mod timeline;
mod totals;
mod trace;
mod track;

#[cfg(test)]
mod fixture;

pub use delivery::{Delivery, Signal, SinkReport};
pub use execution::{ExecutionRecord, Kept, MOST_REQUESTS, RequestRecord, TraceTally};
pub use execution_queue::{ExecutionDrain, ExecutionSender, execution_queue};
pub use fault::{HistogramFault, SnapshotFault};
pub use histogram::{Histogram, Moments};
pub use interval_counts::IntervalCounts;
pub use layout::{Catalog, CatalogCheck, CatalogScenario, CatalogStep, Layout, ScenarioTime, StepTime};
pub use ledger::{IterationLedger, LedgerError, RequestLedger, SlotTally};
pub use metric::{Metric, MetricKind, MetricScope};
pub use outcome::{DropReason, ErrorClass, IterationOutcome, Outcome, UnsentReason};
pub use record::{Activity, Gauges, IterationStart, IterationTimes, NoRecorder, Period, Record};
pub use recorder::{Drain, Recorder, pair};
pub use sample::{Phases, RequestSample, RequestTimes};
pub use sampling::{ExecutionLog, Propagation, Sampling, SlowBound, TraceOptions};
pub use selector::{Selector, SelectorError, SelectorProblem};
pub use shape::Shape;
pub use snapshot::{CheckCounts, ScenarioCounts, ShapeMismatch, Snapshot, StepCounts};
pub use sparse::SparseHistogram;
pub use statistic::{Bound, Condition, ConditionError, ConditionProblem, Operator, Statistic};
pub use threshold::{Evaluation, Threshold, ThresholdError, Value};
pub use time_stats::{Estimate, Outcomes, TimeStats};
pub use timeline::{Quantiles, Timeline, TimelineBlock, TimelineInterval};
pub use totals::{BrokenLedger, LedgerName, Totals};
pub use trace::{RunKey, ScenarioKey, SpanId, TraceContext, TraceId, TraceParent, TraceShape};
