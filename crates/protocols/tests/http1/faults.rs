//! What goes wrong, and what it is called.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use loadgen_protocols::{Memory, MemoryStream, Stream, Transport};
use metrics::{ErrorClass, Outcome};
use plan::{CheckKind, Origin, StatusSet, TextMatch};
use testkit::hostile::{Behaviour, Server};
use testkit::ports::{closed_port, silent_port};
use units::Nanos;

use crate::driver::{Driver, drive, hasty, origin, prepared, request, tcp};

/// Asserts what a patient request to such a server ends with.
#[track_caller]
fn check(behaviour: Behaviour, class: ErrorClass) {
    let server = Server::start(behaviour);
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![request("GET")]);
        let completion = driver.run(0).await;
        assert_eq!(completion.outcome, Outcome::Failed(class));
        assert!(!completion.resent, "nothing is sent again on a new connection");
        assert_eq!(driver.gauges().open, 0);
    });
}

#[test]
fn hostile_servers_are_named_by_what_they_do() {
    check(Behaviour::close_before_response(), ErrorClass::ConnectionClosed);
    check(Behaviour::reset_before_response(), ErrorClass::Reset);
    check(Behaviour::reset_in_head(), ErrorClass::Reset);
    check(Behaviour::reset_in_body(), ErrorClass::Reset);
    check(Behaviour::garbage(), ErrorClass::Malformed);
    check(Behaviour::endless_headers(), ErrorClass::HeadTooLarge);
    check(Behaviour::huge_header(100_000), ErrorClass::HeadTooLarge);
}

#[test]
fn a_server_that_closes_at_once_closed_or_reset() {
    let server = Server::start(Behaviour::close_at_once());
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![request("GET")]);
        // Whether our request arrives before or after the close is a race between two machines.
        let outcome = driver.outcome(0).await;
        let classes = [ErrorClass::ConnectionClosed, ErrorClass::Reset].map(Outcome::Failed);
        assert!(classes.contains(&outcome), "{outcome:?}");
    });
}

#[test]
fn whatever_never_ends_is_ended_by_the_timeout() {
    for behaviour in [
        Behaviour::silent(),
        Behaviour::unanswering(),
        Behaviour::endless_body(),
        Behaviour::endless_chunks(),
        Behaviour::interim_flood(),
    ] {
        let server = Server::start(behaviour);
        drive(async {
            let driver = Driver::new(origin(server.address()), vec![hasty(request("GET"))]);
            let completion = driver.run(0).await;
            assert_eq!(completion.outcome, Outcome::Failed(ErrorClass::Timeout));
            assert!(completion.completed_at - completion.actual_start >= Nanos::from_millis(50));
            assert_eq!(driver.gauges().open, 0);
        });
    }
}

#[test]
fn slow_but_good_responses_are_good() {
    for behaviour in [
        Behaviour::drip(std::time::Duration::ZERO),
        Behaviour::halves(10, std::time::Duration::from_millis(5)),
        Behaviour::halves(40, std::time::Duration::from_millis(5)),
    ] {
        let server = Server::start(behaviour);
        drive(async {
            let driver = Driver::new(origin(server.address()), vec![request("GET")]);
            for _ in 0..3 {
                let completion = driver.run(0).await;
                assert_eq!(completion.outcome, Outcome::Succeeded);
                assert_eq!(completion.received_bytes, 43);
            }
            assert_eq!(server.accepted(), 1);
        });
    }
}

#[test]
fn a_port_that_refuses_and_one_that_is_silent_differ() {
    let closed = closed_port();
    let silent = silent_port();
    drive(async {
        let driver = Driver::new(origin(closed.address()), vec![request("GET")]);
        assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::ConnectRefused));

        let bounded = Origin { connect_timeout: Nanos::from_millis(50), ..origin(silent.address()) };
        let driver = Driver::new(bounded.clone(), vec![request("GET"), hasty(request("GET"))]);
        assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::ConnectTimeout));
        assert_eq!(driver.gauges().opened, 0);

        let patient = Origin { connect_timeout: Nanos::from_secs(10), ..bounded };
        let driver = Driver::new(patient, vec![hasty(request("GET"))]);
        assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::Timeout));
    });
}

/// A kernel that always refuses with this error.
struct Refusing(i32);

