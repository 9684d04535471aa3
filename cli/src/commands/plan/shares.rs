//! Who of several workers carries what.

use plan::{LoadModel, RunPlan, ScenarioId, ShareError};
use report::figures::count;
use serde::Serialize;

use super::forecast::ScenarioForecast;

/// The plan dealt to workers.
#[derive(Debug, Serialize)]
pub(super) struct Shares {
    /// Their weights, in their order.
    pub(super) weights: Vec<u32>,
    /// In the order of the file.
    pub(super) scenarios: Vec<ScenarioShares>,
}

/// One scenario dealt to workers; every list has one number for each.
#[derive(Debug, Serialize)]
pub(super) struct ScenarioShares {
    pub(super) name: String,
    /// Virtual users; `null` where their number is left to the machines.
    pub(super) users: Option<Vec<u64>>,
    /// Slots of each stage; `null` where the scenario's iterations are, or random arrivals are too many to count.
    pub(super) slots_by_stage: Option<Vec<Vec<u64>>>,
    /// Iterations of a quota; `null` without one.
    pub(super) iterations: Option<Vec<u64>>,
}

impl Shares {
    /// Deals `plan`, of which `forecasts` tells the slots, by `weights`.
    ///
    /// # Errors
    /// When they cannot be dealt.
    pub(super) fn of(
        plan: &RunPlan,
        forecasts: &[ScenarioForecast],
        weights: Vec<u32>,
    ) -> Result<Self, ShareError> {
        let shares = controller::assignment::shares(&weights)?;
        let scenarios = (0..).zip(&plan.scenarios).zip(forecasts).map(|((id, scenario), forecast)| {
            // One thread of a share is the whole share.
            let deal = |share| scenario.load.deal(ScenarioId(id), share, 1);
            let dealt = shares.iter().map(deal).collect::<Result<Vec<_>, _>>()?;
            let of_all = |total: u64| dealt.iter().map(|dealing| dealing.count(0, total)).collect::<Vec<_>>();
            let slots_by_stage =
                forecast.stages.iter().try_fold((0, Vec::new()), |(before, mut rows), stage| {
                    let after = before + stage.slots?;
                    let (until, from) = (of_all(after), of_all(before));
                    rows.push(until.iter().zip(&from).map(|(until, from)| until - from).collect());
                    Some((after, rows))
                });
            let quota = match &scenario.load {
                LoadModel::SharedIterations { iterations, .. } => Some(*iterations),
                LoadModel::ArrivalRate { .. } | LoadModel::VirtualUsers { .. } => None,
            };
            Ok(ScenarioShares {
                name: forecast.name.clone(),
                users: forecast.max_vus.map(|users| of_all(users.into())),
                slots_by_stage: slots_by_stage.map(|(_, rows)| rows),
                iterations: quota.map(of_all),
            })
        });
        Ok(Self { scenarios: scenarios.collect::<Result<_, _>>()?, weights })
    }

    /// As a table for people: a row for each thing that is dealt, a column for each worker.
    pub(super) fn text(&self) -> String {
        let row = |name: &str, cells: &[u64]| {
            let shown = cells.iter().take(MOST_COLUMNS).map(|cell| format!(" {:>11}", count(*cell)));
            let rest = if cells.len() > MOST_COLUMNS { "  …" } else { "" };
            format!("  {name:<17}{}{rest}\n", shown.collect::<String>())
        };
        let weights: Vec<u64> = self.weights.iter().copied().map(u64::from).collect();
        let numbers: Vec<u64> = (1..=weights.len() as u64).collect();
        let mut text = String::from("\nshares\n");
        text.push_str(&row("worker", &numbers));
        text.push_str(&row("weight", &weights));
        for scenario in &self.scenarios {
            text.push_str(&format!("  {}\n", scenario.name));
            if let Some(users) = &scenario.users {
                text.push_str(&row("  users", users));
            }
            for (stage, slots) in scenario.slots_by_stage.iter().flatten().enumerate() {
                text.push_str(&row(&format!("  slots, stage {}", stage + 1), slots));
            }
            if let Some(iterations) = &scenario.iterations {
                text.push_str(&row("  iterations", iterations));
            }
        }
        text
    }
}

/// As many as fit on a line; the JSON form has all.
const MOST_COLUMNS: usize = 10;
