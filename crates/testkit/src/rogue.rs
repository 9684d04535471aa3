//! Clients that no server wants: many at once, silent, senseless, or never done.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a rogue says once it is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Nothing.
    Silence,
    /// The beginning of HTTP/2's preface, and no more.
    HalfPreface,
    /// The beginning of a TLS handshake, and no more.
    HalfHandshake,
    /// So many bytes that mean nothing, drawn from the seed.
    Noise(usize, u64),
    /// These bytes.
    Bytes(Vec<u8>),
}

impl Opening {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Silence => Vec::new(),
            Self::HalfPreface => b"PRI * HTTP/2.0\r\n\r\nSM".to_vec(),
            // A record that announces 512 bytes of a client's hello.
            Self::HalfHandshake => vec![0x16, 3, 1, 2, 0, 1, 0, 1],
            // A multiplicative generator: reproducible, and no protocol.
            Self::Noise(len, seed) => {
                let word = |i: u64| (seed.wrapping_add(i)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (0..*len as u64).map(|i| (word(i) >> 56) as u8).collect()
            }
            Self::Bytes(bytes) => bytes.clone(),
        }
    }
}

/// Connections that are open and say nothing more.
#[derive(Debug)]
pub struct Crowd {
    connections: Vec<TcpStream>,
}

impl Crowd {
    /// Opens `count` connections to `address`, each with this opening. Fewer are open when the server refuses some.
    ///
    /// # Errors
    /// When not even one can be opened.
    pub fn connect(address: SocketAddr, count: usize, opening: &Opening) -> io::Result<Self> {
        let bytes = opening.bytes();
        let connect = |_| {
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            // A server that has hung up already said what it thinks.
            let _ = stream.write_all(&bytes);
            Ok(stream)
        };
        let mut connections: Vec<TcpStream> = Vec::with_capacity(count);
        for number in 0..count {
            match connect(number) {
                Ok(stream) => connections.push(stream),
                Err(error) if connections.is_empty() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Self { connections })
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Reads each to its end; how many the server ended within `limit` in all.
    pub fn ended_within(mut self, limit: Duration) -> usize {
        let mut ended = 0;
        let part = (limit / self.connections.len().max(1) as u32).max(Duration::from_millis(1));
        for stream in &mut self.connections {
            // Fails only without a timeout.
            let _ = stream.set_read_timeout(Some(part));
            let mut sink = [0; 1_024];
            ended += usize::from(loop {
                match stream.read(&mut sink) {
                    Ok(1..) => {}
                    Ok(0) => break true,
                    Err(error) => {
                        break !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                    }
                }
            });
        }
        ended
    }
}

/// How long a rogue waits for a server on this machine.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{Behaviour, Server};

    #[test]
    fn a_crowd_is_there_until_it_is_sent_away() {
        let patient = Server::start(Behaviour::silent());
        let crowd = Crowd::connect(patient.address(), 20, &Opening::Silence).unwrap();
        assert_eq!((crowd.len(), crowd.is_empty()), (20, false));
        assert_eq!(crowd.ended_within(Duration::from_millis(40)), 0);
        let rude = Server::start(Behaviour::close_at_once());
        let crowd = Crowd::connect(rude.address(), 20, &Opening::Noise(50, 3)).unwrap();
        assert_eq!(crowd.ended_within(Duration::from_secs(20)), 20);
    }

    #[test]
    fn noise_is_the_same_for_the_same_seed() {
        assert_eq!(Opening::Noise(40, 1).bytes(), Opening::Noise(40, 1).bytes());
        assert_ne!(Opening::Noise(40, 1).bytes(), Opening::Noise(40, 2).bytes());
        assert!(Opening::HalfPreface.bytes().starts_with(b"PRI"));
    }
}
