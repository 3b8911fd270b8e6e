//! From a row's text to a rename: everything that one row can get wrong, and
//! through the index what rows get wrong together.

use std::borrow::Cow;
use std::fmt::Display;

use percent_encoding::percent_decode_str;
use rebucket_protocol::key::{KeyError, MAX_KEY_BYTES};
use rebucket_protocol::printable::shortened;
use rebucket_protocol::uri::UriError;
use rebucket_protocol::{
    BucketName, ETag, IfExists, ObjectKey, ObjectUri, Pins, StorageClass, Timestamp, VersionId,
};

use crate::manifest::{ColumnName, ManifestOptions, Row, Side};
use crate::plan::Totals;
use crate::problem::{Problem, ProblemKind};

/// One object that a row names.
pub(crate) struct Object<'r> {
    /// `bucket/key`; of the manifest's text where nothing was decoded.
    name: Cow<'r, str>,
    bucket_bytes: usize,
}

impl Object<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn bucket_bytes(&self) -> usize {
        self.bucket_bytes
    }

    /// Bucket and key.
    pub(crate) fn parts(&self) -> (&str, &str) {
        let (bucket, key) = self.name.split_at(self.bucket_bytes);
        (bucket, &key[1..])
    }
}

impl From<ObjectUri> for Object<'_> {
    fn from(object: ObjectUri) -> Self {
        let bucket = object.bucket.as_str();
        Self {
            bucket_bytes: bucket.len(),
            name: Cow::Owned(format!("{bucket}/{}", object.key)),
        }
    }
}

/// What a row says, as far as it is right.
pub(crate) struct Checked<'r> {
    pub(crate) source: Option<Object<'r>>,
    pub(crate) destination: Option<Object<'r>>,
    pub(crate) pins: Pins,
    pub(crate) if_exists: Option<IfExists>,
}

/// Checks rows of one manifest.
pub(crate) struct Validator<'a> {
    options: &'a ManifestOptions,
    sides: [Buckets; 2],
    totals: Totals,
}

/// The buckets of one side of the rows: mostly that of the row before.
#[derive(Default)]
struct Buckets {
    last: Option<BucketName>,
    /// Rows that have it.
    count: u64,
}

impl Buckets {
    fn change(&mut self, bucket: &BucketName, side: Side, totals: &mut Totals) {
        if self.last.as_ref() != Some(bucket) {
            self.flush(side, totals);
            self.last = Some(bucket.clone());
        }
    }

    fn flush(&mut self, side: Side, totals: &mut Totals) {
        let count = std::mem::take(&mut self.count);
        if let (Some(bucket), 1..) = (&self.last, count) {
            match side {
                Side::Source => totals.add_source(bucket, count),
                Side::Destination => totals.add_destination(bucket, count),
            }
        }
    }
}

const SIDES: [Side; 2] = [Side::Source, Side::Destination];

