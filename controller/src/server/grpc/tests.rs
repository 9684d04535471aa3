//! Tests of the services for workers, over real connections: with TLS, and without.

mod fixture;
mod hostile;

use control::wire::Incoming;
use control::wire::proto::enrolment_client::EnrolmentClient;
use control::{
    BeatAck, ControllerMessage, EnrolRefusal, Enrolled, FromController, RunId, Standing, WorkerId,
};
use net::deadline::{Limits, Operation};
use net::identity::Revocations;
use net::join_token::JoinKey;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use units::Nanos;
use uuid::Uuid;

use control::wire::proto;

use super::*;
use crate::server::handle::Call;
use fixture::{
    Served, beat, desk, enrol, fact, from_worker, hello, host, outcome, residual, scripted, talking, worker,
};

/// What a worker does from its first word on.
async fn lives(served: &Served, connection: fixture::Connection) {
    let mut client = fixture::client(connection);
    let reply = client.enrol(proto::EnrolRequest::from(&enrol("w-1"))).await.unwrap().into_inner();
    let enrolled = Result::<Enrolled, EnrolRefusal>::try_from(reply).unwrap().unwrap();

    let (say, mut heard) = talking(&mut client, &hello("w-1", enrolled.token)).await.unwrap();
    let welcome = Incoming::try_from(heard.message().await.unwrap().unwrap()).unwrap();
    assert!(
        matches!(&welcome, Incoming::Whole(message) if message.cluster == enrolled.cluster
            && message.epoch == enrolled.epoch
            && matches!(&message.body, ControllerMessage::Welcome { acks } if acks.is_empty())),
        "{welcome:?}"
    );

    let beats = [1, 2].map(|number| proto::Beat::from(&beat("w-1", enrolled.token, number)));
    let mut acks = client.heartbeat(tokio_stream::iter(beats)).await.unwrap().into_inner();
    for number in [1, 2] {
        let ack = BeatAck::try_from(acks.message().await.unwrap().unwrap()).unwrap();
        assert_eq!((ack.number, ack.standing, ack.epoch), (number, Standing::Current, enrolled.epoch));
        assert!(ack.received_at <= ack.sent_at);
    }
    assert!(acks.message().await.unwrap().is_none());

    let taken = residual(&mut client, &[fact("w-1", RunId::new(Uuid::from_u128(5)))]).await.unwrap();
    assert!(taken.is_empty(), "nobody knows the run");

    let bytes: Vec<u8> = (0..600_000_u32).map(|at| at as u8).collect();
    let digest = control::ContentDigest::of(&bytes);
    served.cluster.contents().put(digest, &bytes).unwrap();
    let mut pieces = client.fetch(fixture::wish(digest)).await.unwrap().into_inner();
    let mut fetched = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        assert!((1..=262_144).contains(&piece.data.len()));
        fetched.extend_from_slice(&piece.data);
    }
    assert_eq!(fetched, bytes);
    let unknown = client.fetch(fixture::wish(control::ContentDigest([7; 32]))).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    drop(say);
}

#[tokio::test]
async fn a_worker_joins_by_token_and_fingerprint_and_lives_over_tls() {
    let host = host();
    let served = Served::with_tls(host.handle().clone()).await;
    let desk = served.desk();
    let (token, fingerprint) = (served.token(1), desk.authority().fingerprint());

    // Without a certificate it can do nothing but ask for one.
    let stranger = served.dial(None, fingerprint).await;
    let refused = fixture::client(stranger.clone()).enrol(proto::EnrolRequest::from(&enrol("w-1"))).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    let identity = fixture::join(stranger, "w-1", &token).await.unwrap();
    assert_eq!(identity.facts().worker.as_deref(), Some("w-1"));
    let connection = served.dial(Some(&identity), fingerprint).await;

    // A certificate renews itself, for its own name.
    let renewed = fixture::join(connection.clone(), "w-1", "").await.unwrap();
    assert!(renewed.facts().serial != identity.facts().serial);
    let stolen = fixture::join(connection.clone(), "w-2", "").await.unwrap_err();
    assert_eq!(stolen.code(), Code::PermissionDenied);

    lives(&served, connection).await;
    served.stop().await;
}

#[tokio::test]
async fn a_worker_lives_without_certificates_where_that_was_asked_for() {
    let host = host();
    let served = Served::plain(host.handle().clone()).await;
    let connection = served.dial_plain().await;
    let none = fixture::join(connection.clone(), "w-1", "lgj1_x.y").await.unwrap_err();
    assert_eq!(none.code(), Code::FailedPrecondition);
    lives(&served, connection).await;
    served.stop().await;
}

