//! A file of keys: one a line, or CSV with a header that has a column `key`.

use std::io::{self, BufRead, Read};

use csv::{ByteRecord, ReaderBuilder};
use rebucket_protocol::{
    BucketName, ETag, ObjectKey, ObjectUri, StorageClass, Timestamp, VersionId,
};

use crate::decode::url_decoded;
use crate::entry::{Entry, Listed};
use crate::stream::{Watched, decompressed, read_line};

/// The longest line: a key of 1,024 encoded bytes, and its bucket.
const LINE_LIMIT: usize = 4096;
const COLUMNS: [&str; 7] = [
    "key",
    "bucket",
    "etag",
    "size",
    "version_id",
    "last_modified",
    "storage_class",
];

/// How a file of keys is read.
#[derive(Debug, Clone, Default)]
pub struct KeyFileOptions {
    /// The bucket of the keys; without it they are `s3://bucket/key` URIs, or
    /// there is a column `bucket`.
    pub bucket: Option<BucketName>,
    /// Keys are percent-encoded, with `+` for a space.
    pub url_encoded: bool,
    /// Further columns to keep, by their names.
    pub columns: Vec<String>,
}

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// A line or row is wrong.
    #[error("{name}:{line}: {message}")]
    Line {
        /// The file.
        name: String,
        /// The line on which the row begins.
        line: u64,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The file cannot be read to its end.
    #[error("{name} cannot be read: {source}; if it is compressed, it may be damaged or cut short")]
    Read {
        /// The file.
        name: String,
        /// What the system or the decoder said.
        source: io::Error,
    },
    /// What was made of it cannot be kept.
    #[error(
        "temporary files cannot be kept in {folder}: {0}; make room there, or name a folder with more \
         in TMPDIR", folder = std::env::temp_dir().display()
    )]
    Spool(io::Error),
}

/// Takes what a source of keys lists.
pub type Sink<'a> = dyn FnMut(Listed) -> io::Result<()> + 'a;

/// Reads a file of keys, plain, gzip or Zstandard, to its end.
///
/// # Errors
/// [`KeyFileError`] at the first line that is wrong.
pub fn read(
    name: &str,
    reader: impl Read,
    options: &KeyFileOptions,
    sink: &mut Sink<'_>,
) -> Result<(), KeyFileError> {
    let failed = |source| KeyFileError::Read {
        name: name.to_owned(),
        source,
    };
    let mut input = decompressed(reader).map_err(failed)?;
    let mut first = Vec::new();
    let file = Reading { name, options };
    if !read_line(&mut *input, &mut first, LINE_LIMIT).map_err(|error| file.too_long(1, error))? {
        return Ok(());
    }
    match header(&first) {
        Some(header) => file.rows(&header, input, sink),
        None => file.lines(first, &mut *input, sink),
    }
}

/// The names of the columns, if this line names a column `key`.
fn header(line: &[u8]) -> Option<Vec<String>> {
    let mut record = csv::StringRecord::new();
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(line);
    let read = reader.read_record(&mut record).ok()?;
    let names: Vec<String> = record.iter().map(str::to_owned).collect();
    (read && names.iter().any(|name| name == "key")).then_some(names)
}

struct Reading<'a> {
    name: &'a str,
    options: &'a KeyFileOptions,
}

