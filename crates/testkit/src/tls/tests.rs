use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, StreamOwned};

use super::*;

/// Connects as `name`, sends a request and returns the body; else the error of TLS.
fn ask(
    server: &Server,
    authority: &Authority,
    name: &str,
    client: Option<&Identity>,
) -> Result<String, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_auth_cert(identity.chain(), identity.key_der()).unwrap(),
    };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(server.address()).unwrap());
    let mut exchange = || {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")?;
        let mut answer = String::new();
        let mut part = [0; 1_000];
        while !answer.ends_with('}') {
            let len = stream.read(&mut part)?;
            assert!(len > 0, "closed after {answer:?}");
            answer.push_str(std::str::from_utf8(&part[..len]).unwrap());
        }
        Ok(answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    };
    exchange().map_err(|error: std::io::Error| error.downcast::<Error>().unwrap())
}

#[test]
fn a_valid_certificate_is_accepted_by_name_and_by_address() {
    let authority = Authority::new();
    let server = Server::start(&authority.issue(Subject::Valid), Clients::Anyone);
    let by_name = ask(&server, &authority, "localhost", None).unwrap();
    assert_eq!(by_name, r#"{"sni":"localhost","version":"TLSv1_3","client":false}"#);
    let by_address = ask(&server, &authority, "127.0.0.1", None).unwrap();
    assert_eq!(by_address, r#"{"sni":null,"version":"TLSv1_3","client":false}"#);
    assert_eq!((server.accepted(), server.requests()), (2, 2));
}

#[test]
fn bad_certificates_are_refused_for_what_is_bad_about_them() {
    let authority = Authority::new();
    let refusal = |subject| {
        let server = Server::start(&authority.issue(subject), Clients::Anyone);
        match ask(&server, &authority, "localhost", None) {
            Err(Error::InvalidCertificate(error)) => error,
            other => panic!("{subject:?}: {other:?}"),
        }
    };
    assert!(matches!(refusal(Subject::Expired), CertificateError::ExpiredContext { .. }));
    assert!(matches!(refusal(Subject::NotYetValid), CertificateError::NotValidYetContext { .. }));
    assert!(matches!(refusal(Subject::WrongName), CertificateError::NotValidForNameContext { .. }));
    assert_eq!(refusal(Subject::SelfSigned), CertificateError::UnknownIssuer);
}

#[test]
fn a_stranger_is_not_trusted() {
    let authority = Authority::new();
    let server = Server::start(&authority.issue(Subject::Valid), Clients::Anyone);
    let error = ask(&server, &Authority::new(), "localhost", None).unwrap_err();
    assert!(matches!(error, Error::InvalidCertificate(_)), "{error}");
    assert_eq!((server.accepted(), server.requests()), (1, 0));
}

#[test]
fn clients_without_the_wanted_certificate_are_sent_away() {
    let authority = Authority::new();
    let server = Server::start(&authority.issue(Subject::Valid), Clients::SignedBy(&authority));
    let client = authority.issue(Subject::Client);
    let answer = ask(&server, &authority, "localhost", Some(&client)).unwrap();
    assert!(answer.ends_with(r#""client":true}"#), "{answer}");
    let error = ask(&server, &authority, "localhost", None).unwrap_err();
    assert!(matches!(error, Error::AlertReceived(_)), "{error}");
    let stranger = Authority::new().issue(Subject::Client);
    let error = ask(&server, &authority, "localhost", Some(&stranger)).unwrap_err();
    assert!(matches!(error, Error::AlertReceived(_)), "{error}");
    assert_eq!(server.requests(), 1);
}

#[test]
fn identities_are_written_as_pem() {
    let identity = Authority::default().issue(Subject::Client);
    assert!(identity.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(identity.key_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
}