#[tokio::test]
async fn join_tokens_are_good_for_what_they_say_and_no_more() {
    let (cluster, _calls, _beats) = scripted();
    let served = Served::with_tls(cluster).await;
    let connection = served.dial(None, served.desk().authority().fingerprint()).await;
    let join = async |worker, token: &str| fixture::join(connection.clone(), worker, token).await.map(drop);

    let once = served.token(1);
    join("w-1", &once).await.unwrap();
    // A replay, also for the same name: it is another request.
    for worker in ["w-1", "w-2"] {
        let replayed = join(worker, &once).await.unwrap_err();
        assert_eq!(replayed.code(), Code::Unauthenticated);
        assert!(replayed.message().contains("used up"), "{replayed}");
    }
    let foreign = JoinKey::generate().unwrap();
    let (_, foreign) = desk(foreign).issue_token(fixture::grant(5), net::WallTime::now()).unwrap();
    let old = served.desk().issue_token(fixture::grant(5), net::WallTime::from_unix(1_000)).unwrap().1;
    for token in [foreign.expose(), old.expose(), "", "lgj1_", "Bearer lgj1_x"] {
        assert_eq!(join("w-3", token).await.unwrap_err().code(), Code::Unauthenticated, "{token}");
    }
    // What cannot be signed costs no use.
    let token = served.token(1);
    let wish = proto::CertificateRequest {
        worker: "w-4".to_owned(),
        join_token: token.clone(),
        csr_pem: "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n".to_owned(),
    };
    let mut client = EnrolmentClient::new(connection.clone());
    assert_eq!(client.request_certificate(wish).await.unwrap_err().code(), Code::InvalidArgument);
    join("w-4", &token).await.unwrap();

    served.revoke(Revocations { workers: ["w-5".to_owned()].into(), ..Revocations::default() });
    assert_eq!(join("w-5", &served.token(1)).await.unwrap_err().code(), Code::PermissionDenied);
    served.stop().await;
}

