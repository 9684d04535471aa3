//! Every spelling of a host leads to the same verdict as the address it stands for.

use super::*;
use crate::dns::look_up;

fn policy(allowed: &[&str]) -> TargetPolicy {
    TargetPolicy::allowing(allowed.iter().map(|text| text.parse::<AllowedTarget>().unwrap()))
}

fn is_allowed(policy: &TargetPolicy, host: &str, address: &str, port: u16) -> bool {
    policy.check(Some(host), SocketAddr::new(address.parse().unwrap(), port)).is_ok()
}

/// Addresses of this machine, in every form that stays on it.
const HERE: &[&str] =
    &["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::127.0.0.1"];

/// Ordinary addresses elsewhere.
const ELSEWHERE: &[&str] = &[
    "8.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:10.0.0.1",
    "::8.8.8.8",
    "64:ff9b::8.8.8.8",
    // It leaves the machine, whatever the translator makes of it.
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001:db8::1",
    "2606:4700::1111",
    "fd00::1",
    "fc00::1",
    "fec0::1",
];

/// Addresses that have to be allowed by themselves.
const SPECIAL: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "::",
    "fe80::1",
    "febf::1",
    "ff02::1",
    "ff0e::1",
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "::2",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "::ffff:224.0.0.1",
];

/// Spellings that a resolver takes for an address, and that address.
const SPELLED: &[(&str, &str)] = &[
    ("127.1", "127.0.0.1"),
    ("127.0.1", "127.0.0.1"),
    ("2130706433", "127.0.0.1"),
    ("0x7f000001", "127.0.0.1"),
    ("0x7f.1", "127.0.0.1"),
    ("0177.0.0.1", "127.0.0.1"),
    ("0", "0.0.0.0"),
    ("0x0", "0.0.0.0"),
    ("134744072", "8.8.8.8"),
    ("8.8.2056", "8.8.8.8"),
    ("010.010.010.010", "8.8.8.8"),
    ("0x8.0x8.0x8.0x8", "8.8.8.8"),
    ("2852039166", "169.254.169.254"),
    ("0xa9fea9fe", "169.254.169.254"),
    ("169.254.43518", "169.254.169.254"),
    ("0251.0376.0251.0376", "169.254.169.254"),
];

#[test]
fn a_worker_sends_load_to_its_own_machine_only_unless_told_otherwise() {
    let only_here = TargetPolicy::loopback_only();
    for address in HERE {
        assert!(is_allowed(&only_here, "a.test", address, 80), "{address}");
    }
    for address in ELSEWHERE.iter().chain(SPECIAL) {
        assert!(!is_allowed(&only_here, "localhost", address, 80), "{address}");
        assert!(is_allowed(&TargetPolicy::unrestricted(), "a.test", address, 80), "{address}");
    }
    let forms = HERE.len() + ELSEWHERE.len() + SPECIAL.len() + SPELLED.len();
    assert!(forms >= 60, "{forms} forms");
}

#[test]
fn no_wide_network_and_no_host_covers_what_is_special() {
    let wide = policy(&["0.0.0.0/0", "::/0", "a.test", "128.0.0.0/1", "fe00::/7"]);
    for address in ELSEWHERE.iter().chain(HERE) {
        assert!(is_allowed(&wide, "a.test", address, 80), "{address}");
    }
    for address in SPECIAL {
        assert!(!is_allowed(&wide, "a.test", address, 80), "{address}");
    }
    let by_themselves = policy(&["0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255"]);
    let by_themselves_v6 = policy(&["::", "fe80::/10", "ff00::/8"]);
    for address in SPECIAL {
        let one = is_allowed(&by_themselves, "a.test", address, 80);
        let other = is_allowed(&by_themselves_v6, "a.test", address, 80);
        assert!(one != other, "{address}");
    }
}

