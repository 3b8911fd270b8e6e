//! A file of keys with a header: a row an object, and perhaps what is known of it.

use std::io::{self, BufRead};

use csv::{ByteRecord, ReaderBuilder};
use rebucket_protocol::{ETag, StorageClass, Timestamp, VersionId};

use super::{KeyFileError, Reading, Sink};
use crate::entry::{Entry, Listed};
use crate::stream::Watched;

const COLUMNS: [&str; 7] = [
    "key",
    "bucket",
    "etag",
    "size",
    "version_id",
    "last_modified",
    "storage_class",
];

/// The names of the columns, if this line names a column `key`.
pub(super) fn header(line: &[u8]) -> Option<Vec<String>> {
    let mut record = csv::StringRecord::new();
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(line);
    let read = reader.read_record(&mut record).ok()?;
    let names: Vec<String> = record.iter().map(str::to_owned).collect();
    (read && names.iter().any(|name| name == "key")).then_some(names)
}

impl Reading<'_> {
    /// Reads the rows below this header, to the last.
    pub(super) fn rows(
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