#[tokio::test]
async fn nobody_becomes_a_worker_that_is_there_by_a_token_for_any_name() {
    let (cluster, _calls, _beats) = scripted();
    let served = Served::with_tls(cluster).await;
    let connection = served.dial(None, served.desk().authority().fingerprint()).await;
    let join = async |token: &str| fixture::join(connection.clone(), "w-1", token).await.map(drop);
    join(&served.token(1)).await.unwrap();
    let refused = join(&served.token(1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("token join --name w-1"), "{refused}");
    let grant = net::join_token::JoinGrant { workers: Some("w-1".to_owned()), ..fixture::grant(1) };
    let (_, made_for_it) = served.desk().issue_token(grant, net::WallTime::now()).unwrap();
    join(made_for_it.expose()).await.unwrap();
    served.stop().await;
}

#[tokio::test]
async fn no_certificate_is_handed_out_for_a_use_that_cannot_be_written_down() {
    let (cluster, _calls, _beats) = scripted();
    let served = Served::with_tls(cluster).await;
    let connection = served.dial(None, served.desk().authority().fingerprint()).await;
    let token = served.token(1);
    served.disk_is_full(true);
    let refused = fixture::join(connection.clone(), "w-1", &token).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(served.kept_uses(), 0);
    served.disk_is_full(false);
    fixture::join(connection, "w-1", &token).await.unwrap();
    assert_eq!(served.kept_uses(), 1);
    served.stop().await;
}

#[tokio::test]
async fn two_hundred_claims_to_be_another_worker_are_refused() {
    let host = host();
    let served = Served::with_tls(host.handle().clone()).await;
    let mut client = fixture::client(served.worker("w-1").await);
    let enrolled = fixture::enrolled(&mut client, "w-1").await;
    for number in 0..50_u64 {
        let other = format!("w-{}", number + 2);
        let reply = client.enrol(proto::EnrolRequest::from(&enrol(&other))).await.unwrap().into_inner();
        let reply = Result::<Enrolled, EnrolRefusal>::try_from(reply).unwrap();
        assert!(matches!(reply, Err(EnrolRefusal::Name { name, .. }) if name == other));

        let refused = talking(&mut client, &hello(&other, enrolled.token)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);

        let beats = tokio_stream::iter([proto::Beat::from(&beat(&other, enrolled.token, number))]);
        let refused = outcome(client.heartbeat(beats).await).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);

        let foreign = fact(&other, RunId::new(Uuid::from_u128(number.into())));
        let refused = residual(&mut client, &[foreign]).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    let status = served.cluster.status().await.unwrap();
    assert_eq!(status.workers.len(), 1, "only its own name took part");
    served.stop().await;
}

#[tokio::test]
async fn a_stream_carries_only_what_its_hello_was_about() {
    let host = host();
    // Also where nobody has a certificate.
    let served = Served::plain(host.handle().clone()).await;
    let mut client = fixture::client(served.dial_plain().await);
    let enrolled = fixture::enrolled(&mut client, "w-1").await;
    let run = RunId::new(Uuid::from_u128(5));
    let own = || control::WorkerMessage::Fact(Box::new(fact("w-1", run)));
    let foreign = control::WorkerMessage::Fact(Box::new(fact("w-2", run)));
    let mut other_session = from_worker("w-1", enrolled.token, own());
    other_session.session = control::SessionId(Uuid::from_u128(77));
    let cases = [
        from_worker("w-2", enrolled.token, own()),
        from_worker("w-1", enrolled.token, foreign),
        other_session,
    ];
    for message in cases {
        let (say, mut heard) = talking(&mut client, &hello("w-1", enrolled.token)).await.unwrap();
        say.send(proto::FromWorker::try_from(&message).unwrap()).await.unwrap();
        let ended = loop {
            match heard.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended well"),
                Err(status) => break status,
            }
        };
        assert_eq!(ended.code(), Code::PermissionDenied, "{message:?}");
    }
    // A session that never enrolled has no stream, and a stream begins with a hello.
    let refused = talking(&mut client, &hello("w-9", enrolled.token)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let refused = talking(&mut client, &from_worker("w-1", enrolled.token, own())).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    served.stop().await;
}

#[tokio::test]
async fn a_certificate_revoked_meanwhile_counts_no_more_on_the_connection_it_opened() {
    let host = host();
    let served = Served::with_tls(host.handle().clone()).await;
    let mut client = fixture::client(served.worker("w-1").await);
    fixture::enrolled(&mut client, "w-1").await;
    served.revoke(Revocations { workers: ["w-1".to_owned()].into(), ..Revocations::default() });
    let refused = client.enrol(proto::EnrolRequest::from(&enrol("w-1"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    served.stop().await;
}

#[tokio::test]
async fn a_certificate_revoked_meanwhile_ends_the_streams_it_opened() {
    let host = host();
    let served = Served::with_tls(host.handle().clone()).await;
    let mut client = fixture::client(served.worker("w-1").await);
    let enrolled = fixture::enrolled(&mut client, "w-1").await;
    let (say, mut heard) = talking(&mut client, &hello("w-1", enrolled.token)).await.unwrap();
    heard.message().await.unwrap().expect("a welcome");
    let (beats, beating) = tokio::sync::mpsc::channel(1);
    let beating = tokio_stream::wrappers::ReceiverStream::new(beating);
    beats.send(proto::Beat::from(&beat("w-1", enrolled.token, 1))).await.unwrap();
    let mut acks = client.heartbeat(beating).await.unwrap().into_inner();
    acks.message().await.unwrap().expect("an answer");

    served.revoke(Revocations { workers: ["w-1".to_owned()].into(), ..Revocations::default() });
    beats.send(proto::Beat::from(&beat("w-1", enrolled.token, 2))).await.unwrap();
    assert_eq!(acks.message().await.unwrap_err().code(), Code::PermissionDenied);
    let run = RunId::new(Uuid::from_u128(5));
    let own = control::WorkerMessage::Fact(Box::new(fact("w-1", run)));
    say.send(proto::FromWorker::try_from(&from_worker("w-1", enrolled.token, own)).unwrap()).await.unwrap();
    assert_eq!(heard.message().await.unwrap_err().code(), Code::PermissionDenied);
    served.stop().await;
}

#[tokio::test]
async fn a_worker_of_another_release_is_told_so() {
    let host = host();
    let served = Served::plain(host.handle().clone()).await;
    let mut client = fixture::client(served.dial_plain().await);
    let versions = control::ProtocolVersions { oldest: 900, newest: 901 };
    let other = control::Enrol { versions, ..enrol("w-1") };
    let reply = client.enrol(proto::EnrolRequest::from(&other)).await.unwrap().into_inner();
    let reply = Result::<Enrolled, EnrolRefusal>::try_from(reply).unwrap();
    assert!(matches!(reply, Err(EnrolRefusal::Version { .. })));
    served.stop().await;
}

#[tokio::test]
async fn a_worker_that_does_not_read_loses_its_stream_and_nobody_waits() {
    let (cluster, mut calls, _beats) = scripted();
    let served = Served::plain(cluster).await;
    let mut client = fixture::client(served.dial_plain().await);
    let said = hello("w-1", fixture::TOKEN);
    let dialling = talking(&mut client, &said);
    let opening = async {
        match calls.recv().await.unwrap() {
            Call::Open(_, sender, answer) => {
                answer.send(Ok(fixture::LINK)).unwrap();
                sender
            }
            other => panic!("{other:?}"),
        }
    };
    let (talk, sender) = tokio::join!(dialling, opening);
    let (_say, mut heard) = talk.unwrap();
    // What flow control and buffers take, and then the queue. Larger messages get there sooner.
    let mut sent = 0_u32;
    loop {
        let message = FromController {
            cluster: control::ClusterId(Uuid::nil()),
            epoch: control::Epoch(1),
            body: fixture::long_command(),
        };
        if sender.try_send(message).is_err() {
            // Full for good, not for the moment.
            if timeout_full(&sender).await {
                break;
            }
            continue;
        }
        sent += 1;
        assert!(sent < 100_000, "nothing holds a controller back");
    }
    drop(sender);
    // Closed by the adapter only when it can say why: the worker reads again.
    let mut read = 0;
    let status = loop {
        match heard.message().await {
            Ok(Some(_)) => read += 1,
            Ok(None) => panic!("the stream ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(read, sent, "what was taken was sent, in order");
    assert!(matches!(calls.recv().await.unwrap(), Call::Closed(fixture::LINK)));
    served.stop().await;
}

/// Whether a full queue stays full although everything else had its turn.
async fn timeout_full(sender: &tokio::sync::mpsc::Sender<FromController>) -> bool {
    for _ in 0..200 {
        tokio::task::yield_now().await;
        if sender.capacity() > 0 {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn the_cluster_learns_that_a_worker_hung_up() {
    let (cluster, mut calls, _beats) = scripted();
    let served = Served::plain(cluster).await;
    let mut client = fixture::client(served.dial_plain().await);
    let said = hello("w-1", fixture::TOKEN);
    let dialling = talking(&mut client, &said);
    let opening = async {
        let Call::Open(hello, sender, answer) = calls.recv().await.unwrap() else { panic!("no hello") };
        assert_eq!(hello.worker, worker("w-1"));
        answer.send(Ok(fixture::LINK)).unwrap();
        sender
    };
    let (talk, _sender) = tokio::join!(dialling, opening);
    drop(talk.unwrap());
    assert!(matches!(calls.recv().await.unwrap(), Call::Closed(fixture::LINK)));
    served.stop().await;
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_given_up_in_time() {
    let (cluster, _calls, _beats) = scripted();
    let limits = Limits::default()
        .with(Operation::Enrol, Nanos::from_millis(20))
        .with(Operation::SessionOpen, Nanos::from_millis(20));
    let served = Served::start(cluster, false, limits).await;
    let mut client = fixture::client(served.dial_plain().await);
    let late = client.enrol(proto::EnrolRequest::from(&enrol("w-1"))).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    let late = talking(&mut client, &hello("w-1", fixture::TOKEN)).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    // Nor is one waited for that opens a stream and says nothing on it.
    let silent = client.session(tokio_stream::pending::<proto::FromWorker>()).await.unwrap_err();
    assert_eq!(silent.code(), Code::DeadlineExceeded);
    served.stop().await;
}

#[tokio::test]
async fn health_is_told_to_anybody_and_its_watchers_hold_up_no_end() {
    let (cluster, _calls, _beats) = scripted();
    let served = Served::with_tls(cluster).await;
    let connection = served.dial(None, served.desk().authority().fingerprint()).await;
    let mut health = HealthClient::new(connection);
    let control = || HealthCheckRequest { service: CONTROL.to_owned() };
    let checked = health.check(control()).await.unwrap().into_inner();
    assert_eq!(checked.status(), ServingStatus::Serving);
    let mut news = health.watch(Request::new(control())).await.unwrap().into_inner();
    assert_eq!(news.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(served.stop().await, 0, "the watcher's stream ended by itself");
    assert_eq!(news.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
}

#[test]
fn a_worker_name_of_a_certificate_is_one_of_the_protocol() {
    for name in ["w-1", "a", "0.x_y-z", &"w".repeat(63)] {
        assert!(WorkerId::parse(name).is_ok() && net::identity::check_worker_name(name).is_ok());
    }
    for name in ["", "W", "-w", "w w", "ü", &"w".repeat(64)] {
        assert!(WorkerId::parse(name).is_err() && net::identity::check_worker_name(name).is_err());
    }
}
