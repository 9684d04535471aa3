//! Facts of sessions whose authority has ended, on their way beside the session stream.

use std::collections::BTreeSet;
use std::sync::Arc;

use control::wire::proto;
use control::{Ack, Fact, RunId, SessionId};
use net::deadline::{Operation, within};
use tokio::sync::mpsc;

use super::contact::{Contact, ContactError};

/// Facts that were taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) session: SessionId,
    pub(crate) told: Vec<RunId>,
    pub(crate) acks: Vec<Ack>,
}

/// Facts that wait for the present delivery to end: what two runs may have out.
const WAITING: usize = 128;

/// Delivers facts one call after another. What fails is not tried again here: an outbox says again what nobody
/// acknowledges.
#[derive(Debug)]
pub(crate) struct Residual {
    facts: mpsc::Sender<Fact>,
}

impl Residual {
    /// Delivers over `contact`, and tells `events` what was taken.
    pub(crate) fn new(contact: Arc<Contact>, events: mpsc::Sender<Taken>) -> Self {
        let (facts, queue) = mpsc::channel(WAITING);
        tokio::spawn(deliver(contact, queue, events));
        Self { facts }
    }

    /// Delivers a fact soon, if there is room.
    pub(crate) fn send(&self, fact: Fact) {
        // What does not fit is said again by its outbox.
        let _ = self.facts.try_send(fact);
    }
}

async fn deliver(contact: Arc<Contact>, mut queue: mpsc::Receiver<Fact>, events: mpsc::Sender<Taken>) {
    while let Some(first) = queue.recv().await {
        // An acknowledgement names no session, so a call is about one.
        let session = first.session;
        let mut facts = vec![first];
        while let Ok(fact) = queue.try_recv() {
            if fact.session == session {
                facts.push(fact);
            }
        }
        let told: BTreeSet<RunId> = facts.iter().map(|fact| fact.run_id).collect();
        match submit(&contact, &facts).await {
            Ok(acks) => {
                let taken = Taken { session, told: told.into_iter().collect(), acks };
                if events.send(taken).await.is_err() {
                    break;
                }
            }
            Err(error) => tracing::debug!(%error, "facts of an ended session were not delivered"),
        }
    }
}

async fn submit(contact: &Contact, facts: &[Fact]) -> Result<Vec<Ack>, ContactError> {
    let facts = facts.iter().map(proto::Fact::try_from).collect::<Result<Vec<_>, _>>()?;
    let mut client = contact.control().await?;
    let call = client.submit_residual(tokio_stream::iter(facts));
    let reply = within(contact.meter(), Operation::Residual, &contact.peer(), call).await?;
    Ok(reply.map_err(|status| contact.status(status))?.into_inner().try_into()?)
}
