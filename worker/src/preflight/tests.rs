use std::net::TcpListener;

use plan::{Arrivals, Overload, RateProfile, TlsPlan};
use units::Nanos;

use super::*;

fn scenario(users: Option<u64>, origins: &[u32]) -> ScenarioDemand {
    ScenarioDemand { users, origins: origins.iter().copied().map(OriginId).collect() }
}

fn demand(scenarios: Vec<ScenarioDemand>) -> Demand {
    Demand {
        scenarios,
        destinations: vec!["shop:80".into(), "cdn:80".into(), "shop:80".into()],
        threads: 2,
        handles_per_connection: 1,
        recorder_bytes: 1_000_000,
    }
}

const PLENTY: Limits = Limits { handles: 1 << 20, ports: 60_000, memory: 1 << 40 };

#[test]
fn handles_are_those_of_connections_threads_and_the_process() {
    let demand = demand(vec![scenario(Some(100), &[0, 1]), scenario(Some(10), &[0]), scenario(Some(5), &[])]);
    let needed = 64 + 2 * 8 + 210;
    assert_eq!(demand.findings(&Limits { handles: needed, ..PLENTY }), Vec::<String>::new());
    let findings = demand.findings(&Limits { handles: needed - 1, ..PLENTY });
    let expected = "file handles: 290 are needed for up to 210 connections, and the limit is 289; raise it (`ulimit -n \
                    290`) or lower `vus` or `max_vus`";
    assert_eq!(findings, [expected]);
    let with_target = Demand { handles_per_connection: 2, ..demand };
    assert!(with_target.findings(&Limits { handles: 499, ..PLENTY })[0].contains("500 are needed"));
}

#[test]
fn ports_are_counted_by_destination() {
    let demand = demand(vec![scenario(Some(100), &[0, 1, 2])]);
    let findings = demand.findings(&Limits { ports: 150, ..PLENTY });
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0].starts_with("local ports: 200 are needed for connections to shop:80, and there are 150;")
    );
    assert_eq!(demand.findings(&Limits { ports: 200, ..PLENTY }), Vec::<String>::new());
}

#[test]
fn memory_is_that_of_recorders_and_users() {
    let demand = demand(vec![scenario(Some(1_000), &[0])]);
    let needed = 1_000_000 + 1_000 * 2_560;
    assert_eq!(demand.findings(&Limits { memory: needed, ..PLENTY }), Vec::<String>::new());
    let findings = demand.findings(&Limits { memory: needed - 1, ..PLENTY });
    assert!(
        findings[0].starts_with("memory: 3.4 MiB are needed, 976.6 KiB of them to record, and 3.4 MiB"),
        "{findings:?}"
    );
}

#[test]
fn every_shortage_is_told_at_once() {
    let demand = demand(vec![scenario(Some(1_000_000), &[0])]);
    let findings = demand.findings(&Limits { handles: 1_024, ports: 28_232, memory: 1_000 });
    assert_eq!(findings.len(), 3, "{findings:?}");
}

#[test]
fn automatic_users_fill_what_is_left() {
    let one = demand(vec![scenario(None, &[0])]);
    assert_eq!(one.automatic_users(&PLENTY), 60_000, "ports");
    assert_eq!(one.automatic_users(&Limits { handles: 1_024, ..PLENTY }), 1_024 - 64 - 16);
    assert_eq!(one.automatic_users(&Limits { memory: 1_000_000 + 2_560 * 500, ..PLENTY }), 500);
    let task = demand(vec![scenario(None, &[])]);
    assert_eq!(task.automatic_users(&PLENTY), 100_000, "no connections");

    let mixed = demand(vec![scenario(None, &[0, 1]), scenario(Some(300), &[0]), scenario(None, &[1])]);
    let users = mixed.automatic_users(&Limits { handles: 1_280, ..PLENTY });
    assert_eq!(users, (1_280 - 80 - 300) / 3, "three connections for each pair of users");
    assert!(mixed.handles(users) <= 1_280 && mixed.handles(users + 1) > 1_280);
}

#[test]
fn every_thread_has_at_least_one_user_and_too_little_for_that_is_refused() {
    let demand = demand(vec![scenario(None, &[0])]);
    let limits = Limits { handles: 81, ..PLENTY };
    assert_eq!(demand.automatic_users(&limits), 2);
    assert!(demand.findings(&limits)[0].contains("82 are needed for up to 2 connections"));
}

#[test]
fn automatic_users_are_dealt_evenly_to_threads() {
    let open = |max_vus| LoadModel::ArrivalRate {
        profile: RateProfile::new(vec![plan::Stage {
            duration: Nanos::SECOND,
            from: "1/s".parse().unwrap(),
            to: "1/s".parse().unwrap(),
            measured: true,
        }])
        .unwrap(),
        arrivals: Arrivals::Uniform,
        max_vus,
        overload: Overload::Drop,
    };
    let parts: Vec<u32> = (0..3).map(|thread| users_of_thread(&open(None), 11, thread, 3)).collect();
    assert_eq!(parts, [4, 4, 3]);
    assert_eq!(users_of_thread(&open(Some(5)), 11, 0, 3), u32::MAX, "the plan deals them");
}

fn origin_at(port: u16) -> Origin {
    Origin {
        scheme: Scheme::Http,
        host: "127.0.0.1".into(),
        port,
        address: None,
        tls: TlsPlan::default(),
        dns_timeout: Nanos::SECOND,
        connect_timeout: Nanos::SECOND,
        tls_timeout: Nanos::SECOND,
    }
}

#[test]
fn an_origin_that_does_not_listen_is_named_with_its_cure() {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, closed) = (listening.local_addr().unwrap().port(), gone.local_addr().unwrap().port());
    drop(gone);
    let found = |origins: &[Origin]| probe_origins(origins, &TargetPolicy::unrestricted()).unreachable;
    let lines = found(&[origin_at(port), origin_at(closed)]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(&format!("target http://127.0.0.1:{closed}: ")), "{lines:?}");
    assert!(lines[0].contains("refused") && lines[0].contains("--no-preflight"), "{lines:?}");
    let ipv6 = found(&[Origin { host: "::1".into(), ..origin_at(closed) }]);
    assert!(ipv6[0].starts_with(&format!("target http://[::1]:{closed}: ")), "{ipv6:?}");
}

#[test]
fn a_target_that_the_policy_forbids_is_named_with_the_flag_that_allows_it() {
    let policy = TargetPolicy::loopback_only();
    // An address of documentation (RFC 5737): nothing is sent there.
    let elsewhere = Origin { host: "192.0.2.7".into(), ..origin_at(80) };
    let lines = forbidden_addresses(&[origin_at(80), elsewhere.clone()], &policy);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("192.0.2.7:80") && lines[0].contains("--allow-target 192.0.2.7"), "{lines:?}");
    assert_eq!(probe_origins(&[elsewhere], &policy).forbidden.len(), 1);
    let named = Origin { host: "target.test".into(), ..origin_at(80) };
    assert!(forbidden_addresses(&[named], &policy).is_empty(), "a name is judged by what it stands for");
}
