//! The state machine: what it holds, and how its runs' words are carried out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use api::http::{RunEventBody, RunExit, RunState};
use control::{
    ClusterId, CommandBody, ControllerMessage, Epoch, FromController, LeaseTerms, LeaveMode, RunId, WorkerId,
};
use units::{Nanos, Timestamp};

use super::idempotency::Requests;
use super::link::Link;
use super::member::{Member, Standing};
use super::run::{Run, Stage};
use super::{Build, ClusterOutput, LinkId, WallClock};
use crate::limits::Limits;
use crate::run::{Input, Output, Peer};

/// What a cluster goes by.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Its name.
    pub cluster: ClusterId,
    /// The controller's life.
    pub epoch: Epoch,
    /// The program's version.
    pub version: String,
    /// How leases are kept.
    pub lease: LeaseTerms,
    /// Workers it takes; 1,000.
    pub max_workers: u32,
    /// How long a worker that makes load may show no progress before it is given up; 10 s.
    pub stuck_limit: Nanos,
    /// Runs that may wait; 16.
    pub queue: usize,
    /// How long a run may wait; 5 min.
    pub queue_limit: Nanos,
    /// The bounds on every wait of a run; from the last worker's being prepared to slot 0 at least 500 ms.
    pub limits: Limits,
    /// Results that are kept; 64.
    pub kept_runs: usize,
    /// Memory the kept results and their events may take; 256 MiB. The last one is kept whatever it takes.
    pub kept_bytes: usize,
    /// For labels.
    pub wall: WallClock,
}

impl ClusterOptions {
    /// The defaults, for a cluster of this name in this life of its controller.
    pub fn new(cluster: ClusterId, epoch: Epoch, version: String, wall: WallClock) -> Self {
        Self {
            cluster,
            epoch,
            version,
            lease: LeaseTerms::default(),
            max_workers: 1_000,
            stuck_limit: Nanos::from_secs(10),
            queue: 16,
            queue_limit: Nanos::from_secs(300),
            limits: Limits { start_lead: START_LEAD, paused: Some(LONGEST_PAUSE), ..Limits::default() },
            kept_runs: 64,
            kept_bytes: 256 << 20,
            wall,
        }
    }
}

/// Workers and runs of one controller. See the [module](super).
#[derive(Debug)]
pub struct Cluster {
    pub(super) options: ClusterOptions,
    /// The last instant it was called at: it never goes back behind it.
    pub(super) now: Timestamp,
    /// When leases are looked at next; called much later than this, the controller was asleep.
    pub(super) next_check: Timestamp,
    /// The counter of the last token.
    pub(super) last_token: u64,
    pub(super) members: BTreeMap<WorkerId, Member>,
    pub(super) links: BTreeMap<LinkId, Link>,
    /// The stream of each session that has one.
    pub(super) streams: BTreeMap<Peer, LinkId>,
    pub(super) last_link: u64,
    /// All runs that are kept; their names rise with time.
    pub(super) runs: BTreeMap<RunId, Run>,
    /// Those that wait, in order of submission.
    pub(super) queue: VecDeque<RunId>,
    /// Those that are over, in the order in which they ended.
    pub(super) over: VecDeque<RunId>,
    /// The last that were over and are not kept any more.
    pub(super) forgotten: VecDeque<RunId>,
    pub(super) requests: Requests,
    pub(super) is_shutting_down: bool,
    has_said_farewell: bool,
    /// Whether workers or runs became free, so that the queue is to be looked at.
    pub(super) is_queue_stale: bool,
}

impl Cluster {
    /// Makes a cluster without workers and runs.
    pub fn new(now: Timestamp, options: ClusterOptions) -> Self {
        Self {
            options,
            now,
            next_check: Timestamp::NEVER,
            last_token: 0,
            members: BTreeMap::new(),
            links: BTreeMap::new(),
            streams: BTreeMap::new(),
            last_link: 0,
            runs: BTreeMap::new(),
            queue: VecDeque::new(),
            over: VecDeque::new(),
            forgotten: VecDeque::new(),
            requests: Requests::default(),
            is_shutting_down: false,
            has_said_farewell: false,
            is_queue_stale: false,
        }
    }

    /// When [`Cluster::tick`] is due.
    pub fn wake_at(&self) -> Timestamp {
        let runs = self.runs.values().filter_map(|run| match &run.stage {
            Stage::UnderWay(machine) => Some(machine.wake_at()),
            Stage::Queued { until, .. } => Some(*until),
            Stage::Building | Stage::Over { .. } => None,
        });
        runs.min().unwrap_or(Timestamp::NEVER).min(self.next_check)
    }

