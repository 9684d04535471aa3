//! How the generator runs a file, and what it does when workers are lost.

use super::{Fields, Reader};
use crate::document::Node;
use crate::loss::{LossPolicy, OnWorkerLoss, Rejoin};
use crate::shape::OptionsShape;
use crate::{Pacing, RunOptions, Telemetry, limits};

impl Reader<'_> {
    /// The root's keys that are about the generator.
    pub(super) fn run_options(&mut self, fields: &Fields<'_>) -> Option<RunOptions> {
        let pacing = self.optional_or(fields, "pacing", Pacing::default(), |reader, label, node| {
            reader.word(label, node, &[("balanced", Pacing::Balanced), ("precise", Pacing::Precise)])
        });
        let threads = self.optional_or(fields, "threads", None, |reader, label, node| {
            reader.count_or_auto(label, node, limits::MAX_THREADS)
        });
        let seed =
            self.optional_or(fields, "seed", 0, |reader, label, node| reader.count(label, node, 0, u64::MAX));
        let out = self.optional(fields, "out", Self::path);
        let loss = self.optional_or(fields, "options", LossPolicy::default(), Self::loss_policy);
        let telemetry = self.optional_or(fields, "telemetry", Telemetry::default(), Self::telemetry);
        Some(RunOptions {
            pacing: pacing?,
            threads: threads?,
            seed: seed?,
            out: out?,
            loss: loss?,
            telemetry: telemetry?,
        })
    }

    /// What happens when workers are lost; what is not set keeps its default.
    fn loss_policy(&mut self, label: &str, node: &Node) -> Option<LossPolicy> {
        let fields = self.fields::<OptionsShape>(label, node, node.span)?;
        let default = LossPolicy::default();
        let on_worker_loss =
            self.optional_or(&fields, "on_worker_loss", default.on_worker_loss, |reader, label, node| {
                reader.word(label, node, &OnWorkerLoss::WORDS)
            });
        let max_lost = self.optional_or(&fields, "max_lost", default.max_lost, Self::percent);
        let rejoin = self.optional_or(&fields, "rejoin", default.rejoin, |reader, label, node| {
            reader.word(label, node, &Rejoin::WORDS)
        });
        let degraded = self.optional_or(&fields, "allow_degraded", default.allow_degraded, Self::flag);
        Some(LossPolicy {
            on_worker_loss: on_worker_loss?,
            max_lost: max_lost?,
            rejoin: rejoin?,
            allow_degraded: degraded?,
        })
    }
}
