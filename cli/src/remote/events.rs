//! The events of a run as they come over one connection.

use std::collections::VecDeque;

use api::http::RunEvent;
use net::dial::ReplyBody;

use super::connector::broken;
use super::error::RemoteError;
use super::sse::{SseEvent, SseParser};

/// The events of a run as they come over one connection, until that ends.
#[derive(Debug)]
pub(crate) struct EventStream {
    body: ReplyBody,
    controller: String,
    parser: SseParser,
    /// What came and was not asked for yet.
    whole: VecDeque<SseEvent>,
}

impl EventStream {
    /// Reads `body`, which comes from `controller`.
    pub(super) fn new(body: ReplyBody, controller: String) -> Self {
        Self { body, controller, parser: SseParser::default(), whole: VecDeque::new() }
    }

    /// Waits for the next event; `None` when the controller ended the stream, which it may do at any time. Signs of life
    /// between events are told as `Some(None)`. Nothing is lost when this is dropped before it is ready.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no event.
    pub(crate) async fn next(&mut self) -> Result<Option<Option<RunEvent>>, RemoteError> {
        let foreign = |reason| RemoteError::Foreign { controller: self.controller.clone(), reason };
        if self.whole.is_empty() {
            let chunk = self.body.chunk().await.map_err(|error| broken(&self.controller, error))?;
            let Some(bytes) = chunk else { return Ok(None) };
            let mut events = Vec::new();
            self.parser.feed(&bytes, &mut events).map_err(|error| foreign(error.to_string()))?;
            self.whole.extend(events);
        }
        match self.whole.pop_front() {
            None => Ok(Some(None)),
            // We were too slow, or the controller is about to end: the next connection goes on from here.
            Some(event) if event.kind == CUT => Ok(None),
            Some(event) => {
                let event = serde_json::from_str(&event.data);
                event
                    .map(|event| Some(Some(event)))
                    .map_err(|error| foreign(format!("an event cannot be read: {error}")))
            }
        }
    }
}

/// The kind of the last event on a stream that ends before the run does.
const CUT: &str = "cut";
