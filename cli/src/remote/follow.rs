//! Following a run until it is sealed, over as many connections as that takes.

use std::time::Duration;

use api::http::RunEvent;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::client::Client;
use super::error::RemoteError;
use super::events::EventStream;
use super::sequence::{Place, Sequence};

/// Follows one run. Whatever becomes of a connection, no event is told twice, none is left out, and none comes before
/// one with a lower number.
#[derive(Debug)]
pub(crate) struct Follower {
    client: Client,
    run: String,
    sequence: Sequence,
    stream: Option<EventStream>,
    backoff: Backoff,
    /// Since when the controller has not been heard.
    silent_since: Option<Instant>,
}

impl Follower {
    /// Follows `run` from its first event on.
    pub(crate) fn new(client: Client, run: String) -> Self {
        let (sequence, backoff) = (Sequence::default(), Backoff::default());
        Self { client, run, sequence, stream: None, backoff, silent_since: None }
    }

    /// Waits for the next event. Nothing is lost when this is dropped before it is ready.
    ///
    /// # Errors
    /// When the controller cannot be had for [`PATIENCE`], or refuses.
    pub(crate) async fn next(&mut self) -> Result<RunEvent, RemoteError> {
        loop {
            match self.heard().await {
                Ok(Some(event)) => match self.sequence.take(&event) {
                    Place::Next => return Ok(event),
                    Place::Seen => {}
                    Place::Gap => self.stream = None,
                },
                Ok(None) => {}
                Err(error) => {
                    self.stream = None;
                    let since = *self.silent_since.get_or_insert_with(Instant::now);
                    if !error.is_passing() || since.elapsed() >= PATIENCE {
                        return Err(error);
                    }
                    tracing::debug!(%error, "the run's events were cut off; connecting again");
                    sleep(self.backoff.next()).await;
                }
            }
        }
    }

    /// Waits for something on the stream, which is opened if there is none; `None` for a sign of life or an end that is
    /// none of the run.
    async fn heard(&mut self) -> Result<Option<RunEvent>, RemoteError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let stream = self.client.events(&self.run, self.sequence.last()).await?;
                self.stream.insert(stream)
            }
        };
        let heard = timeout(SILENCE, stream.next()).await.map_err(|_| RemoteError::Broken {
            controller: self.client.controller(),
            reason: format!("nothing came for {} s", SILENCE.as_secs()),
        })??;
        match heard {
            Some(heard) => {
                self.silent_since = None;
                self.backoff.reset();
                Ok(heard)
            }
            None => Err(RemoteError::Broken {
                controller: self.client.controller(),
                reason: "it ended the stream of events".to_owned(),
            }),
        }
    }
}

/// How long a controller may be out of reach before its run is not followed any more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Three of the comments that show that a stream lives.
const SILENCE: Duration = Duration::from_secs(45);

#[cfg(test)]
mod tests {
    use api::http::{RunEventBody, RunExit};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::connector::Connector;
    use super::*;

    /// The text of event `seq` of a run of `total`.
    fn event(seq: u64, total: u64) -> String {
        let body = if seq == total {
            RunEventBody::Sealed(RunExit { code: 0, name: "passed".to_owned(), reasons: Vec::new() })
        } else {
            RunEventBody::Incident { text: "é".repeat(seq as usize % 5) }
        };
        let event = RunEvent { seq, at: String::new(), body };
        format!("id: {seq}\nevent: x\ndata: {}\n\n", serde_json::to_string(&event).unwrap())
    }

    /// Answers one request for events: three more than the client has, each in two pieces, and half of another one.
    async fn serve(mut stream: TcpStream, total: u64) {
        let head = head(&mut stream).await;
        let after = head.lines().find_map(|line| line.strip_prefix("last-event-id: ")).unwrap();
        let after: u64 = after.parse().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hi\n\n")
            .await
            .unwrap();
        for seq in after + 1..=(after + 3).min(total) {
            let text = event(seq, total).into_bytes();
            let (first, rest) = text.split_at(text.len() / 2);
            stream.write_all(first).await.unwrap();
            stream.flush().await.unwrap();
            stream.write_all(rest).await.unwrap();
        }
        let next = event(after + 4, total);
        let cut = &next.as_bytes()[..next.len() * 2 / 3];
        // The client may have gone with what it wanted.
        let _ = stream.write_all(cut).await;
    }

    async fn head(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    }

    #[tokio::test]
    async fn a_stream_that_is_cut_again_and_again_is_followed_without_a_gap() {
        const TOTAL: u64 = 90;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, TOTAL));
            }
        });
        let client = Client::new(Connector::new(endpoint, None, None).unwrap());
        let mut follower = Follower::new(client, "r".to_owned());
        let mut seen = Vec::new();
        while seen.last() != Some(&TOTAL) {
            // Whatever else happens meanwhile does not lose an event.
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => {}
                event = follower.next() => seen.push(event.unwrap().seq),
            }
            if seen.len() < TOTAL as usize {
                let event = timeout(Duration::from_secs(60), follower.next()).await;
                seen.push(event.expect("it goes on").unwrap().seq);
            }
        }
        assert!(seen.iter().copied().eq(1..=TOTAL), "{seen:?}");
    }

    #[tokio::test]
    async fn what_will_not_go_better_is_not_tried_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            head(&mut stream).await;
            let body = r#"{"status":404,"code":"unknown_run","message":"no run"}"#;
            let answer = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((answer + body).as_bytes()).await.unwrap();
            // Until the client goes.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let client = Client::new(Connector::new(endpoint, None, None).unwrap());
        let error = Follower::new(client, "r".to_owned()).next().await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
    }
}
