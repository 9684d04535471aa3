//! Where a worker of a cluster sends load, whoever asks for it.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use api::ExitCode;
use protocols::TargetPolicy;
use target::{Config, Target};
use worker::LoadLimits;

use super::stage::{Link, Stage, document};

/// An address of this machine that others could have: that of the interface by which it would reach anybody. Nothing is
/// sent to find it. `None` on a machine without a network, which has no target but itself.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

/// Whoever connects here has sent load where it may not.
struct Tripwire(TcpListener);

impl Tripwire {
    fn at(address: IpAddr) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    #[track_caller]
    fn is_whole(&self) {
        assert!(self.0.accept().is_err(), "somebody came");
    }
}

#[test]
fn a_worker_sends_nothing_to_others_until_its_operator_allows_it() {
    let Some(address) = own_address() else { return };
    let stage = Stage::with_workers(Link::Tls, 2);
    let tripwire = Tripwire::at(address);
    let port = tripwire.address().port();
    // The address by itself, and as it can be dressed up.
    let IpAddr::V4(v4) = address else { panic!("an IPv4 socket has the address {address}") };
    let number = u32::from(v4);
    let [a, b, c, d] = v4.octets();
    let forms = [
        format!("http://{v4}:{port}"),
        format!("http://[::ffff:{v4}]:{port}"),
        format!("http://[::ffff:{:x}:{:x}]:{port}", number >> 16, number & 0xffff),
        format!("http://[64:ff9b::{v4}]:{port}"),
        // The unspecified address leads to this machine, but nobody has to know that.
        format!("http://0.0.0.0:{port}"),
    ];
    for url in forms {
        let run = stage.submit_to(&url, "50/s", "1s", 2);
        stage.sealed(run);
        let exit = stage.wait(stage.handle().run(run)).unwrap().exit.unwrap();
        assert_eq!(exit.code, ExitCode::RefusedByPolicy.code(), "{url}: {exit:?}");
        let reasons = exit.reasons.join("\n");
        assert!(reasons.contains("--allow-target"), "{url}: {reasons}");
        tripwire.is_whole();
    }
    // Spellings of the same address that the scenario's reader does not let through at all.
    for host in [format!("{number}"), format!("0x{number:08x}"), format!("{a:#o}.{b:#o}.{c:#o}.{d:#o}")] {
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
    let Some(address) = own_address() else { return };
    let mut stage = Stage::new(Link::Insecure);
    let elsewhere =
        Target::bind(Config { listen: SocketAddr::new(address, 0), ..Config::default() }).unwrap();
    let mut options = stage.options("w1", stage.worker_address());
    let allowed = [elsewhere.address().to_string().parse().unwrap()];
    options.limits = LoadLimits { targets: TargetPolicy::allowing(allowed), ..LoadLimits::default() };
    let worker = stage.start(options);
    stage.workers.push(worker);
    stage.await_ready(1);
    let run = stage.submit_to(&elsewhere.url(), "50/s", "1s", 1);
    let result = stage.result(run);
    assert_eq!((result.totals.requests.attempted, elsewhere.stats().arrivals), (50, 50));
    // Another port of the same address is another target.
    let tripwire = Tripwire::at(address);
    let run = stage.submit_to(&format!("http://{}", tripwire.address()), "50/s", "1s", 1);
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