    /// Does what is due by the clock.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<ClusterOutput>) {
        self.advance(now);
        if self.now >= self.next_check {
            self.check_leases(out);
        }
        let due: Vec<RunId> =
            self.runs.iter().filter(|(_, run)| run.is_due(self.now)).map(|(id, _)| *id).collect();
        for id in due {
            self.step(id, Input::Tick, out);
        }
        self.expire_queue(out);
        self.settle(out);
    }

    /// Asks for the end: nothing new is taken, runs are stopped, and workers sent away when all are over.
    pub fn shut_down(&mut self, now: Timestamp, out: &mut Vec<ClusterOutput>) {
        self.advance(now);
        self.is_shutting_down = true;
        let kept: Vec<RunId> = self.runs.keys().copied().collect();
        for id in kept {
            self.stop_for_the_end(id, out);
        }
        self.settle(out);
    }

    /// Whether everything is over after [`Cluster::shut_down`].
    pub const fn has_ended(&self) -> bool {
        self.has_said_farewell
    }

    /// Whether work can be taken.
    ///
    /// # Errors
    /// Says why not.
    pub fn readiness(&self) -> Result<(), String> {
        if self.is_shutting_down {
            return Err("the controller is shutting down".to_owned());
        }
        if self.queue.len() >= self.options.queue {
            return Err(format!("{} runs wait already", self.queue.len()));
        }
        Ok(())
    }

    /// Tells a run that something happened, and carries out what it says.
    pub(super) fn step(&mut self, id: RunId, input: Input, out: &mut Vec<ClusterOutput>) {
        let mut outputs = self.ask(id, input);
        self.carry_out(id, &mut outputs, out);
    }

    /// Tells a run that something happened; nothing when it is not under way.
    pub(super) fn ask(&mut self, id: RunId, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        if let Some(Stage::UnderWay(machine)) = self.runs.get_mut(&id).map(|run| &mut run.stage) {
            machine.step(self.now, input, &mut outputs);
        }
        outputs
    }

    /// Carries out what a run said.
    pub(super) fn carry_out(&mut self, id: RunId, outputs: &mut Vec<Output>, out: &mut Vec<ClusterOutput>) {
        for output in outputs.drain(..) {
            match output {
                Output::Command { to, command } => self.command(id, &to, command, out),
                Output::Ack { to, ack } => self.tell(&to, ControllerMessage::Ack(ack), out),
                Output::Release { to } => self.release(id, &to, out),
                Output::Live(view) => {
                    let workers = self.members.values().filter(|member| member.run == Some(id)).count();
                    let Some(run) = self.runs.get_mut(&id) else { continue };
                    let live = super::status::live(&view, workers as u32);
                    run.live = Some(live.clone());
                    self.log(id, RunEventBody::Live(live), out);
                }
                Output::Event(event) => self.follow(id, event, out),
                Output::Sealed => self.sealed(id, out),
            }
        }
    }

    /// A command goes only to a session that has authority: one that was fenced stops by itself.
    fn command(&mut self, id: RunId, to: &Peer, command: control::Command, out: &mut Vec<ClusterOutput>) {
        if let (CommandBody::Start { at }, Some(run)) = (&command.body, self.runs.get_mut(&id)) {
            run.started_at.get_or_insert(*at);
        }
        let under_way = self.runs.get(&id).and_then(|run| match &run.stage {
            Stage::UnderWay(machine) => Some(machine),
            _ => None,
        });
        let is_stopped = under_way.is_some_and(|machine| machine.fold().stop.is_some());
        let Some(member) = self.members.get_mut(&to.worker) else { return };
        if member.enrol.session != to.session || !member.is_live() || member.run != Some(id) {
            return;
        }
        // A worker that leaves is told first that nothing is its own any more. A beat would overtake that, and it would
        // book what others carry.
        let has_a_turn = member.leaving.is_some() && !is_stopped;
        if let CommandBody::Stop(mode) = command.body
            && !has_a_turn
        {
            let told = member.stop.filter(|(run, _)| *run == id).map(|(_, mode)| mode);
            member.stop = Some((id, told.max(Some(mode)).unwrap_or(mode)));
        }
        self.tell(to, ControllerMessage::Command(Box::new(command)), out);
    }

    /// A session has nothing more to do with a run.
    fn release(&mut self, id: RunId, to: &Peer, out: &mut Vec<ClusterOutput>) {
        let Some(member) = self.members.get_mut(&to.worker) else { return };
        if member.enrol.session != to.session || member.run != Some(id) {
            return;
        }
        member.run = None;
        member.stop = None;
        self.is_queue_stale = true;
        if member.leaving.is_some() {
            self.send_away(&to.worker.clone(), out);
        }
    }

    /// Lets a worker go that has nothing to do any more.
    pub(super) fn send_away(&mut self, worker: &WorkerId, out: &mut Vec<ClusterOutput>) {
        let token = self.next_token();
        let Some(member) = self.members.get_mut(worker) else { return };
        member.standing = Standing::Gone { since: self.now };
        member.token = token;
        let peer = member.peer();
        self.tell(&peer, ControllerMessage::Farewell, out);
    }

    fn sealed(&mut self, id: RunId, out: &mut Vec<ClusterOutput>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let Stage::UnderWay(machine) = std::mem::replace(&mut run.stage, Stage::Building) else { return };
        let submission = run.submission.clone();
        out.push(ClusterOutput::Build(Box::new(Build { sealed: machine.into_sealed(), submission })));
        let workers: Vec<Peer> =
            self.members.values().filter(|member| member.run == Some(id)).map(Member::peer).collect();
        for worker in workers {
            self.release(id, &worker, out);
        }
        self.is_queue_stale = true;
    }

    /// Ends a run that never began.
    pub(super) fn end_unbegun(
        &mut self,
        id: RunId,
        exit: api::ExitCode,
        why: String,
        out: &mut Vec<ClusterOutput>,
    ) {
        self.queue.retain(|queued| *queued != id);
        let exit = RunExit { code: exit.code(), name: exit.name().to_owned(), reasons: vec![why] };
        self.end(id, super::Outcome { exit, result: None, bytes: 0 }, out);
    }

    /// Takes what came of a run after [`ClusterOutput::Build`].
    pub fn built(
        &mut self,
        now: Timestamp,
        id: RunId,
        outcome: super::Outcome,
        out: &mut Vec<ClusterOutput>,
    ) {
        self.advance(now);
        if self.runs.get(&id).is_some_and(|run| matches!(run.stage, Stage::Building)) {
            self.end(id, outcome, out);
        }
        self.settle(out);
    }

    /// Appends an event to a run's log and shows it.
    pub(super) fn log(&mut self, id: RunId, body: RunEventBody, out: &mut Vec<ClusterOutput>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if let RunEventBody::State { state, .. } = body {
            run.state = state;
        }
        let event = run.log.push(self.options.wall.label(self.now), body);
        out.push(ClusterOutput::Event { run: id, event });
    }

    /// Notes a state that a run reached, once.
    pub(super) fn reach(
        &mut self,
        id: RunId,
        state: RunState,
        note: Option<String>,
        out: &mut Vec<ClusterOutput>,
    ) {
        if self.runs.get(&id).is_some_and(|run| run.state != state) {
            self.log(id, RunEventBody::State { state, note }, out);
        }
    }

    /// Says something to a session, if it has a stream.
    pub(super) fn tell(&self, to: &Peer, body: ControllerMessage, out: &mut Vec<ClusterOutput>) {
        if let Some(link) = self.streams.get(to) {
            self.say(*link, body, out);
        }
    }

    /// Says something on a stream.
    pub(super) fn say(&self, link: LinkId, body: ControllerMessage, out: &mut Vec<ClusterOutput>) {
        let Self { options, .. } = self;
        let message = Box::new(FromController { cluster: options.cluster, epoch: options.epoch, body });
        out.push(ClusterOutput::Send { link, message });
    }

    /// Brings waiting runs and free workers together, and ends when all is over.
    pub(super) fn settle(&mut self, out: &mut Vec<ClusterOutput>) {
        while std::mem::take(&mut self.is_queue_stale) {
            self.fill(out);
        }
        let is_over = self.runs.values().all(|run| matches!(run.stage, Stage::Over { .. }));
        if self.is_shutting_down && is_over && !self.has_said_farewell {
            self.has_said_farewell = true;
            let there: BTreeSet<WorkerId> = self
                .members
                .iter()
                .filter(|(_, member)| member.is_live())
                .map(|(worker, _)| worker.clone())
                .collect();
            for worker in there {
                self.send_away(&worker, out);
            }
            let links: Vec<LinkId> = self.links.keys().copied().collect();
            for link in links {
                self.close(link, out);
            }
        }
    }

    /// How a worker shall go; nothing for one that is not there.
    pub(super) fn let_go(
        &mut self,
        worker: &WorkerId,
        mode: LeaveMode,
        by: crate::run::Actor,
        out: &mut Vec<ClusterOutput>,
    ) {
        let Some(member) = self.members.get_mut(worker).filter(|member| member.is_live()) else { return };
        member.leaving = Some(mode);
        let (run, who) = (member.run, member.peer());
        match run {
            Some(run) => self.step(run, Input::Leave { who, mode, by }, out),
            None => self.send_away(worker, out),
        }
        self.is_queue_stale = true;
    }
}

/// Long enough for the order to start to reach workers whose round trip is not known yet.
const START_LEAD: Nanos = Nanos::from_millis(500);

/// A run that somebody paused and forgot gives its workers free again.
const LONGEST_PAUSE: Nanos = Nanos::from_secs(3_600);
