//! What workers say, and what follows at once.

use control::{Ack, CommandId, Fact, FactBody};
use units::Nanos;

use super::{Output, Peer, Record, RunMachine, Store};
use crate::session::Reception;

impl<S: Store> RunMachine<S> {
    /// Takes a fact if it is the session's next one, and acknowledges what was taken. What a worker did that was given up
    /// meanwhile is still true.
    pub(super) fn take(&mut self, fact: Box<Fact>, out: &mut Vec<Output>) {
        let who = Peer::new(fact.worker.clone(), fact.session);
        let index = self.fold.position(&who).filter(|_| fact.run_id == self.spec.run_id);
        let Some(index) = index else {
            self.refused_facts += 1;
            return out.push(Output::Release { to: who });
        };
        let link = &mut self.links[index];
        link.silent = Nanos::ZERO;
        link.last_fact = link.last_fact.max(fact.seq);
        if self.fold.sessions[index].reception(fact.seq) == Reception::Next {
            let is_prepared = matches!(fact.body, FactBody::Prepared(_));
            self.record(Record::FactAccepted { at: self.now, fact });
            if is_prepared {
                self.give_weight(index);
            }
        }
        self.acknowledge(index, out);
    }

    /// A session's stream is open: it hears again what it may have missed, and how far it was heard.
    pub(super) fn attach(&mut self, who: &Peer, applied: CommandId, last_fact: u64, out: &mut Vec<Output>) {
        let Some(index) = self.fold.position(who) else {
            return out.push(Output::Release { to: who.clone() });
        };
        let session = &self.fold.sessions[index];
        let link = &mut self.links[index];
        link.silent = Nanos::ZERO;
        link.last_fact = link.last_fact.max(last_fact);
        link.is_back = session.loss.is_some() && !session.is_quarantined();
        link.is_released = false;
        link.outbox.applied(applied);
        link.outbox.resend();
        self.acknowledge(index, out);
    }

    fn acknowledge(&self, index: usize, out: &mut Vec<Output>) {
        let session = &self.fold.sessions[index];
        let ack = Ack { run_id: self.spec.run_id, epoch: self.spec.epoch, through: session.acked };
        out.push(Output::Ack { to: session.peer(), ack });
    }
}
