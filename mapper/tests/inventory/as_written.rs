//! Inventories in the forms in which S3 writes them: every optional field, all
//! values quoted, both spellings of the Parquet schema, every place of files.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use rebucket_mapper::inventory::{Inventory, data_beside};
use rebucket_mapper::{Entry, Listed};
use rebucket_protocol::{BucketName, ETag, StorageClass, Timestamp, VersionId};
use serde_json::json;

use crate::{ETAG, gzip, manifest, object, read, read_csv};

/// Every field that an inventory of all versions can have, and how CSV and
/// Parquet call it.
const FIELDS: [(&str, &str, Kind); 21] = [
    ("Bucket", "bucket", Kind::Text),
    ("Key", "key", Kind::Text),
    ("VersionId", "version_id", Kind::Text),
    ("IsLatest", "is_latest", Kind::Truth),
    ("IsDeleteMarker", "is_delete_marker", Kind::Truth),
    ("Size", "size", Kind::Number),
    ("LastModifiedDate", "last_modified_date", Kind::Time),
    ("ETag", "e_tag", Kind::Text),
    ("StorageClass", "storage_class", Kind::Text),
    ("IsMultipartUploaded", "is_multipart_uploaded", Kind::Truth),
    ("ReplicationStatus", "replication_status", Kind::Text),
    ("EncryptionStatus", "encryption_status", Kind::Text),
    (
        "ObjectLockRetainUntilDate",
        "object_lock_retain_until_date",
        Kind::Time,
    ),
    ("ObjectLockMode", "object_lock_mode", Kind::Text),
    (
        "ObjectLockLegalHoldStatus",
        "object_lock_legal_hold_status",
        Kind::Text,
    ),
    (
        "IntelligentTieringAccessTier",
        "intelligent_tiering_access_tier",
        Kind::Text,
    ),
    ("BucketKeyStatus", "bucket_key_status", Kind::Text),
    ("ChecksumAlgorithm", "checksum_algorithm", Kind::Text),
    (
        "ObjectAccessControlList",
        "object_access_control_list",
        Kind::Text,
    ),
    ("ObjectOwner", "object_owner", Kind::Text),
    (
        "LifecycleExpirationDate",
        "lifecycle_expiration_date",
        Kind::Time,
    ),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Truth,
    Number,
    Time,
}

const TIME: &str = "2024-01-02T03:04:05.000Z";
const MILLIS: i64 = 1_704_164_645_000;

/// Rows as CSV has them, keys encoded: a folder of a time without versions, an
/// object with every property, an old version of it, a deleted object.
const ROWS: [[&str; 21]; 4] = [
    [
        "photos", "raw/", "", "true", "false", "0", TIME, ETAG, "STANDARD", "false", "", "SSE-S3",
        "", "", "", "", "DISABLED", "", "e30K", "", "",
    ],
    [
        "photos",
        "raw/dt%3D2024/%E5%86%99+%28a%29%2B1.gz",
        "nuYD8l5b.CvLV3DbAiN_IXuwo7aF3F98",
        "true",
        "false",
        "5368709121",
        TIME,
        "627c47efe292876b91978324485cd2ec-17",
        "INTELLIGENT_TIERING",
        "true",
        "COMPLETED",
        "SSE-KMS",
        TIME,
        "GOVERNANCE",
        "ON",
        "FREQUENT",
        "ENABLED",
        "SHA256",
        "e30K",
        "0123abc",
        TIME,
    ],
    [
        "photos",
        "raw/dt%3D2024/%E5%86%99+%28a%29%2B1.gz",
        "",
        "false",
        "false",
        "7",
        TIME,
        ETAG,
        "GLACIER",
        "false",
        "",
        "NOT-SSE",
        "",
        "",
        "OFF",
        "",
        "",
        "",
        "",
        "",
        "",
    ],
    [
        "photos",
        "raw/gone",
        "t5w9XO56_Yi1eF6HE7KUgoLumufisMyo",
        "true",
        "true",
        "",
        TIME,
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
    ],
];

fn expected() -> Vec<Listed> {
    let modified = Some(Timestamp::try_from(TIME.to_owned()).unwrap());
    let folder = Entry {
        etag: Some(ETag::new(ETAG).unwrap()),
        size: Some(0),
        modified,
        storage_class: StorageClass::new("STANDARD").ok(),
        ..object("raw/")
    };
    let large = Entry {
        etag: Some(ETag::new("627c47efe292876b91978324485cd2ec-17").unwrap()),
        size: Some(5_368_709_121),
        version: Some(VersionId::new("nuYD8l5b.CvLV3DbAiN_IXuwo7aF3F98").unwrap()),
        modified,
        storage_class: StorageClass::new("INTELLIGENT_TIERING").ok(),
        ..object("raw/dt=2024/写 (a)+1.gz")
    };
    vec![
        Listed::Current(folder),
        Listed::Current(large),
        Listed::Noncurrent,
        Listed::DeleteMarker,
    ]
}

