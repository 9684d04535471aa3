//! Who is let in, and what is said to who is not.

use std::os::unix::fs::PermissionsExt;

use super::{Cluster, Link};
use crate::harness::{Place, scenario, target};

#[test]
fn a_controller_that_is_not_there_ends_with_117_and_what_to_do() {
    let place = Place::new("refuse-unreachable");
    let target = target();
    place.write("s.yaml", scenario(&target.url(), "/", "10/s", "1s"));
    // Nobody listens where somebody just did.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    for args in [&["run", "s.yaml", "--no-out"][..], &["status"], &["stop"]] {
        let outcome = place.loadgen(&[args, &["--controller", &url]].concat()).expect(117);
        assert!(outcome.stderr.contains("is `loadgen controller` running there"), "{}", outcome.stderr);
    }
}

#[test]
fn a_wrong_token_and_a_wrong_authority_are_refused() {
    let cluster = Cluster::start("refuse-wrong", Link::Tls, &[]);
    let other = Cluster::start("refuse-other", Link::Tls, &[]);
    let ask = |token: &str, ca: &str| {
        let args = ["status", "--controller", &cluster.api, "--api-token-file", token, "--ca", ca];
        cluster.place.loadgen(&args)
    };
    let foreign = other.path("state/admin.token").display().to_string();
    let foreign_ca = other.path("state/ca.pem").display().to_string();
    assert!(ask(&foreign, "state/ca.pem").expect(104).stderr.contains("token"));
    let untrusted = ask("state/admin.token", &foreign_ca).expect(104);
    assert!(untrusted.stderr.contains("cannot be trusted"), "{}", untrusted.stderr);
    let fingerprint = ["status", "--controller", &cluster.api, "--ca-fingerprint", &"0".repeat(64)];
    cluster.place.loadgen(&fingerprint).expect(104);
    ask("state/admin.token", "state/ca.pem").expect(0);
}

#[test]
fn a_token_may_do_what_its_role_says_until_it_is_revoked() {
    let cluster = Cluster::start("refuse-role", Link::Tls, &[]).with_workers(1);
    let make = ["controller", "token", "api", "--role", "observe", "--out", "o.token", "--state", "state"];
    cluster.place.loadgen(&make).expect(0);
    let mode = std::fs::metadata(cluster.path("o.token")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let with = |args: &[&str]| {
        let flags = ["--controller", &cluster.api, "--api-token-file", "o.token", "--ca", "state/ca.pem"];
        cluster.place.loadgen(&[args, &flags].concat())
    };
    assert!(crate::harness::wait_until(crate::harness::LIMIT, || with(&["status"]).code == Some(0)));
    assert!(with(&["drain", "w1"]).expect(104).stderr.contains("role"));
    let text = std::fs::read_to_string(cluster.path("o.token")).unwrap();
    let id = text.split('_').nth(1).unwrap();
    let list = cluster.place.loadgen(&["controller", "token", "list", "--state", "state"]).expect(0).stdout;
    assert!(list.contains(id) && list.contains("observe") && !list.contains(text.trim()), "{list}");
    cluster.place.loadgen(&["controller", "token", "revoke", id, "--state", "state"]).expect(0);
    assert!(crate::harness::wait_until(crate::harness::LIMIT, || with(&["status"]).code == Some(104)));
}

#[test]
fn a_token_that_everybody_can_read_is_not_used() {
    let cluster = Cluster::start("refuse-open", Link::Tls, &[]);
    let file = cluster.path("state/admin.token");
    let copy = cluster.place.write("open.token", std::fs::read(file).unwrap());
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o644)).unwrap();
    let args =
        ["status", "--controller", &cluster.api, "--api-token-file", "open.token", "--ca", "state/ca.pem"];
    assert!(cluster.place.loadgen(&args).expect(104).stderr.contains("chmod 600 open.token"));
}

#[test]
fn a_controller_without_encryption_listens_to_this_machine_only() {
    let place = Place::new("refuse-insecure");
    let args =
        ["controller", "--insecure", "--listen", "0.0.0.0:0", "--api", "127.0.0.1:0", "--state", "state"];
    assert!(place.loadgen(&args).expect(104).stderr.contains("--insecure"));
}

#[test]
fn two_controllers_do_not_share_a_state() {
    let cluster = Cluster::start("refuse-state", Link::Tls, &[]);
    let args = ["controller", "--state", "state", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"];
    let second = cluster.place.loadgen(&[&args[..], &["--probe", "127.0.0.1:0"]].concat()).expect(104);
    assert!(second.stderr.contains("another controller serves"), "{}", second.stderr);
}

#[test]
fn a_revoked_worker_cannot_come_again() {
    let mut cluster = Cluster::start("refuse-revoked", Link::Tls, &[]).with_workers(1);
    let mut worker = cluster.workers.remove(0);
    worker.signal(rustix::process::Signal::TERM);
    worker.wait().expect(0);
    cluster.place.loadgen(&["controller", "certificate", "revoke", "w1", "--state", "state"]).expect(0);
    let is_refused = || {
        let outcome = cluster.spare_worker("w1", &[]);
        outcome.wait_within(crate::harness::LIMIT).code == Some(104)
    };
    // The controller looks at its files once a second.
    crate::harness::pause(std::time::Duration::from_millis(2_500));
    assert!(is_refused());
}

#[test]
fn a_worker_that_is_revoked_while_it_is_there_is_there_no_longer() {
    let mut cluster = Cluster::start("refuse-meanwhile", Link::Tls, &["--lease-ttl", "1s"]).with_workers(1);
    cluster.place.loadgen(&["controller", "certificate", "revoke", "w1", "--state", "state"]).expect(0);
    let outcome = cluster.workers.remove(0).wait_within(crate::harness::LIMIT).expect(104);
    assert!(outcome.stderr.contains("revoked"), "{}", outcome.stderr);
}

#[test]
fn probes_tell_life_and_readiness_without_a_token() {
    let cluster = Cluster::start("refuse-probe", Link::Tls, &[]).with_workers(1);
    let get = |path: &str| {
        use std::io::{Read, Write};
        let address = cluster.probe.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(crate::harness::LIMIT)).unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    assert!(get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(get("/metrics").contains("# TYPE"));
}

#[test]
fn on_the_controllers_machine_no_flags_are_needed_and_its_token_goes_nowhere_else() {
    let place = Place::new("refuse-here");
    let home = place.join("home");
    let begin = |args: &[&str]| {
        let mut command = place.command(crate::harness::BINARY);
        command.args(args).env("XDG_STATE_HOME", &home);
        crate::harness::Running::of(command)
    };
    let any = "127.0.0.1:0";
    let controller = begin(&["controller", "--listen", any, "--api", any, "--probe", any]);
    let told = controller.wait_for_stdout("loadgen run ");
    let api = told.lines().find_map(|line| line.trim().strip_prefix("api ")).unwrap().trim();
    begin(&["status", "--controller", api]).wait().expect(0);
    // Somebody else's listener on this machine is told nothing.
    let listener = std::net::TcpListener::bind(any).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asking = begin(&["status", "--controller", &url]);
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(crate::harness::LIMIT)).unwrap();
    let mut head = [0; 4096];
    let read = std::io::Read::read(&mut stream, &mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
    assert!(head.starts_with("get /api/v1/status") && !head.contains("authorization"), "{head}");
    drop(stream);
    asking.wait().expect(117);
}
