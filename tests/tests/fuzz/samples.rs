//! What the properties are tried on: values of the protocol, weighted towards
//! what breaks programs.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rebucket_protocol::{
    BucketName, CreationDates, ETag, Evidence, IfExists, JobId, JobOptions, ObjectKey, ObjectUri,
    Outcome, OutcomeRecord, Pins, Reason, RenameTask, StorageClass, SubmissionId, TaskId,
    Timestamp, VersionId, VersionPolicy, Waiver,
};

/// A piece of text that means something to a URL, an XML answer, a CSV field,
/// a shell or a terminal, or any character at all.
pub(crate) fn piece() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "+",
        " ",
        "%",
        "%2B",
        "%2F",
        "?versionId=",
        "?",
        "#",
        "&",
        "=",
        "/",
        "//",
        "./",
        "../",
        "\\",
        "\"",
        "\"\"",
        "'",
        ",",
        ";",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\0",
        "\u{1}",
        "\u{7f}",
        "\u{e9}",
        "e\u{301}",
        "\u{1f600}",
        "\u{202e}",
        "\u{feff}",
        "\u{fffe}",
        "\u{ffff}",
        "s3://",
        "<",
        ">",
        "{",
        "}",
        "null",
        "old/",
    ]);
    prop_oneof![3 => nasty.prop_map(str::to_owned), 2 => any::<char>().prop_map(String::from)]
}

/// Any text of a few pieces, perhaps none.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

/// A key of 1 to 1,024 bytes.
pub(crate) fn key() -> impl Strategy<Value = ObjectKey> {
    let length = prop_oneof![9 => 1_usize..12, 1 => 12_usize..400];
    let pieces = length.prop_flat_map(|length| prop::collection::vec(piece(), length));
    pieces.prop_map(|pieces| {
        let mut key = pieces.concat();
        while key.len() > 1024 {
            key.pop();
        }
        ObjectKey::new(key).unwrap()
    })
}

pub(crate) fn bucket() -> impl Strategy<Value = BucketName> {
    prop_oneof!["[a-z0-9]{3}", "[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]"]
        .prop_map(|name| BucketName::new(name).unwrap())
}

pub(crate) fn uri() -> impl Strategy<Value = ObjectUri> {
    (bucket(), key()).prop_map(|(bucket, key)| ObjectUri::new(bucket, key))
}

pub(crate) fn version() -> impl Strategy<Value = VersionId> {
    prop_oneof!["null", "[!-~]{1,64}"].prop_map(|id| VersionId::new(id).unwrap())
}

pub(crate) fn etag() -> impl Strategy<Value = ETag> {
    prop_oneof![
        "[0-9a-f]{32}",
        "[0-9a-f]{32}-[1-9][0-9]{0,3}",
        "[!#-~]{1,40}"
    ]
    .prop_map(|tag| ETag::new(&tag).unwrap())
}

/// Every time that RFC 3339 can write.
pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    (-62_167_219_200_i64..=253_402_300_799, 0_u32..1_000_000_000)
        .prop_map(|(seconds, nanos)| Timestamp::from_unix(seconds, nanos).unwrap())
}

pub(crate) fn job() -> impl Strategy<Value = JobId> {
    "[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}".prop_map(|id| JobId::new(id).unwrap())
}

pub(crate) fn task_id(job: &JobId) -> impl Strategy<Value = TaskId> + use<> {
    let job = job.clone();
    let by_row = any::<u64>().prop_map({
        let job = job.clone();
        move |row| TaskId::for_row(&job, row)
    });
    let named = "[A-Za-z0-9._-]{1,64}"
        .prop_map(move |tail| TaskId::try_from(format!("{job}/{tail}")).unwrap());
    prop_oneof![by_row, named]
}

pub(crate) fn submission() -> impl Strategy<Value = Option<SubmissionId>> {
    prop::option::of(any::<u128>().prop_map(SubmissionId::from_bits))
}

