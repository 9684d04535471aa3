//! Every message survives the wire, and nothing that comes over it makes anything panic.

pub(super) mod messages;

use std::fmt::Debug;

use messages::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use prost::Message;
use units::Nanos;
use uuid::Uuid;

use super::*;
use crate::*;

/// Reads bytes as one kind of message; what was read is written and must be read as the same again.
type Reading = fn(&[u8]) -> bool;

/// Reads `bytes` as an `M`, and that as a `T`.
fn read<M, T>(bytes: &[u8]) -> Option<T>
where
    M: Message + Default,
    T: TryFrom<M, Error = WireError>,
{
    T::try_from(M::decode(bytes).ok()?).ok()
}

fn again<M, T>(bytes: &[u8], to_wire: impl Fn(&T) -> M) -> bool
where
    M: Message + Default,
    T: TryFrom<M, Error = WireError> + PartialEq + Debug,
{
    let Some(value) = read::<M, T>(bytes) else { return false };
    assert_eq!(read::<M, T>(&to_wire(&value).encode_to_vec()).as_ref(), Some(&value));
    true
}

fn incoming_again(bytes: &[u8]) -> bool {
    let Some(incoming) = read::<proto::FromController, Incoming>(bytes) else { return false };
    match incoming {
        Incoming::Whole(message) => {
            let sent = message.to_wire(&MemoryContents::new(0)).unwrap();
            assert_eq!(Incoming::try_from(sent), Ok(Incoming::Whole(message)));
        }
        Incoming::Awaiting(awaiting) => {
            let sent = proto::Prepare::from(&awaiting.refs);
            assert_eq!(PrepareRefs::try_from(sent), Ok(awaiting.refs));
        }
    }
    true
}

/// Every kind of message that a peer can send, with one of each variant where there are variants.
fn corpus() -> Vec<(Vec<u8>, Reading)> {
    let mut runner = TestRunner::deterministic();
    let mut corpus: Vec<(Vec<u8>, Reading)> = Vec::new();
    for _ in 0..12 {
        let contents = MemoryContents::new(1 << 20);
        let mut add = |bytes, reading| corpus.push((bytes, reading));
        let from_worker = from_workers().new_tree(&mut runner).unwrap().current();
        add(proto::FromWorker::try_from(&from_worker).unwrap().encode_to_vec(), |bytes| {
            again(bytes, |message: &FromWorker| proto::FromWorker::try_from(message).unwrap())
        });
        let fact = facts().new_tree(&mut runner).unwrap().current();
        add(proto::Fact::try_from(&fact).unwrap().encode_to_vec(), |bytes| {
            again(bytes, |fact: &Fact| proto::Fact::try_from(fact).unwrap())
        });
        let from_controller = from_controllers().new_tree(&mut runner).unwrap().current();
        add(from_controller.to_wire(&contents).unwrap().encode_to_vec(), incoming_again);
        let enrol = enrols().new_tree(&mut runner).unwrap().current();
        add(proto::EnrolRequest::from(&enrol).encode_to_vec(), |bytes| {
            again(bytes, |enrol: &Enrol| proto::EnrolRequest::from(enrol))
        });
        let reply = enrol_replies().new_tree(&mut runner).unwrap().current();
        add(proto::EnrolReply::from(&reply).encode_to_vec(), |bytes| {
            again(bytes, |reply: &Result<Enrolled, EnrolRefusal>| proto::EnrolReply::from(reply))
        });
        let beat = beats().new_tree(&mut runner).unwrap().current();
        add(proto::Beat::from(&beat).encode_to_vec(), |bytes| {
            again(bytes, |beat: &Beat| proto::Beat::from(beat))
        });
        let ack = beat_acks().new_tree(&mut runner).unwrap().current();
        add(proto::BeatAck::from(&ack).encode_to_vec(), |bytes| {
            again(bytes, |ack: &BeatAck| proto::BeatAck::from(ack))
        });
    }
    corpus
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_a_worker_says_survives_the_wire(message in from_workers()) {
        let bytes = proto::FromWorker::try_from(&message).unwrap().encode_to_vec();
        prop_assert_eq!(read::<proto::FromWorker, FromWorker>(&bytes), Some(message));
    }

    #[test]
    fn a_fact_survives_the_wire(fact in facts()) {
        let bytes = proto::Fact::try_from(&fact).unwrap().encode_to_vec();
        prop_assert_eq!(read::<proto::Fact, Fact>(&bytes), Some(fact));
    }

    #[test]
    fn what_a_controller_says_survives_the_wire_once_its_contents_are_there(message in from_controllers()) {
        let here = MemoryContents::new(1 << 20);
        let bytes = message.to_wire(&here).unwrap().encode_to_vec();
        match read::<proto::FromController, Incoming>(&bytes).unwrap() {
            Incoming::Whole(whole) => prop_assert_eq!(*whole, message),
            Incoming::Awaiting(awaiting) => {
                let there = MemoryContents::new(1 << 20);
                let missing = awaiting.refs.contents();
                prop_assert!(matches!(awaiting.complete(&there), Err(AssembleError::Missing(_))));
                for wanted in missing {
                    let mut assembly = Assembly::new(wanted).unwrap();
                    chunks(here.get(wanted.digest).unwrap()).for_each(|piece| assembly.push(&piece).unwrap());
                    there.put(assembly.finish().unwrap()).unwrap();
                }
                prop_assert_eq!(awaiting.complete(&there).unwrap(), message);
            }
        }
    }

    #[test]
    fn enrolment_and_beats_survive_the_wire(
        enrol in enrols(),
        reply in enrol_replies(),
        beat in beats(),
        ack in beat_acks(),
        acks in residual_acks(),
    ) {
        let bytes = proto::EnrolRequest::from(&enrol).encode_to_vec();
        prop_assert_eq!(read::<proto::EnrolRequest, Enrol>(&bytes), Some(enrol));
        let bytes = proto::EnrolReply::from(&reply).encode_to_vec();
        prop_assert_eq!(read::<proto::EnrolReply, Result<Enrolled, EnrolRefusal>>(&bytes), Some(reply));
        let bytes = proto::Beat::from(&beat).encode_to_vec();
        prop_assert_eq!(read::<proto::Beat, Beat>(&bytes), Some(beat));
        let bytes = proto::BeatAck::from(&ack).encode_to_vec();
        prop_assert_eq!(read::<proto::BeatAck, BeatAck>(&bytes), Some(ack));
        let bytes = proto::ResidualReply::from(&acks[..]).encode_to_vec();
        prop_assert_eq!(read::<proto::ResidualReply, Vec<Ack>>(&bytes), Some(acks));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for reading in corpus_readings() {
            reading(&bytes);
        }
        let _ = snapshot::decode(&bytes);
    }
}