#[test]
fn csv_with_every_field_in_any_order() {
    for shift in [0, 1, 5] {
        let mut fields = FIELDS.map(|(name, ..)| name);
        fields.rotate_left(shift);
        let rows = ROWS.map(|mut row| {
            row.rotate_left(shift);
            row.map(|value| format!("\"{value}\"")).join(",")
        });
        // S3 ends the file with an empty line.
        let text = rows.join("\n") + "\n\n";
        assert_eq!(read_csv(&fields.join(", "), &text), Ok(expected()));
    }
}

/// Keys are encoded in CSV alone.
fn decoded(text: &'static str) -> &'static str {
    match text {
        "raw/dt%3D2024/%E5%86%99+%28a%29%2B1.gz" => "raw/dt=2024/写 (a)+1.gz",
        other => other,
    }
}

fn put<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    required: bool,
    values: &[Option<T::T>],
) where
    T::T: Clone,
{
    let levels: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
    let there: Vec<T::T> = values.iter().flatten().cloned().collect();
    let levels = (!required).then_some(&levels[..]);
    let column = column.typed::<T>();
    column.write_batch(&there, levels, None).unwrap();
}

/// The rows as Parquet, and its schema with these words for texts and times.
fn parquet(text: &str, time: &str) -> (String, Vec<u8>) {
    let fields = FIELDS.map(|(_, name, kind)| {
        let needed = matches!(name, "bucket" | "key");
        let needed = if needed { "required" } else { "optional" };
        match kind {
            Kind::Text => format!("  {needed} binary {name} ({text});"),
            Kind::Truth => format!("  optional boolean {name};"),
            Kind::Number => format!("  optional int64 {name};"),
            Kind::Time => format!("  optional int64 {name} ({time});"),
        }
    });
    let schema = format!("message s3.inventory {{{}}}", fields.concat());
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let parsed = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer =
        SerializedFileWriter::new(Vec::new(), parsed, Arc::new(properties.build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (at, (_, _, kind)) in FIELDS.into_iter().enumerate() {
        let values = ROWS.map(|row| (!row[at].is_empty()).then_some(row[at]));
        let mut column = group.next_column().unwrap().unwrap();
        match kind {
            Kind::Text => {
                let texts = values.map(|v| v.map(|text| ByteArray::from(decoded(text))));
                put::<ByteArrayType>(&mut column, at < 2, &texts);
            }
            Kind::Truth => {
                put::<BoolType>(&mut column, false, &values.map(|v| v.map(|v| v == "true")));
            }
            Kind::Number => {
                let numbers = values.map(|v| v.map(|number| number.parse().unwrap()));
                put::<Int64Type>(&mut column, false, &numbers);
            }
            Kind::Time => {
                put::<Int64Type>(&mut column, false, &values.map(|v| v.map(|_| MILLIS)));
            }
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    (schema, writer.into_inner().unwrap())
}

#[test]
fn parquet_with_every_field_in_both_spellings() {
    for (text, time) in [
        ("UTF8", "TIMESTAMP_MILLIS"),
        ("STRING", "TIMESTAMP(MILLIS,true)"),
    ] {
        let (schema, data) = parquet(text, time);
        let listed = read(&manifest("Parquet", &schema, &data), &data);
        assert_eq!(listed, Ok(expected()), "{schema}");
    }
}

#[test]
fn a_bucket_is_named_by_its_arn_or_alone() {
    let data = gzip("photos,k\n");
    let mut manifest = manifest("CSV", "Bucket, Key", &data);
    for name in [
        "arn:aws:s3:::inventories",
        "arn:aws-cn:s3:::inventories",
        "qcs::cos:ap-guangzhou::inventories",
        "inventories",
    ] {
        manifest["destinationBucket"] = json!(name);
        let inventory = Inventory::parse("m", manifest.to_string().as_bytes()).unwrap();
        assert_eq!(
            inventory.written_to,
            BucketName::new("inventories").unwrap()
        );
    }
}

/// S3 lists the files of a prefix that ends with a slash under keys that are
/// not theirs.
#[test]
fn files_are_looked_for_beside_the_list_too() {
    let data = gzip("photos,k\n");
    let text = manifest("CSV", "Bucket, Key", &data).to_string();
    let inventory = Inventory::parse("m", text.as_bytes()).unwrap();
    let places = |manifest: &str| {
        let keys = data_beside(manifest, &inventory.files[0]);
        keys.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        places("inv//photos/daily/2026-11-22T01-00Z/manifest.json"),
        [
            "inv//photos/daily/data/one",
            "inv//photos/daily/2026-11-22T01-00Z/data/one",
            "inv//photos/daily/2026-11-22T01-00Z/one",
        ]
    );
    assert_eq!(places("day/manifest.json")[0], "data/one");
    assert_eq!(places("/day/manifest.json")[0], "/data/one");
    assert_eq!(places("manifest.json")[2], "one");

    let symlink = |line: &str| inventory.check_symlink("symlink.txt", line);
    symlink("s3://inventories/inv//photos/daily/data/one\n").unwrap();
    symlink("s3://inventories/inv//photos/daily/data/two\n").unwrap_err();
}
