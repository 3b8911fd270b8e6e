//! From a row's text to a rename: everything that one row can get wrong, and
//! through the index what rows get wrong together.

use std::borrow::Cow;
use std::fmt::Display;

use percent_encoding::percent_decode_str;
use rebucket_protocol::key::KeyError;
use rebucket_protocol::uri::UriError;
use rebucket_protocol::{BucketName, ETag, IfExists, ObjectKey, ObjectUri, Pins, VersionId};

use crate::index::RenameIndex;
use crate::manifest::{ColumnName, Header, ManifestOptions, Row, Side};
use crate::plan::PlannedRename;
use crate::problem::{Problem, ProblemKind, Problems, shown};

/// Checks the rows of one manifest.
pub(crate) struct Validator<'a> {
    options: &'a ManifestOptions,
    index: RenameIndex,
}

impl<'a> Validator<'a> {
    pub(crate) fn new(options: &'a ManifestOptions) -> Self {
        Self {
            options,
            index: RenameIndex::default(),
        }
    }

    /// Turns a row into a rename, or reports all that is wrong with it.
    pub(crate) fn check(
        &mut self,
        row: &Row<'_>,
        problems: &mut Problems,
    ) -> Option<PlannedRename> {
        let before = problems.total();
        let source = self.object(row, Side::Source, problems);
        let destination = self.object(row, Side::Destination, problems);
        let mut pin = Optional { row, problems };
        let pins = Pins {
            version: pin.parse(ColumnName::VersionId, ProblemKind::BadVersionId, |text| {
                VersionId::new(text)
            }),
            etag: pin.parse(ColumnName::Etag, ProblemKind::BadEtag, ETag::new),
            size: pin.parse(ColumnName::Size, ProblemKind::BadSize, parse_size),
            modified: None,
        };
        let if_exists = pin.parse(
            ColumnName::IfExists,
            ProblemKind::BadIfExists,
            str::parse::<IfExists>,
        );
        // A row that is wrong elsewhere can still be a duplicate.
        let sides = [(Side::Source, &source), (Side::Destination, &destination)];
        for (side, object) in sides {
            if let Some(object) = object {
                self.index.add(side, object, row.line());
            }
        }
        let (source, destination) = (source?, destination?);
        if source == destination {
            let message = format!(
                "{} would be renamed to itself; remove the row or change the destination",
                shown(&source.to_string())
            );
            let column = row.header.key_column(Side::Destination);
            problems.push(row.problem(column, ProblemKind::SelfRename, message));
        }
        (problems.total() == before).then(|| PlannedRename {
            row: row.number,
            line: row.line(),
            source,
            destination,
            pins,
            if_exists,
        })
    }

    /// Reports what can only be told over the whole manifest.
    pub(crate) fn finish(self, header: &Header, problems: &mut Problems) {
        self.index.finish(header, problems);
    }

    fn object(&self, row: &Row<'_>, side: Side, problems: &mut Problems) -> Option<ObjectUri> {
        let column = row.header.key_column(side);
        let text = row.text(column);
        let Some(bucket_column) = row.header.bucket_column(side) else {
            let object = text.and_then(|text| match &self.options.bucket {
                None => self.uri(row, column, text),
                Some(bucket) => Ok(ObjectUri::new(bucket.clone(), self.key(row, column, text)?)),
            });
            return problems.note(object);
        };
        // A bad bucket and a bad key in one row are two problems.
        let bucket = row.text(bucket_column).and_then(|text| {
            BucketName::new(text).map_err(|error| {
                row.problem(
                    bucket_column,
                    ProblemKind::BadBucket,
                    shown(&error.to_string()),
                )
            })
        });
        let key = text.and_then(|text| self.key(row, column, text));
        let (bucket, key) = (problems.note(bucket), problems.note(key));
        Some(ObjectUri::new(bucket?, key?))
    }

