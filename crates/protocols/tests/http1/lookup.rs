//! Looking up host names: once for all, each waiting no longer than it may.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use loadgen_protocols::{TargetPolicy, Tcp};
use metrics::{ErrorClass, Outcome};
use plan::Origin;
use testkit::hostile::{Behaviour, Server};
use units::Nanos;

use crate::driver::{Driver, Lookups, drive, hasty, origin, prepared, request, tcp};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A driver for `localhost.test`, whose look-ups the test answers.
fn named(server: &Server, change: impl FnOnce(Origin) -> Origin) -> (Driver, Arc<Lookups>) {
    named_over(tcp(), server, change)
}

fn named_over(
    transport: Tcp,
    server: &Server,
    change: impl FnOnce(Origin) -> Origin,
) -> (Driver, Arc<Lookups>) {
    let origin = Origin { host: "localhost.test".into(), ..origin(server.address()) };
    let lookups = Arc::<Lookups>::default();
    let requests = vec![request("GET"), hasty(request("GET"))];
    let prepared = prepared(change(origin), requests, vec![]).unwrap();
    (Driver::over(transport, Arc::clone(&lookups), prepared), lookups)
}

#[test]
fn the_first_requests_wait_for_one_look_up_and_later_ones_for_none() {
    let server = Server::start(Behaviour::good());
    drive(async {
        let (driver, lookups) = named(&server, |origin| origin);
        let calls = [driver.start(0), driver.start(0), driver.start(0)];
        tokio::task::yield_now().await;
        assert_eq!(lookups.waiting(), 1);
        lookups.answer(Ok(vec![HERE]));
        let mut looked_up = 0;
        for call in calls {
            let completion = driver.end(call).await;
            assert_eq!(completion.outcome, Outcome::Succeeded);
            looked_up += u32::from(completion.phases.dns.is_some());
        }
        assert_eq!(looked_up, 1);
        let calls: Vec<_> = (0..5).map(|_| driver.start(0)).collect();
        for call in calls {
            assert_eq!(driver.end(call).await.phases.dns, None);
        }
        assert_eq!(lookups.waiting(), 0);
    });
}

#[test]
fn a_failed_look_up_fails_all_who_waited_and_the_next_request_asks_again() {
    let server = Server::start(Behaviour::good());
    drive(async {
        let (driver, lookups) = named(&server, |origin| origin);
        for answer in [Err(io::Error::other("no such host")), Ok(vec![])] {
            let calls = [driver.start(0), driver.start(0)];
            lookups.answer(answer);
            for call in calls {
                assert_eq!(driver.end(call).await.outcome, Outcome::Failed(ErrorClass::Dns));
            }
        }
        let call = driver.start(0);
        lookups.answer(Ok(vec![HERE]));
        assert_eq!(driver.end(call).await.outcome, Outcome::Succeeded);
    });
}

#[test]
fn an_unanswered_look_up_has_a_bound_and_is_not_asked_twice() {
    let server = Server::start(Behaviour::good());
    drive(async {
        let (driver, lookups) =
            named(&server, |origin| Origin { dns_timeout: Nanos::from_millis(50), ..origin });
        for _ in 0..2 {
            assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::DnsTimeout));
        }
        let call = driver.start(0);
        assert_eq!(lookups.waiting(), 1);
        lookups.answer(Ok(vec![HERE]));
        assert_eq!(driver.end(call).await.outcome, Outcome::Succeeded);

        let (driver, _) = named(&server, |origin| origin);
        assert_eq!(driver.outcome(1).await, Outcome::Failed(ErrorClass::Timeout));
    });
}

#[test]
fn those_who_wait_get_the_answer_when_whoever_asked_has_gone() {
    let server = Server::start(Behaviour::good());
    drive(async {
        for leaver in 0..3 {
            let (driver, lookups) = named(&server, |origin| origin);
            let calls = [driver.start(0), driver.start(0), driver.start(0)];
            // All their tasks have polled the look-up before one of them leaves.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            driver.cancel(calls[leaver]);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            lookups.answer(Ok(vec![HERE]));
            for (at, call) in calls.into_iter().enumerate() {
                let expected = if at == leaver { Outcome::Cancelled } else { Outcome::Succeeded };
                assert_eq!(driver.end(call).await.outcome, expected);
            }
        }
    });
}

#[test]
fn an_address_that_refuses_is_followed_by_the_next() {
    let server = Server::start(Behaviour::good());
    drive(async {
        let (driver, lookups) = named(&server, |origin| origin);
        let call = driver.start(0);
        // Nothing listens at the other addresses of the loopback network.
        lookups.answer(Ok(vec![[127, 0, 0, 2].into(), [127, 0, 0, 3].into(), HERE]));
        assert_eq!(driver.end(call).await.outcome, Outcome::Succeeded);
        assert_eq!((server.accepted(), driver.gauges().opened), (1, 1));

        let (driver, lookups) = named(&server, |origin| origin);
        let call = driver.start(0);
        lookups.answer(Ok(vec![[127, 0, 0, 2].into(), [127, 0, 0, 3].into()]));
        assert_eq!(driver.end(call).await.outcome, Outcome::Failed(ErrorClass::ConnectRefused));
    });
}

#[test]
fn no_answer_of_a_name_server_leads_around_the_policy() {
    let server = Server::start(Behaviour::good());
    drive(async {
        let only_here = || Tcp::new(Arc::new(TargetPolicy::loopback_only()));
        let elsewhere: IpAddr = [192, 0, 2, 1].into();
        let metadata: IpAddr = [169, 254, 169, 254].into();
        for answer in [vec![elsewhere], vec![metadata, elsewhere], vec!["::ffff:10.0.0.1".parse().unwrap()]] {
            let (driver, lookups) = named_over(only_here(), &server, |origin| origin);
            let call = driver.start(0);
            lookups.answer(Ok(answer));
            let completion = driver.end(call).await;
            assert_eq!(completion.outcome, Outcome::Failed(ErrorClass::ForbiddenTarget));
            assert_eq!((completion.sent_bytes, driver.gauges().opened), (0, 0));
        }
        // An address given by the scenario is judged as one that was looked up.
        let given = |origin| Origin { address: Some(elsewhere), ..origin };
        let (driver, _) = named_over(only_here(), &server, given);
        assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::ForbiddenTarget));

        // Nor does the name it goes by.
        let by_name = Tcp::new(Arc::new(TargetPolicy::allowing(["localhost.test".parse().unwrap()])));
        let (driver, _) = named_over(by_name, &server, given);
        assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::ForbiddenTarget));

        let (driver, lookups) = named_over(only_here(), &server, |origin| origin);
        let call = driver.start(0);
        lookups.answer(Ok(vec![elsewhere, HERE]));
        assert_eq!(driver.end(call).await.outcome, Outcome::Succeeded, "by the address that is allowed");
    });
}

#[test]
fn a_given_address_needs_no_look_up() {
    let server = Server::start(Behaviour::good());
    drive(async {
        let (driver, lookups) = named(&server, |origin| Origin { address: Some(HERE), ..origin });
        let completion = driver.run(0).await;
        assert_eq!((completion.outcome, completion.phases.dns), (Outcome::Succeeded, None));
        assert_eq!(lookups.waiting(), 0);
    });
}
