//! The bounds of the verdict.

use super::Reader;
use crate::document::Node;
use crate::shape::{InvalidShape, SuspectShape, VerdictShape};
use crate::{InvalidBounds, SuspectBounds, VerdictBounds};

impl Reader<'_> {
    /// Both groups of bounds; what is not set keeps its default.
    pub(super) fn verdict(&mut self, label: &str, node: &Node) -> Option<VerdictBounds> {
        let fields = self.fields::<VerdictShape>(label, node, node.span)?;
        let suspect = self.optional_or(&fields, "suspect", SuspectBounds::default(), Self::suspect_bounds);
        let invalid = self.optional_or(&fields, "invalid", InvalidBounds::default(), Self::invalid_bounds);
        Some(VerdictBounds { suspect: suspect?, invalid: invalid? })
    }

    fn suspect_bounds(&mut self, label: &str, node: &Node) -> Option<SuspectBounds> {
        let fields = self.fields::<SuspectShape>(label, node, node.span)?;
        let default = SuspectBounds::default();
        let lag = self.optional_or(&fields, "dispatch_lag_p99", default.dispatch_lag_p99, Self::duration);
        let busy = self.optional_or(&fields, "thread_busy", default.thread_busy, Self::percent);
        Some(SuspectBounds { dispatch_lag_p99: lag?, thread_busy: busy? })
    }

    fn invalid_bounds(&mut self, label: &str, node: &Node) -> Option<InvalidBounds> {
        let fields = self.fields::<InvalidShape>(label, node, node.span)?;
        let default = InvalidBounds::default();
        let lag = self.optional_or(&fields, "dispatch_lag_p99", default.dispatch_lag_p99, Self::duration);
        let stall = self.optional_or(&fields, "generator_stall", default.generator_stall, Self::percent);
        let faults = self.optional_or(&fields, "own_faults", default.own_faults, Self::percent);
        let throttled = self.optional_or(&fields, "throttled", default.throttled, Self::percent);
        Some(InvalidBounds {
            dispatch_lag_p99: lag?,
            generator_stall: stall?,
            own_faults: faults?,
            throttled: throttled?,
        })
    }
}
