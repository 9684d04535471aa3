//! Runs that wait, and workers that are free.

use std::collections::BTreeSet;

use api::ExitCode;
use api::http::{RunEventBody, RunState, Submitted};
use control::{RunId, WorkerId};
use scenario::Rejoin;
use units::{Nanos, Timestamp};

use super::idempotency::{Requests, Standing};
use super::member::Member;
use super::run::{Run, Stage};
use super::{Cluster, ClusterOutput, Request, Submission, SubmitError};
use crate::run::{Input, Output, RunMachine, RunSpec};

impl Cluster {
    /// The run that a request made before, if it came before.
    ///
    /// # Errors
    /// When its key is none, or stands for another body.
    pub fn repeated(&self, now: Timestamp, request: &Request) -> Result<Option<RunId>, SubmitError> {
        let most = Requests::LONGEST_KEY;
        if request.key.is_empty() || request.key.len() > most {
            return Err(SubmitError::Key { most });
        }
        match self.requests.standing(self.now.max(now), request) {
            Standing::New => Ok(None),
            Standing::Repeated(run) => Ok(Some(run)),
            Standing::Conflict(run) => Err(SubmitError::Conflict { run }),
        }
    }

    /// Puts a run in the queue; it leaves it at once if its workers are there. The same request again is the same run.
    ///
    /// # Errors
    /// When the key stands for another body or too many runs wait.
    pub fn submit(
        &mut self,
        now: Timestamp,
        submission: Submission,
        request: Request,
        out: &mut Vec<ClusterOutput>,
    ) -> Result<Submitted, SubmitError> {
        self.advance(now);
        if let Some(run) = self.repeated(self.now, &request)? {
            return Ok(Submitted { run_id: run.to_string(), repeated: true });
        }
        if self.is_shutting_down {
            return Err(SubmitError::Ended);
        }
        if self.queue.len() >= self.options.queue {
            return Err(SubmitError::QueueFull { limit: self.options.queue, retry_after: RETRY_AFTER });
        }
        let run_id = submission.run_id;
        let run = Run::new(self.now, submission, self.now + self.options.queue_limit);
        self.runs.insert(run_id, run);
        self.requests.take(self.now, request, run_id);
        self.queue.push_back(run_id);
        self.log(run_id, RunEventBody::State { state: RunState::Queued, note: None }, out);
        self.is_queue_stale = true;
        self.settle(out);
        self.set_deadlines();
        Ok(Submitted { run_id: run_id.to_string(), repeated: false })
    }

    /// Starts what can be started. Who waits for longer is served first: free workers that suit it are kept for it, so
    /// that later runs with smaller wishes do not starve it.
    pub(super) fn fill(&mut self, out: &mut Vec<ClusterOutput>) {
        let mut kept: BTreeSet<WorkerId> = BTreeSet::new();
        for id in self.queue.clone() {
            let Some(run) = self.runs.get(&id) else { continue };
            let submission = &run.submission;
            let suiting: Vec<&Member> =
                self.members.values().filter(|member| member.suits(submission)).collect();
            let wanted = submission.expect_workers.max(1) as usize;
            let is_free = |member: &&&Member| {
                member.run.is_none()
                    && self.streams.contains_key(&member.peer())
                    && !kept.contains(&member.enrol.worker)
            };
            let free: Vec<WorkerId> =
                suiting.iter().filter(is_free).map(|member| member.enrol.worker.clone()).collect();
            if free.len() >= wanted {
                self.start(id, &free, out);
            } else {
                let is_short = suiting.len() < wanted;
                kept.extend(free);
                self.wait(id, is_short, out);
            }
        }
        self.set_deadlines();
    }

    /// Notes what a run waits for.
    fn wait(&mut self, id: RunId, is_short: bool, out: &mut Vec<ClusterOutput>) {
        let Some(run) = self.runs.get(&id) else { return };
        let waits_for = self.shortage(run);
        let now = self.now;
        let Some(run) = self.runs.get_mut(&id) else { return };
        if let Stage::Queued { short_since, .. } = &mut run.stage {
            *short_since = is_short.then(|| short_since.unwrap_or(now));
        }
        if run.waits_for.as_ref() != Some(&waits_for) {
            run.waits_for = Some(waits_for.clone());
            let body = RunEventBody::State { state: RunState::Queued, note: Some(waits_for) };
            self.log(id, body, out);
        }
    }

