//! TLS: certificates are verified unless told otherwise, and what fails is a measurement of its own class.

use testkit::tls::{Authority, Clients, Server, Subject};

use crate::harness::Place;

const COMMON: [&str; 8] = ["-n", "10", "-c", "2", "--no-out", "--format", "json", "--no-preflight"];

#[test]
fn a_certificate_is_trusted_when_its_authority_is_given_or_nothing_is_verified() {
    let place = Place::new("https");
    let authority = Authority::new();
    place.write("ca.pem", authority.pem());
    let server = Server::start(&authority.issue(Subject::Valid), Clients::Anyone);
    for trust in [&["--cacert", "ca.pem"][..], &["-k"]] {
        let before = server.requests();
        let outcome = place.loadgen(&[&["http", &server.url()], trust, &COMMON].concat());
        let result = outcome.result();
        outcome.expect_load();
        assert_eq!(result.totals.requests.succeeded, 10);
        assert_eq!(server.requests() - before, 10);
        assert!(
            result.totals.phases.tls_us.as_ref().unwrap().count >= 1,
            "handshakes are a series of their own"
        );
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_an_error_of_class_tls() {
    let place = Place::new("https-untrusted");
    let authority = Authority::new();
    place.write("ca.pem", authority.pem());
    for (subject, trust) in [
        (Subject::Valid, &[][..]),
        (Subject::Expired, &["--cacert", "ca.pem"]),
        (Subject::WrongName, &["--cacert", "ca.pem"]),
    ] {
        let server = Server::start(&authority.issue(subject), Clients::Anyone);
        let outcome = place.loadgen(&[&["http", &server.url()], trust, &COMMON].concat());
        let result = outcome.result();
        outcome.expect(99);
        let errors: Vec<_> = result.totals.errors.iter().map(|e| (e.class.as_str(), e.count)).collect();
        assert_eq!(errors, [("tls", 10)]);
        assert_eq!(server.requests(), 0);
    }
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let place = Place::new("https-client");
    let authority = Authority::new();
    let client = authority.issue(Subject::Client);
    place.write("ca.pem", authority.pem());
    place.write("client.pem", client.certificate_pem());
    place.write("client.key", client.key_pem());
    let server = Server::start(&authority.issue(Subject::Valid), Clients::SignedBy(&authority));
    let url = server.url();
    let known = ["http", &url, "--cacert", "ca.pem", "--cert", "client.pem", "--key", "client.key"];
    let outcome = place.loadgen(&[&known[..], &COMMON].concat());
    let result = outcome.result();
    outcome.expect_load();
    assert_eq!((result.totals.requests.succeeded, server.requests()), (10, 10));
    place.loadgen(&[&known[..4], &COMMON].concat()).expect(99);
    assert_eq!(server.requests(), 10);
}
