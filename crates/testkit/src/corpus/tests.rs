use std::collections::HashSet;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Expectation::{ClosedEarly, Complete, Malformed, Unfinished};
use super::*;

#[test]
fn there_are_many_cases_and_each_has_its_own_name() {
    let cases = corpus();
    let names: HashSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 60, "{}", cases.len());
}

#[test]
fn expectations_fit_the_end_of_the_connection() {
    for case in corpus() {
        for expect in [Some(case.expect), case.or].into_iter().flatten() {
            assert!(expect != ClosedEarly || case.close_after, "{}: nobody closes", case.name);
            assert!(expect != Unfinished || !case.close_after, "{}: the close ends it", case.name);
        }
        assert_ne!(Some(case.expect), case.or, "{}", case.name);
    }
}

#[test]
fn a_case_permits_caution_but_no_error() {
    let case = Case::open("", "", kept(200, 5)).or(Malformed);
    assert!(case.permits(kept(200, 5)));
    assert!(case.permits(last(200, 5)), "to give the connection up is no error");
    assert!(case.permits(Malformed));
    assert!(!case.permits(kept(200, 4)));
    assert!(!case.permits(Unfinished));
    assert!(!Case::open("", "", last(200, 5)).permits(kept(200, 5)), "to keep it is one");
}

/// The judgement of a client that is not ours. Whether it would keep the connection is not asked.
#[test]
fn hyper_concludes_what_the_corpus_permits() {
    // After the last chunk hyper looks for CR LF CR LF, though elsewhere it takes a lone LF for a line end.
    const KNOWN_TO_DIFFER: [&str; 1] = ["trailers end with LF"];
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut wrong = Vec::new();
    for case in corpus() {
        let conclusion = runtime.block_on(ask_hyper(&case));
        if !case.permits(conclusion) {
            wrong.push((case.name, conclusion));
        }
    }
    let names: Vec<_> = wrong.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, KNOWN_TO_DIFFER, "{wrong:#?}");
}

async fn ask_hyper(case: &Case) -> Expectation {
    let (client, mut server) = tokio::io::duplex(1 << 20);
    let answer = async {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            server.read_buf(&mut request).await.unwrap();
        }
        server.write_all(&case.response).await.unwrap();
        if case.close_after {
            server.shutdown().await.unwrap();
        }
        // Else the other half of the pipe stays open.
        std::future::pending::<Infallible>().await
    };
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await?;
        tokio::spawn(connection);
        let method = if case.method == Method::Head { "HEAD" } else { "GET" };
        let request = Request::builder().method(method).uri("/").body(Empty::<bytes::Bytes>::new()).unwrap();
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body_len = response.into_body().collect().await?.to_bytes().len();
        Ok::<_, hyper::Error>(Complete { status, body_len, keep_alive: false })
    };
    let conclusion = tokio::select! {
        biased;
        never = answer => match never {},
        conclusion = tokio::time::timeout(Duration::from_secs(1), exchange) => conclusion,
    };
    match conclusion {
        Err(_) => Unfinished,
        Ok(Ok(complete)) => complete,
        Ok(Err(error)) if is_closed_early(&error) => ClosedEarly,
        Ok(Err(_)) => Malformed,
    }
}

fn is_closed_early(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    error.is_incomplete_message() || cause.is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof)
}