    /// What a run has too little of, for people.
    fn shortage(&self, run: &Run) -> String {
        let submission = &run.submission;
        let wanted = submission.expect_workers.max(1);
        let live: Vec<&Member> = self.members.values().filter(|member| member.is_live()).collect();
        let count = |is: &dyn Fn(&Member) -> bool| live.iter().filter(|member| is(member)).count();
        let suiting = count(&|member| member.suits(submission));
        let busy = count(&|member| member.suits(submission) && member.run.is_some());
        let detached =
            count(&|member| member.suits(submission) && !self.streams.contains_key(&member.peer()));
        let mut text = if live.is_empty() {
            format!("no worker is enrolled, {wanted} wanted; start one with `loadgen worker --join …`")
        } else {
            format!("{suiting} of {wanted} workers are there")
        };
        let unlabelled = count(&|member| !member.has_labels(submission));
        let mut add = |number: usize, what: &str| {
            if number > 0 {
                text.push_str(&format!("; {number} {what}"));
            }
        };
        add(busy, "of them work for another run");
        add(detached, "of them have no session stream");
        add(unlabelled, "more lack the labels that are asked for");
        let labelled: Vec<&&Member> = live.iter().filter(|member| member.has_labels(submission)).collect();
        for task in submission.tasks() {
            let without = labelled.iter().filter(|member| !member.enrol.tasks.iter().any(|has| has == task));
            add(without.count(), &format!("more do not have the task `{task}`"));
        }
        text
    }

    /// When each queued run ends at the latest.
    fn set_deadlines(&mut self) {
        let limit = self.options.queue_limit;
        for id in &self.queue {
            let Some(run) = self.runs.get_mut(id) else { continue };
            let (created_at, wait) = (run.created_at, run.submission.wait);
            if let Stage::Queued { until, short_since } = &mut run.stage {
                let whole = created_at + limit;
                *until = short_since.map_or(whole, |since| since.saturating_add(wait).min(whole));
            }
        }
    }

    /// Ends what waited for too long.
    pub(super) fn expire_queue(&mut self, out: &mut Vec<ClusterOutput>) {
        for id in self.queue.clone() {
            let Some(run) = self.runs.get(&id) else { continue };
            if let Stage::Queued { until, .. } = run.stage
                && until <= self.now
            {
                let waited =
                    Nanos::from_millis(self.now.saturating_since(run.created_at).as_u64() / 1_000_000);
                let why = format!("the run waited {waited} and did not start: {}", self.shortage(run));
                self.end_unbegun(id, ExitCode::ClusterUnavailable, why, out);
                self.is_queue_stale = true;
            }
        }
    }

    /// Makes a run of free workers.
    fn start(&mut self, id: RunId, workers: &[WorkerId], out: &mut Vec<ClusterOutput>) {
        self.queue.retain(|queued| *queued != id);
        let mut specs: Vec<_> =
            workers.iter().filter_map(|name| Some(self.members.get(name)?.spec())).collect();
        let weights: Vec<u32> = specs.iter().map(|spec| spec.weight).collect();
        for (spec, weight) in specs.iter_mut().zip(fitted(&weights)) {
            spec.weight = weight;
        }
        let Some(run) = self.runs.get_mut(&id) else { return };
        let submission = &run.submission;
        let peers: Vec<_> = specs.iter().map(crate::run::WorkerSpec::peer).collect();
        let options = &submission.workload.options;
        let spec = RunSpec {
            run_id: id,
            epoch: self.options.epoch,
            document: submission.document.clone(),
            files: submission.contents(),
            plan: submission.plan.clone(),
            layout: submission.layout.clone(),
            thresholds: submission.workload.thresholds.clone(),
            workers: specs,
            threads: options.threads,
            preflight: submission.preflight,
            limits: self.options.limits,
            policy: options.loss,
            once: None,
            revisable: true,
        };
        let machine = match RunMachine::new(self.now, spec) {
            Ok(machine) => machine,
            Err(error) => {
                let why = format!("the run cannot be dealt to its workers: {error}");
                return self.end_unbegun(id, ExitCode::InternalError, why, out);
            }
        };
        run.stage = Stage::UnderWay(Box::new(machine));
        run.waits_for = None;
        run.places = workers.to_vec();
        run.took_part.extend(peers);
        for worker in workers {
            if let Some(member) = self.members.get_mut(worker) {
                member.run = Some(id);
                member.progress.1 = self.now;
            }
        }
        self.reach(id, RunState::Preparing, None, out);
        self.step(id, Input::Tick, out);
    }

