//! The thread that keeps the lease: a runtime and a connection of its own, and nothing else to do.
//!
//! An engine that takes every CPU, a session stream that stands still and a controller that reads slowly leave it alone.
//! It writes the lease's deadline as soon as an answer is there; everybody else learns of it afterwards.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use control::wire::proto;
use control::{BeatAck, SessionId};
use engine::{Lease, LeaseKeeper};
use net::deadline::Operation;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use units::{Clock, MonotonicClock, Nanos, Timestamp};

use super::contact::{Contact, ContactError};
use super::heart::{Grant, Heart, Pulse};
use crate::vitals::Vitals;

/// What is known of the lease of a session.
#[derive(Clone, Debug)]
pub(crate) struct Beating {
    pub(crate) session: SessionId,
    pub(crate) pulse: Pulse,
    /// The right to send load, once it was granted.
    pub(crate) lease: Option<Lease>,
}

/// The heartbeat's thread. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    grants: Option<watch::Sender<Option<Grant>>>,
    beating: watch::Receiver<Option<Beating>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Starts the thread; it waits for a grant.
    ///
    /// # Errors
    /// When the kernel gives no thread or no runtime.
    pub(crate) fn start(contact: Arc<Contact>, vitals: Arc<Vitals>) -> io::Result<Self> {
        let (grants, granted) = watch::channel(None);
        let (told, beating) = watch::channel(None);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let run = move || {
            runtime.block_on(Thread { contact, vitals, granted, told }.run());
            // Without waiting for look-ups of names, which nobody can end.
            runtime.shutdown_background();
        };
        let thread = Builder::new().name("heartbeat".into()).spawn(run)?;
        Ok(Self { grants: Some(grants), beating, thread: Some(thread) })
    }

    /// Keeps the lease of `grant` from now on, or none. The one before ends at once.
    pub(crate) fn keep(&self, grant: Option<Grant>) {
        if let Some(grants) = &self.grants {
            grants.send_replace(grant);
        }
    }

    /// Waits for news.
    pub(crate) async fn changed(&mut self) {
        if self.beating.changed().await.is_err() {
            // The thread is gone, and its lease with it: there will be no news.
            std::future::pending::<()>().await;
        }
    }

    /// The latest news.
    pub(crate) fn beating(&mut self) -> Option<Beating> {
        self.beating.borrow_and_update().clone()
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.grants = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

struct Thread {
    contact: Arc<Contact>,
    vitals: Arc<Vitals>,
    granted: watch::Receiver<Option<Grant>>,
    told: watch::Sender<Option<Beating>>,
}

impl Thread {
    async fn run(mut self) {
        loop {
            let grant = self.granted.borrow_and_update().clone();
            let mut granted = self.granted.clone();
            let mut lease = Held { keeper: None, lease: None };
            tokio::select! {
                changed = granted.changed() => if changed.is_err() { break },
                () = self.beat(grant, &mut lease) => {}
            }
            // Whatever comes next: this lease is over, at once.
            drop(lease);
            self.granted = granted;
        }
    }

    /// Beats for `grant` for ever, over one connection after another.
    async fn beat(&self, grant: Option<Grant>, held: &mut Held) {
        let Some(grant) = grant else { return std::future::pending().await };
        let (session, ttl) = (grant.session, grant.terms.ttl);
        let mut heart = Heart::new(grant);
        loop {
            // Half of a lease for an attempt leaves time for another one.
            let attempt =
                tokio::time::timeout(Duration::from(Nanos::new(ttl.as_u64() / 2)), self.contact.control());
            let result = match attempt.await {
                Ok(Ok(client)) => self.beat_over(client, session, &mut heart, held).await,
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no connection in half of the lease".to_owned()),
            };
            if let Err(why) = result {
                tracing::warn!(reason = %why, "the heartbeat's connection failed");
            }
            sleep(RETRY).await;
        }
    }

    /// Beats over one connection until it fails or no answer comes.
    async fn beat_over(
        &self,
        mut client: proto::control_client::ControlClient<net::dial::Http2<tonic::body::Body>>,
        session: SessionId,
        heart: &mut Heart,
        held: &mut Held,
    ) -> Result<(), String> {
        let said = |status: tonic::Status| self.contact.status(status).to_string();
        let clock = MonotonicClock;
        let (beats, outbound) = mpsc::channel(OUTBOUND);
        let mut opening = Box::pin(client.heartbeat(ReceiverStream::new(outbound)));
        let mut answers = None;
        let patience = self.contact.meter().limits().of(Operation::Beat);
        let mut heard_at = clock.now();
        loop {
            let now = clock.now();
            if now >= heard_at + patience {
                let error =
                    self.contact.meter().timed_out(Operation::Beat, &self.contact.peer(), now - heard_at);
                return Err(ContactError::from(error).to_string());
            }
            if now >= heart.next_beat() {
                let beat = heart.beat(now, self.vitals.progress());
                // A queue that is full holds beats that are older; they will do.
                let _ = beats.try_send(proto::Beat::from(&beat));
            }
            let until = heart.next_beat().min(heard_at + patience);
            tokio::select! {
                biased;
                opened = &mut opening, if answers.is_none() => answers = Some(opened.map_err(said)?.into_inner()),
                answer = next(&mut answers) => {
                    let answer = answer.map_err(said)?.ok_or("the controller ended the stream of beats")?;
                    let ack = BeatAck::try_from(answer).map_err(|error| error.to_string())?;
                    heard_at = clock.now();
                    self.hear(heard_at, session, &ack, heart, held);
                }
                () = sleep(until.saturating_since(clock.now()).into()) => {}
            }
        }
    }

    fn hear(&self, now: Timestamp, session: SessionId, ack: &BeatAck, heart: &mut Heart, held: &mut Held) {
        let superseded = heart.superseded();
        if !heart.hear(now, ack) {
            return self.vitals.add_superseded(heart.superseded() - superseded);
        }
        let pulse = heart.pulse();
        held.renew(now, pulse.lease_until);
        self.told.send_replace(Some(Beating { session, pulse, lease: held.lease.clone() }));
    }
}

/// The lease of one grant; dropped, it is over.
struct Held {
    keeper: Option<LeaseKeeper>,
    lease: Option<Lease>,
}

impl Held {
    fn renew(&mut self, now: Timestamp, until: Timestamp) {
        if let Some(keeper) = &mut self.keeper {
            keeper.renew(now, until);
        } else if until > now {
            let (keeper, lease) = Lease::until(until);
            (self.keeper, self.lease) = (Some(keeper), Some(lease));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.end(MonotonicClock.now());
        }
    }
}

/// The next answer; never while the stream is not open.
async fn next<T>(answers: &mut Option<tonic::Streaming<T>>) -> Result<Option<T>, tonic::Status> {
    match answers {
        Some(answers) => answers.message().await,
        None => std::future::pending().await,
    }
}

/// Beats that may wait for the connection: with more, none of them would keep a lease.
const OUTBOUND: usize = 8;

/// Between a connection that failed and the next attempt: a lease has time for many.
const RETRY: Duration = Duration::from_millis(200);