/// Never made.
enum Never {}

impl Transport for Refusing {
    type Stream = Never;

    fn connect(&mut self, _: Option<&str>, _: SocketAddr) -> io::Result<Never> {
        Err(io::Error::from_raw_os_error(self.0))
    }
}

impl Stream for Never {
    fn poll_connected(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn try_write(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    fn poll_write_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}

/// A kernel that has memory for so many writes on a connection, and a target that answers each.
struct Exhausted {
    writes: u32,
}

struct ExhaustedStream {
    stream: MemoryStream,
    writes_left: u32,
}

impl Transport for Exhausted {
    type Stream = ExhaustedStream;

    fn connect(&mut self, name: Option<&str>, address: SocketAddr) -> io::Result<ExhaustedStream> {
        let stream = Memory::answering(*b"HTTP/1.1 204 No Content\r\n\r\n").connect(name, address)?;
        Ok(ExhaustedStream { stream, writes_left: self.writes })
    }
}

impl Stream for ExhaustedStream {
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_connected(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_read(cx, buffer)
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes_left = self
            .writes_left
            .checked_sub(1)
            .ok_or_else(|| io::Error::from_raw_os_error(rustix::io::Errno::NOBUFS.raw_os_error()))?;
        self.stream.try_write(bytes)
    }

    fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(cx)
    }
}

#[test]
fn an_own_fault_while_sending_is_told_at_once_and_not_as_the_targets_timeout() {
    for writes in [0, 1] {
        drive(async {
            let origin = origin((Ipv4Addr::LOCALHOST, 1).into());
            let prepared = prepared(origin, vec![request("GET")], vec![]).unwrap();
            let driver = Driver::over(Exhausted { writes }, Arc::default(), prepared);
            for _ in 0..writes {
                assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
            }
            assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::NoMemory));
            assert_eq!(driver.gauges().open, 0);
        });
    }
}

#[test]
fn own_faults_are_own_faults() {
    use rustix::io::Errno;
    for (errno, class) in [
        (Errno::ADDRNOTAVAIL, ErrorClass::NoLocalPort),
        (Errno::MFILE, ErrorClass::NoFileHandle),
        (Errno::NOBUFS, ErrorClass::NoMemory),
        (Errno::NETUNREACH, ErrorClass::ConnectUnreachable),
    ] {
        drive(async {
            let origin = origin((Ipv4Addr::LOCALHOST, 1).into());
            let prepared = prepared(origin, vec![request("GET")], vec![]).unwrap();
            let driver = Driver::over(Refusing(errno.raw_os_error()), Arc::default(), prepared);
            assert_eq!(driver.outcome(0).await, Outcome::Failed(class));
            assert_eq!(class.is_own_fault(), class != ErrorClass::ConnectUnreachable);
        });
    }
}

#[test]
fn checks_are_made_on_the_response_as_it_comes() {
    let checks = || {
        vec![
            CheckKind::Status(StatusSet { ranges: vec![200..=200] }),
            CheckKind::Header { name: "content-length".into(), value: TextMatch::Equals("5".into()) },
            CheckKind::Body(TextMatch::Contains("ell".into())),
            CheckKind::ResponseTime(Nanos::SECOND),
        ]
    };
    let pause = std::time::Duration::from_millis(5);
    for behaviour in [Behaviour::good(), Behaviour::halves(40, pause), Behaviour::halves(20, pause)] {
        let server = Server::start(behaviour);
        drive(async {
            let prepared = prepared(origin(server.address()), vec![request("GET")], checks()).unwrap();
            let driver = Driver::over(tcp(), Arc::default(), prepared);
            for _ in 0..2 {
                let completion = driver.run(0).await;
                assert_eq!((completion.outcome, completion.checks_held), (Outcome::Succeeded, 0b0111));
            }
        });
    }
    let server = Server::start(Behaviour::reset_in_body());
    drive(async {
        let prepared = prepared(origin(server.address()), vec![request("GET")], checks()).unwrap();
        let driver = Driver::over(tcp(), Arc::default(), prepared);
        let completion = driver.run(0).await;
        assert_eq!((completion.outcome, completion.checks_held), (Outcome::Failed(ErrorClass::Reset), 0));
        assert_eq!(completion.status, 200);
    });
}
