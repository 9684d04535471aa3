//! The target in memory behaves as one on a socket.

use std::sync::Arc;

use loadgen_protocols::Memory;
use metrics::{ErrorClass, Outcome};

use crate::driver::{Driver, drive, origin, prepared, request};

fn driver(target: Memory) -> Driver<Memory> {
    let origin = origin(([127, 0, 0, 1], 1).into());
    Driver::over(target, Arc::default(), prepared(origin, vec![request("GET")], vec![]).unwrap())
}

#[test]
fn answers_come_at_once_or_after_some_turns_and_in_pieces_if_they_are_long() {
    let long = [b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n".as_slice(), &[b'x'; 200_000]].concat();
    for target in [
        Memory::answering(*b"HTTP/1.1 204 No Content\r\n\r\n"),
        Memory::answering(*b"HTTP/1.1 204 No Content\r\n\r\n").after_turns(3),
        Memory::answering(long),
    ] {
        drive(async {
            let driver = driver(target);
            for _ in 0..5 {
                assert_eq!(driver.outcome(0).await, Outcome::Succeeded);
            }
            assert_eq!((driver.gauges().opened, driver.gauges().reused), (1, 4));
        });
    }
}

#[test]
fn what_it_answers_is_judged() {
    drive(async {
        let driver = driver(Memory::answering(*b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(driver.outcome(0).await, Outcome::Failed(ErrorClass::Status));
    });
}
