//! The proxy is held against a peer that says everything back.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use units::{Clock, MonotonicClock, Nanos};

use super::*;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Stage {
    proxy: Proxy,
    client: TcpStream,
    _echo: Acceptor,
}

impl Stage {
    fn new(flow: Flow) -> Self {
        let echo = Acceptor::start(|stream, _, _| {
            let (mut from, mut to) = (stream, stream);
            // Ends with the connection.
            let _ = std::io::copy(&mut from, &mut to);
            let _ = stream.shutdown(Shutdown::Write);
        });
        let proxy = Proxy::start(echo.address(), 7);
        proxy.shape(flow);
        let client = TcpStream::connect(proxy.address()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { proxy, client, _echo: echo }
    }

    /// Says something and reads it back; how long that took.
    fn exchange(&mut self, bytes: &[u8]) -> Nanos {
        let began = MonotonicClock.now();
        self.client.write_all(bytes).unwrap();
        let mut back = vec![0; bytes.len()];
        self.client.read_exact(&mut back).unwrap();
        assert_eq!(back, bytes);
        MonotonicClock.now() - began
    }

    /// What comes without a wait.
    fn is_silent(&mut self) -> bool {
        self.client.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
        let read = self.client.read(&mut [0]);
        self.client.set_read_timeout(Some(PATIENCE)).unwrap();
        read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }
}

#[test]
fn bytes_come_as_they_were_said_whatever_the_weather() {
    let bytes: Vec<u8> = (0..20_000_u32).map(|i| i as u8).collect();
    let jittery = Flow { jitter: Duration::from_millis(20), slice: Some(700), ..Flow::default() };
    for flow in [Flow::default(), Flow { slice: Some(1), ..Flow::default() }, jittery] {
        let mut stage = Stage::new(flow);
        stage.exchange(&bytes);
        let traffic = stage.proxy.busiest().unwrap();
        assert_eq!((traffic.to_server, traffic.to_client), (20_000, 20_000));
    }
}

#[test]
fn a_delay_and_a_bandwidth_take_at_least_their_time() {
    let mut delayed = Stage::new(Flow { delay: Duration::from_millis(50), ..Flow::default() });
    assert!(delayed.exchange(b"hello") >= Nanos::from_millis(100));
    let mut slow = Stage::new(Flow { bytes_per_s: Some(10_000), ..Flow::default() });
    assert!(slow.exchange(&[7; 2_000]) >= Nanos::from_millis(200));
}

#[test]
fn what_is_held_comes_when_it_is_released() {
    let mut stage = Stage::new(Flow::default());
    stage.exchange(b"hello");
    stage.proxy.shape_way(Way::ToClient, Flow::HELD);
    stage.client.write_all(b"again").unwrap();
    assert!(stage.is_silent());
    assert_eq!(stage.proxy.busiest().unwrap().to_server, 10, "the other way goes on");
    stage.proxy.shape(Flow::default());
    let mut back = [0; 5];
    stage.client.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"again");
}

#[test]
fn a_connection_made_in_a_partition_waits_for_its_end() {
    let mut stage = Stage::new(Flow::HELD);
    stage.client.write_all(b"hello").unwrap();
    assert!(stage.is_silent());
    stage.proxy.shape(Flow::default());
    let mut back = [0; 5];
    stage.client.read_exact(&mut back).unwrap();
}

#[test]
fn one_connection_may_have_a_weather_of_its_own() {
    let mut stage = Stage::new(Flow::default());
    stage.exchange(b"first");
    let mut other = TcpStream::connect(stage.proxy.address()).unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    stage.proxy.shape_one(0, Flow::HELD);
    other.write_all(b"x").unwrap();
    other.read_exact(&mut [0]).unwrap();
    stage.client.write_all(b"x").unwrap();
    assert!(stage.is_silent());
}

#[test]
fn connections_end_as_they_are_cut() {
    let mut finished = Stage::new(Flow::default());
    finished.exchange(b"hello");
    finished.proxy.cut(Cut::Finish);
    assert_eq!(finished.client.read(&mut [0]).unwrap(), 0);

    let mut half = Stage::new(Flow::default());
    half.exchange(b"hello");
    half.proxy.cut(Cut::Half(Way::ToServer));
    assert_eq!(half.client.read(&mut [0]).unwrap(), 0, "the peer hears the end and ends too");

    let mut reset = Stage::new(Flow::default());
    reset.exchange(b"hello");
    reset.proxy.cut(Cut::Reset);
    assert_eq!(reset.client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let mut counted = Stage::new(Flow::default());
    counted.proxy.cut_after(Some(8));
    counted.client.write_all(b"hello").unwrap();
    let ended = loop {
        match counted.client.read(&mut [0]) {
            Ok(1..) => {}
            other => break other,
        }
    };
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let mut idle = Stage::new(Flow::default());
    idle.exchange(b"hello");
    idle.proxy.cut_idle(Some(Duration::from_millis(20)));
    assert_eq!(idle.client.read(&mut [0]).unwrap(), 0);
    assert!(idle.proxy.connections().iter().all(|traffic| traffic.connection == 0));
}
