//! Encrypted connections.

use std::fs;

use testkit::Scratch;
use testkit::tls::{Authority, Clients, Subject};

use super::*;

/// A folder with an authority's certificate and a client's by it.
struct Files {
    folder: Scratch,
}

impl Files {
    fn new(authority: &Authority) -> Self {
        let folder = Scratch::new("otlp-tls");
        let client = authority.issue(Subject::Client);
        fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
        fs::write(folder.join("client.pem"), client.certificate_pem()).unwrap();
        fs::write(folder.join("client.key"), client.key_pem()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn a_receiver_is_believed_by_its_authority_and_a_client_by_its_certificate() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let (ca, chain, key) = (files.path("ca.pem"), files.path("client.pem"), files.path("client.key"));
    let trust = ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str());
    let shown =
        [trust, ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &chain), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key)];
    for way in WAYS {
        let clients = Clients::SignedBy(&authority);
        let collector = Collector::start_tls(&authority.issue(Subject::Valid), clients);
        let rig = Rig::new(collector, way, &shown);
        rig.send(0..10);
        assert_eq!(rig.close(AGES).0.acknowledged, 10, "{way:?}");

        let collector = Collector::start_tls(&authority.issue(Subject::Valid), clients);
        let rig = Rig::new(collector, way, &[trust]);
        rig.send(0..10);
        let (delivery, taken) = rig.close(AGES);
        assert_eq!((delivery.acknowledged, taken.items), (0, 0), "{way:?}");
    }
}

#[test]
fn nothing_is_sent_to_a_receiver_that_is_not_believed() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let ca = files.path("ca.pem");
    let trust = [("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str())];
    // By the public authorities nobody knows this one.
    let cases = [
        (Subject::Expired, &trust[..]),
        (Subject::WrongName, &trust[..]),
        (Subject::SelfSigned, &trust[..]),
        (Subject::Valid, &[]),
    ];
    for (subject, extra) in cases {
        for way in [WAYS[0], WAYS[3]] {
            let collector = Collector::start_tls(&authority.issue(subject), Clients::Anyone);
            let rig = Rig::new(collector, way, extra);
            rig.send(0..10);
            let (delivery, taken) = rig.close(AGES);
            assert_eq!((delivery.lost, taken.items), (10, 0), "{subject:?} {way:?}");
        }
    }
}
