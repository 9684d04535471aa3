//! Those who are not who they say they are, or not any more.

use control::{EnrolRefusal, FactBody, LeaveMode, ProtocolVersions, RunId, WorkerMessage};
use net::WallTime;
use net::identity::{Authority, Identity, Revocations, Secret};
use net::tls::Trust;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use units::Nanos;
use uuid::Uuid;
use worker::{Credentials, WorkerExit};

use super::rogue::{Client, Name, client, enrol, session};
use super::stage::{Link, Stage, certificate};

fn trust(stage: &Stage) -> Trust {
    Trust::Fingerprint(stage.authority().fingerprint())
}

/// Starts a worker with these credentials and holds that it is sent away with words in which `expected` stands.
#[track_caller]
fn is_sent_away(stage: &Stage, name: &str, credentials: Credentials, expected: &str) {
    let mut options = stage.options(name, stage.worker_address());
    options.credentials = credentials;
    let worker = stage.start(options);
    match stage.wait(worker.exit).unwrap() {
        WorkerExit::Unauthorised(why) => assert!(why.contains(expected), "{name}: {why}"),
        other => panic!("{name}: {other:?}"),
    }
}

fn own(identity: (Vec<u8>, Secret), trust: Trust) -> Credentials {
    Credentials::Own { chain_pem: identity.0, key_pem: identity.1, trust }
}

/// A certificate as an operator would bring it.
fn pem(authority: &Authority, name: &str, from: WallTime, validity: Nanos) -> (Vec<u8>, Secret) {
    let request = net::identity::CertificateRequest::create().unwrap();
    let pem = authority.sign_worker(request.pem(), name, from, validity).unwrap();
    (pem.into_bytes(), request.key_pem())
}

