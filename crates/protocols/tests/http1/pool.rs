//! Connections: kept, used again, given up, sent again on.

use metrics::{ErrorClass, Outcome};
use plan::{RequestPlan, Template};
use testkit::hostile::{Behaviour, End, Server, Step};

use crate::driver::{Driver, drive, hasty, origin, request};

#[test]
fn a_kept_connection_carries_the_next_request() {
    let server = Server::start(Behaviour::good());
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![request("GET")]);
        let (first, second) = (driver.run(0).await, driver.run(0).await);
        assert_eq!((first.outcome, second.outcome), (Outcome::Succeeded, Outcome::Succeeded));
        assert_eq!((first.status, first.received_bytes), (200, 43));
        assert!(first.phases.connect.is_some() && second.phases.connect.is_none());
        assert_eq!((first.phases.dns, first.phases.tls), (None, None));
        let answered = first.phases.first_byte.unwrap() + first.phases.receive.unwrap();
        let service = first.completed_at - first.actual_start;
        assert_eq!(service.saturating_sub(first.phases.connect.unwrap()), answered);
        assert_eq!(second.phases.first_byte, Some(second.completed_at - second.actual_start));
        assert_eq!(second.phases.receive, Some(units::Nanos::ZERO));
        let gauges = driver.gauges();
        assert_eq!((gauges.open, gauges.opened, gauges.reused), (1, 1, 1));
        assert_eq!((server.accepted(), server.requests()), (1, 2));
    });
}

#[test]
fn concurrent_requests_have_connections_of_their_own_and_leave_them_to_others() {
    let server = Server::start(Behaviour::good());
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![request("GET")]);
        for _ in 0..3 {
            let calls: Vec<_> = (0..5).map(|_| driver.start(0)).collect();
            for call in calls {
                assert_eq!(driver.end(call).await.outcome, Outcome::Succeeded);
            }
        }
        assert_eq!((server.accepted(), server.requests()), (5, 15));
        assert_eq!(driver.gauges().reused, 10);
    });
}

#[test]
fn a_request_that_meets_a_closing_connection_is_sent_again_if_that_is_safe() {
    for behaviour in [Behaviour::close_on_reuse_after(1), Behaviour::reset_on_reuse_after(1)] {
        let server = Server::start_in_turn(vec![behaviour.clone(), Behaviour::good()]);
        drive(async {
            let driver = Driver::new(origin(server.address()), vec![request("GET")]);
            assert!(!driver.run(0).await.resent);
            let again = driver.run(0).await;
            assert_eq!((again.outcome, again.resent), (Outcome::Succeeded, true));
            assert!(again.phases.connect.is_some());
            assert_eq!(server.accepted(), 2);
            assert_eq!(driver.gauges().open, 1);
        });

        let server = Server::start_in_turn(vec![behaviour, Behaviour::good()]);
        drive(async {
            let driver = Driver::new(origin(server.address()), vec![request("POST")]);
            assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
            let lost = driver.run(0).await;
            let class = [ErrorClass::ConnectionClosed, ErrorClass::Reset].map(Outcome::Failed);
            assert!(class.contains(&lost.outcome) && !lost.resent, "{lost:?}");
            assert_eq!(server.accepted(), 1);
        });
    }
}

#[test]
fn a_request_is_sent_again_once_and_never_on_its_first_connection() {
    let turns = vec![Behaviour::close_on_reuse_after(1), Behaviour::close_before_response()];
    let server = Server::start_in_turn(turns);
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![request("GET")]);
        assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
        let again = driver.run(0).await;
        assert_eq!((again.outcome, again.resent), (Outcome::Failed(ErrorClass::ConnectionClosed), true));
        let fresh = driver.run(0).await;
        assert_eq!((fresh.outcome, fresh.resent), (Outcome::Failed(ErrorClass::ConnectionClosed), false));
        assert_eq!(server.accepted(), 3);
    });
}

#[test]
fn an_idle_connection_that_the_server_closes_is_given_up() {
    let server = Server::start_in_turn(vec![Behaviour::close_when_idle_after(1), Behaviour::good()]);
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![request("POST")]);
        assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
        driver.await_open(0).await;
        let next = driver.run(0).await;
        assert_eq!((next.outcome, next.resent), (Outcome::Succeeded, false));
    });
}

