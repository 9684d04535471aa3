//! A small HTTPS server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};

use super::{Authority, Identity, RUNS};
use crate::acceptor::{Acceptor, Shared};

/// Which clients a server talks to.
#[derive(Clone, Copy)]
pub enum Clients<'a> {
    /// All; none is asked for a certificate.
    Anyone,
    /// Those with a certificate by this authority.
    SignedBy(&'a Authority),
}

/// An HTTPS server on the loopback address. Ends when dropped.
///
/// It answers every request without a body with status 200 and `{"sni":…,"version":…,"client":…}`: the server name
/// the client asked for (or null), the protocol version, and whether the client showed a certificate.
#[derive(Debug)]
pub struct Server {
    acceptor: Acceptor,
}

impl Server {
    /// Starts a server on a free port, TLS 1.2 and 1.3.
    ///
    /// # Panics
    /// When the kernel has no port left.
    pub fn start(identity: &Identity, clients: Clients<'_>) -> Self {
        let config = Arc::new(identity.server_config(clients));
        Self { acceptor: Acceptor::start(move |stream, _, shared| serve(&config, stream, shared)) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// Its base URL by address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// Connections accepted so far, whatever came of their handshakes.
    pub fn accepted(&self) -> u64 {
        self.acceptor.accepted()
    }

    /// Requests answered so far.
    pub fn requests(&self) -> u64 {
        self.acceptor.requests()
    }
}

impl Identity {
    /// Settings of a server that shows this identity.
    pub(crate) fn server_config(&self, clients: Clients<'_>) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect(RUNS);
        let builder = match clients {
            Clients::Anyone => builder.with_no_client_auth(),
            Clients::SignedBy(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der()).expect(RUNS);
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect(RUNS))
            }
        };
        builder.with_single_cert(self.chain(), self.key_der()).expect(RUNS)
    }
}

/// Serves until the client goes or its handshake fails.
fn serve(config: &Arc<ServerConfig>, mut socket: &TcpStream, shared: &Shared) {
    let mut connection = ServerConnection::new(Arc::clone(config)).expect(RUNS);
    let mut stream = Stream::new(&mut connection, &mut socket);
    let mut unread = Vec::new();
    let mut part = [0; 4_096];
    loop {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(len) => unread.extend_from_slice(&part[..len]),
        }
        while let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            unread.drain(..at + 4);
            shared.count_request();
            let body = describe(stream.conn);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
                return;
            }
        }
    }
}

fn describe(connection: &ServerConnection) -> String {
    // A server name holds nothing that JSON escapes.
    let sni = connection.server_name().map_or("null".to_owned(), |name| format!("\"{name}\""));
    let version = connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("unknown");
    let client = connection.peer_certificates().is_some();
    format!(r#"{{"sni":{sni},"version":"{version}","client":{client}}}"#)
}