impl Reading<'_> {
    fn wrong(&self, line: u64, message: impl Into<String>) -> KeyFileError {
        KeyFileError::Line {
            name: self.name.to_owned(),
            line,
            message: message.into(),
        }
    }

    fn too_long(&self, line: u64, error: io::Error) -> KeyFileError {
        if error.kind() == io::ErrorKind::InvalidData {
            return self.wrong(line, format!("{error}; expected one key a line"));
        }
        KeyFileError::Read {
            name: self.name.to_owned(),
            source: error,
        }
    }

    fn lines(
        &self,
        mut line: Vec<u8>,
        input: &mut dyn BufRead,
        sink: &mut Sink<'_>,
    ) -> Result<(), KeyFileError> {
        if !self.options.columns.is_empty() {
            let message = format!(
                "the template uses the column {:?}, but the file has no header with a column key",
                self.options.columns[0]
            );
            return Err(self.wrong(1, message));
        }
        if let Some(bucket) = &self.options.bucket
            && line.starts_with(format!("\"{bucket}\",\"").as_bytes())
        {
            let message = "this is a row of S3 Inventory, not a key; give the inventory's \
                           manifest.json, which says what the columns are";
            return Err(self.wrong(1, message));
        }
        let mut number = 1;
        loop {
            if !line.is_empty() {
                let entry = self.place(number, &line, None)?;
                sink(Listed::Current(entry)).map_err(KeyFileError::Spool)?;
            }
            number += 1;
            let more = read_line(input, &mut line, LINE_LIMIT);
            if !more.map_err(|error| self.too_long(number, error))? {
                return Ok(());
            }
        }
    }

    fn text<'t>(&self, line: u64, what: &str, bytes: &'t [u8]) -> Result<&'t str, KeyFileError> {
        std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to() + 1;
            let message = format!("the {what} is not UTF-8 from its byte {at} on");
            self.wrong(line, message)
        })
    }

    /// The object that a key and perhaps a bucket name.
    fn place(&self, line: u64, key: &[u8], bucket: Option<&[u8]>) -> Result<Entry, KeyFileError> {
        let text = self.text(line, "key", key)?;
        let decode = |text: &str| {
            if self.options.url_encoded {
                url_decoded(text).map_err(|error| {
                    self.wrong(
                        line,
                        format!("the key {text:?} is not percent-encoded: {error}"),
                    )
                })
            } else {
                Ok(text.to_owned())
            }
        };
        let own = match bucket {
            None => self.options.bucket.clone(),
            Some(bucket) => {
                let bucket = self.text(line, "bucket", bucket)?;
                let bucket = BucketName::new(bucket);
                Some(bucket.map_err(|error| self.wrong(line, error.to_string()))?)
            }
        };
        if let Some(bucket) = own {
            let key = ObjectKey::new(decode(text)?)
                .map_err(|error| self.wrong(line, error.to_string()))?;
            return Ok(Entry::new(bucket, key));
        }
        // Buckets are never encoded.
        let key_at = text
            .strip_prefix("s3://")
            .and_then(|rest| Some(rest.find('/')? + 6));
        let (place, key) = text.split_at(key_at.unwrap_or(text.len()));
        let uri = format!("{place}{}", decode(key)?);
        let uri: ObjectUri = uri.parse().map_err(|error| {
            let message = format!("{error}; name the bucket of all keys with --bucket");
            self.wrong(line, message)
        })?;
        Ok(Entry::new(uri.bucket, uri.key))
    }

    fn rows(
        &self,
        header: &[String],
        input: Box<dyn BufRead + '_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), KeyFileError> {
        if let Some((at, name)) = header.iter().enumerate().find(|(at, name)| {
            let used = COLUMNS.contains(&name.as_str()) || self.options.columns.contains(name);
            used && header[..*at].contains(name)
        }) {
            let message = format!("the column {name:?} is there again as column {}", at + 1);
            return Err(self.wrong(1, message));
        }
        let position = |name: &str| header.iter().position(|column| column == name);
        let known = COLUMNS.map(position);
        let mut extra = Vec::new();
        for name in &self.options.columns {
            let at = position(name).ok_or_else(|| {
                let message = format!(
                    "the template uses the column {name:?}, which the header lacks; it has {}",
                    header.join(", ")
                );
                self.wrong(1, message)
            })?;
            extra.push(at);
        }
        let (watched, seen) = Watched::new(input);
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(watched);
        let mut record = ByteRecord::new();
        let mut line = 2;
        loop {
            let read =
                reader
                    .read_byte_record(&mut record)
                    .map_err(|error| match error.into_kind() {
                        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                            self.wrong(line, error.to_string())
                        }
                        csv::ErrorKind::Io(source) => KeyFileError::Read {
                            name: self.name.to_owned(),
                            source,
                        },
                        other => self.wrong(line, format!("{other:?}")),
                    })?;
            if !read {
                break;
            }
            seen.row();
            // The header is a line before the reader's first.
            line = record.position().map_or(line, |at| at.line() + 1);
            if record.len() != header.len() {
                let message = format!(
                    "expected {} fields, as the header has columns, found {}; a field with a \
                     comma in it must stand in double quotes",
                    header.len(),
                    record.len()
                );
                return Err(self.wrong(line, message));
            }
            let mut entry = self.row(line, &record, &known)?;
            for at in &extra {
                let text = self.text(line, &header[*at], &record[*at])?;
                entry.columns.push(text.to_owned());
            }
            sink(Listed::Current(entry)).map_err(KeyFileError::Spool)?;
        }
        if !seen.quotes_are_paired() {
            let message = "a double quote is opened in this row or one before it and never closed";
            return Err(self.wrong(line, message));
        }
        Ok(())
    }

    fn row(
        &self,
        line: u64,
        record: &ByteRecord,
        known: &[Option<usize>; COLUMNS.len()],
    ) -> Result<Entry, KeyFileError> {
        let [key, bucket, etag, size, version, modified, class] =
            known.map(|at| at.map(|at| &record[at]));
        let text = |what, bytes: Option<&'_ [u8]>| -> Result<Option<String>, KeyFileError> {
            let text = self.text(line, what, bytes.unwrap_or_default())?;
            Ok((!text.is_empty()).then(|| text.to_owned()))
        };
        let mut entry = self.place(line, key.unwrap_or_default(), bucket)?;
        let wrong = |what: &str, error: &dyn std::fmt::Display| {
            self.wrong(line, format!("{what}: {error}"))
        };
        if let Some(etag) = text("etag", etag)? {
            entry.etag = Some(ETag::new(&etag).map_err(|error| wrong("etag", &error))?);
        }
        if let Some(size) = text("size", size)? {
            entry.size = Some(size.parse().map_err(|_| {
                wrong(
                    "size",
                    &format!("expected a number of bytes, found {size:?}"),
                )
            })?);
        }
        if let Some(version) = text("version_id", version)? {
            let version = VersionId::new(version);
            entry.version = Some(version.map_err(|error| wrong("version_id", &error))?);
        }
        if let Some(modified) = text("last_modified", modified)? {
            let modified = Timestamp::try_from(modified);
            entry.modified = Some(modified.map_err(|error| wrong("last_modified", &error))?);
        }
        if let Some(class) = text("storage_class", class)? {
            let class = StorageClass::new(class);
            entry.storage_class = Some(class.map_err(|error| wrong("storage_class", &error))?);
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

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
}
