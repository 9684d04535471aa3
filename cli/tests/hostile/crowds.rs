//! Many who connect and mean no good.

use std::time::Duration;

use testkit::rogue::{Crowd, Opening};

use super::stage::{Link, Stage};

#[test]
fn a_thousand_half_open_connections_neither_keep_out_nor_hold_up_anybody() {
    for link in [Link::Tls, Link::Insecure] {
        let mut stage = Stage::with_workers(link, 1);
        // Whoever comes meanwhile has no part in it.
        let run = stage.submit_with("100/s", "5s", r#""rejoin": "never""#, 1);
        stage.until(|| stage.arrived() >= 50);
        let openings = [Opening::Silence, Opening::HalfPreface, Opening::HalfHandshake, Opening::Noise(9, 7)];
        let crowds: Vec<Crowd> = openings
            .iter()
            .map(|opening| Crowd::connect(stage.worker_address(), 250, opening).unwrap())
            .chain([Crowd::connect(stage.api_address(), 100, &Opening::Silence).unwrap()])
            .collect();
        assert!(crowds.iter().all(|crowd| !crowd.is_empty()));
        // An honest one gets through meanwhile, and everybody is told how things are.
        stage.worker("late", stage.worker_address());
        stage.until_status(|status| status.workers.iter().any(|worker| worker.name == "late"));
        stage.exact(run, 500);
        // Its end does not wait for those who are still there.
        stage.end();
        drop(crowds);
    }
}

#[test]
fn what_is_no_protocol_is_hung_up_on() {
    for link in [Link::Tls, Link::Insecure] {
        let stage = Stage::with_workers(link, 1);
        let run = stage.begin("100/s", "4s", 1, 50);
        let noise = (0..40).map(|seed| Opening::Noise(1 + seed as usize * 97, seed));
        let words = [
            &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..],
            b"SSH-2.0-OpenSSH_9.9\r\n",
            &[0; 4_096],
            &[0xff; 4_096],
            // A good preface, then a frame of the greatest length there is.
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x01",
        ];
        let openings: Vec<Opening> = noise.chain(words.map(|bytes| Opening::Bytes(bytes.to_vec()))).collect();
        let connect = |opening| Crowd::connect(stage.worker_address(), 1, opening).unwrap();
        let crowds: Vec<Crowd> = openings.iter().map(connect).collect();
        for (crowd, opening) in crowds.into_iter().zip(&openings) {
            // Longer than a handshake may take.
            assert_eq!(crowd.ended_within(Duration::from_secs(20)), 1, "{link:?}: {opening:?}");
        }
        stage.exact(run, 400);
    }
}
