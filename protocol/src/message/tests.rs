//! Messages: what is read and written, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::CreationDates;

fn task(source: &str, destination: &str) -> RenameTask {
    let job = JobId::new("archive-2026").unwrap();
    let id = TaskId::for_row(&job, 42);
    let uri = |key: &str| {
        ObjectUri::new(
            BucketName::new("bkt").unwrap(),
            ObjectKey::new(key).unwrap(),
        )
    };
    RenameTask::new(job, id, uri(source), uri(destination)).unwrap()
}

#[test]
fn the_documented_message_is_read() {
    let body = r#"{"v":1,"job":"archive-2026","id":"archive-2026/000000000042",
        "src":{"bucket":"bkt","key":"old/é+ü.bin","version":"v1","etag":"\"abc\"","size":123,
               "modified":"2026-11-20T10:00:00Z"},
        "dst":{"bucket":"bkt","key":"new/é+ü.bin"},"if_exists":"fail"}"#;
    let task = decode(body).unwrap();
    assert_eq!(task.source().key.as_str(), "old/é+ü.bin");
    assert_eq!(task.pins.etag, Some(ETag::new("abc").unwrap()));
    assert_eq!(task.pins.size, Some(123));
    assert_eq!(task.if_exists, IfExists::Fail);
    assert_eq!(task.options, JobOptions::default());
}

#[test]
fn choices_travel_only_when_they_are_not_the_defaults() {
    let plain = encode(&task("a", "b")).unwrap();
    for field in [
        "if_exists",
        "waive",
        "versioned",
        "storage_class",
        "then",
        "submitted",
        "submission",
        "owner",
        "created",
    ] {
        assert!(!plain.contains(field), "{field} in {plain}");
    }
    let mut chosen = task("a", "b");
    chosen.if_exists = IfExists::Skip;
    chosen.options.waive.insert(Waiver::Acl);
    chosen.options.versioned = VersionPolicy::Purge;
    chosen.options.owner = Some("123456789012".parse().unwrap());
    chosen.options.created = dates(&["bkt"]);
    chosen.options.storage_class = Some(StorageClass::new("GLACIER_IR").unwrap());
    chosen.submitted = Timestamp::from_unix(1_700_000_000, 0);
    chosen.submission = Some(SubmissionId::from_bits(7));
    assert_eq!(decode(&encode(&chosen).unwrap()).unwrap(), chosen);
}

/// Dates of creation for buckets of these names.
fn dates(buckets: &[&str]) -> CreationDates {
    let date = Timestamp::from_unix_millis(1_700_000_000_123).unwrap();
    let bucket = |name: &&str| BucketName::new(*name).unwrap();
    let dates = buckets.iter().map(|name| (bucket(name), date));
    dates.collect::<BTreeMap<_, _>>().into()
}

