use std::io::Cursor;

use proptest::prelude::*;
use rebucket_protocol::ObjectKey;

use super::*;

fn rename(row: u64, source: &str, destination: &str) -> PlannedRename {
    let uri = |key: &str| {
        ObjectUri::new(
            BucketName::new("bkt").unwrap(),
            ObjectKey::new(key).unwrap(),
        )
    };
    PlannedRename {
        row,
        line: row + 1,
        source: uri(source),
        destination: uri(destination),
        pins: Pins::default(),
        if_exists: None,
    }
}

fn written(choices: JobChoices, renames: &[PlannedRename]) -> (Vec<u8>, Resolution) {
    let mut plan = PlanWriter::new(Vec::new(), choices).unwrap();
    for rename in renames {
        plan.write(rename).unwrap();
    }
    plan.finish().unwrap()
}

fn some_choices() -> JobChoices {
    JobChoices {
        job: Some(JobId::new("archive-2026").unwrap()),
        if_exists: Some(IfExists::Skip),
        storage_class: Some(StorageClass::new("STANDARD_IA").unwrap()),
        waive: BTreeSet::from([Waiver::Tags, Waiver::Acl]),
        versioned: Some(VersionPolicy::Purge),
    }
}

fn some_renames() -> Vec<PlannedRename> {
    let mut pinned = rename(1, "a\n\"b\"", "é😀");
    pinned.pins = Pins {
        version: Some(VersionId::new("v1").unwrap()),
        etag: Some(ETag::new("\"abc-2\"").unwrap()),
        size: Some(5),
        modified: Timestamp::from_unix(1_700_000_000, 0),
    };
    pinned.if_exists = Some(IfExists::Overwrite);
    vec![pinned, rename(2, "/c", "d/")]
}

#[test]
fn the_documented_plan_is_written() {
    let (bytes, resolution) = written(JobChoices::default(), &[rename(1, "old", "new")]);
    let text = String::from_utf8(bytes).unwrap();
    let expected = "{\"rebucket_plan\":1,\"job\":null}\n\
        {\"row\":1,\"line\":2,\"source\":\"s3://bkt/old\",\"destination\":\"s3://bkt/new\"}\n\
        {\"rows\":1,\"sha256\":\"";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(resolution.digest.as_str().len(), 64);
}

#[test]
fn everything_comes_back() {
    let (bytes, resolution) = written(some_choices(), &some_renames());
    let mut plan = PlanReader::open(Cursor::new(bytes)).unwrap();
    assert_eq!(plan.choices(), &some_choices());
    assert_eq!(plan.resolution(), &resolution);
    for _ in 0..2 {
        let renames: Vec<_> = plan.by_ref().map(Result::unwrap).collect();
        assert_eq!(renames, some_renames());
        plan.rewind().unwrap();
    }
}

#[test]
fn the_same_renames_are_the_same_bytes_whatever_was_chosen() {
    let (bytes, resolution) = written(some_choices(), &some_renames());
    assert_eq!(
        written(some_choices(), &some_renames()),
        (bytes.clone(), resolution.clone())
    );
    let (others, same) = written(JobChoices::default(), &some_renames());
    assert_ne!(others, bytes);
    assert_eq!(same.digest, resolution.digest);
    let (_, fewer) = written(some_choices(), &some_renames()[..1]);
    assert_ne!(fewer.digest, resolution.digest);
}

#[test]
fn a_plan_cut_short_at_any_byte_is_refused() {
    for renames in [some_renames(), vec![]] {
        let (bytes, _) = written(some_choices(), &renames);
        PlanReader::open(Cursor::new(&bytes)).unwrap();
        for cut in 1..bytes.len() {
            let error = PlanReader::open(Cursor::new(&bytes[..cut])).unwrap_err();
            assert!(matches!(error, PlanError::CutShort(_)), "at {cut}: {error}");
        }
        assert!(matches!(
            PlanReader::open(Cursor::new(b"")),
            Err(PlanError::NotAPlan)
        ));
        let longer = [&bytes[..], b"\n"].concat();
        assert!(matches!(
            PlanReader::open(Cursor::new(longer)),
            Err(PlanError::Altered)
        ));
    }
}

#[test]
fn a_plan_with_any_byte_changed_is_refused() {
    let (bytes, _) = written(some_choices(), &some_renames());
    for at in 0..bytes.len() {
        for mask in [0x01, 0x10, 0x20, 0x80] {
            let mut altered = bytes.clone();
            altered[at] ^= mask;
            assert!(
                PlanReader::open(Cursor::new(altered)).is_err(),
                "byte {at} ^ {mask}"
            );
        }
    }
}

#[test]
fn renames_that_were_left_out_or_swapped_are_missed() {
    let (bytes, _) = written(JobChoices::default(), &some_renames());
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let without = [lines[0], lines[2], lines[3]].concat();
    assert!(matches!(
        PlanReader::open(Cursor::new(without)),
        Err(PlanError::Altered)
    ));
    let swapped = [lines[0], lines[2], lines[1], lines[3]].concat();
    assert!(matches!(
        PlanReader::open(Cursor::new(swapped)),
        Err(PlanError::Altered)
    ));
    let newer = String::from_utf8(bytes)
        .unwrap()
        .replacen("plan\":1", "plan\":2", 1);
    assert!(matches!(
        PlanReader::open(Cursor::new(newer)),
        Err(PlanError::Version(2))
    ));
}

#[test]
fn a_rename_becomes_a_task() {
    let job = JobId::new("j").unwrap();
    let options = some_choices().job_options();
    let submitted = Timestamp::from_unix(1_700_000_001, 0);
    let mut renames = some_renames().into_iter();
    let task = |rename: PlannedRename| {
        rename
            .into_task(&job, &options, IfExists::Skip, submitted)
            .unwrap()
    };
    let pinned = task(renames.next().unwrap());
    assert_eq!(pinned.id().as_str(), "j/000000000001");
    assert_eq!(pinned.pins, some_renames()[0].pins);
    assert_eq!(pinned.if_exists, IfExists::Overwrite);
    assert_eq!((pinned.submitted, &pinned.options), (submitted, &options));
    let plain = task(renames.next().unwrap());
    assert_eq!(
        (plain.id().row(), plain.if_exists),
        (Some(2), IfExists::Skip)
    );
    assert!(
        rename(1, "a", "a")
            .into_task(&job, &options, IfExists::Fail, None)
            .is_err()
    );
}

proptest! {
    #[test]
    fn any_key_survives_the_plan(
        keys in prop::collection::vec(any::<String>().prop_filter("a key", |key| {
            (1..=1024).contains(&key.len())
        }), 0..8),
        size in any::<Option<u64>>(),
    ) {
        let mut renames: Vec<_> =
            (1..).zip(&keys).map(|(row, key)| rename(row, key, "x")).collect();
        for rename in &mut renames {
            rename.pins.size = size;
        }
        let (bytes, resolution) = written(JobChoices::default(), &renames);
        let plan = PlanReader::open(Cursor::new(bytes)).unwrap();
        prop_assert_eq!(plan.resolution(), &resolution);
        prop_assert_eq!(plan.map(Result::unwrap).collect::<Vec<_>>(), renames);
    }
}
