//! The task that sends one signal: one batch after another, each until it is answered or given up.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::encode::Encode;
use super::route::{Item, Route};
use crate::carrier::{Answer, Carry, Payload, Reason};
use crate::ledger::Fate;

/// How often and how soon something is tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Attempts after the first one.
    pub(crate) retries: u32,
    /// The first pause; each is twice the one before it, ± 20 %.
    pub(crate) first: Duration,
    /// The longest pause of our own; a receiver may ask for longer ones.
    pub(crate) longest: Duration,
}

impl Patience {
    /// Four retries in 7.5 s: a receiver's restart, and no more than its clients' share of the load on one that is ill.
    pub(crate) const USUAL: Self =
        Self { retries: 4, first: Duration::from_millis(500), longest: Duration::from_secs(5) };

    /// The pause before retry number `retry`, counted from 0.
    fn pause(&self, retry: u32) -> Duration {
        let pause = self.first.saturating_mul(1 << retry.min(16)).min(self.longest);
        // Nothing hangs on the quality of this number, only that processes differ.
        let random = RandomState::new().hash_one(retry) % 401;
        pause.mul_f64(0.8 + random as f64 / 1_000.0)
    }
}

/// Sends what comes until the route is closed and empty. One batch is under way at a time, so nothing overtakes.
pub(crate) async fn run<T: Item>(
    route: &Route<T>,
    mut encoder: impl Encode<T>,
    mut carrier: impl Carry,
    attempt: Duration,
    patience: Patience,
) {
    // Said once when it begins and once when it is over, not for each batch.
    let mut is_failing = false;
    while let Some(batch) = route.next_batch().await {
        let failure = match encoder.encode(batch).await {
            Ok(payload) => deliver(route, &mut carrier, &payload, attempt, patience).await.err(),
            Err(error) => {
                route.give_up();
                Some(Reason::new(format!("cannot encode a batch: {error}")))
            }
        };
        let signal = T::SIGNAL.name();
        match &failure {
            Some(reason) if !is_failing => {
                tracing::warn!(signal, endpoint = route.endpoint(), %reason, "telemetry is not delivered");
            }
            None if is_failing => {
                tracing::info!(signal, endpoint = route.endpoint(), "telemetry is delivered again");
            }
            _ => {}
        }
        is_failing = failure.is_some();
    }
}

/// Sends one batch until its end is booked; the error says why the receiver does not have it.
async fn deliver<T: Item>(
    route: &Route<T>,
    carrier: &mut impl Carry,
    payload: &Payload,
    attempt: Duration,
    patience: Patience,
) -> Result<(), Reason> {
    let end = Instant::now() + Duration::from(route.batches().timeout);
    for retry in 0.. {
        let limit = attempt.min(end.saturating_duration_since(Instant::now()));
        let (reason, after) = match try_once(route, carrier, payload, limit).await {
            Ok(()) => return Ok(()),
            Err(Failure::Final(reason)) => return Err(reason),
            Err(Failure::Passing(reason, after)) => (reason, after),
        };
        let pause = patience.pause(retry).max(after.unwrap_or_default());
        if retry == patience.retries || !wait(route, pause, end).await {
            route.give_up();
            return Err(reason);
        }
        route.retry();
    }
    unreachable!("the retries end")
}

/// Why an attempt did not end its batch well.
enum Failure {
    /// The batch is booked.
    Final(Reason),
    /// It may be tried again, after this time if the receiver says so.
    Passing(Reason, Option<Duration>),
}

/// One attempt, of `limit` at most.
async fn try_once<T: Item>(
    route: &Route<T>,
    carrier: &mut impl Carry,
    payload: &Payload,
    limit: Duration,
) -> Result<(), Failure> {
    let began = Instant::now();
    match timeout(limit, carrier.connect()).await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => return Err(Failure::Passing(reason, None)),
        Err(_) => return Err(Failure::Passing(Reason::new("there is no connection in time"), None)),
    }
    let limit = limit.saturating_sub(began.elapsed());
    let Some(before) = route.expose() else {
        return Err(Failure::Final(Reason::new("there was no time left to send it")));
    };
    let answer = timeout(limit, carrier.send(payload, limit)).await;
    match answer.unwrap_or_else(|_| Answer::Silent(Reason::new("the receiver does not answer in time"))) {
        Answer::Taken { rejected } => {
            route.answered(before, Fate::Taken { rejected });
            if rejected == 0 {
                return Ok(());
            }
            Err(Failure::Final(Reason::new(format!("the receiver rejects {rejected} of a batch's items"))))
        }
        Answer::Refused(reason) => {
            route.answered(before, Fate::Rejected);
            Err(Failure::Final(reason))
        }
        Answer::Busy { after, reason } => {
            route.withdraw(before);
            Err(Failure::Passing(reason, after))
        }
        Answer::Unsent(reason) => {
            route.withdraw(before);
            Err(Failure::Passing(reason, None))
        }
        Answer::Silent(reason) => Err(Failure::Passing(reason, None)),
    }
}

/// Waits for `pause`, but for no more than half of the time there is until `end` or the end of the pipeline: an attempt
/// after it must have some left. False when there is none.
async fn wait<T: Item>(route: &Route<T>, pause: Duration, end: Instant) -> bool {
    let mut told = route.closing().subscribe();
    let began = Instant::now();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = route.closing().left().map_or(left, |closing| closing.min(left));
        if left < WORTH_WHILE {
            return false;
        }
        let pause = pause.saturating_sub(began.elapsed()).min(left / 2);
        tokio::select! {
            () = tokio::time::sleep(pause) => return true,
            // Waits less when the pipeline is closed meanwhile.
            _ = told.changed() => {}
        }
    }
}

/// The least time in which an attempt can succeed.
const WORTH_WHILE: Duration = Duration::from_millis(2);
