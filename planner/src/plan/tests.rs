use std::io::Cursor;

use proptest::prelude::*;
use rebucket_protocol::{ETag, ObjectKey, VersionId};
use sha2::{Digest, Sha256};

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
        storage_class: Some(StorageClass::new("GLACIER_IR").unwrap()),
    };
    pinned.if_exists = Some(IfExists::Overwrite);
    vec![pinned, rename(2, "/c", "d/")]
}

/// The bytes that docs/PLAN.md describes, put together by hand.
#[test]
fn the_documented_plan_is_written() {
    let (bytes, resolution) = written(JobChoices::default(), &[rename(1, "old", "new")]);
    let head = b"\x89rebucket-plan\r\n\x1a\n\x03\0\0\0\x02\0\0\0{}";
    let sum = |bytes: &[u8]| twox_hash::XxHash3_64::oneshot(bytes).to_le_bytes();
    let mut expected = [&head[..], &sum(head)].concat();
    assert!(bytes.starts_with(&expected));

    // Row 1, line 2; both buckets; keys that share nothing with ones before.
    let payload = b"\0\x01\x02\x03bkt\x03bkt\0\x03old\0\0\x03new";
    let sha = Sha256::digest(payload);
    let compressed = zstd::bulk::compress(payload, 1).unwrap();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let block_head = [
        b"B\x01\0\0\0",
        &length(&compressed)[..],
        &length(payload),
        &sha,
    ]
    .concat();
    let block = [&block_head[..], &compressed].concat();
    let block_sum = sum(&block);
    let mut whole = Sha256::new();
    whole.update(&expected);
    whole.update(&block_head);
    whole.update(block_sum);
    expected.extend([&block[..], &block_sum].concat());

    let digest = hex::encode(Sha256::digest(sha));
    let json = format!(
        "{{\"totals\":{{\"rows\":1,\"sized_rows\":0,\"known_bytes\":0,\"buckets\":\
         {{\"bkt\":{{\"sources\":1,\"destinations\":1}}}}}},\"digest\":\"{digest}\"}}"
    );
    let trailer = [b"E", &length(json.as_bytes())[..], json.as_bytes()].concat();
    whole.update(&trailer);
    expected.extend([&trailer[..], &whole.finalize()].concat());
    assert_eq!(bytes, expected);
    assert_eq!(resolution.digest.as_str(), digest);
}

/// So too, and no more than once for rows in a row.
#[test]
fn a_class_is_written_where_it_is_new() {
    let mut encoder = block::BlockEncoder::default();
    let rows = [("a", "x", None), ("b", "y", Some("GLACIER"))];
    let rows = rows
        .into_iter()
        .chain([("c", "z", Some("GLACIER")), ("d", "0", None)]);
    for (row, (source, destination, class)) in (1..).zip(rows) {
        let mut rename = rename(row, source, destination);
        rename.pins.storage_class = class.map(|class| StorageClass::new(class).unwrap());
        encoder.push((&rename).into());
    }
    let expected = [
        &b"\0\x01\x02\x03bkt\x03bkt\0\x01a\0\0\x01x"[..],
        b"\x80\0\x07GLACIER\x03bkt\x03bkt\0\x01b\0\0\x01y",
        b"\xc0\0\x01c\0\0\x01z",
        b"\x80\0\0\x03bkt\x03bkt\0\x01d\0\0\x010",
    ];
    let payload = encoder.payload();
    assert!(payload == expected.concat(), "{}", payload.escape_ascii());
}

#[test]
fn reading_starts_at_any_rename() {
    // More than a block, so that whole blocks are skipped.
    let rows = block::BLOCK_ROWS as u64 * 2 + 100;
    let renames: Vec<_> = (1..=rows)
        .map(|row| rename(row, &format!("old/{row}"), &format!("new/{row}")))
        .collect();
    let (bytes, resolution) = written(some_choices(), &renames);
    assert_eq!(resolution.totals.rows, rows);
    let mut plan = PlanReader::open(Cursor::new(bytes)).unwrap();
    for skipped in [0, 1, 4095, 4096, 4097, 8191, rows - 1, rows, rows + 1, 5] {
        plan.start_after(skipped).unwrap();
        let found: Vec<_> = plan.by_ref().map(Result::unwrap).collect();
        let expected = usize::try_from(skipped.min(rows)).unwrap();
        assert!(found == renames[expected..], "after {skipped}");
    }
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
    let version = frame::HEAD_BYTES..frame::HEAD_BYTES + 4;
    for at in 0..bytes.len() {
        for mask in [0x01, 0x10, 0x20, 0x80] {
            let mut altered = bytes.clone();
            altered[at] ^= mask;
            let error = PlanReader::open(Cursor::new(altered)).unwrap_err();
            let told = match error {
                PlanError::Version(_) => version.contains(&at),
                PlanError::Altered | PlanError::CutShort(_) => !version.contains(&at),
                PlanError::NotAPlan | PlanError::Malformed(_) | PlanError::Io(_) => false,
            };
            assert!(told, "byte {at} ^ {mask}: {error}");
        }
    }
}

