//! The two ledgers.

use metrics::{DropReason, ErrorClass, IterationLedger, RequestLedger, SlotTally, UnsentReason};

use super::field::{Reader, halves, whole};
use super::{WireError, proto};

impl TryFrom<proto::RequestLedger> for RequestLedger {
    type Error = WireError;

    fn try_from(ledger: proto::RequestLedger) -> Result<Self, WireError> {
        let known = Reader("RequestLedger").at_most("failed", ledger.failed, ErrorClass::COUNT)?;
        let mut failed = [0; ErrorClass::COUNT];
        failed[..known.len()].copy_from_slice(&known);
        Ok(Self {
            attempted: ledger.attempted,
            succeeded: ledger.succeeded,
            failed,
            cancelled: ledger.cancelled,
            in_flight: ledger.in_flight,
            resent: ledger.resent,
        })
    }
}

impl From<&RequestLedger> for proto::RequestLedger {
    fn from(ledger: &RequestLedger) -> Self {
        let used = ledger.failed.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        Self {
            attempted: ledger.attempted,
            succeeded: ledger.succeeded,
            failed: ledger.failed[..used].to_vec(),
            cancelled: ledger.cancelled,
            in_flight: ledger.in_flight,
            resent: ledger.resent,
        }
    }
}

impl TryFrom<proto::IterationLedger> for IterationLedger {
    type Error = WireError;

    fn try_from(ledger: proto::IterationLedger) -> Result<Self, WireError> {
        let of = Reader("IterationLedger");
        let tally = |field, tally: Option<proto::SlotTally>| of.required(field, tally).map(SlotTally::from);
        let mut dropped = [SlotTally::default(); DropReason::COUNT];
        for (reason, field, sent) in [
            (DropReason::QueueFull, "dropped_queue_full", ledger.dropped_queue_full),
            (DropReason::QueueTimeout, "dropped_queue_timeout", ledger.dropped_queue_timeout),
            (DropReason::NoUser, "dropped_no_user", ledger.dropped_no_user),
        ] {
            dropped[reason.index()] = tally(field, sent)?;
        }
        let mut unsent = [SlotTally::default(); UnsentReason::COUNT];
        for (reason, field, sent) in [
            (UnsentReason::GeneratorStall, "unsent_generator_stall", ledger.unsent_generator_stall),
            (UnsentReason::Stopped, "unsent_stopped", ledger.unsent_stopped),
            (UnsentReason::LeaseEnded, "unsent_lease_ended", ledger.unsent_lease_ended),
        ] {
            unsent[reason.index()] = tally(field, sent)?;
        }
        Ok(Self {
            due: tally("due", ledger.due)?,
            started: tally("started", ledger.started)?,
            dropped,
            unsent,
            unaccounted: ledger.unaccounted,
            waiting: ledger.waiting,
            succeeded: ledger.succeeded,
            failed: ledger.failed,
            cancelled: ledger.cancelled,
            in_flight: ledger.in_flight,
        })
    }
}

impl From<&IterationLedger> for proto::IterationLedger {
    fn from(ledger: &IterationLedger) -> Self {
        let dropped = |reason: DropReason| Some(ledger.dropped[reason.index()].into());
        let unsent = |reason: UnsentReason| Some(ledger.unsent[reason.index()].into());
        Self {
            due: Some(ledger.due.into()),
            started: Some(ledger.started.into()),
            dropped_queue_full: dropped(DropReason::QueueFull),
            dropped_queue_timeout: dropped(DropReason::QueueTimeout),
            dropped_no_user: dropped(DropReason::NoUser),
            unsent_generator_stall: unsent(UnsentReason::GeneratorStall),
            unsent_stopped: unsent(UnsentReason::Stopped),
            unsent_lease_ended: unsent(UnsentReason::LeaseEnded),
            unaccounted: ledger.unaccounted,
            waiting: ledger.waiting,
            succeeded: ledger.succeeded,
            failed: ledger.failed,
            cancelled: ledger.cancelled,
            in_flight: ledger.in_flight,
        }
    }
}

impl From<proto::SlotTally> for SlotTally {
    fn from(tally: proto::SlotTally) -> Self {
        Self { count: tally.count, digest: whole(tally.digest_high, tally.digest_low) }
    }
}

impl From<SlotTally> for proto::SlotTally {
    fn from(tally: SlotTally) -> Self {
        let (digest_high, digest_low) = halves(tally.digest);
        Self { count: tally.count, digest_high, digest_low }
    }
}