#[test]
fn a_message_says_when_its_own_buckets_were_created_to_the_millisecond() {
    let mut sent = task("a", "b");
    sent.options.created = dates(&["bkt", "of-another-row"]);
    let body = encode(&sent).unwrap();
    let field = r#""created":{"bkt":"2023-11-14T22:13:20.123Z"}"#;
    assert!(body.contains(field), "{body}");
    assert_eq!(decode(&body).unwrap().options.created, dates(&["bkt"]));
    for bad in [
        r#"{"bkt":"yesterday"}"#,
        r#"{"bkt":1700000000}"#,
        r#"{"BKT/":"2023-11-14T22:13:20Z"}"#,
        "null",
        "[]",
    ] {
        let body = body.replacen(field, &format!(r#""created":{bad}"#), 1);
        assert!(
            matches!(decode(&body), Err(MessageError::Malformed(_))),
            "{body}"
        );
    }
}

#[test]
fn a_date_for_a_bucket_that_the_message_does_not_name_is_refused() {
    let mut sent = task("a", "b");
    sent.options.created = dates(&["bkt"]);
    let stray = encode(&sent)
        .unwrap()
        .replace(r#"{"bkt":"2"#, r#"{"bkx":"2"#);
    assert!(
        matches!(decode(&stray), Err(MessageError::StrayDate(_))),
        "{stray}"
    );
}

#[test]
fn what_waits_in_a_chain_keeps_the_dates_of_its_buckets() {
    let uri = |text: &str| text.parse::<ObjectUri>().unwrap();
    let job = JobId::new("archive-2026").unwrap();
    let renamed = |row, from, to| {
        let id = TaskId::for_row(&job, row);
        pinned(RenameTask::new(job.clone(), id, uri(from), uri(to)).unwrap())
    };
    let first = renamed(1, "s3://bkt-one/b", "s3://bkt-two/c");
    let then = renamed(2, "s3://bkt-three/a", "s3://bkt-one/b").step();
    let mut sent = first.followed_by(vec![then]).unwrap();
    sent.options.created = dates(&["bkt-one", "bkt-two", "bkt-three"]);
    let read = decode(&encode(&sent).unwrap()).unwrap();
    assert_eq!(read.options.created, sent.options.created);
    let next = decode(&encode(&read.next().unwrap()).unwrap()).unwrap();
    assert_eq!(next.options.created, dates(&["bkt-one", "bkt-three"]));
}

/// The body of a plain task with one piece of it replaced.
fn broken(piece: &str, by: &str) -> String {
    let body = encode(&task("a", "b")).unwrap();
    assert!(body.contains(piece), "{piece} not in {body}");
    body.replacen(piece, by, 1)
}

#[test]
fn what_is_not_understood_is_refused() {
    assert!(matches!(
        decode("not json"),
        Err(MessageError::Malformed(_))
    ));
    assert!(matches!(decode("{}"), Err(MessageError::Malformed(_))));
    assert!(matches!(
        decode(&broken("\"v\":1", "\"v\":2")),
        Err(MessageError::Version(2))
    ));
    let newer = broken("\"v\":1", "\"v\":2,\"priority\":9");
    assert!(matches!(decode(&newer), Err(MessageError::Version(2))));
    let extra = broken("\"v\":1", "\"v\":1,\"priority\":9");
    assert!(matches!(decode(&extra), Err(MessageError::UnknownField(_))));
    let nested = broken("\"key\":\"a\"", "\"key\":\"a\",\"acl\":\"x\"");
    assert!(matches!(
        decode(&nested),
        Err(MessageError::UnknownField(_))
    ));
    let foreign = broken("\"id\":\"archive-2026/", "\"id\":\"other/");
    assert!(matches!(
        decode(&foreign),
        Err(MessageError::ForeignId { .. })
    ));
    let itself = broken("\"key\":\"b\"", "\"key\":\"a\"");
    assert!(matches!(decode(&itself), Err(MessageError::SelfRename(_))));
    let empty = broken("\"key\":\"b\"", "\"key\":\"\"");
    assert!(matches!(decode(&empty), Err(MessageError::Malformed(_))));
    let chain = broken("\"v\":1", "\"v\":1,\"then\":[{}]");
    assert!(matches!(decode(&chain), Err(MessageError::Malformed(_))));
    let large = " ".repeat(MAX_MESSAGE_BYTES + 1);
    assert!(matches!(decode(&large), Err(MessageError::TooLarge(_))));
}

fn pinned(mut task: RenameTask) -> RenameTask {
    task.pins = Pins {
        version: None,
        etag: ETag::new("abc").ok(),
        size: Some(1),
        modified: Timestamp::from_unix(1_700_000_000, 0),
        storage_class: StorageClass::new("STANDARD_IA").ok(),
    };
    task
}

#[test]
fn a_chain_survives_the_wire_and_is_carried_out_from_its_end() {
    let step = |task: RenameTask| pinned(task).step();
    let via: ObjectUri = "s3://bkt/.rebucket/hop/1".parse().unwrap();
    let hop = |leg| Hop {
        leg,
        via: via.clone(),
        occupant: None,
        arrived: None,
    };
    let first = pinned(task("a", "b")).in_two_legs(hop(Leg::Out)).unwrap();
    let back = step(task("a", "b").in_two_legs(hop(Leg::In)).unwrap());
    let mut sent = first.followed_by(vec![step(task("b", "a")), back]).unwrap();
    sent.submission = Some(SubmissionId::from_bits(7));
    let read = decode(&encode(&sent).unwrap()).unwrap();
    assert_eq!(read, sent);
    let mut steps = Vec::new();
    let mut due = Some(read);
    while let Some(task) = due {
        assert_eq!(task.submission, sent.submission);
        steps.push(format!("{} {}", task.source().key, task.destination().key));
        due = task.next();
    }
    let temporary = via.key.as_str();
    assert_eq!(
        steps,
        [
            format!("a {temporary}"),
            "b a".to_owned(),
            format!("{temporary} b")
        ]
    );
}

#[test]
fn a_first_leg_says_what_is_in_the_way_of_its_second_or_brings_it_along() {
    let via: ObjectUri = "s3://bkt/.rebucket/hop/1".parse().unwrap();
    let out = |occupant: Option<Pins>| {
        let leg = Leg::Out;
        let hop = Hop {
            leg,
            via: via.clone(),
            occupant,
            arrived: None,
        };
        let task = pinned(task("b", "c")).in_two_legs(hop).unwrap();
        task.followed_by(vec![pinned(self::task("a", "b")).step()])
    };
    let pins = pinned(task("c", "d")).pins;
    let sent = out(Some(pins.clone())).unwrap();
    let read = decode(&encode(&sent).unwrap()).unwrap();
    assert_eq!((read.occupant(), &read), (Some(&pins), &sent));
    assert!(matches!(out(None), Err(ChainError::Unfinished(_))));
}

#[test]
fn a_second_leg_is_told_when_its_object_arrived() {
    let via: ObjectUri = "s3://bkt/.rebucket/hop/1".parse().unwrap();
    let hop = |leg, occupant| Hop {
        leg,
        via: via.clone(),
        occupant,
        arrived: None,
    };
    let at = Timestamp::from_unix(1_790_000_000, 0);
    let last = |mut task: RenameTask| {
        while let Some(next) = task.next() {
            task = decode(&encode(&next).unwrap()).unwrap();
        }
        task
    };
    // In the same chain, and in a message of its own.
    let first = pinned(task("a", "b"))
        .in_two_legs(hop(Leg::Out, None))
        .unwrap();
    let second = task("a", "b")
        .in_two_legs(hop(Leg::In, None))
        .unwrap()
        .step();
    let chain = first
        .followed_by(vec![pinned(task("b", "a")).step(), second])
        .unwrap();
    assert_eq!(last(chain.has_arrived(at)).arrived(), at);
    assert_eq!(last(chain).arrived(), None);
    let occupant = Some(pinned(task("c", "d")).pins);
    let alone = pinned(task("b", "c"))
        .in_two_legs(hop(Leg::Out, occupant))
        .unwrap();
    let told = alone.has_arrived(at).second_leg().unwrap();
    assert_eq!(decode(&encode(&told).unwrap()).unwrap().arrived(), at);
}

#[test]
fn what_is_no_chain_is_refused() {
    let then = |task: RenameTask| vec![task.step()];
    let unlinked = pinned(task("b", "c")).followed_by(then(pinned(task("a", "x"))));
    assert!(matches!(unlinked, Err(ChainError::Unlinked { .. })));
    let unpinned = task("b", "c").followed_by(then(pinned(task("a", "b"))));
    assert!(matches!(unpinned, Err(ChainError::Unpinned(_))));
    let chain = pinned(task("b", "c"))
        .followed_by(then(pinned(task("a", "b"))))
        .unwrap();
    let body = encode(&chain).unwrap();
    let read = |piece: &str, by: &str| decode(&body.replacen(piece, by, 1));
    assert!(matches!(
        read("\"key\":\"c\"},\"then\"", "\"key\":\"c\"},\"and\""),
        Err(MessageError::UnknownField(_))
    ));
    assert!(matches!(
        read("\"key\":\"b\"", "\"key\":\"z\""),
        Err(MessageError::Chain(ChainError::Unlinked { .. }))
    ));
    assert!(matches!(
        read(",\"size\":1", ""),
        Err(MessageError::Chain(ChainError::Unpinned(_)))
    ));
}

proptest! {
    #[test]
    fn every_pair_of_keys_survives_the_wire(
        source in "\\PC{1,200}",
        tail in any::<char>(),
        size in any::<Option<u64>>(),
    ) {
        let destination = format!("{source}{tail}");
        let mut sent = task(&source, &destination);
        sent.pins.size = size;
        let body = encode(&sent).unwrap();
        let disallowed = |c: char| c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}');
        prop_assert!(!body.chars().any(disallowed), "{body}");
        prop_assert_eq!(decode(&body).unwrap(), sent);
    }

    #[test]
    fn no_text_makes_the_decoder_panic(body in "\\PC{0,300}") {
        drop(decode(&body));
    }
}