#[test]
fn whoever_cannot_prove_who_he_is_is_sent_away_and_the_run_does_not_notice() {
    let stage = Stage::with_workers(Link::Tls, 2);
    // Whoever comes meanwhile has no part in it.
    let run = stage.submit_with("100/s", "6s", r#""rejoin": "never""#, 2);
    stage.until(|| stage.arrived() >= 50);
    let stranger = Authority::create("stranger", WallTime::now()).unwrap();
    let (now, hour) = (WallTime::now(), Nanos::from_secs(3_600));
    let join = |token: &str, trust| Credentials::Join { token: Secret::new(token), trust };

    is_sent_away(&stage, "wrong-token", join("lgj_nonsense", trust(&stage)), "token");
    let spent = stage.join_token(1);
    let first = stage.start({
        let mut options = stage.options("spends-it", stage.worker_address());
        options.credentials = join(spent.expose(), trust(&stage));
        options
    });
    stage.await_ready(3);
    is_sent_away(&stage, "replayed-token", join(spent.expose(), trust(&stage)), "used");
    let elsewhere = Trust::Fingerprint(stranger.fingerprint());
    is_sent_away(&stage, "wrong-ca", join(stage.join_token(1).expose(), elsewhere), "fingerprint");
    is_sent_away(&stage, "foreign", own(pem(&stranger, "foreign", now, hour), trust(&stage)), "certificate");
    let revoked = pem(stage.authority(), "revoked", now, hour);
    stage
        .revocations
        .replace(Revocations { workers: ["revoked".to_owned()].into(), ..Revocations::default() });
    is_sent_away(&stage, "revoked", own(revoked, trust(&stage)), "revoked");
    let expired = pem(stage.authority(), "expired", now.before(Nanos::from_secs(7_200)), hour);
    is_sent_away(&stage, "expired", own(expired, trust(&stage)), "has ended");
    stage.exact(run, 600);
    let names: Vec<String> = stage.status().workers.into_iter().map(|worker| worker.name).collect();
    assert_eq!(names, ["spends-it", "w1", "w2"]);
    drop(first);
    stage.end();
}

#[test]
fn a_worker_of_another_release_is_refused_with_both_versions() {
    let stage = Stage::new(Link::Insecure);
    stage.wait(async {
        let mut client = client(stage.worker_address(), None).await;
        for versions in [(0, 0), (2, 9), (u32::MAX, u32::MAX), (9, 2)] {
            let versions = ProtocolVersions { oldest: versions.0, newest: versions.1 };
            let wish = control::Enrol { versions, ..Name::new("other").enrol() };
            let reply = client.enrol(control::wire::proto::EnrolRequest::from(&wish)).await;
            let Ok(reply) = reply else { continue };
            let refused = Result::<control::Enrolled, EnrolRefusal>::try_from(reply.into_inner()).unwrap();
            assert!(matches!(refused, Err(EnrolRefusal::Version { .. })), "{refused:?}");
        }
    });
    assert!(stage.status().workers.is_empty());
}

/// A worker of the cluster that is somebody else than it says.
async fn impostor(stage: &Stage, identity: &Identity) -> Client {
    client(stage.worker_address(), Some((trust(stage), Some(identity)))).await
}

#[test]
fn a_worker_that_speaks_as_another_one_is_refused_whatever_it_says() {
    let stage = Stage::with_workers(Link::Tls, 2);
    let run = stage.submit_with("100/s", "5s", r#""rejoin": "never""#, 2);
    stage.until(|| stage.arrived() >= 50);
    let victim = stage.status().workers.into_iter().find(|worker| worker.name == "w1").unwrap();
    // It even knows the session of its victim, and its token.
    let mut name = Name::new("w1");
    name.session = control::SessionId(victim.session.parse().unwrap());
    let evil = certificate(stage.authority(), "evil", WallTime::now(), Nanos::from_secs(600));
    let run_id = run;
    stage.wait(async {
        let mut client = impostor(&stage, &evil).await;
        for _ in 0..20 {
            let refused = enrol(&mut client, &name).await;
            assert!(
                matches!(&refused, Err(status) if status.code() == Code::PermissionDenied)
                    || matches!(refused, Ok(Err(EnrolRefusal::Name { .. }))),
                "{refused:?}"
            );
            let hello = name.says(WorkerMessage::Hello { runs: Vec::new() });
            assert_eq!(ends_with(session(&mut client, hello).await).await, Code::PermissionDenied);
            let beats = ReceiverStream::new(one(name.beat(1_000_000)));
            let beaten = match client.heartbeat(beats).await {
                Ok(acks) => acks.into_inner().message().await.map(|ack| ack.is_some()),
                Err(status) => Err(status),
            };
            assert_eq!(beaten.unwrap_err().code(), Code::PermissionDenied);
            let lie = FactBody::Once { task: "lie".to_owned(), failure: Some("so".to_owned()) };
            let fact = control::wire::proto::Fact::try_from(&name.fact(run_id, 3, lie)).unwrap();
            let told = client.submit_residual(ReceiverStream::new(one(fact))).await;
            assert_eq!(told.unwrap_err().code(), Code::PermissionDenied);
        }
        // Under its own name it may come, and then speak for nobody else.
        let mut own = Name::new("evil");
        own.token = enrol(&mut client, &own).await.unwrap().unwrap().token;
        let hello = own.says(WorkerMessage::Hello { runs: Vec::new() });
        let (say, heard) = session(&mut client, hello).await.unwrap();
        say.send(name.says(WorkerMessage::Leave(LeaveMode::Fast))).await.unwrap();
        assert_eq!(ends_with(Ok((say, heard))).await, Code::PermissionDenied);
        let hello = own.says(WorkerMessage::Hello { runs: Vec::new() });
        let (say, heard) = session(&mut client, hello).await.unwrap();
        let fact = name.fact(run_id, 3, FactBody::Revised { revision: 9, effective: Nanos::SECOND });
        say.send(own.says(WorkerMessage::Fact(Box::new(fact)))).await.unwrap();
        assert_eq!(ends_with(Ok((say, heard))).await, Code::PermissionDenied);
        // A fact of its own about a run in which it has no part is nobody's.
        let hello = own.says(WorkerMessage::Hello { runs: Vec::new() });
        let (say, heard) = session(&mut client, hello).await.unwrap();
        for run in [run_id, RunId::new(Uuid::from_u128(1))] {
            let fact = own.fact(run, 1, FactBody::Revised { revision: 9, effective: Nanos::SECOND });
            say.send(own.says(WorkerMessage::Fact(Box::new(fact)))).await.unwrap();
        }
        drop((say, heard));
    });
    let result = stage.exact(run, 500);
    assert_eq!(result.workers.len(), 2, "who has no part has none in the result either");
}

/// A stream of one message.
fn one<T>(message: T) -> tokio::sync::mpsc::Receiver<T> {
    let (say, said) = tokio::sync::mpsc::channel(1);
    say.try_send(message).unwrap_or_else(|_| panic!("there is room for one"));
    said
}

/// The status with which a session stream ends.
async fn ends_with(
    opened: Result<
        (
            tokio::sync::mpsc::Sender<control::wire::proto::FromWorker>,
            tonic::Streaming<control::wire::proto::FromController>,
        ),
        tonic::Status,
    >,
) -> Code {
    let (_say, mut heard) = match opened {
        Ok(opened) => opened,
        Err(status) => return status.code(),
    };
    loop {
        match heard.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Code::Ok,
            Err(status) => return status.code(),
        }
    }
}
