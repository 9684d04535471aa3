//! The "before": the closed loop over hyper's low-level client, one connection a task on one thread. It records
//! nothing; what our own codec saves is the difference.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;

/// Sends `GET /` to `address` over each of `connections` again and again while `go_on` says so of the responses so far;
/// returns their number.
///
/// # Errors
/// When the target cannot be reached or answers anything but success.
pub fn run(
    address: &str,
    connections: usize,
    go_on: impl Fn(u64) -> bool + Clone + 'static,
) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build_local(Default::default())?;
    let responses = Rc::new(Cell::new(0_u64));
    runtime.block_on(async {
        let users: Vec<_> = (0..connections)
            .map(|_| tokio::task::spawn_local(user(address.to_owned(), go_on.clone(), Rc::clone(&responses))))
            .collect();
        for user in users {
            user.await??;
        }
        anyhow::Ok(())
    })?;
    Ok(responses.get())
}

async fn user(address: String, go_on: impl Fn(u64) -> bool, responses: Rc<Cell<u64>>) -> anyhow::Result<()> {
    let stream = tokio::net::TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    while go_on(responses.get()) {
        sender.ready().await?;
        let request = Request::get("/").header("host", &address).body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        ensure!(response.status().is_success(), "the target answered {}", response.status());
        response.into_body().collect().await?;
        responses.set(responses.get() + 1);
    }
    Ok(())
}
