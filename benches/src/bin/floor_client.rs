//! The floor: the least a client can do. One epoll, one `send` and one `recv` a request, no checks but the status
//! line and the size. What `loadgen` needs above this is the price of measuring.
//!
//! `floor_client ADDRESS CONNECTIONS SECONDS` prints the number of responses.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags};
use units::{Clock, MonotonicClock, Nanos};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut next = |what: &str| args.next().with_context(|| format!("{what} is missing"));
    let address: SocketAddr = next("ADDRESS")?.parse()?;
    let connections: usize = next("CONNECTIONS")?.parse()?;
    let duration = Nanos::from_secs(next("SECONDS")?.parse()?);

    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: floor\r\n\r\n");
    let request = request.as_bytes();
    let mut buffer = vec![0_u8; 65_536];
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut sockets = Vec::with_capacity(connections);
    for index in 0..connections {
        let socket = std::net::TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        epoll::add(&poll, &socket, EventData::new_u64(index as u64), EventFlags::IN | EventFlags::ET)?;
        rustix::net::send(&socket, request, SendFlags::empty())?;
        sockets.push(socket);
    }
    let mut events = Vec::with_capacity(connections);
    let (mut responses, mut size) = (0_u64, None);
    let until = MonotonicClock.now() + duration;
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        let over = MonotonicClock.now() >= until;
        for event in &events {
            let socket = &sockets[event.data.u64() as usize];
            let (_, read) = rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty())?;
            ensure!(buffer[..read].starts_with(b"HTTP/1.1 200"), "the target answered something else");
            ensure!(*size.get_or_insert(read) == read, "the target answered {read} bytes, before {size:?}");
            responses += 1;
            if !over {
                rustix::net::send(socket, request, SendFlags::empty())?;
            }
        }
        if over {
            break;
        }
    }
    println!("{responses}");
    Ok(())
}