fn corpus_readings() -> [Reading; 7] {
    [
        |bytes| read::<proto::FromWorker, FromWorker>(bytes).is_some(),
        |bytes| read::<proto::Fact, Fact>(bytes).is_some(),
        incoming_again,
        |bytes| read::<proto::EnrolRequest, Enrol>(bytes).is_some(),
        |bytes| read::<proto::EnrolReply, Result<Enrolled, EnrolRefusal>>(bytes).is_some(),
        |bytes| read::<proto::Beat, Beat>(bytes).is_some(),
        |bytes| read::<proto::BeatAck, BeatAck>(bytes).is_some(),
    ]
}

#[test]
fn a_message_cut_anywhere_is_an_error_or_another_message() {
    let (mut whole, mut refused) = (0, 0);
    for (bytes, reading) in corpus() {
        assert!(reading(&bytes));
        for end in 0..bytes.len() {
            *if reading(&bytes[..end]) { &mut whole } else { &mut refused } += 1;
        }
    }
    assert!(refused > 20 * whole, "{refused} refused, {whole} taken");
}

#[test]
fn a_message_with_flipped_bits_is_an_error_or_another_message() {
    for (place, (mut bytes, reading)) in corpus().into_iter().enumerate() {
        for at in 0..bytes.len() {
            // Every bit of a few bytes costs as much as one bit of all of them, and finds more.
            for bit in if bytes.len() < 200 { 0..8 } else { (at + place) % 8..(at + place) % 8 + 1 } {
                bytes[at] ^= 1 << bit;
                reading(&bytes);
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

fn refused<M, T>(message: M) -> String
where
    M: Message + Default,
    T: TryFrom<M, Error = WireError> + Debug,
{
    T::try_from(message).unwrap_err().to_string()
}

fn beat() -> proto::Beat {
    proto::Beat {
        worker: "w".to_owned(),
        session: vec![1; 16],
        token: Some(proto::LeaseToken { epoch: 1, counter: 1 }),
        number: 1,
        ..proto::Beat::default()
    }
}

fn fact(body: proto::fact::Body) -> proto::Fact {
    let (run_id, session) = (vec![0; 16], vec![1; 16]);
    proto::Fact { run_id, worker: "w".to_owned(), session, seq: 1, body: Some(body) }
}

fn command(body: proto::command::Body) -> proto::FromController {
    let command = proto::Command { run_id: vec![0; 16], epoch: 1, id: 1, body: Some(body) };
    let body = Some(proto::from_controller::Body::Command(command));
    proto::FromController { cluster: vec![2; 16], epoch: 1, body }
}

#[test]
fn what_is_missing_unknown_or_out_of_bounds_is_named() {
    let wrong = |change: fn(&mut proto::Beat)| {
        let mut beat = beat();
        change(&mut beat);
        refused::<_, Beat>(beat)
    };
    assert!(Beat::try_from(beat()).is_ok());
    assert_eq!(wrong(|beat| beat.token = None), "`token` of `Beat` is missing");
    assert_eq!(wrong(|beat| beat.session.truncate(15)), "`session` of `Beat` has 15 bytes instead of 16");
    assert!(
        wrong(|beat| beat.worker = "../x".to_owned()).starts_with("`worker` of `Beat` `../x` is no worker's")
    );
    assert_eq!(
        wrong(|beat| beat.sent_at_nanos = u64::MAX),
        format!("`sent_at_nanos` of `Beat` is {} ns; it may be 0 to {}", u64::MAX, i64::MAX)
    );
    let ack = proto::BeatAck { standing: 9, ..proto::BeatAck::default() };
    assert_eq!(refused::<_, BeatAck>(ack), "`standing` of `BeatAck` has the unknown value 9");
    let unspecified = refused::<_, BeatAck>(proto::BeatAck::default());
    assert_eq!(unspecified, "`standing` of `BeatAck` has the unknown value 0");
    let token = Some(proto::LeaseToken::default());
    let ack = proto::BeatAck { standing: 1, current: token, ..proto::BeatAck::default() };
    assert_eq!(
        refused::<_, BeatAck>(ack),
        "`current` of `BeatAck` is there although the lease is not fenced"
    );
}

#[test]
fn numbers_that_are_none_are_refused() {
    use proto::amendment::Change;
    use proto::command::Body;

    let health = |busiest_thread| proto::WorkerHealth { busiest_thread, ..proto::WorkerHealth::default() };
    for value in [f64::NAN, f64::INFINITY, -0.5] {
        let ended = proto::Ended { health: Some(health(value)), ..proto::Ended::default() };
        let error = refused::<_, Fact>(fact(proto::fact::Body::Ended(ended)));
        assert!(error.starts_with("`busiest_thread` of `WorkerHealth` is"), "{error}");
    }
    let revise = |weights: &[u32], amendments: &[(u64, Change)]| {
        let amendments = amendments
            .iter()
            .map(|(at_nanos, change)| proto::Amendment { at_nanos: *at_nanos, change: Some(*change) })
            .collect();
        let revision =
            proto::Revision { weights: weights.to_vec(), amendments, ..proto::Revision::default() };
        Incoming::try_from(command(Body::Revise(revision))).map_err(|error| error.to_string())
    };
    let rate = |count, per_nanos| Change::Rate(proto::RateChange { scenario: 0, count, per_nanos });
    let pause = Change::Pause(proto::PauseChange {});
    assert!(revise(&[4_096], &[(1, rate(1, 1)), (1, pause)]).is_ok());
    let error = revise(&[4_096, 1], &[]).unwrap_err();
    assert_eq!(error, "`weights` of `Revision` is 4097 in all; it may be 1 to 4096");
    assert!(revise(&[], &[]).is_err() && revise(&[0, 0], &[]).is_err());
    assert!(revise(&[u32::MAX; 4_096], &[]).is_err());
    assert!(revise(&[1], &[(0, rate(1, 0))]).is_err(), "in no time");
    assert!(revise(&[1], &[(0, rate(2, 1))]).is_err(), "two in a nanosecond");
    assert!(revise(&[1], &[(0, rate(u64::MAX, u64::MAX))]).is_err());
    let factor = f64::INFINITY;
    assert!(revise(&[1], &[(0, Change::Scale(proto::ScaleChange { scenario: None, factor }))]).is_err());
    assert!(revise(&[1], &[(2, pause), (1, pause)]).is_err(), "out of order");
    assert!(revise(&[1], &vec![(0, pause); 4_096]).is_ok());
    assert!(revise(&[1], &vec![(0, pause); 4_097]).is_err());
    let start = Body::Start(proto::Start { at_nanos: u64::MAX });
    assert!(Incoming::try_from(command(start)).is_err());
}

#[test]
fn a_traced_request_that_names_nothing_or_ended_in_no_way_is_refused() {
    let traced = |change: fn(&mut proto::TracedRequest)| {
        let mut request = proto::TracedRequest {
            trace_id: [vec![0; 15], vec![1]].concat(),
            span_id: vec![1; 8],
            end: proto::RequestEnd::Succeeded.into(),
            ..proto::TracedRequest::default()
        };
        change(&mut request);
        let body = proto::fact::Body::Traced(proto::Traced { requests: vec![request; 16] });
        Fact::try_from(fact(body)).map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = |change, why: &str| {
        assert_eq!(traced(change).unwrap_err(), why.replace("` ", "` of `TracedRequest` "));
    };
    assert_eq!(traced(|_| ()), Ok(()));
    assert_eq!(traced(|request| request.status = Some(999)), Ok(()));
    refused(|request| request.trace_id = vec![0; 16], "`trace_id` is all zeroes, which names nothing");
    refused(|request| request.trace_id = vec![1; 15], "`trace_id` has 15 bytes instead of 16");
    refused(|request| request.span_id = vec![0; 8], "`span_id` is all zeroes, which names nothing");
    refused(|request| request.span_id = vec![1; 9], "`span_id` has 9 bytes instead of 8");
    refused(|request| request.end = 0, "`end` has the unknown value 0");
    refused(|request| request.end = 4, "`end` has the unknown value 4");
    refused(|request| request.end = 2, "`error_class` is missing");
    refused(
        |request| request.error_class = Some(3),
        "`error_class` is there although the request did not fail",
    );
    let beyond = |request: &mut proto::TracedRequest| (request.end, request.error_class) = (2, Some(999));
    assert!(traced(beyond).is_err());
    refused(|request| request.status = Some(1_000), "`status` is 1000; it may be 100 to 999");
    refused(|request| request.status = Some(0), "`status` is 0; it may be 100 to 999");
    // Intended within the clock's range, and over beyond it.
    let late = |request: &mut proto::TracedRequest| {
        (request.at_nanos, request.response_time_nanos) = (i64::MAX as u64, 1);
    };
    assert!(traced(late).is_err());
    assert!(traced(|request| request.dns_nanos = Some(u64::MAX)).is_err());
    let many = proto::fact::Body::Traced(proto::Traced { requests: vec![Default::default(); 17] });
    let error = Fact::try_from(fact(many)).unwrap_err().to_string();
    assert_eq!(error, "`requests` of `Traced` is 17 entries; it may be 0 to 16");
}

#[test]
fn a_ledger_of_telemetry_is_bounded_and_can_be_added_up() {
    let ended = |change: fn(&mut Vec<proto::SinkReport>)| {
        let report = proto::SinkReport { signal: proto::Signal::Logs.into(), ..Default::default() };
        let mut telemetry = vec![report; 8];
        change(&mut telemetry);
        let health = Some(proto::WorkerHealth::default());
        let ended = proto::Ended { telemetry, health, ..proto::Ended::default() };
        FinalFact::try_from(ended).map_err(|error| error.to_string())
    };
    let most = ended(|sinks| {
        let sink = &mut sinks[0];
        for count in [&mut sink.acknowledged, &mut sink.rejected, &mut sink.lost, &mut sink.unknown] {
            *count = 1 << 60;
        }
    });
    assert!(!most.unwrap().telemetry[0].delivery.balances());
    assert!(ended(|sinks| sinks[7].endpoint = "e".repeat(256)).is_ok());
    let refused = [
        ended(|sinks| sinks.push(sinks[0].clone())),
        ended(|sinks| sinks[0].endpoint = "e".repeat(257)),
        ended(|sinks| sinks[0].endpoint = "\u{1b}[2J".to_owned()),
        ended(|sinks| sinks[0].signal = 0),
        ended(|sinks| sinks[0].signal = 4),
        ended(|sinks| sinks[0].lost = (1 << 60) + 1),
    ];
    for (place, refused) in refused.iter().enumerate() {
        assert!(refused.is_err(), "{place}");
    }
}

#[test]
fn what_a_newer_program_says_and_this_one_does_not_know_is_refused_by_name() {
    // Field 4,000 of the message: protobuf passes over it, so there is no body.
    let mut bytes =
        proto::Fact { body: None, ..fact(proto::fact::Body::Once(Default::default())) }.encode_to_vec();
    bytes.extend([0x82, 0xfa, 0x01, 0x02, 0x08, 0x01]);
    let message = proto::Fact::decode(&bytes[..]).unwrap();
    assert_eq!(refused::<_, Fact>(message), "`body` of `Fact` is missing");
}

#[test]
fn lists_and_texts_have_an_end() {
    let enrol = |change: fn(&mut proto::EnrolRequest)| {
        let mut request = proto::EnrolRequest {
            worker: "w".to_owned(),
            session: vec![0; 16],
            versions: Some(ProtocolVersions::SPOKEN.into()),
            info: Some(proto::WorkerInfo::default()),
            weight: 1,
            ..proto::EnrolRequest::default()
        };
        change(&mut request);
        Enrol::try_from(request).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(enrol(|_| ()), Ok(()));
    assert_eq!(
        enrol(|request| request.labels = (0..65).map(|n| (n.to_string(), String::new())).collect()),
        Err("`labels` of `EnrolRequest` is 65 entries; it may be 0 to 64".to_owned())
    );
    assert!(enrol(|request| drop(request.labels.insert("k".to_owned(), "v".repeat(257)))).is_err());
    assert!(enrol(|request| drop(request.labels.insert(String::new(), String::new()))).is_err());
    assert!(enrol(|request| drop(request.labels.insert("k".to_owned(), "\u{1b}[2J".to_owned()))).is_err());
    assert!(enrol(|request| request.tasks = vec!["t".to_owned(); 257]).is_err());
    assert!(enrol(|request| request.weight = 0).is_err());
    assert!(
        enrol(|request| request.versions = Some(proto::ProtocolVersions { oldest: 2, newest: 1 })).is_err()
    );
    let hello =
        proto::Hello { runs: vec![proto::RunStanding { run_id: vec![0; 16], ..Default::default() }; 257] };
    let message = proto::FromWorker {
        worker: "w".to_owned(),
        session: vec![0; 16],
        token: Some(proto::LeaseToken::default()),
        body: Some(proto::from_worker::Body::Hello(hello)),
    };
    assert_eq!(refused::<_, FromWorker>(message), "`runs` of `Hello` is 257 entries; it may be 0 to 256");
}

#[test]
fn claimed_lengths_and_deep_values_are_refused() {
    // A field of length 2^63; a packed list of 2^32 bytes; 10,000 groups in each other.
    let claims = [
        [&[0x0a][..], &[0xff; 8], &[0x7f]].concat(),
        [&[0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f][..], &[1; 20]].concat(),
        vec![0x0b; 10_000],
        vec![0xff; 10_000],
    ];
    for bytes in &claims {
        for reading in corpus_readings() {
            assert!(!reading(bytes));
        }
        assert!(snapshot::decode(bytes).is_err());
    }
}

#[test]
fn contents_are_verified_before_a_workload_is_made_of_them() {
    /// Says that everything is one content, as long as those that are asked for.
    struct Liar;
    impl ContentStore for Liar {
        fn put(&self, _: std::sync::Arc<[u8]>) -> Result<Content, ContentError> {
            Err(ContentError::TooLarge { length: 0 })
        }
        fn get(&self, _: ContentDigest) -> Option<std::sync::Arc<[u8]>> {
            Some(b"no".as_slice().into())
        }
    }
    let prepare = Prepare {
        document: "{}".to_owned(),
        files: vec![FileContent { path: "/etc/passwd".to_owned(), bytes: b"ok".as_slice().into() }],
        revision: plan::Revision::first(plan::Share::whole()),
        threads: None,
        preflight: false,
    };
    let contents = MemoryContents::new(100);
    let refs = PrepareRefs::of(&prepare, &contents).unwrap();
    assert_eq!(refs.assemble(&contents), Ok(prepare.clone()));
    assert!(matches!(refs.assemble(&Liar), Err(AssembleError::NotIt(_))));
    let mut longer = refs.clone();
    longer.document.length += 1;
    assert_eq!(longer.assemble(&contents), Err(AssembleError::NotIt(refs.document.digest)));
    let wire = |change: fn(&mut proto::Prepare)| {
        let mut sent = proto::Prepare::from(&refs);
        change(&mut sent);
        PrepareRefs::try_from(sent).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(wire(|_| ()), Ok(()));
    assert!(wire(|sent| sent.document = None).is_err());
    assert!(wire(|sent| sent.threads = Some(0)).is_err());
    assert!(wire(|sent| sent.document.as_mut().unwrap().length = MAX_CONTENT_BYTES + 1).is_err());
    assert!(wire(|sent| sent.files[0].path.clear()).is_err());
    assert!(wire(|sent| sent.files = vec![sent.files[0].clone(); 1_025]).is_err());
    let five = |sent: &mut proto::Prepare| {
        sent.files = (0..5)
            .map(|n| proto::FileRef {
                path: "x".to_owned(),
                content: Some(proto::ContentRef { digest: vec![n; 32], length: MAX_CONTENT_BYTES }),
            })
            .collect();
    };
    assert!(wire(five).is_err_and(|error| error.contains("bytes with the document")));
}

#[test]
fn what_people_read_is_cut_rather_than_refused() {
    let long = |letter: &str| Refusal::Impossible(vec![letter.repeat(5_000); 300]);
    for letter in ["x", "€", "\u{1b}"] {
        let Ok(Refusal::Impossible(lines)) = Refusal::try_from(proto::Refusal::from(&long(letter))) else {
            panic!("{letter:?} was refused");
        };
        assert_eq!(lines.len(), 256);
        assert!(lines[0].ends_with('…') && (4_090..=4_096).contains(&lines[0].len()));
        assert_eq!(lines[255], "and 45 more");
    }
}

#[test]
fn secrets_of_an_enrolment_are_in_no_text() {
    let request = proto::CertificateRequest {
        worker: "w".to_owned(),
        join_token: "s3cret".to_owned(),
        csr_pem: "-----BEGIN".to_owned(),
    };
    let read = CertificateRequest::try_from(request.clone()).unwrap();
    assert_eq!(proto::CertificateRequest::from(&read), request);
    for text in [format!("{request:?}"), format!("{read:?}")] {
        assert!(text.contains("\"w\"") && !text.contains("s3cret"), "{text}");
    }
    // A renewal has no token; a request is bounded in every part.
    let with = |join_token: String, csr_pem: String| {
        CertificateRequest::try_from(proto::CertificateRequest { join_token, csr_pem, ..request.clone() })
    };
    assert!(with(String::new(), "c".to_owned()).is_ok());
    assert!(with("t".repeat(513), "c".to_owned()).is_err());
    assert!(with(String::new(), String::new()).is_err() && with(String::new(), "c".repeat(16_385)).is_err());
    let grant = CertificateGrant { certificate_pem: "c\n".to_owned(), authority_pem: "a\n".to_owned() };
    assert_eq!(CertificateGrant::try_from(proto::CertificateGrant::from(&grant)), Ok(grant.clone()));
    let large = proto::CertificateGrant { certificate_pem: "c".repeat(20_000), authority_pem: String::new() };
    assert!(CertificateGrant::try_from(large).is_err());
}

#[test]
fn the_largest_command_is_within_the_limit() {
    let files = (0..1_024)
        .map(|n| FileContent { path: format!("{n:04096}"), bytes: n.to_string().as_bytes().into() })
        .collect();
    let amendment = plan::Amendment { at: Nanos::new(i64::MAX as u64), change: plan::LoadChange::Pause };
    let revision = plan::Revision {
        amendments: vec![amendment; 4_096],
        ..plan::Revision::first(plan::Share { revision: 0, weights: vec![1; 4_096], index: 0 })
    };
    let prepare = Prepare { document: "{}".to_owned(), files, revision, threads: None, preflight: true };
    let command = Command {
        run_id: RunId::new(Uuid::nil()),
        epoch: Epoch(1),
        id: CommandId(1),
        body: CommandBody::Prepare(Box::new(prepare)),
    };
    let body = ControllerMessage::Command(Box::new(command));
    let message = FromController { cluster: ClusterId(Uuid::nil()), epoch: Epoch(1), body };
    let sent = message.to_wire(&MemoryContents::new(1 << 20)).unwrap();
    assert!((4 << 20..5 << 20).contains(&sent.encoded_len()), "{} bytes", sent.encoded_len());
    assert!(matches!(Incoming::try_from(sent), Ok(Incoming::Awaiting(_))));
}