#[test]
fn a_spelling_is_judged_as_the_address_it_stands_for() {
    let policies = [TargetPolicy::loopback_only(), policy(&["0.0.0.0/0"]), policy(&["169.254.169.254"])];
    for (spelling, address) in SPELLED {
        let resolved = look_up(spelling).unwrap();
        assert_eq!(resolved, [address.parse::<IpAddr>().unwrap()], "{spelling}");
        for policy in &policies {
            let expected = is_allowed(policy, address, address, 80);
            assert_eq!(
                policy.check(Some(spelling), SocketAddr::new(resolved[0], 80)).is_ok(),
                expected,
                "{spelling}"
            );
            assert!(spelling.parse::<AllowedTarget>().is_err(), "{spelling}");
        }
    }
}

#[test]
fn what_is_allowed_is_what_was_written() {
    let check = |allowed: &str, host: &str, address: &str, port: u16, expected: bool| {
        let policy = policy(&[allowed]);
        assert_eq!(
            is_allowed(&policy, host, address, port),
            expected,
            "{allowed}: {host} at {address}:{port}"
        );
    };
    check("10.0.0.0/8", "a.test", "10.255.1.2", 80, true);
    check("10.0.0.0/8", "a.test", "11.0.0.0", 80, false);
    check("10.0.0.0/8", "a.test", "::ffff:10.1.2.3", 80, true);
    check("10.0.0.0/8", "a.test", "64:ff9b::10.1.2.3", 80, true);
    check("::ffff:10.0.0.0/104", "a.test", "10.1.2.3", 80, true);
    check("64:ff9b::/96", "a.test", "8.8.8.8", 80, true);
    check("64:ff9b::/96", "a.test", "169.254.169.254", 80, false);
    check("10.1.2.3", "a.test", "10.1.2.3", 1, true);
    check("10.1.2.3:8080", "a.test", "10.1.2.3", 8080, true);
    check("10.1.2.3:8080", "a.test", "10.1.2.3", 80, false);
    check("fd00::/8", "a.test", "fd12::3", 80, true);
    check("fd00::/8", "a.test", "fe12::3", 80, false);
    check("[fd00::1]:8080", "a.test", "fd00::1", 8080, true);
    check("[fd00::1]:8080", "a.test", "fd00::1", 8081, false);
    check("[fd00::1]", "a.test", "fd00::1", 8081, true);
    check("fd00::1", "a.test", "fd00::2", 8081, false);
    check("Shop.Example", "shop.example", "192.0.2.1", 80, true);
    check("shop.example.", "SHOP.example.", "192.0.2.1", 80, true);
    check("shop.example:443", "shop.example", "192.0.2.1", 443, true);
    check("shop.example:443", "shop.example", "192.0.2.1", 80, false);
    check("shop.example", "a.shop.example", "192.0.2.1", 80, false);
    check("shop.example", "shop.example.evil.test", "192.0.2.1", 80, false);
    check("shop.example", "192.0.2.1", "192.0.2.1", 80, false);
    check("shop.example", "shop.example", "169.254.169.254", 80, false);
    check("169.254.169.254:80", "a.test", "169.254.169.254", 80, true);
    check("169.254.169.254:80", "a.test", "169.254.169.254", 8080, false);
    // Translated, it is not this machine; allowed by itself it is the operator's word.
    check("127.0.0.0/8", "a.test", "64:ff9b::127.0.0.1", 80, true);
}

#[test]
fn who_writes_the_scenario_cannot_say_what_an_allowed_name_stands_for() {
    let policy = policy(&["shop.example"]);
    let address: SocketAddr = "10.0.0.5:80".parse().unwrap();
    assert!(policy.check(Some("shop.example"), address).is_ok());
    let refusal = policy.check(None, address).unwrap_err().to_string();
    assert!(refusal.starts_with("10.0.0.5:80 is not a target this machine may send load to;"), "{refusal}");
}

#[test]
fn a_target_prints_as_it_reads() {
    for text in [
        "10.1.2.3",
        "10.1.2.3:80",
        "10.0.0.0/8",
        "::1",
        "[::1]:80",
        "fd00::/8",
        "shop.example",
        "shop.example:443",
        "a_b-c.test",
        "0.0.0.0/0",
    ] {
        let target: AllowedTarget = text.parse().unwrap();
        assert_eq!(target.to_string(), text);
        assert_eq!(text.parse::<AllowedTarget>(), Ok(target));
    }
    assert_eq!("[::1]".parse::<AllowedTarget>().unwrap().to_string(), "::1");
    assert_eq!("::ffff:10.0.0.0/104".parse::<AllowedTarget>().unwrap().to_string(), "10.0.0.0/8");
}

