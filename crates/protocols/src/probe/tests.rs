use std::net::{Ipv4Addr, TcpListener};

use plan::TlsPlan;

use super::*;

fn probe(origin: &Origin) -> Result<Probe, ProbeError> {
    super::probe(origin, &TargetPolicy::unrestricted())
}

fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
    Origin {
        scheme,
        host: host.to_owned(),
        port,
        address: None,
        tls: TlsPlan::default(),
        dns_timeout: Nanos::from_secs(10),
        connect_timeout: Nanos::from_secs(10),
        tls_timeout: Nanos::from_millis(50),
    }
}

#[test]
fn a_listening_target_is_reached() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let found = probe(&origin(Scheme::Http, "127.0.0.1", port)).unwrap();
    assert_eq!(found.addresses, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    assert_eq!((found.dns, found.tls), (None, None));
    let found = probe(&origin(Scheme::Http, "localhost", port)).unwrap();
    assert!(found.dns.is_some());
}

#[test]
fn what_cannot_be_reached_has_the_class_a_request_would_have() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let class = |origin: &Origin| probe(origin).unwrap_err().class;
    assert_eq!(class(&origin(Scheme::Https, "127.0.0.1", port)), ErrorClass::TlsTimeout);
    assert_eq!(class(&origin(Scheme::Http, "no such host.invalid", port)), ErrorClass::Dns);
    drop(listener);
    let error = probe(&origin(Scheme::Http, "127.0.0.1", port)).unwrap_err();
    assert_eq!(error.class, ErrorClass::ConnectRefused);
    assert!(error.message.contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[test]
fn a_target_that_is_not_allowed_is_not_connected_to() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let only_here = TargetPolicy::loopback_only();
    assert!(super::probe(&origin(Scheme::Http, "127.0.0.1", port), &only_here).is_ok());
    let error = super::probe(&origin(Scheme::Http, "192.0.2.1", port), &only_here).unwrap_err();
    assert_eq!(error.class, ErrorClass::ForbiddenTarget);
    assert!(error.message.contains("`--allow-target 192.0.2.1`"), "{error}");
}
