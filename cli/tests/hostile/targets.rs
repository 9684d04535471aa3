//! Where a worker of a cluster sends load, whoever asks for it.

use std::net::{Ipv4Addr, TcpListener};

use api::ExitCode;
use protocols::TargetPolicy;
use target::{Config, Target};
use worker::LoadLimits;

use super::stage::{Link, Stage, document};

/// Whoever connects here has sent load where it may not. The kernel takes the unspecified address for loopback and the
/// policy does not, so what is forbidden by its address still cannot leave the machine when a check is missing.
struct Tripwire(TcpListener);

impl Tripwire {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    #[track_caller]
    fn is_whole(&self) {
        assert!(self.0.accept().is_err(), "somebody came");
    }
}

#[test]
fn a_worker_sends_nothing_to_others_until_its_operator_allows_it() {
    let stage = Stage::with_workers(Link::Tls, 2);
    let tripwire = Tripwire::new();
    let port = tripwire.port();
    // The address by itself, and as it can be dressed up.
    let hosts = ["0.0.0.0", "[::ffff:0.0.0.0]", "[::ffff:0:0]", "[::]"];
    let forms = hosts.map(|host| format!("http://{host}:{port}"));
    for url in forms {
        let run = stage.submit_to(&url, "50/s", "1s", 2);
        stage.sealed(run);
        let exit = stage.wait(stage.handle().run(run)).unwrap().exit.unwrap();
        assert_eq!(exit.code, ExitCode::RefusedByPolicy.code(), "{url}: {exit:?}");
        let reasons = exit.reasons.join("\n");
        assert!(reasons.contains("--allow-target"), "{url}: {reasons}");
        tripwire.is_whole();
    }
    // Spellings of the same address that the scenario's reader may not let through at all.
    for host in ["0", "0x00000000", "0.0.0"] {
        let run = stage.try_submit(document(&format!("http://{host}:{port}"), "50/s", "1s", ""), 2);
        if let Some(run) = run {
            stage.sealed(run);
            assert_ne!(stage.wait(stage.handle().run(run)).unwrap().exit.unwrap().code, 0, "{host}");
        }
        tripwire.is_whole();
    }
    // Loopback needs nobody's leave, before and after.
    let run = stage.submit("50/s", "1s", 2);
    stage.exact(run, 50);
}

#[test]
fn an_allowed_target_gets_its_load() {
    let mut stage = Stage::new(Link::Insecure);
    let elsewhere = Target::bind(Config::default()).unwrap();
    let port = elsewhere.address().port();
    let mut options = stage.options("w1", stage.worker_address());
    let allowed = [format!("0.0.0.0:{port}").parse().unwrap()];
    options.limits = LoadLimits { targets: TargetPolicy::allowing(allowed), ..LoadLimits::default() };
    let worker = stage.start(options);
    stage.workers.push(worker);
    stage.await_ready(1);
    let run = stage.submit_to(&format!("http://0.0.0.0:{port}"), "50/s", "1s", 1);
    let result = stage.result(run);
    assert_eq!((result.totals.requests.attempted, elsewhere.stats().arrivals), (50, 50));
    // Another port of the same address is another target.
    let tripwire = Tripwire::new();
    let run = stage.submit_to(&format!("http://0.0.0.0:{}", tripwire.port()), "50/s", "1s", 1);
    stage.sealed(run);
    let exit = stage.wait(stage.handle().run(run)).unwrap().exit.unwrap();
    assert_eq!(exit.code, ExitCode::RefusedByPolicy.code(), "{exit:?}");
    tripwire.is_whole();
}

#[test]
fn a_worker_makes_no_more_load_than_its_operator_allows() {
    let mut stage = Stage::new(Link::Insecure);
    let mut options = stage.options("w1", stage.worker_address());
    options.limits.max_rate = Some("100/s".parse().unwrap());
    let worker = stage.start(options);
    stage.workers.push(worker);
    stage.await_ready(1);
    let run = stage.submit("101/s", "1s", 1);
    stage.sealed(run);
    let exit = stage.wait(stage.handle().run(run)).unwrap().exit.unwrap();
    assert_eq!(exit.code, ExitCode::RefusedByPolicy.code(), "{exit:?}");
    assert!(exit.reasons.join("\n").contains("--max-rate"), "{exit:?}");
    assert_eq!(stage.arrived(), 0);
    let run = stage.submit("100/s", "1s", 1);
    stage.exact(run, 100);
}
