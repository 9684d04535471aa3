use super::*;

fn pem() -> (Arc<[u8]>, Arc<[u8]>) {
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    (made.cert.pem().into_bytes().into(), made.signing_key.serialize_pem().into_bytes().into())
}

fn refused(plan: &TlsPlan, host: &str) -> String {
    TlsSetup::new(plan, host).unwrap_err().to_string()
}

#[test]
fn settings_that_are_fine_are_taken() {
    let (cert, key) = pem();
    TlsSetup::new(&TlsPlan::default(), "a.test").unwrap();
    TlsSetup::new(&TlsPlan::default(), "127.0.0.1").unwrap();
    let plan = TlsPlan {
        ca: Some(cert.clone()),
        cert: Some(cert),
        key: Some(key),
        verify: false,
        server_name: Some("b.test".into()),
    };
    assert_eq!(TlsSetup::new(&plan, "a.test").unwrap().name, ServerName::try_from("b.test").unwrap());
}

#[test]
fn settings_that_are_of_no_use_say_what_to_do() {
    let (cert, key) = pem();
    let text = |text: &str| -> Option<Arc<[u8]>> { Some(text.as_bytes().into()) };
    let plan = TlsPlan::default;
    assert_eq!(
        refused(&TlsPlan { ca: text("no PEM at all"), ..plan() }, "a"),
        "there is no certificate in the CA file; give a PEM file that holds at least one"
    );
    assert_eq!(
        refused(&TlsPlan { ca: text("-----BEGIN CERTIFICATE-----\nAAAA"), ..plan() }, "a"),
        "cannot read the CA file as PEM; give a file with `-----BEGIN …-----` lines"
    );
    assert_eq!(
        refused(
            &TlsPlan { ca: text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), ..plan() },
            "a"
        ),
        "a certificate in the CA file cannot be used as an authority; give the CA's own certificate"
    );
    assert_eq!(
        refused(&TlsPlan { cert: Some(cert.clone()), ..plan() }, "a"),
        "a client certificate needs both `cert` and `key`; the key is missing"
    );
    assert_eq!(
        refused(&TlsPlan { cert: Some(cert.clone()), key: text("no key"), ..plan() }, "a"),
        "cannot read the private key as PEM; give a file with `-----BEGIN …-----` lines"
    );
    let (other, _) = pem();
    assert_eq!(
        refused(&TlsPlan { cert: Some(other), key: Some(key), ..plan() }, "a"),
        "the client certificate and its key cannot be used; check that they belong together"
    );
    assert_eq!(
        refused(&TlsPlan { server_name: Some("not a name".into()), ..plan() }, "a"),
        "`not a name` is neither a host name nor an IP address"
    );
}
