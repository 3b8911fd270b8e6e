//! Files of keys: what is read, and what is refused where.

use std::io::Write as _;

use rebucket_protocol::{ETag, StorageClass, VersionId};

use super::*;

fn entries(bytes: &[u8], options: &KeyFileOptions) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut sink = |listed| {
        if let Listed::Current(entry) = listed {
            entries.push(entry);
        }
        Ok(())
    };
    read("keys", bytes, options, &mut sink).map_err(|error| error.to_string())?;
    Ok(entries)
}

fn in_bucket() -> KeyFileOptions {
    KeyFileOptions {
        bucket: Some(BucketName::new("bkt").unwrap()),
        ..KeyFileOptions::default()
    }
}

fn keys(bytes: &[u8], options: &KeyFileOptions) -> Result<Vec<String>, String> {
    let entries = entries(bytes, options)?;
    Ok(entries.iter().map(|entry| entry.key.to_string()).collect())
}

#[test]
fn lines_are_keys_as_they_are() {
    let text = "\u{feff}a, \"b\"\r\n\r\nc%20+d\n s3://x/y\né".as_bytes();
    let expected = ["a, \"b\"", "c%20+d", " s3://x/y", "é"].map(str::to_owned);
    assert_eq!(keys(text, &in_bucket()).unwrap(), expected);
    let decoded = KeyFileOptions {
        url_encoded: true,
        ..in_bucket()
    };
    assert_eq!(keys(b"c%20+d", &decoded).unwrap(), ["c  d"]);
    assert_eq!(keys(b"", &in_bucket()).unwrap(), [""; 0]);
    let uris = entries(b"s3://one/a\ns3://two/b", &KeyFileOptions::default()).unwrap();
    assert_eq!(uris[1].bucket.as_str(), "two");
}

#[test]
fn compressed_files_are_recognised() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"a\nb\n").unwrap();
    let gzip = gzip.finish().unwrap();
    assert_eq!(keys(&gzip, &in_bucket()).unwrap(), ["a", "b"]);
    let zstandard = zstd::encode_all(&b"a\nb\n"[..], 0).unwrap();
    assert_eq!(keys(&zstandard, &in_bucket()).unwrap(), ["a", "b"]);
    let cut = keys(&gzip[..gzip.len() - 6], &in_bucket()).unwrap_err();
    assert!(cut.contains("cut short"), "{cut}");
}

#[test]
fn a_header_brings_columns() {
    let csv = "title,key,size,etag,version_id,last_modified,storage_class,bucket\r\n\
               \"A, b\",\"x\ny\",7,\"\"\"abc\"\"\",v1,2026-01-02T03:04:05Z,GLACIER,one\r\n\
               ,z,,,,,,two\r\n";
    let options = KeyFileOptions {
        columns: vec!["title".to_owned()],
        ..KeyFileOptions::default()
    };
    let entries = entries(csv.as_bytes(), &options).unwrap();
    let first = &entries[0];
    assert_eq!((first.key.as_str(), first.bucket.as_str()), ("x\ny", "one"));
    assert_eq!((first.size, first.columns[0].as_str()), (Some(7), "A, b"));
    assert_eq!(first.etag, Some(ETag::new("abc").unwrap()));
    assert_eq!(first.storage_class, StorageClass::new("GLACIER").ok());
    assert_eq!(first.version, Some(VersionId::new("v1").unwrap()));
    assert_eq!(first.modified.unwrap().to_string(), "2026-01-02T03:04:05Z");
    let bare = Entry {
        columns: vec![String::new()],
        ..Entry::new(
            BucketName::new("two").unwrap(),
            ObjectKey::new("z").unwrap(),
        )
    };
    assert_eq!(entries[1], bare);
}

#[test]
fn a_bad_line_is_named() {
    let long = format!("a\n{}", "x".repeat(5000));
    let endless = format!("key,size\na,1\n\"{}", "x\n".repeat(1 << 20));
    for (bytes, words) in [
        (
            &b"a\nb\xff"[..],
            "keys:2: the key is not UTF-8 from its byte 2",
        ),
        (long.as_bytes(), "keys:2: it is longer than 4096"),
        (b"key,size\na,1\nb\n", "keys:3: expected 2 fields"),
        (
            b"key,size\n\"a\n\nb\",1\nc,x\n",
            "keys:5: size: expected a number",
        ),
        (b"key,etag\na,\"x\"\"y\"\n", "keys:2: etag"),
        (b"key,last_modified\na,monday\n", "keys:2: last_modified"),
        (b"key,version_id\na,a b\n", "keys:2: version_id"),
        (b"key,storage_class\na,cold\n", "keys:2: storage_class"),
        (b"key,key\n", "keys:1: the column \"key\""),
        (b"key\n\"a\nb\n", "never closed"),
        (endless.as_bytes(), "longer than 1 MiB"),
        (b"key,size\n,1\n", "keys:2: the key is empty"),
    ] {
        let error = entries(bytes, &in_bucket()).unwrap_err();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
    let inventory = keys(b"\"bkt\",\"a\",\"7\"\n", &in_bucket()).unwrap_err();
    assert!(inventory.contains("manifest.json"), "{inventory}");
    let no_bucket = keys(b"a", &KeyFileOptions::default()).unwrap_err();
    assert!(no_bucket.contains("--bucket"), "{no_bucket}");
    let options = KeyFileOptions {
        columns: vec!["title".to_owned()],
        ..in_bucket()
    };
    let lacking = keys(b"key,name\n", &options).unwrap_err();
    assert!(lacking.contains("it has key, name"), "{lacking}");
    assert!(keys(b"a\n", &options).is_err());
}
