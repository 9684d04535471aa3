//! Commands, and the revisions they carry.

use plan::{Amendment, LoadChange, Revision, ScenarioId, Share};
use units::{Nanos, Rate};

use super::field::{MAX_NAME, Reader, uuid};
use super::prepare::PrepareRefs;
use super::{WireError, proto};
use crate::content::{ContentError, ContentStore};
use crate::{Command, CommandBody, CommandId, Epoch, RunId};

/// The most that all weights of a run add up to, and the most weights.
const MAX_WEIGHTS: u64 = 4_096;
/// The most changes of a run's load.
const MAX_AMENDMENTS: usize = 4_096;
/// The most scenarios of a plan.
const MAX_SCENARIOS: u64 = 65_536;

/// A command as it comes off the wire.
pub(super) enum IncomingCommand {
    Whole(Box<Command>),
    Prepare { run_id: RunId, epoch: Epoch, id: CommandId, refs: PrepareRefs },
}

impl TryFrom<proto::Command> for IncomingCommand {
    type Error = WireError;

    fn try_from(command: proto::Command) -> Result<Self, WireError> {
        use proto::command::Body;

        let of = Reader("Command");
        let run_id = of.run(&command.run_id)?;
        let epoch = Epoch(of.number("epoch", command.epoch)?);
        let id = CommandId(of.number("id", command.id)?);
        if id.0 == 0 {
            return Err(of.fault("id", "is 0; commands are numbered from 1"));
        }
        let body = match of.required("body", command.body)? {
            Body::Prepare(prepare) => {
                return Ok(Self::Prepare { run_id, epoch, id, refs: prepare.try_into()? });
            }
            Body::Start(start) => {
                CommandBody::Start { at: Reader("Start").instant("at_nanos", start.at_nanos)? }
            }
            Body::Revise(revision) => CommandBody::Revise(Box::new(revision.try_into()?)),
            Body::Once(once) => CommandBody::Once { task: Reader("Once").name("task", once.task, MAX_NAME)? },
            Body::Stop(mode) => CommandBody::Stop(of.stop_mode("stop", mode)?),
        };
        Ok(Self::Whole(Box::new(Command { run_id, epoch, id, body })))
    }
}

pub(super) fn to_wire(
    command: &Command,
    contents: &dyn ContentStore,
) -> Result<proto::Command, ContentError> {
    use proto::command::Body;

    let body = match &command.body {
        CommandBody::Prepare(prepare) => Body::Prepare((&PrepareRefs::of(prepare, contents)?).into()),
        CommandBody::Start { at } => Body::Start(proto::Start { at_nanos: at.as_nanos() }),
        CommandBody::Revise(revision) => Body::Revise(revision.as_ref().into()),
        CommandBody::Once { task } => Body::Once(proto::Once { task: task.clone() }),
        CommandBody::Stop(mode) => Body::Stop(proto::StopMode::from(*mode).into()),
    };
    Ok(proto::Command {
        run_id: uuid(command.run_id.as_uuid()),
        epoch: command.epoch.0,
        id: command.id.0,
        body: Some(body),
    })
}

impl TryFrom<proto::Revision> for Revision {
    type Error = WireError;

    fn try_from(revision: proto::Revision) -> Result<Self, WireError> {
        let of = Reader("Revision");
        let weights = of.at_most("weights", revision.weights, MAX_WEIGHTS as usize)?;
        let sum = weights.iter().copied().map(u64::from).sum();
        of.within("weights", sum, 1, MAX_WEIGHTS, "in all")?;
        // The sum is above 0, so there is a weight.
        of.within("index", revision.index.into(), 0, weights.len() as u64 - 1, "")?;
        let amendments = of.at_most("amendments", revision.amendments, MAX_AMENDMENTS)?;
        let amendments = amendments.into_iter().map(amendment).collect::<Result<Vec<_>, _>>()?;
        if !amendments.is_sorted_by_key(|amendment| amendment.at) {
            return Err(of.fault("amendments", "are not in order of time"));
        }
        let number = of.number("number", revision.number)?;
        Ok(Self {
            effective: of.span("effective_nanos", revision.effective_nanos)?,
            share: Share { revision: number, weights, index: revision.index },
            amendments,
        })
    }
}

impl From<&Revision> for proto::Revision {
    fn from(revision: &Revision) -> Self {
        Self {
            effective_nanos: revision.effective.as_u64(),
            number: revision.share.revision,
            weights: revision.share.weights.clone(),
            index: revision.share.index,
            amendments: revision.amendments.iter().map(|amendment| (*amendment).into()).collect(),
        }
    }
}

fn amendment(amendment: proto::Amendment) -> Result<Amendment, WireError> {
    use proto::amendment::Change;

    let of = Reader("Amendment");
    let scenario =
        |index: u32| of.within("scenario", index.into(), 0, MAX_SCENARIOS - 1, "").map(|_| ScenarioId(index));
    let change = match of.required("change", amendment.change)? {
        Change::Rate(change) => {
            let of = Reader("RateChange");
            // At most one per nanosecond: the highest rate that can be written.
            let per = of.within("per_nanos", change.per_nanos, 1, i64::MAX as u64, "ns")?;
            let count = of.within("count", change.count, 0, per, "in that time")?;
            LoadChange::Rate { scenario: scenario(change.scenario)?, rate: Rate::new(count, Nanos::new(per)) }
        }
        Change::Scale(change) => LoadChange::Scale {
            scenario: change.scenario.map(scenario).transpose()?,
            factor: Reader("ScaleChange").ratio("factor", change.factor)?,
        },
        Change::Pause(proto::PauseChange {}) => LoadChange::Pause,
        Change::Resume(proto::ResumeChange {}) => LoadChange::Resume,
    };
    Ok(Amendment { at: of.span("at_nanos", amendment.at_nanos)?, change })
}

impl From<Amendment> for proto::Amendment {
    fn from(amendment: Amendment) -> Self {
        use proto::amendment::Change;

        let change = match amendment.change {
            LoadChange::Rate { scenario, rate } => Change::Rate(proto::RateChange {
                scenario: scenario.0,
                count: rate.count(),
                per_nanos: rate.per().as_u64(),
            }),
            LoadChange::Scale { scenario, factor } => Change::Scale(proto::ScaleChange {
                scenario: scenario.map(|scenario| scenario.0),
                factor: factor.as_f64(),
            }),
            LoadChange::Pause => Change::Pause(proto::PauseChange {}),
            LoadChange::Resume => Change::Resume(proto::ResumeChange {}),
        };
        Self { at_nanos: amendment.at.as_u64(), change: Some(change) }
    }
}
