//! A minimal target: one thread, one epoll, a constant answer, and its own count of what it received.
//!
//! `epoll_server` listens on a free loopback port and prints it. A request whose path begins with `/stats` is answered
//! with the number of other requests so far. Ends when its standard input does.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: epoll\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";
const LISTENER: u64 = u64::MAX;
const STDIN: u64 = u64::MAX - 1;

fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?.port());
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    epoll::add(&poll, std::io::stdin(), EventData::new_u64(STDIN), EventFlags::IN)?;
    let mut sockets: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Vec::with_capacity(1_024);
    let mut buffer = vec![0_u8; 65_536];
    let mut requests = 0_u64;
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            match event.data.u64() {
                STDIN => {
                    if std::io::stdin().read(&mut [0])? == 0 {
                        return Ok(());
                    }
                }
                LISTENER => {
                    while let Ok((socket, _)) = listener.accept() {
                        socket.set_nodelay(true)?;
                        socket.set_nonblocking(true)?;
                        let data = EventData::new_u64(sockets.len() as u64);
                        epoll::add(&poll, &socket, data, EventFlags::IN | EventFlags::ET)?;
                        sockets.push(Some(socket));
                    }
                }
                index => {
                    let place = &mut sockets[index as usize];
                    let Some(socket) = place else { continue };
                    match rustix::net::recv(&*socket, &mut buffer[..], RecvFlags::empty()) {
                        Ok((_, 0)) | Err(rustix::io::Errno::CONNRESET) => *place = None,
                        Ok((_, read)) if buffer[..read].starts_with(b"GET /stats") => {
                            let body = format!("{requests}\n");
                            let head =
                                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                            rustix::net::send(&*socket, head.as_bytes(), SendFlags::NOSIGNAL)?;
                        }
                        Ok((_, read)) => {
                            // Clients of a benchmark send whole requests, one at a time.
                            anyhow::ensure!(buffer[..read].ends_with(b"\r\n\r\n"), "half a request");
                            requests += 1;
                            rustix::net::send(&*socket, ANSWER, SendFlags::NOSIGNAL)?;
                        }
                        Err(rustix::io::Errno::AGAIN) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
    }
}