    /// Finds work for a worker that has just come: the run that it, or an earlier life of it, worked for; else one that
    /// waits; else one under way that takes it.
    pub(super) fn offer(&mut self, worker: &WorkerId, out: &mut Vec<ClusterOutput>) {
        let is_free = |cluster: &Self| {
            cluster.members.get(worker).is_some_and(|member| member.run.is_none() && member.leaving.is_none())
        };
        let heir_to = self.members.get_mut(worker).and_then(|member| member.heir_to.take());
        if let Some(heir_to) = &heir_to
            && self.runs.get(&heir_to.run).is_some_and(|run| run.is_under_way() && self.may_join(run, worker))
        {
            self.join(heir_to.run, worker, out);
        }
        // A run that has another life of the worker has given the earlier one up already; it hears nothing new then.
        self.give_up(heir_to, out);
        let suiting: Vec<(RunId, bool)> = self
            .runs
            .iter()
            .filter(|(_, run)| run.is_under_way() && self.may_join(run, worker))
            .map(|(id, run)| (*id, run.places.contains(worker)))
            .collect();
        for (id, _) in suiting.iter().filter(|(_, was_there)| *was_there) {
            if is_free(self) {
                self.join(*id, worker, out);
            }
        }
        self.is_queue_stale = true;
        self.settle(out);
        let is_awaited = self
            .queue
            .iter()
            .filter_map(|id| self.runs.get(id))
            .any(|run| self.members.get(worker).is_some_and(|member| member.suits(&run.submission)));
        for (id, _) in suiting.iter().filter(|(_, was_there)| !*was_there) {
            if is_free(self) && !is_awaited {
                self.join(*id, worker, out);
            }
        }
    }

    fn may_join(&self, run: &Run, worker: &WorkerId) -> bool {
        let Some(member) = self.members.get(worker) else { return false };
        let submission = &run.submission;
        submission.workload.options.loss.rejoin == Rejoin::NextRevision
            && member.suits(submission)
            // One life of a worker takes part in a run once: its facts there are numbered through.
            && !run.took_part.contains(&member.peer())
    }

    fn join(&mut self, id: RunId, worker: &WorkerId, out: &mut Vec<ClusterOutput>) {
        let now = self.now;
        let (Some(run), Some(member)) = (self.runs.get_mut(&id), self.members.get_mut(worker)) else {
            return;
        };
        let (spec, peer) = (member.spec(), member.peer());
        member.run = Some(id);
        member.progress.1 = now;
        run.took_part.insert(peer.clone());
        if !run.places.contains(worker) {
            run.places.push(worker.clone());
        }
        let mut outputs = self.ask(id, Input::Join(Box::new(spec)));
        let is_refused = outputs.iter().any(|output| matches!(output, Output::Release { to } if *to == peer));
        if is_refused
            && let Some(run) = self.runs.get_mut(&id)
            && run.places.last() == Some(worker)
        {
            run.places.pop();
        }
        self.carry_out(id, &mut outputs, out);
    }
}

/// Weights of the same proportions that leave room for as much again: what can be dealt is bounded, and workers may come
/// later. Nobody is left with nothing.
fn fitted(weights: &[u32]) -> Vec<u32> {
    let sum: u64 = weights.iter().copied().map(u64::from).sum();
    let count = weights.len() as u64;
    if sum <= MOST_WEIGHT || count >= MOST_WEIGHT {
        return weights.to_vec();
    }
    let share = |weight: u32| u64::from(weight) * (MOST_WEIGHT - count) / sum + 1;
    weights.iter().map(|weight| share(*weight) as u32).collect()
}

/// Half of what can be dealt.
const MOST_WEIGHT: u64 = 2_048;
/// When whoever found the queue full may ask again.
const RETRY_AFTER: Nanos = Nanos::from_secs(5);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weights_that_fit_are_left_alone() {
        assert_eq!(fitted(&[1, 2, 3]), [1, 2, 3]);
        assert_eq!(fitted(&[2_048]), [2_048]);
        assert_eq!(fitted(&[1_024, 1_024, 2_048]), [512, 512, 1_023]);
    }

    proptest! {
        #[test]
        fn fitted_weights_can_be_dealt_and_leave_nobody_out(weights in prop::collection::vec(1_u32..1_025, 1..1_001)) {
            let fitted = fitted(&weights);
            prop_assert!(fitted.iter().all(|weight| *weight > 0));
            prop_assert!(fitted.iter().map(|weight| u64::from(*weight)).sum::<u64>() <= MOST_WEIGHT);
        }
    }
}
