//! TLS: who is trusted, what is measured, what goes wrong.

use std::net::SocketAddr;

use metrics::{ErrorClass, Outcome};
use plan::{Origin, RequestPlan, Scheme, Template, TlsPlan};
use testkit::hostile;
use testkit::tls::{Authority, Clients, Server, Subject};
use units::Nanos;

use crate::driver::{Driver, drive, origin, request};

fn secure(address: SocketAddr, tls: TlsPlan) -> Origin {
    Origin { scheme: Scheme::Https, tls, ..origin(address) }
}

fn trusting(authority: &Authority) -> TlsPlan {
    TlsPlan { ca: Some(authority.pem().into_bytes().into()), ..TlsPlan::default() }
}

#[test]
fn a_trusted_server_is_spoken_to_and_its_handshake_measured() {
    let authority = Authority::new();
    let server = Server::start(&authority.issue(Subject::Valid), Clients::Anyone);
    // Of several records.
    let header = ("X-Large".to_owned(), Template::literal(vec![b'x'; 100_000]));
    let large = RequestPlan { headers: vec![header], ..request("GET") };
    drive(async {
        let origin = secure(server.address(), trusting(&authority));
        let driver = Driver::new(origin, vec![request("GET"), large]);
        let first = driver.run(0).await;
        assert_eq!(first.outcome, Outcome::Succeeded);
        assert!(first.phases.connect.is_some() && first.phases.tls.is_some());
        let second = driver.run(1).await;
        assert_eq!((second.outcome, second.phases.tls), (Outcome::Succeeded, None));
        assert!(second.sent_bytes > 100_000);
        assert_eq!((driver.gauges().opened, driver.gauges().reused), (1, 1));
    });
}

#[test]
fn only_who_can_be_trusted_is_unless_nobody_is_asked() {
    let authority = Authority::new();
    for subject in [Subject::Expired, Subject::NotYetValid, Subject::WrongName, Subject::SelfSigned] {
        let server = Server::start(&authority.issue(subject), Clients::Anyone);
        drive(async {
            let driver = Driver::new(secure(server.address(), trusting(&authority)), vec![request("GET")]);
            assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::Tls), "{subject:?}");
            assert_eq!(driver.gauges().open, 0);
            let blind = TlsPlan { verify: false, ..TlsPlan::default() };
            let driver = Driver::new(secure(server.address(), blind), vec![request("GET")]);
            assert_eq!(driver.outcome(0).await, Outcome::Succeeded, "{subject:?}");
        });
    }
}

#[test]
fn another_name_can_be_asked_for_and_the_public_roots_do_not_know_ours() {
    let authority = Authority::new();
    let server = Server::start(&authority.issue(Subject::WrongName), Clients::Anyone);
    drive(async {
        let named = TlsPlan { server_name: Some("elsewhere.example".into()), ..trusting(&authority) };
        let driver = Driver::new(secure(server.address(), named.clone()), vec![request("GET")]);
        assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
        let public = TlsPlan { ca: None, ..named };
        let driver = Driver::new(secure(server.address(), public), vec![request("GET")]);
        assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::Tls));
    });
}

#[test]
fn a_server_may_ask_who_we_are() {
    let authority = Authority::new();
    let server = Server::start(&authority.issue(Subject::Valid), Clients::SignedBy(&authority));
    let client = authority.issue(Subject::Client);
    drive(async {
        let known = TlsPlan {
            cert: Some(client.certificate_pem().into_bytes().into()),
            key: Some(client.key_pem().into_bytes().into()),
            ..trusting(&authority)
        };
        let driver = Driver::new(secure(server.address(), known), vec![request("GET")]);
        assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
        let driver = Driver::new(secure(server.address(), trusting(&authority)), vec![request("GET")]);
        assert!(matches!(driver.outcome(0).await, Outcome::Failed(_)));
    });
}

#[test]
fn a_server_without_tls_fails_the_handshake_or_its_bound() {
    for (behaviour, class) in [
        (hostile::Behaviour::answer(*b"HTTP/1.1 400 Bad Request\r\n\r\n"), ErrorClass::TlsTimeout),
        (hostile::Behaviour::silent(), ErrorClass::TlsTimeout),
        (hostile::Behaviour::answer_unasked(), ErrorClass::Tls),
        (hostile::Behaviour::close_at_once(), ErrorClass::Tls),
    ] {
        let server = hostile::Server::start(behaviour);
        drive(async {
            let bounded = Origin {
                tls_timeout: Nanos::from_millis(100),
                ..secure(server.address(), TlsPlan::default())
            };
            let driver = Driver::new(bounded, vec![request("GET")]);
            assert_eq!(driver.outcome(0).await, Outcome::Failed(class));
            assert_eq!(driver.gauges().open, 0);
        });
    }
}
