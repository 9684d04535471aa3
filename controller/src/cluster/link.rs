//! Session streams.

use control::{Ack, CommandId, ControllerMessage, FromWorker, LeaseToken, RunId, RunStanding, WorkerMessage};
use units::Timestamp;

use super::{Cluster, ClusterOutput, LinkId, SessionRefusal};
use crate::run::{Actor, Input, Output, Peer};

/// An open session stream.
#[derive(Debug)]
pub(super) struct Link {
    peer: Peer,
    /// The token it was told it has lost to: once is enough, until there is a newer one.
    fenced_by: Option<LeaseToken>,
}

impl Cluster {
    /// Opens a session stream by its first message. An older stream of the same session is ended. A session that has no
    /// authority any more may still hand over what it knows of runs in which it took part.
    ///
    /// # Errors
    /// When the message is no hello or the session is not known.
    pub fn open(
        &mut self,
        now: Timestamp,
        hello: FromWorker,
        out: &mut Vec<ClusterOutput>,
    ) -> Result<LinkId, SessionRefusal> {
        self.advance(now);
        let WorkerMessage::Hello { runs } = hello.body else { return Err(SessionRefusal::NoHello) };
        if self.has_ended() {
            return Err(SessionRefusal::Ended);
        }
        let peer = Peer::new(hello.worker, hello.session);
        let is_member =
            self.members.get(&peer.worker).is_some_and(|member| member.enrol.session == peer.session);
        let took_part = || self.runs.values().any(|run| run.is_under_way() && run.took_part.contains(&peer));
        if !is_member && !took_part() {
            return Err(SessionRefusal::Unknown);
        }
        if let Some(old) = self.streams.get(&peer).copied() {
            self.close(old, out);
        }
        self.last_link += 1;
        let link = LinkId(self.last_link);
        self.links.insert(link, Link { peer: peer.clone(), fenced_by: None });
        self.streams.insert(peer.clone(), link);
        self.greet(link, &peer, hello.token, &runs, out);
        self.settle(out);
        Ok(link)
    }

    /// Takes what a worker said on a stream. A stream on which somebody speaks for another is ended.
    pub fn said(&mut self, now: Timestamp, id: LinkId, message: FromWorker, out: &mut Vec<ClusterOutput>) {
        self.advance(now);
        let Some(link) = self.links.get(&id) else { return };
        let peer = link.peer.clone();
        let speaks_for = |worker, session| peer.worker == worker && peer.session == session;
        let speaks_for_itself = speaks_for(message.worker, message.session)
            && match &message.body {
                WorkerMessage::Fact(fact) => speaks_for(fact.worker.clone(), fact.session),
                _ => true,
            };
        // A token that was never granted is no word of this cluster.
        if !speaks_for_itself || message.token > self.latest_token() {
            self.close(id, out);
            self.settle(out);
            return;
        }
        let has_authority = self.has_authority(&peer, message.token);
        match message.body {
            WorkerMessage::Hello { runs } => self.greet(id, &peer, message.token, &runs, out),
            WorkerMessage::Fact(fact) => {
                if let Some(ack) = self.take_fact(*fact, out) {
                    self.say(id, ControllerMessage::Ack(ack), out);
                }
            }
            WorkerMessage::Applied { run_id, through } if has_authority => {
                self.step(run_id, Input::Applied { who: peer.clone(), through }, out);
            }
            WorkerMessage::Leave(mode) if has_authority => {
                let by = Actor::worker(&peer.worker);
                self.let_go(&peer.worker, mode, by, out);
            }
            WorkerMessage::Applied { .. } | WorkerMessage::Leave(_) => {}
        }
        if !has_authority {
            self.tell_fenced(id, &peer, out);
        }
        self.settle(out);
    }

    /// Takes note that a stream ended.
    pub fn closed(&mut self, now: Timestamp, id: LinkId) {
        self.advance(now);
        self.forget_link(id);
    }

    pub(super) fn close(&mut self, id: LinkId, out: &mut Vec<ClusterOutput>) {
        self.forget_link(id);
        out.push(ClusterOutput::Close { link: id });
    }

    fn forget_link(&mut self, id: LinkId) {
        if let Some(link) = self.links.remove(&id)
            && self.streams.get(&link.peer) == Some(&id)
        {
            self.streams.remove(&link.peer);
        }
    }

    /// Answers a hello: how far each run was taken that the session names, then what it has not applied, then, if it can
    /// be given work, some.
    fn greet(
        &mut self,
        link: LinkId,
        peer: &Peer,
        token: LeaseToken,
        named: &[RunStanding],
        out: &mut Vec<ClusterOutput>,
    ) {
        let mut acks = Vec::new();
        let mut said: Vec<(RunId, Vec<Output>)> = Vec::new();
        let took_part = |cluster: &Self, id: &RunId| {
            cluster.runs.get(id).is_some_and(|run| run.is_under_way() && run.took_part.contains(peer))
        };
        for RunStanding { run_id, applied, last_fact } in named.iter().take(MOST_RUNS).copied() {
            if !took_part(self, &run_id) {
                continue;
            }
            let epoch = self.options.epoch;
            let mut outputs = self.ask(run_id, Input::Attached { who: peer.clone(), applied, last_fact });
            // Nothing taken is an answer too: a run without one would be forgotten.
            let mut ack = Ack { run_id, epoch, through: 0 };
            outputs.retain(|output| match output {
                Output::Ack { to, ack: said } if to == peer => {
                    ack = *said;
                    false
                }
                _ => true,
            });
            acks.push(ack);
            said.push((run_id, outputs));
        }
        let at_work = self.members.get(&peer.worker).filter(|member| member.enrol.session == peer.session);
        let unnamed = at_work
            .and_then(|member| member.run)
            .filter(|run| said.iter().all(|(named, _)| named != run) && took_part(self, run));
        if let Some(run) = unnamed {
            let nothing = Input::Attached { who: peer.clone(), applied: CommandId(0), last_fact: 0 };
            let outputs = self.ask(run, nothing);
            said.push((run, outputs));
        }
        self.say(link, ControllerMessage::Welcome { acks }, out);
        for (run, mut outputs) in said {
            self.carry_out(run, &mut outputs, out);
        }
        if self.has_authority(peer, token) {
            self.offer(&peer.worker, out);
        } else {
            self.tell_fenced(link, peer, out);
        }
    }

    /// Whether what a session says under `token` counts.
    fn has_authority(&self, peer: &Peer, token: LeaseToken) -> bool {
        self.members.get(&peer.worker).is_some_and(|member| {
            member.is_live() && member.enrol.session == peer.session && member.token == token
        })
    }

    /// Tells a session once which token counts.
    fn tell_fenced(&mut self, id: LinkId, peer: &Peer, out: &mut Vec<ClusterOutput>) {
        let current = self.members.get(&peer.worker).map_or(self.latest_token(), |member| member.token);
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.fenced_by.replace(current) != Some(current) {
            self.say(id, ControllerMessage::Fenced { current }, out);
        }
    }
}

/// Runs a session may name in one hello; it keeps facts of a handful.
const MOST_RUNS: usize = 64;