/// The value of `result`, or its problem added.
fn note<T>(problems: &mut Vec<Problem>, result: Result<T, Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

impl<'a> Validator<'a> {
    pub(crate) fn new(options: &'a ManifestOptions) -> Self {
        Self {
            options,
            sides: Default::default(),
            totals: Totals::default(),
        }
    }

    /// Reads a row; reports all that is wrong with it. A row that is wrong
    /// elsewhere can still be a duplicate.
    pub(crate) fn check<'r>(&mut self, row: &Row<'r>, problems: &mut Vec<Problem>) -> Checked<'r> {
        let source = self.object(row, Side::Source, problems);
        let destination = self.object(row, Side::Destination, problems);
        let mut pin = Optional { row, problems };
        let pins = Pins {
            version: pin.parse(ColumnName::VersionId, ProblemKind::BadVersionId, |text| {
                VersionId::new(text)
            }),
            etag: pin.parse(ColumnName::Etag, ProblemKind::BadEtag, ETag::new),
            size: pin.parse(ColumnName::Size, ProblemKind::BadSize, parse_size),
            modified: pin.parse(ColumnName::Modified, ProblemKind::BadModified, |text| {
                Timestamp::try_from(text.to_owned())
            }),
            storage_class: pin.parse(
                ColumnName::StorageClass,
                ProblemKind::BadStorageClass,
                str::parse::<StorageClass>,
            ),
        };
        let if_exists = pin.parse(
            ColumnName::IfExists,
            ProblemKind::BadIfExists,
            str::parse::<IfExists>,
        );
        if let (Some(source), Some(destination)) = (&source, &destination)
            && source.name == destination.name
        {
            let message = format!(
                "s3://{} would be renamed to itself; remove the row or change the destination",
                shortened(&source.name)
            );
            let column = row.header.key_column(Side::Destination);
            problems.push(row.problem(column, ProblemKind::SelfRename, message));
        }
        Checked {
            source,
            destination,
            pins,
            if_exists,
        }
    }

    /// Adds the row that was just checked to the sums: it is right.
    pub(crate) fn count(&mut self, row: &Checked<'_>) {
        self.totals.add_row(&row.pins);
        for buckets in &mut self.sides {
            buckets.count += 1;
        }
    }

    /// The sums since they were last taken.
    pub(crate) fn take_totals(&mut self) -> Totals {
        for side in SIDES {
            self.sides[side as usize].flush(side, &mut self.totals);
        }
        std::mem::take(&mut self.totals)
    }

    fn object<'r>(
        &mut self,
        row: &Row<'r>,
        side: Side,
        problems: &mut Vec<Problem>,
    ) -> Option<Object<'r>> {
        if let Some(object) = self.plain_uri(row, side) {
            return Some(object);
        }
        let object = self.any_object(row, side, problems)?;
        self.sides[side as usize].change(&object.bucket, side, &mut self.totals);
        Some(object.into())
    }

    /// The short way for a URI that is right, in the bucket of the row before.
    fn plain_uri<'r>(&self, row: &Row<'r>, side: Side) -> Option<Object<'r>> {
        if self.options.bucket.is_some() || row.header.bucket_column(side).is_some() {
            return None;
        }
        let text = row.text(row.header.key_column(side)).ok()?;
        if self.options.url_encoded && text.contains(['%', '+']) {
            return None;
        }
        let name = text.strip_prefix("s3://")?;
        let bucket = self.sides[side as usize].last.as_ref()?.as_str();
        let key = name.strip_prefix(bucket)?.strip_prefix('/')?;
        (1..=MAX_KEY_BYTES).contains(&key.len()).then_some(Object {
            name: Cow::Borrowed(name),
            bucket_bytes: bucket.len(),
        })
    }

    fn any_object(
        &self,
        row: &Row<'_>,
        side: Side,
        problems: &mut Vec<Problem>,
    ) -> Option<ObjectUri> {
        let column = row.header.key_column(side);
        let text = row.text(column);
        let Some(bucket_column) = row.header.bucket_column(side) else {
            let object = text.and_then(|text| match &self.options.bucket {
                None => self.uri(row, column, text),
                Some(bucket) => Ok(ObjectUri::new(bucket.clone(), self.key(row, column, text)?)),
            });
            return note(problems, object);
        };
        // A bad bucket and a bad key in one row are two problems.
        let bucket = row.text(bucket_column).and_then(|text| {
            BucketName::new(text).map_err(|error| {
                row.problem(
                    bucket_column,
                    ProblemKind::BadBucket,
                    shortened(&error.to_string()),
                )
            })
        });
        let key = text.and_then(|text| self.key(row, column, text));
        let (bucket, key) = (note(problems, bucket), note(problems, key));
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
                row.problem(column, ProblemKind::BadBucket, shortened(&message))
            }
            UriError::Scheme(_) | UriError::PrefixTooLong(_) => {
                let message = format!(
                    "{} is no URI: {error}; if the column has keys, name their bucket with --bucket",
                    column.as_str()
                );
                row.problem(column, ProblemKind::BadUri, shortened(&message))
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
                    shortened(text)
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
                    shortened(text)
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
        text => format!("{}: {error}: {}", column.as_str(), shortened(text)),
    };
    row.problem(column, kind, message)
}

/// The columns that may be left out or empty.
struct Optional<'a> {
    row: &'a Row<'a>,
    problems: &'a mut Vec<Problem>,
}

impl Optional<'_> {
    fn parse<T, E: Display>(
        &mut self,
        name: ColumnName,
        kind: ProblemKind,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match note(self.problems, self.row.text(name))? {
            "" => None,
            text => {
                let parsed = parse(text).map_err(|error| {
                    let message = format!("{}: {error}", name.as_str());
                    self.row.problem(name, kind, shortened(&message))
                });
                note(self.problems, parsed)
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
