//! S3 Inventory: what its files say, and what is wrong with them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a failed unwrap is a failed test, helpers included"
)]

mod as_written;

use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use rebucket_mapper::inventory::{Inventory, find_data, symlink_beside};
use rebucket_mapper::{Entry, Listed};
use rebucket_protocol::{BucketName, ETag, ObjectKey, StorageClass, Timestamp, VersionId};
use serde_json::{Value, json};

const SCHEMA: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, \
                      ETag, StorageClass, IsMultipartUploaded";
const ETAG: &str = "d41d8cd98f00b204e9800998ecf8427e";

fn md5(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn manifest(format: &str, schema: &str, data: &[u8]) -> Value {
    json!({
        "sourceBucket": "photos",
        "destinationBucket": "arn:aws:s3:::inventories",
        "version": "2016-11-30",
        "creationTimestamp": "1763778000000",
        "fileFormat": format,
        "fileSchema": schema,
        "files": [{"key": "inv/photos/daily/data/one", "size": data.len(), "MD5checksum": md5(data)}],
    })
}

/// What an inventory of one file lists.
fn read(manifest: &Value, data: &[u8]) -> Result<Vec<Listed>, String> {
    let inventory = Inventory::parse("manifest.json", manifest.to_string().as_bytes());
    let inventory = inventory.map_err(|error| error.to_string())?;
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    file.rewind().unwrap();
    let mut listed = Vec::new();
    let mut sink = |one| {
        listed.push(one);
        Ok(())
    };
    inventory
        .read(&inventory.files[0], "data/one", file, &mut sink)
        .map_err(|error| error.to_string())?;
    Ok(listed)
}

fn read_csv(schema: &str, text: &str) -> Result<Vec<Listed>, String> {
    let data = gzip(text);
    read(&manifest("CSV", schema, &data), &data)
}

fn object(key: &str) -> Entry {
    Entry::new(
        BucketName::new("photos").unwrap(),
        ObjectKey::new(key).unwrap(),
    )
}

fn full(key: &str) -> Listed {
    Listed::Current(Entry {
        etag: Some(ETag::new(ETAG).unwrap()),
        size: Some(42),
        version: Some(VersionId::new("v1").unwrap()),
        modified: Some(Timestamp::try_from("2026-11-20T10:00:00Z".to_owned()).unwrap()),
        storage_class: StorageClass::new("STANDARD_IA").ok(),
        ..object(key)
    })
}

#[test]
fn a_csv_inventory_lists_current_objects_with_their_pins() {
    let row = |key: &str, latest: &str, marker: &str| {
        format!(
            "\"photos\",\"{key}\",\"v1\",\"{latest}\",\"{marker}\",\"42\",\
             \"2026-11-20T10:00:00.000Z\",\"{ETAG}\",\"STANDARD_IA\",\"false\"\n"
        )
    };
    let text = [
        row("a+b/c%2Bd%25/%C3%A9%2C%22%0A", "true", "false"),
        row("old", "false", "false"),
        row("gone", "true", "true"),
        "photos,bare,,true,false,,,,,\n".to_owned(),
    ];
    let expected = vec![
        full("a b/c+d%/é,\"\n"),
        Listed::Noncurrent,
        Listed::DeleteMarker,
        Listed::Current(object("bare")),
    ];
    assert_eq!(read_csv(SCHEMA, &text.concat()), Ok(expected));
    let short = read_csv("Bucket, Key, Size", "photos,k,7\n").unwrap();
    let sized = Entry {
        size: Some(7),
        ..object("k")
    };
    assert_eq!(short, [Listed::Current(sized)]);
}

/// A Parquet inventory: an object of which nothing is known, `count` full rows,
/// an older version and a delete marker.
fn parquet(count: usize, compression: Compression) -> Vec<u8> {
    let schema = "message s3.inventory {
        required binary bucket (UTF8); required binary key (UTF8);
        optional binary version_id (UTF8); optional boolean is_latest;
        optional boolean is_delete_marker; optional int64 size;
        optional int64 last_modified_date (TIMESTAMP_MILLIS);
        optional binary e_tag (UTF8); optional binary storage_class (UTF8);
        optional boolean is_multipart_uploaded; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let whole = count + 2;
    // Nothing but a key is known of the first row.
    let levels: Vec<i16> = (0..=whole).map(|row| i16::from(row > 0)).collect();
    let texts = |text: &str| vec![ByteArray::from(text); whole];
    let truths = |row: usize| (0..whole).map(|at| at == row).collect::<Vec<bool>>();
    let latest: Vec<bool> = truths(count).iter().map(|old| !old).collect();
    let keys: Vec<ByteArray> = (0..=whole)
        .map(|row| format!("k+{row}%").into_bytes().into())
        .collect();
    let mut group = writer.next_row_group().unwrap();
    let mut index = 0;
    while let Some(mut column) = group.next_column().unwrap() {
        let nulls = Some(&levels[..]);
        match index {
            0 => column.typed::<ByteArrayType>().write_batch(
                &vec![ByteArray::from("photos"); whole + 1],
                None,
                None,
            ),
            1 => column
                .typed::<ByteArrayType>()
                .write_batch(&keys, None, None),
            2 => column
                .typed::<ByteArrayType>()
                .write_batch(&texts("v1"), nulls, None),
            3 => column.typed::<BoolType>().write_batch(&latest, nulls, None),
            4 => column
                .typed::<BoolType>()
                .write_batch(&truths(count + 1), nulls, None),
            5 => column
                .typed::<Int64Type>()
                .write_batch(&vec![42; whole], nulls, None),
            6 => column.typed::<Int64Type>().write_batch(
                &vec![1_795_168_800_000; whole],
                nulls,
                None,
            ),
            7 => column
                .typed::<ByteArrayType>()
                .write_batch(&texts(ETAG), nulls, None),
            8 => column
                .typed::<ByteArrayType>()
                .write_batch(&texts("STANDARD_IA"), nulls, None),
            _ => column
                .typed::<BoolType>()
                .write_batch(&truths(0), nulls, None),
        }
        .unwrap();
        column.close().unwrap();
        index += 1;
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn a_parquet_inventory_lists_the_same() {
    for (count, compression) in [
        (3, Compression::UNCOMPRESSED),
        (10_000, Compression::SNAPPY),
        (5000, Compression::GZIP(GzipLevel::default())),
        (5000, Compression::ZSTD(ZstdLevel::default())),
    ] {
        let data = parquet(count, compression);
        let listed = read(
            &manifest("Parquet", "message s3.inventory {}", &data),
            &data,
        )
        .unwrap();
        let mut expected = vec![Listed::Current(object("k+0%"))];
        expected.extend((1..=count).map(|row| full(&format!("k+{row}%"))));
        expected.push(Listed::Noncurrent);
        expected.push(Listed::DeleteMarker);
        assert!(
            listed == expected,
            "{count} rows, {compression}: {:?}",
            listed.first()
        );
    }
}

#[test]
fn a_file_that_is_not_the_listed_one_gives_no_row() {
    let data = gzip("photos,k,7\n");
    let right = manifest("CSV", "Bucket, Key, Size", &data);
    let mut altered = data.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    for (bytes, words) in [
        (&data[..last], "bytes, found"),
        (&altered[..], "expected MD5"),
    ] {
        let error = read(&right, bytes).unwrap_err();
        assert!(
            error.contains("data/one is not what manifest.json lists"),
            "{error}"
        );
        assert!(error.contains(words), "{error}");
    }
    // Damaged before its checksum was made.
    let cut = &data[..data.len() - 6];
    let error = read(&manifest("CSV", "Bucket, Key, Size", cut), cut).unwrap_err();
    assert!(error.contains("cut short"), "{error}");
    let parquet = parquet(100, Compression::SNAPPY);
    let cut = &parquet[..parquet.len() / 2];
    let error = read(&manifest("Parquet", "", cut), cut).unwrap_err();
    assert!(error.contains("cannot be read as Parquet"), "{error}");
}

#[test]
fn a_row_that_is_not_understood_is_named() {
    for (schema, text, words) in [
        (
            "Bucket, Key",
            "photos,a\nphotos,b,c\n",
            "data/one, row 2: expected 2 fields",
        ),
        (
            "Bucket, Key",
            "photos,a\nother,b\n",
            "row 2: it is about the bucket \"other\"",
        ),
        (
            "Bucket, Key",
            "photos,%zz\n",
            "row 1: the key \"%zz\" is not percent-encoded",
        ),
        ("Bucket, Key", "photos,\n", "row 1: the key is empty"),
        ("Bucket, Key", "photos,\"a\n", "never closed"),
        ("Bucket, Key, Size", "photos,a,big\n", "row 1: Size"),
        (
            "Bucket, Key, LastModifiedDate",
            "photos,a,today\n",
            "row 1: LastModifiedDate",
        ),
        ("Bucket, Key, ETag", "photos,a,a b\n", "row 1: the ETag"),
        (
            "Bucket, Key, StorageClass",
            "photos,a,cold\n",
            "row 1: expected a storage class",
        ),
        (
            "Bucket, Key, IsLatest",
            "photos,a,perhaps\n",
            "row 1: expected true or false",
        ),
        ("Bucket, Size", "photos,1\n", "the column Key is missing"),
        ("Bucket, Key, VersionId", "photos,a,v\n", "IsLatest"),
        ("Bucket, Key, Key", "photos,a,a\n", "Key is there twice"),
    ] {
        let error = read_csv(schema, text).unwrap_err();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
}

#[test]
fn a_list_of_files_that_is_none_is_refused() {
    let data = gzip("photos,k\n");
    let right = manifest("CSV", "Bucket, Key", &data);
    let with = |name: &str, value: Value| {
        let mut changed = right.clone();
        changed[name] = value;
        changed
    };
    let file = right["files"][0].clone();
    let mut unsummed = file.clone();
    unsummed["MD5checksum"] = json!("abc");
    for (manifest, words) in [
        (
            with("fileFormat", json!("ORC")),
            "is in ORC, which rebucket does not read",
        ),
        (
            with("fileFormat", json!("XML")),
            "expected fileFormat CSV or Parquet",
        ),
        (with("sourceBucket", json!("")), "sourceBucket"),
        (with("files", json!([file, file])), "listed twice"),
        (
            with("files", json!([unsummed])),
            "expected 32 hexadecimal digits",
        ),
        (
            with("files", Value::Null),
            "no manifest.json of S3 Inventory",
        ),
        (json!([]), "no manifest.json of S3 Inventory"),
    ] {
        let error = read(&manifest, &data).unwrap_err();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
}

#[test]
fn the_list_itself_has_a_checksum_and_a_twin() {
    let data = gzip("photos,k\n");
    let text = manifest("CSV", "Bucket, Key", &data).to_string();
    let check = |sum: &str| {
        Inventory::check_manifest("manifest.json", text.as_bytes(), "manifest.checksum", sum)
    };
    assert!(check(&format!("{}\n", md5(text.as_bytes()))).is_ok());
    let error = check(&md5(b"other")).unwrap_err().to_string();
    assert!(
        error.contains("not what manifest.checksum lists"),
        "{error}"
    );

    let inventory = Inventory::parse("manifest.json", text.as_bytes()).unwrap();
    let file = "s3://inventories/inv/photos/daily/data/one";
    let symlink = |text: &str| {
        let checked = inventory.check_symlink("symlink.txt", text);
        checked.map_err(|error| error.to_string())
    };
    assert_eq!(symlink(&format!("{file}\r\n")), Ok(()));
    for (text, words) in [
        (String::new(), "one is not in the symlink list"),
        (format!("{file}\n{file}\n"), "line 2 names"),
        (
            format!("{file}\n{file}x\n"),
            "which the manifest does not list",
        ),
    ] {
        let error = symlink(&text).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn files_are_found_where_s3_puts_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = gzip("photos,k\n");
    let text = manifest("CSV", "Bucket, Key", &data).to_string();
    let inventory = Inventory::parse("manifest.json", text.as_bytes()).unwrap();
    let at = path("copy/inv/photos/daily/2026-11-22T01-00Z/manifest.json");
    let find = |data: Option<&Path>| find_data(&at, data, &inventory.files[0]);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    let error = find(None).unwrap_err().to_string();
    assert!(
        error.contains("inv/photos/daily/data/one is missing"),
        "{error}"
    );
    assert!(error.contains("--inventory-data"), "{error}");
    let put = |name: &str| {
        fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        fs::write(path(name), &data).unwrap();
    };
    put("elsewhere/one");
    assert_eq!(
        find(Some(&path("elsewhere"))).unwrap(),
        path("elsewhere/one")
    );
    put("copy/inv/photos/daily/2026-11-22T01-00Z/one");
    assert!(find(None).is_ok());
    put("copy/inv/photos/daily/data/one");
    let found = fs::canonicalize(find(None).unwrap()).unwrap();
    let expected = fs::canonicalize(path("copy/inv/photos/daily/data/one")).unwrap();
    assert_eq!(found, expected);
    assert_eq!(
        symlink_beside("inv/photos/daily/2026-11-22T01-00Z/manifest.json").as_deref(),
        Some("inv/photos/daily/hive/dt=2026-11-22-01-00/symlink.txt")
    );
    assert_eq!(symlink_beside("manifest.json"), None);
}
