//! The corpus of responses, through the codec alone and through a socket.

use httparse::Header;
use loadgen_protocols::{Codec, HeadMemo, Observer, Progress};
use metrics::{ErrorClass, Outcome};
use testkit::corpus::{Case, Expectation, Method, corpus};
use testkit::hostile::{Behaviour, Server};

use crate::driver::{Driver, drive, hasty, origin, request};

#[derive(Default)]
struct Count {
    status: u16,
    body_len: usize,
}

impl Observer for Count {
    fn head(&mut self, status: u16, _: &[Header<'_>]) {
        self.status = status;
    }

    fn head_again(&mut self) {
        unreachable!("nothing is known of the first response");
    }

    fn body(&mut self, piece: &[u8], _: bool) {
        self.body_len += piece.len();
    }
}

/// What the codec concludes from a case that comes in these pieces.
fn conclude<'b>(case: &Case, pieces: impl Iterator<Item = &'b [u8]>) -> Expectation {
    let (mut codec, mut count) = (Codec::default(), Count::default());
    codec.begin(case.method == Method::Head);
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        match codec.feed(piece, &mut HeadMemo::default(), &mut count) {
            Progress::More => {}
            Progress::Complete { consumed, keep_alive } => {
                let is_all = consumed == piece.len() && pieces.peek().is_none();
                return Expectation::Complete {
                    status: count.status,
                    body_len: count.body_len,
                    keep_alive: keep_alive && is_all,
                };
            }
            Progress::Failed(_) => return Expectation::Malformed,
        }
    }
    match case.close_after {
        false => Expectation::Unfinished,
        true if codec.finish(&mut count) => {
            Expectation::Complete { status: count.status, body_len: count.body_len, keep_alive: false }
        }
        true => Expectation::ClosedEarly,
    }
}

#[test]
fn the_codec_is_right_about_every_case_whole_and_split_anywhere() {
    for case in corpus() {
        let response = case.response.as_slice();
        let whole = conclude(&case, std::iter::once(response));
        assert!(case.permits(whole), "{}: concluded {whole:?}, not {:?}", case.name, case.expect);
        let bytewise = conclude(&case, response.chunks(1));
        assert!(case.permits(bytewise), "{}: {bytewise:?}", case.name);
        // Every place of short responses, every place near an end of long ones.
        let places = (0..response.len()).filter(|at| *at < 600 || response.len() - at < 100);
        for at in places {
            let (start, end) = response.split_at(at);
            let split = conclude(&case, [start, end].into_iter());
            assert!(case.permits(split), "{} split at {at}: {split:?}", case.name);
        }
    }
}

#[test]
fn the_protocol_is_right_about_every_case() {
    for case in corpus() {
        for behaviour in [Behaviour::replay(&case), Behaviour::replay_bytewise(&case)] {
            let server = Server::start(behaviour);
            let method = if case.method == Method::Head { "HEAD" } else { "GET" };
            let is_endless =
                case.expect == Expectation::Unfinished || case.or == Some(Expectation::Unfinished);
            let request = if is_endless { hasty(request(method)) } else { request(method) };
            drive(async {
                let driver = Driver::new(origin(server.address()), vec![request]);
                let completion = driver.run(0).await;
                let permits = |status: u16, conclusion: Option<Expectation>| match conclusion {
                    Some(Expectation::Complete { status: expected, .. }) => {
                        let complete = [Outcome::Succeeded, Outcome::Failed(ErrorClass::Status)];
                        expected == status && complete.contains(&completion.outcome)
                    }
                    Some(Expectation::Malformed) => {
                        let classes = [ErrorClass::Malformed, ErrorClass::HeadTooLarge].map(Outcome::Failed);
                        classes.contains(&completion.outcome)
                    }
                    Some(Expectation::ClosedEarly) => {
                        completion.outcome == Outcome::Failed(ErrorClass::ConnectionClosed)
                    }
                    Some(Expectation::Unfinished) => {
                        completion.outcome == Outcome::Failed(ErrorClass::Timeout)
                    }
                    None => false,
                };
                let is_right =
                    permits(completion.status, Some(case.expect)) || permits(completion.status, case.or);
                assert!(is_right, "{}: {completion:?}, not {:?}", case.name, case.expect);
            });
        }
    }
}