#[test]
fn bytes_nobody_asked_for_end_the_connection_but_not_the_response_before_them() {
    let extra = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 500 No\r\n\r\n";
    let server = Server::start_in_turn(vec![Behaviour::answer(*extra), Behaviour::good()]);
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![request("GET")]);
        let first = driver.run(0).await;
        assert_eq!((first.outcome, first.received_bytes), (Outcome::Succeeded, 43));
        assert_eq!(driver.gauges().open, 0);
        assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
        assert_eq!(server.accepted(), 2);
    });
}

#[test]
fn bytes_on_an_idle_connection_end_it() {
    let good = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    let late = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n";
    let steps = vec![
        Step::ReadRequest,
        Step::Write(good.to_vec()),
        Step::Pause(std::time::Duration::from_millis(20)),
        Step::Write(late.to_vec()),
        Step::Hold,
    ];
    let server = Server::start_in_turn(vec![Behaviour { steps, end: End::Finish }, Behaviour::good()]);
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![request("GET")]);
        assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
        driver.await_open(0).await;
        assert_eq!(driver.run(0).await.status, 200);
    });
}

#[test]
fn what_comes_too_late_for_its_request_reaches_no_other() {
    let late = b"HTTP/1.1 404 Late\r\ncontent-length: 0\r\n\r\n".to_vec();
    let pause = Step::Pause(std::time::Duration::from_millis(100));
    let turn = Behaviour { steps: vec![Step::ReadRequest, pause, Step::Write(late)], end: End::Again };
    let server = Server::start_in_turn(vec![turn, Behaviour::good()]);
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![hasty(request("GET")), request("GET")]);
        assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::Timeout));
        assert_eq!(driver.gauges().open, 0);
        let next = driver.run(1).await;
        assert_eq!((next.outcome, next.status), (Outcome::Succeeded, 200));
    });
}

#[test]
fn a_large_body_goes_out_piece_by_piece() {
    let server = Server::start(Behaviour::good());
    let body = RequestPlan { body: Template::literal(vec![b'x'; 16 << 20]), ..request("POST") };
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![body]);
        for _ in 0..2 {
            let completion = driver.run(0).await;
            assert_eq!(completion.outcome, Outcome::Succeeded);
            assert!(completion.sent_bytes > 16 << 20);
        }
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn a_response_before_the_end_of_the_request_counts_and_ends_the_connection() {
    let early = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n".to_vec();
    // The body stays unread, so the request cannot be written to its end before the response is there.
    let pause = Step::Pause(crate::driver::PATIENCE);
    let turn = Behaviour { steps: vec![Step::ReadHead, Step::Write(early), pause], end: End::Finish };
    let server = Server::start_in_turn(vec![turn, Behaviour::good()]);
    let body = RequestPlan { body: Template::literal(vec![b'x'; 64 << 20]), ..request("POST") };
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![body, request("GET")]);
        let early = driver.run(0).await;
        assert_eq!((early.outcome, early.status), (Outcome::Failed(ErrorClass::Status), 413));
        assert!(early.sent_bytes < 64 << 20);
        assert_eq!(driver.gauges().open, 0);
        assert_eq!(driver.outcome(1).await, Outcome::Succeeded);
    });
}

#[test]
fn a_request_that_asks_for_it_ends_its_connection() {
    let server = Server::start(Behaviour::good());
    let close = vec![("Connection".to_owned(), Template::literal("close"))];
    let closing = RequestPlan { headers: close, ..request("GET") };
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![closing]);
        assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
        assert_eq!(driver.gauges().open, 0);
    });
}

#[test]
fn a_cancelled_request_takes_its_connection_with_it() {
    // The kernel completes the first connection although it is cancelled before it was waited for.
    let turns = vec![Behaviour::unanswering(), Behaviour::unanswering(), Behaviour::good()];
    let server = Server::start_in_turn(turns);
    drive(async {
        let driver = Driver::new(origin(server.address()), vec![request("GET")]);
        let unsent = driver.start(0);
        driver.cancel(unsent);
        assert_eq!(driver.end(unsent).await.outcome, Outcome::Cancelled);
        driver.cancel(unsent);
        let call = driver.start(0);
        while server.requests() < 1 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        driver.cancel(call);
        let cancelled = driver.end(call).await;
        assert_eq!((cancelled.outcome, cancelled.checks_held), (Outcome::Cancelled, 0));
        assert!(cancelled.sent_bytes > 0);
        assert_eq!(driver.gauges().open, 0);
        assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
    });
}