#[test]
fn what_is_no_target_is_refused_and_says_what_is() {
    let check = |text: &str, why: &str| {
        let error = text.parse::<AllowedTarget>().unwrap_err().to_string();
        let expected = format!(
            "`{text}` is no target to allow: {why}; write an address, a network or a host, for example `10.1.2.3`, \
             `10.0.0.0/8`, `[::1]:8080` or `shop.example:443`"
        );
        assert_eq!(error, expected);
    };
    let name = "it is neither an address nor a host name";
    let number = "an IPv4 address has four decimal numbers";
    let bits = "a network ends with its number of bits, up to 32 or, for IPv6, 128";
    let port = "a port is a number from 1 to 65535";
    check("", "it is empty");
    check("http://shop.example", "it is a URL");
    check("*.example", name);
    check("*", name);
    check("-a.test", name);
    check("a..test", name);
    check("shöp.example", name);
    check("a b", name);
    check("[::1", name);
    check("fe80::1%eth0", port);
    check("10.1.2", number);
    check("10.1.2.3.4", number);
    check("0x7f000001", number);
    check("2130706433:80", number);
    check("10.0.0.0/33", bits);
    check("10.0.0.0/", bits);
    check("10.0.0.0/+8", bits);
    check("fd00::/129", bits);
    check("10.0.0.1/8", "the address of a network has nothing behind its bits");
    check("shop.example/8", "what stands before the `/` is no address");
    check("10.0.0.0/8:80", bits);
    check("shop.example:0", port);
    check("shop.example:65536", port);
    check("shop.example:", port);
    check("shop.example:+80", port);
    check("fd00:1:2:3:4:5:6:7:80", "an IPv6 address with a port stands in brackets");
}

#[test]
fn a_refusal_says_how_it_can_be_allowed() {
    let refuse = |address: &str| {
        let address = SocketAddr::new(address.parse().unwrap(), 80);
        TargetPolicy::loopback_only().check(Some("shop.example"), address).unwrap_err().to_string()
    };
    assert_eq!(
        refuse("192.0.2.1"),
        "`shop.example` at 192.0.2.1:80 is not a target this machine may send load to; whoever runs this machine can \
         allow it with `--allow-target 192.0.2.1`"
    );
    assert!(refuse("::ffff:169.254.169.254").contains("is a link-local address"));
    assert!(refuse("::ffff:169.254.169.254").contains("`--allow-target 169.254.169.254`"));
}

#[test]
fn flags_and_file_must_both_allow_an_address_and_the_one_that_does_not_is_named() {
    let narrowed = |policy: TargetPolicy, allowed: &[&str]| {
        policy.narrowed("/etc/policy.yaml".into(), allowed.iter().map(|text| text.parse().unwrap()))
    };
    let both = narrowed(policy(&["10.0.0.0/8"]), &["10.1.0.0/16", "192.0.2.1"]);
    let check = |policy: &TargetPolicy, address: &str| {
        policy.check(None, address.parse().unwrap()).map_err(|error| error.to_string())
    };
    assert_eq!(check(&both, "10.1.2.3:80"), Ok(()));
    assert_eq!(check(&both, "127.0.0.1:80"), Ok(()));
    let by_file = check(&both, "10.2.0.1:80").unwrap_err();
    assert!(by_file.ends_with("by adding `10.2.0.1` to `allow_targets` in `/etc/policy.yaml`"), "{by_file}");
    let by_flags = check(&both, "192.0.2.1:80").unwrap_err();
    assert!(by_flags.ends_with("with `--allow-target 192.0.2.1`"), "{by_flags}");
    let alone = narrowed(TargetPolicy::unrestricted(), &[]);
    assert_eq!(check(&alone, "[::1]:80"), Ok(()));
    assert!(check(&alone, "192.0.2.1:80").is_err());
}
