//! Receivers that say more than they are asked.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::Settings;

/// Longer than anything here takes on the busiest machine.
const HANG: Duration = Duration::from_secs(30);

/// An HTTP/2 frame on the connection itself.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, 0, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn what_a_receiver_echoes_is_in_no_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let receiver = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(&frame(4, &[])).await?;
        // The whole request is there.
        let mut heard = Vec::new();
        while !heard.ends_with(b"spans") {
            stream.read_buf(&mut heard).await?;
        }
        // No stream was looked at, and it is to calm down (GOAWAY).
        let goaway = [&[0, 0, 0, 0, 0, 0, 0, 11][..], b"Bearer s3cret"].concat();
        stream.write_all(&frame(7, &goaway)).await?;
        while stream.read_buf(&mut heard).await? > 0 {}
        io::Result::Ok(())
    });
    let variables = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(format!("http://{address}")),
        "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("grpc".to_owned()),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("authorization=Bearer%20s3cret".to_owned()),
        _ => None,
    };
    let settings = Settings::from_variables(variables).unwrap();
    let to = settings.traces.unwrap();
    let mut carrier = Carrier::new(Signal::Traces, &to, "test".to_owned());
    let payload = Payload { bytes: Bytes::from_static(b"spans"), is_gzip: false };
    let said = timeout(HANG, async {
        match carrier.connect().await {
            Err(reason) => format!("{reason}"),
            Ok(()) => format!("{:?}", carrier.send(&payload, HANG).await),
        }
    });
    let said = said.await.unwrap();
    assert!(said.contains("connection error received") && !said.contains("s3cret"), "{said}");
    drop(carrier);
    receiver.abort();
}

#[test]
fn a_reason_is_one_line_of_bounded_length() {
    let error = io::Error::other(format!("names\n\u{1b}[31m{}", "x".repeat(10_000)));
    let reason = Reason::of(&error).to_string();
    assert_eq!(reason.chars().count(), MOST_WORDS);
    assert!(reason.starts_with("names  [31mxx"), "{reason}");
}