#[test]
fn other_versions_are_refused_by_their_number() {
    let (mut bytes, _) = written(some_choices(), &some_renames());
    for other in [2, 4] {
        bytes[frame::HEAD_BYTES] = other;
        let error = PlanReader::open(Cursor::new(&bytes)).unwrap_err();
        assert!(matches!(error, PlanError::Version(version) if version == u32::from(other)));
        let words = "this build reads version 3; make the plan again";
        assert!(error.to_string().ends_with(words), "{error}");
    }
    let old = b"{\"rebucket_plan\":1,\"job\":null}\n{\"rows\":0,\"sha256\":\"\"}\n";
    let error = PlanReader::open(Cursor::new(old)).unwrap_err();
    assert!(matches!(error, PlanError::Version(1)), "{error}");
    for other in [&b"source,destination\n"[..], b"", b"\x89PNG"] {
        let error = PlanReader::open(Cursor::new(other)).unwrap_err();
        assert!(matches!(error, PlanError::NotAPlan), "{error}");
    }
}

#[test]
fn blocks_that_were_left_out_or_swapped_are_missed() {
    let rows = block::BLOCK_ROWS as u64 * 2;
    let renames: Vec<_> = (1..=rows)
        .map(|row| rename(row, &format!("old/{row}"), "new"))
        .collect();
    let (bytes, _) = written(JobChoices::default(), &renames);
    let start = |block: u8| {
        let digest = |rows: &[PlannedRename]| {
            let mut encoder = block::BlockEncoder::default();
            for rename in rows {
                encoder.push(rename.into());
            }
            Sha256::digest(encoder.payload())
        };
        let (first, second) = renames.split_at(block::BLOCK_ROWS);
        let digest = digest(if block == 0 { first } else { second });
        let at = bytes.windows(32).position(|window| window == &digest[..]);
        at.unwrap() - 13
    };
    let (first, second) = (start(0), start(1));
    let compressed = u32::from_le_bytes(bytes[second + 5..second + 9].try_into().unwrap());
    let end = second + 45 + compressed as usize + 8;
    assert_eq!(bytes[end], b'E');
    let without = [&bytes[..first], &bytes[second..]].concat();
    let swapped = [
        &bytes[..first],
        &bytes[second..end],
        &bytes[first..second],
        &bytes[end..],
    ]
    .concat();
    for altered in [without, swapped] {
        let error = PlanReader::open(Cursor::new(altered)).unwrap_err();
        assert!(matches!(error, PlanError::Altered), "{error}");
    }
}

#[test]
fn a_rename_becomes_a_task() {
    let job = JobId::new("j").unwrap();
    let options = some_choices().job_options();
    let submission = Submission {
        id: Some(SubmissionId::from_bits(7)),
        at: Timestamp::from_unix(1_700_000_001, 0),
    };
    let mut renames = some_renames().into_iter();
    let task = |rename: PlannedRename| {
        rename
            .into_task(&job, &options, IfExists::Skip, submission)
            .unwrap()
    };
    let pinned = task(renames.next().unwrap());
    assert_eq!(pinned.id().as_str(), "j/000000000001");
    assert_eq!(pinned.pins, some_renames()[0].pins);
    assert_eq!(pinned.if_exists, IfExists::Overwrite);
    assert_eq!(pinned.submission, submission.id);
    assert_eq!(
        (pinned.submitted, &pinned.options),
        (submission.at, &options)
    );
    let plain = task(renames.next().unwrap());
    assert_eq!(
        (plain.id().row(), plain.if_exists),
        (Some(2), IfExists::Skip)
    );
    assert!(
        rename(1, "a", "a")
            .into_task(&job, &options, IfExists::Fail, Submission::default())
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