fn pins() -> impl Strategy<Value = Pins> {
    let each = (
        prop::option::of(version()),
        prop::option::of(etag()),
        prop::option::of(any::<u64>()),
        prop::option::of(timestamp()),
        prop::option::of(storage_class()),
    );
    each.prop_map(|(version, etag, size, modified, storage_class)| Pins {
        version,
        etag,
        size,
        modified,
        storage_class,
    })
}

fn storage_class() -> impl Strategy<Value = StorageClass> {
    "[A-Z0-9_]{1,64}".prop_map(|name| StorageClass::new(name).unwrap())
}

fn options() -> impl Strategy<Value = JobOptions> {
    let waive = prop::sample::subsequence(Waiver::ALL.to_vec(), 0..=Waiver::ALL.len());
    let versioned = prop::sample::select(vec![VersionPolicy::Marker, VersionPolicy::Purge]);
    let owner = prop::option::of("[0-9]{12}".prop_map(|digits| digits.parse().unwrap()));
    (prop::option::of(storage_class()), waive, versioned, owner).prop_map(
        |(storage_class, waive, versioned, owner)| JobOptions {
            storage_class,
            waive: waive.into_iter().collect::<BTreeSet<_>>(),
            versioned,
            owner,
            created: CreationDates::default(),
        },
    )
}

/// Any task that can be.
pub(crate) fn task() -> impl Strategy<Value = RenameTask> {
    let ids = job().prop_flat_map(|job| (task_id(&job), Just(job)));
    let exists = vec![IfExists::Fail, IfExists::Skip, IfExists::Overwrite];
    let rest = (
        prop::sample::select(exists),
        pins(),
        prop::option::of(timestamp()),
        submission(),
        (options(), prop::option::of(timestamp())),
    );
    (ids, uri(), uri(), rest)
        .prop_filter("not to itself", |(_, source, destination, _)| {
            source != destination
        })
        .prop_map(
            |(
                (id, job),
                source,
                destination,
                (if_exists, pins, submitted, submission, (options, created)),
            )| {
                let mut task = RenameTask::new(job, id, source, destination).unwrap();
                task.if_exists = if_exists;
                task.pins = pins;
                task.submitted = submitted;
                task.submission = submission;
                task.options = options;
                // A message has the dates of its own buckets alone.
                let bucket = &task.source().bucket;
                task.options.created = created.map(|date| (bucket, date)).into_iter().collect();
                task
            },
        )
}

/// Any line of a report.
pub(crate) fn record() -> impl Strategy<Value = OutcomeRecord> {
    let outcomes = vec![
        Outcome::Renamed,
        Outcome::AlreadyRenamed,
        Outcome::Skipped,
        Outcome::Failed,
    ];
    let how = (
        prop::sample::select(outcomes),
        prop::option::of(prop::sample::select(Reason::ALL.to_vec())),
        prop::option::of(text()),
        any::<u64>(),
        prop::option::of(etag()),
    );
    let landed = (
        prop::option::of(version()),
        prop::option::of(timestamp()),
        prop::option::of(Just(Evidence::Date)),
    );
    let when = (any::<u32>(), timestamp(), timestamp(), text());
    let job = JobId::new("job").unwrap();
    let task = (task_id(&job), submission());
    (task, uri(), uri(), (how, landed), when).prop_map(
        |((task, submission), source, destination, (how, landed), when)| {
            let (outcome, reason, detail, bytes, etag) = how;
            let (version, modified, evidence) = landed;
            let (attempts, started, ended, worker) = when;
            OutcomeRecord {
                task,
                submission,
                source,
                destination,
                outcome,
                reason,
                detail,
                bytes,
                etag,
                version,
                modified,
                evidence,
                attempts,
                started,
                ended,
                worker,
            }
        },
    )
}

/// How many lines end in these bytes.
pub(crate) fn newlines(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}
