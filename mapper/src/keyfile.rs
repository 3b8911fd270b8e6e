//! A file of keys: one a line, or CSV with a header that has a column `key`.

mod rows;

use std::io::{self, BufRead, Read};

use rebucket_protocol::{BucketName, ObjectKey, ObjectUri};

use crate::decode::url_decoded;
use crate::entry::{Entry, Listed};
use crate::stream::{decompressed, read_line};

/// The longest line: a key of 1,024 encoded bytes, and its bucket.
const LINE_LIMIT: usize = 4096;

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
    match rows::header(&first) {
        Some(header) => file.rows(&header, input, sink),
        None => file.lines(first, &mut *input, sink),
    }
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
}

#[cfg(test)]
mod tests;
