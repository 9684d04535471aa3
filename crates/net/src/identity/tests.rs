//! Tests of certificates and authorities.

use super::*;
use crate::WallTime;
use units::Nanos;

const NOW: WallTime = WallTime::from_unix(1_795_267_715);

fn authority() -> Authority {
    Authority::create("c1", NOW).unwrap()
}

fn signed(authority: &Authority, worker: &str) -> Identity {
    let request = CertificateRequest::create().unwrap();
    let chain = authority.sign_worker(request.pem(), worker, NOW, Nanos::from_secs(60)).unwrap();
    request.complete(chain.as_bytes()).unwrap()
}

#[test]
fn a_worker_is_who_the_authority_says_and_for_as_long() {
    let identity = signed(&authority(), "w-1");
    let facts = identity.facts();
    assert_eq!(facts.worker.as_deref(), Some("w-1"));
    assert_eq!(facts.not_after, NOW.after(Nanos::from_secs(60)));
    assert_eq!(facts.not_before, NOW.before(Nanos::from_secs(300)), "clocks differ");
    assert_eq!(facts.serial.len(), 32);
}

#[test]
fn the_names_in_a_request_count_nothing() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["controller".to_owned()]).unwrap();
    let other = "loadgen://worker/other".try_into().unwrap();
    params.subject_alt_names.push(rcgen::SanType::URI(other));
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let chain = authority().sign_worker(&request, "w-1", NOW, Nanos::SECOND).unwrap();
    let identity = Identity::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    assert_eq!(identity.facts().worker.as_deref(), Some("w-1"));
    let (_, parsed) = x509_parser::parse_x509_certificate(&identity.chain[0]).unwrap();
    assert_eq!(parsed.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 1);
    assert!(!parsed.is_ca());
}

#[test]
fn a_request_that_is_damaged_or_for_no_worker_is_refused() {
    let authority = authority();
    let request = CertificateRequest::create().unwrap();
    let sign = |pem: &str, worker| authority.sign_worker(pem, worker, NOW, Nanos::SECOND);
    let long = "w".repeat(64);
    for worker in ["", "-w", "W", "a b", "a/b", "..", "w\n", "ü", long.as_str()] {
        assert!(matches!(sign(request.pem(), worker), Err(AuthorityError::Worker(_))), "{worker:?}");
    }
    // The last characters of the text are of the signature.
    let lines: Vec<&str> = request.pem().lines().collect();
    let last = lines[lines.len() - 2];
    let changed =
        if last.contains('A') { last.replacen('A', "B", 1) } else { last.replacen(&last[..1], "A", 1) };
    for damaged in [request.pem().replace(last, &changed), "no PEM".to_owned()] {
        assert!(matches!(sign(&damaged, "w"), Err(AuthorityError::Request(_))), "{damaged}");
    }
}

#[test]
fn an_authority_is_the_same_after_a_restart() {
    let authority = authority();
    let (certificate, key) = (authority.certificate_pem().to_owned(), authority.key_pem());
    let again = Authority::from_pem(certificate.as_bytes(), key.expose().as_bytes()).unwrap();
    assert_eq!(again.fingerprint(), authority.fingerprint());
    signed(&again, "w-2");

    let other = Authority::create("c2", NOW).unwrap();
    let mixed = Authority::from_pem(certificate.as_bytes(), other.key_pem().expose().as_bytes());
    assert!(matches!(mixed, Err(AuthorityError::NoPair)));
    assert!(matches!(Authority::from_pem(b"", b""), Err(AuthorityError::Read("key"))));
}

#[test]
fn a_fingerprint_is_read_in_the_spellings_of_other_tools() {
    let fingerprint = authority().fingerprint();
    let text = fingerprint.to_string();
    assert_eq!(text.len(), 64);
    let pairs: Vec<&str> = (0..32).map(|at| &text[2 * at..2 * at + 2]).collect();
    for spelling in [text.clone(), text.to_uppercase(), format!("sha256:{text}"), pairs.join(":")] {
        assert_eq!(spelling.parse::<Fingerprint>(), Ok(fingerprint));
    }
    assert!(text[1..].parse::<Fingerprint>().is_err());
}

#[test]
fn a_controller_is_reached_by_names_and_addresses_only() {
    let authority = authority();
    let names = ["controller.example", "127.0.0.1", "::1"].map(str::to_owned);
    let identity = authority.server(&names, NOW, Nanos::SECOND).unwrap();
    assert_eq!(identity.facts().worker, None);
    assert_eq!(identity.chain.len(), 2, "the authority's certificate is in the chain");
    let refused = authority.server(&["größer".to_owned()], NOW, Nanos::SECOND);
    assert!(matches!(refused, Err(AuthorityError::ServerName { name, .. }) if name == "größer"));
}

#[test]
fn key_and_certificate_must_be_a_pair() {
    let authority = authority();
    let (one, other) = (CertificateRequest::create().unwrap(), CertificateRequest::create().unwrap());
    let chain = authority.sign_worker(one.pem(), "w", NOW, Nanos::SECOND).unwrap();
    assert!(matches!(other.complete(chain.as_bytes()), Err(IdentityError::NoPair(_))));
    assert!(matches!(one.complete(b""), Err(IdentityError::Chain)));
}

#[test]
fn revocations_are_of_a_certificate_or_of_a_worker() {
    let authority = authority();
    let (one, two, other) = (signed(&authority, "a"), signed(&authority, "a"), signed(&authority, "b"));
    let mut revocations = Revocations::default();
    revocations.serials.insert(one.facts().serial.clone());
    let list = RevocationList::new(revocations.clone());
    assert!(list.covers(one.facts()) && !list.covers(two.facts()));
    revocations.workers.insert("a".to_owned());
    list.clone().replace(revocations);
    assert!(list.covers(two.facts()) && !list.covers(other.facts()));
}

#[test]
fn keys_show_themselves_to_nobody() {
    let authority = authority();
    let request = CertificateRequest::create().unwrap();
    let identity = signed(&authority, "w");
    let shown = format!("{authority:?} {request:?} {identity:?} {:?}", authority.key_pem());
    for key in [authority.key_pem(), request.key_pem()] {
        let body: String = key.expose().lines().filter(|line| !line.starts_with("--")).collect();
        assert!(!shown.contains(&body[..20]) && !shown.contains("PRIVATE"), "{shown}");
    }
}
