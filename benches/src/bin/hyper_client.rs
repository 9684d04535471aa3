//! The "before": the same closed loop over hyper's low-level client, one connection a task on one thread. It records
//! nothing. What our own codec saves is the difference to `loadgen http`.
//!
//! `hyper_client ADDRESS CONNECTIONS SECONDS` prints the number of responses.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::cell::Cell;
use std::rc::Rc;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use units::{Clock, MonotonicClock, Nanos, Timestamp};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut next = |what: &str| args.next().with_context(|| format!("{what} is missing"));
    let address = next("ADDRESS")?;
    let connections: usize = next("CONNECTIONS")?.parse()?;
    let until = MonotonicClock.now() + Nanos::from_secs(next("SECONDS")?.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build_local(Default::default())?;
    let responses = Rc::new(Cell::new(0_u64));
    runtime.block_on(async {
        let users: Vec<_> = (0..connections)
            .map(|_| tokio::task::spawn_local(user(address.clone(), until, Rc::clone(&responses))))
            .collect();
        for user in users {
            user.await??;
        }
        anyhow::Ok(())
    })?;
    println!("{}", responses.get());
    Ok(())
}

async fn user(address: String, until: Timestamp, responses: Rc<Cell<u64>>) -> anyhow::Result<()> {
    let stream = tokio::net::TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    while MonotonicClock.now() < until {
        sender.ready().await?;
        let request = Request::get("/").header("host", &address).body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        ensure!(response.status().is_success(), "the target answered {}", response.status());
        response.into_body().collect().await?;
        responses.set(responses.get() + 1);
    }
    Ok(())
}
