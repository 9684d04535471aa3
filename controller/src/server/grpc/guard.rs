//! What goes wrong in one call stays in it.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;

/// An answer to a request.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// An answer that is INTERNAL if making it panics.
pub(super) struct Guarded(pub(super) Answer);

impl Future for Guarded {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Whatever the call had in its hands goes with it: it is not polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Ok(broken().into_http())))
    }
}

/// Runs what fills a stream, in a task of its own, then `after`, and ends the stream with what came of it.
pub(super) fn fill<T: Send + 'static>(
    stream: mpsc::Sender<Result<T, Status>>,
    work: impl Future<Output = Result<(), Status>> + Send + 'static,
    after: impl Future<Output = ()> + Send + 'static,
) {
    tokio::spawn(async move {
        // A task of its own holds a panic, too.
        let worked = tokio::spawn(work).await.unwrap_or_else(|_| Err(broken()));
        after.await;
        if let Err(status) = worked {
            // A peer that does not read does not learn why; that must not keep the task.
            let _ = timeout(LAST_WORD, stream.send(Err(status))).await;
        }
    });
}

fn broken() -> Status {
    Status::internal("the controller failed in this call; its log says how")
}

/// How long the last word on a stream may take.
const LAST_WORD: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_call_is_an_answer() {
        let panics: Answer = Box::pin(async { panic!("on purpose") });
        let answer = Guarded(panics).await.unwrap();
        assert_eq!(Status::from_header_map(answer.headers()).unwrap().code(), Code::Internal);
    }

    #[tokio::test]
    async fn a_panic_behind_a_stream_ends_the_stream_after_what_follows_it() {
        let (stream, mut seen) = mpsc::channel::<Result<(), Status>>(1);
        let (after, ran) = tokio::sync::oneshot::channel();
        fill(stream, async { panic!("on purpose") }, async {
            after.send(()).unwrap();
        });
        ran.await.unwrap();
        assert_eq!(seen.recv().await.unwrap().unwrap_err().code(), Code::Internal);
        assert!(seen.recv().await.is_none());
    }
}
