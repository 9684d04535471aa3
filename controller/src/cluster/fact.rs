//! What is true, whoever says it and whatever became of him.

use control::{Ack, Fact};
use units::Timestamp;

use super::{Cluster, ClusterOutput};
use crate::run::{Input, Output, Peer};

/// What became of a fact.
enum Handed {
    /// Its run has it, and said how far it has taken them, if it did.
    Over(Option<Ack>),
    /// Nobody has any use for it.
    Unused,
}

impl Cluster {
    /// Takes a fact from a session that has no stream. `None` when the run is not under way or the session took no part in
    /// it: there is nothing to keep it for.
    pub fn residual(&mut self, now: Timestamp, fact: Fact, out: &mut Vec<ClusterOutput>) -> Option<Ack> {
        self.advance(now);
        let nothing = Ack { run_id: fact.run_id, epoch: self.options.epoch, through: 0 };
        let handed = self.hand_over(fact, out);
        self.settle(out);
        match handed {
            // A run that says nothing took nothing.
            Handed::Over(ack) => Some(ack.unwrap_or(nothing)),
            Handed::Unused => None,
        }
    }

    /// Takes a fact from a stream, and says what there is to say of it. One that is of no use to anybody is acknowledged as
    /// well: it needs not be kept.
    pub(super) fn take_fact(&mut self, fact: Fact, out: &mut Vec<ClusterOutput>) -> Option<Ack> {
        let unused = Ack { run_id: fact.run_id, epoch: self.options.epoch, through: fact.seq };
        match self.hand_over(fact, out) {
            Handed::Over(ack) => ack,
            Handed::Unused => Some(unused),
        }
    }

    fn hand_over(&mut self, fact: Fact, out: &mut Vec<ClusterOutput>) -> Handed {
        let run_id = fact.run_id;
        let peer = Peer::new(fact.worker.clone(), fact.session);
        let is_wanted =
            self.runs.get(&run_id).is_some_and(|run| run.is_under_way() && run.took_part.contains(&peer));
        if !is_wanted {
            return Handed::Unused;
        }
        let mut outputs = self.ask(run_id, Input::Fact(Box::new(fact)));
        let mut said = None;
        outputs.retain(|output| match output {
            Output::Ack { to, ack } if *to == peer => {
                said = Some(*ack);
                false
            }
            _ => true,
        });
        self.carry_out(run_id, &mut outputs, out);
        Handed::Over(said)
    }
}