    fn uri(&self, row: &Row<'_>, column: ColumnName, text: &str) -> Result<ObjectUri, Problem> {
        let key_at = text
            .strip_prefix("s3://")
            .and_then(|rest| Some(rest.find('/')? + 6));
        let (bucket, key) = text.split_at(key_at.unwrap_or(text.len()));
        let parsed = match self.decoded(row, column, key)? {
            Cow::Borrowed(_) => text.parse::<ObjectUri>(),
            Cow::Owned(key) => format!("{bucket}{key}").parse(),
        };
        parsed.map_err(|error| match error {
            UriError::Key(error) => key_problem(row, column, text, &error),
            UriError::Bucket(error) => {
                let message = format!("{} has no valid bucket: {error}", column.as_str());
                row.problem(column, ProblemKind::BadBucket, shown(&message))
            }
            UriError::Scheme(_) | UriError::PrefixTooLong(_) => {
                let message = format!(
                    "{} is no URI: {error}; if the column has keys, name their bucket with --bucket",
                    column.as_str()
                );
                row.problem(column, ProblemKind::BadUri, shown(&message))
            }
        })
    }

    fn key(&self, row: &Row<'_>, column: ColumnName, text: &str) -> Result<ObjectKey, Problem> {
        let key = self.decoded(row, column, text)?;
        ObjectKey::new(key).map_err(|error| key_problem(row, column, text, &error))
    }

    /// A key as the object has it. Only `--url-encoded` decodes anything.
    fn decoded<'t>(
        &self,
        row: &Row<'_>,
        column: ColumnName,
        text: &'t str,
    ) -> Result<Cow<'t, str>, Problem> {
        if !self.options.url_encoded || !text.contains(['%', '+']) {
            return Ok(Cow::Borrowed(text));
        }
        let bytes = text.as_bytes();
        let escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
        for (at, _) in escapes {
            let digits = bytes.get(at + 1..at + 3);
            if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                let message = format!(
                    "{} is not percent-encoded: expected two hexadecimal digits after the % at \
                     byte {} of the key: {}; a literal % is written %25, or leave out --url-encoded",
                    column.as_str(),
                    at + 1,
                    shown(text)
                );
                return Err(row.problem(column, ProblemKind::BadUrlEncoding, message));
            }
        }
        let spaced = text.replace('+', " ");
        match percent_decode_str(&spaced).decode_utf8() {
            Ok(key) => Ok(Cow::Owned(key.into_owned())),
            Err(error) => {
                let message = format!(
                    "{} decodes to bytes that are not UTF-8, from byte {} of the key on: {}",
                    column.as_str(),
                    error.valid_up_to() + 1,
                    shown(text)
                );
                Err(row.problem(column, ProblemKind::InvalidUtf8, message))
            }
        }
    }
}

fn key_problem(row: &Row<'_>, column: ColumnName, text: &str, error: &KeyError) -> Problem {
    let kind = match error {
        KeyError::Empty => ProblemKind::EmptyKey,
        KeyError::TooLong(_) => ProblemKind::KeyTooLong,
    };
    let message = match text {
        "" => format!("{}: {error}", column.as_str()),
        text => format!("{}: {error}: {}", column.as_str(), shown(text)),
    };
    row.problem(column, kind, message)
}

/// The columns that may be left out or empty.
struct Optional<'a> {
    row: &'a Row<'a>,
    problems: &'a mut Problems,
}

impl Optional<'_> {
    fn parse<T, E: Display>(
        &mut self,
        name: ColumnName,
        kind: ProblemKind,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.problems.note(self.row.text(name))? {
            "" => None,
            text => {
                let parsed = parse(text).map_err(|error| {
                    let message = format!("{}: {error}", name.as_str());
                    self.row.problem(name, kind, shown(&message))
                });
                self.problems.note(parsed)
            }
        }
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let expected = || format!("expected a number of bytes such as 1048576, found {text:?}");
    // `parse` alone would take "+5".
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        text.parse().map_err(|_| expected())
    } else {
        Err(expected())
    }
}
