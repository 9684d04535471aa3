//! The session stream: bounded both ways, and never waited for.

use std::sync::Arc;

use control::FromWorker;
use control::wire::{Incoming, proto};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::contact::{Contact, ContactError};

/// Something that a stream says.
#[derive(Debug)]
pub(crate) enum Said {
    /// A message came.
    Message(Incoming),
    /// The stream is over.
    Closed(String),
}

/// A session stream; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    outbound: mpsc::Sender<proto::FromWorker>,
    task: JoinHandle<()>,
}

impl Stream {
    /// Begins to open a stream that begins with `hello`; what it says goes to `events` with its number.
    pub(crate) fn open(
        contact: Arc<Contact>,
        number: u64,
        hello: &FromWorker,
        events: mpsc::Sender<(u64, Said)>,
    ) -> Self {
        let (outbound, queue) = mpsc::channel(OUTBOUND);
        let stream = Self {
            outbound,
            task: tokio::spawn(async move {
                let why = match carry(&contact, queue, number, &events).await {
                    Ok(()) => "the controller ended the stream".to_owned(),
                    Err(error) => crate::launch::error_line(&error),
                };
                // Nobody listens when the worker is over.
                let _ = events.send((number, Said::Closed(why))).await;
            }),
        };
        stream.send(hello);
        stream
    }

    /// Says something, if there is room: whoever said it says it again when it is not answered.
    pub(crate) fn send(&self, message: &FromWorker) {
        match proto::FromWorker::try_from(message) {
            Ok(message) => drop(self.outbound.try_send(message)),
            Err(error) => tracing::error!(%error, "a message cannot be sent"),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    contact: &Contact,
    queue: mpsc::Receiver<proto::FromWorker>,
    number: u64,
    events: &mpsc::Sender<(u64, Said)>,
) -> Result<(), ContactError> {
    let mut client = contact.control().await?;
    let opened = client.session(ReceiverStream::new(queue)).await;
    let mut inbound = opened.map_err(|status| contact.status(status))?.into_inner();
    while let Some(message) = inbound.message().await.map_err(|status| contact.status(status))? {
        let message = Incoming::try_from(message)?;
        if events.send((number, Said::Message(message))).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Messages that may wait for the connection: all facts that may be out, twice.
const OUTBOUND: usize = 128;
