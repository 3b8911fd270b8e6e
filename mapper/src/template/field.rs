//! The fields of a template: their names, and what an object has for each.

use md5::{Digest as _, Md5};
use rebucket_protocol::Timestamp;
use regex::{Captures, Regex};
use time::OffsetDateTime;

use crate::entry::Entry;
use crate::rewrite::has_group;

const FIELDS: &str = "key, basename, stem, extension, suffix, dirname, folder, segment:N, size, \
     etag, storage_class, version_id, date, date:year, date:month, date:day, date:hour, \
     date:minute, date:second, hash:N, match:GROUP, column:NAME";

/// The hash digits that `{hash}` alone stands for.
const HASH_DIGITS: usize = 4;

/// What stands between braces.
#[derive(Debug, Clone)]
pub(super) enum Field {
    Key,
    Basename,
    Stem,
    Extension,
    Suffix,
    Dirname,
    Folder,
    /// Counted from 0; from the end when the flag is set.
    Segment(usize, bool),
    Size,
    Etag,
    StorageClass,
    VersionId,
    Date(DatePart),
    Hash(usize),
    Match(String),
    /// The place in [`Entry::columns`].
    Column(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum DatePart {
    Whole,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

fn date_part(part: &str) -> Result<DatePart, String> {
    Ok(match part {
        "year" => DatePart::Year,
        "month" => DatePart::Month,
        "day" => DatePart::Day,
        "hour" => DatePart::Hour,
        "minute" => DatePart::Minute,
        "second" => DatePart::Second,
        _ => {
            return Err(format!(
                "a date has year, month, day, hour, minute and second, but no {part:?}"
            ));
        }
    })
}

fn segment(number: &str) -> Result<Field, String> {
    match number.parse::<i64>() {
        Ok(number) if number != 0 => {
            let index = usize::try_from(number.unsigned_abs() - 1).map_err(|e| e.to_string())?;
            Ok(Field::Segment(index, number < 0))
        }
        _ => Err(format!(
            "segment:N counts from 1, or from the end with -1, and is not {number:?}"
        )),
    }
}

/// The key's parts: the folder with its slash, and the name in it.
fn split(key: &str) -> (&str, &str) {
    key.split_at(key.rfind('/').map_or(0, |slash| slash + 1))
}

/// A name's parts: before its last dot, and from that on. A name that begins
/// with its only dot has no ending.
fn split_name(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        None | Some(0) => (name, ""),
        Some(dot) => name.split_at(dot),
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl Field {
    /// Reads a field's name and argument. `columns` are those that the template
    /// uses so far; a new one is added.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(
        name: &str,
        pattern: Option<&Regex>,
        columns: &mut Vec<String>,
    ) -> Result<Self, String> {
        let (kind, argument) = match name.split_once(':') {
            Some((kind, argument)) => (kind, Some(argument)),
            None => (name, None),
        };
        let field = match (kind, argument) {
            ("key", None) => Self::Key,
            ("basename", None) => Self::Basename,
            ("stem", None) => Self::Stem,
            ("extension", None) => Self::Extension,
            ("suffix", None) => Self::Suffix,
            ("dirname", None) => Self::Dirname,
            ("folder", None) => Self::Folder,
            ("size", None) => Self::Size,
            ("etag", None) => Self::Etag,
            ("storage_class" | "storage-class", None) => Self::StorageClass,
            ("version_id" | "version-id", None) => Self::VersionId,
            ("date", None) => Self::Date(DatePart::Whole),
            ("date", Some(part)) => Self::Date(date_part(part)?),
            ("hash", None) => Self::Hash(HASH_DIGITS),
            ("hash", Some(digits)) => match digits.parse() {
                Ok(digits @ 1..=32) => Self::Hash(digits),
                _ => return Err(format!("hash:N takes 1 to 32 digits, not {digits:?}")),
            },
            ("segment", Some(number)) => segment(number)?,
            ("match", Some(group)) => match pattern {
                Some(pattern) if has_group(pattern, group) => Self::Match(group.to_owned()),
                Some(_) => return Err(format!("--match has no group {group:?}")),
                None => return Err("match:GROUP needs --match PATTERN".to_owned()),
            },
            ("column", Some(column)) if !column.is_empty() => {
                let known = columns.iter().position(|known| known == column);
                Self::Column(known.unwrap_or_else(|| {
                    columns.push(column.to_owned());
                    columns.len() - 1
                }))
            }
            _ => return Err(format!("unknown field {name:?}; the fields are {FIELDS}")),
        };
        Ok(field)
    }

    /// What an object has for it; `captures` are the groups of the pattern.
    pub(super) fn value(&self, entry: &Entry, captures: Option<&Captures<'_>>) -> Option<String> {
        let key = entry.key.as_str();
        let (folder, name) = split(key);
        let (stem, suffix) = split_name(name);
        match self {
            Self::Key => Some(key.to_owned()),
            Self::Basename => filled(name),
            Self::Stem => filled(stem),
            Self::Extension => filled(suffix.strip_prefix('.').unwrap_or(suffix)),
            // These two are complete where there is nothing.
            Self::Suffix => Some(suffix.to_owned()),
            Self::Folder => Some(folder.to_owned()),
            Self::Dirname => filled(folder.strip_suffix('/').unwrap_or(folder)),
            Self::Segment(index, false) => key.split('/').nth(*index).and_then(filled),
            Self::Segment(index, true) => key.rsplit('/').nth(*index).and_then(filled),
            Self::Size => entry.size.map(|size| size.to_string()),
            Self::Etag => entry
                .etag
                .as_ref()
                .map(|etag| etag.to_header().trim_matches('"').to_owned()),
            Self::StorageClass => entry.storage_class.as_ref().map(ToString::to_string),
            Self::VersionId => entry.version.as_ref().map(ToString::to_string),
            Self::Date(part) => part.of(entry.modified.as_ref()?),
            Self::Hash(digits) => {
                let mut hash = hex::encode(Md5::digest(key.as_bytes()));
                hash.truncate(*digits);
                Some(hash)
            }
            Self::Match(group) => {
                let captures = captures?;
                let found = match group.parse() {
                    Ok(number) => captures.get(number),
                    Err(_) => captures.name(group),
                };
                found.map(|found| found.as_str().to_owned())
            }
            Self::Column(index) => filled(entry.columns.get(*index)?),
        }
    }

    /// What to do about an object without it.
    pub(super) fn hint(&self, written: &str) -> String {
        let other = match self {
            Self::Dirname => ", use {folder}, which ends with a slash or is empty,",
            Self::Extension => ", use {suffix}, which begins with a dot or is empty,",
            Self::Basename | Self::Stem => ", leave folder markers out with --exclude '*/',",
            Self::Size | Self::Date(_) | Self::Etag | Self::StorageClass | Self::VersionId => {
                ", use a listing or an inventory that has it,"
            }
            _ => "",
        };
        format!("give a default, as in {{{written}|none}}{other} or exclude the key")
    }
}

impl DatePart {
    fn of(self, at: &Timestamp) -> Option<String> {
        let at = OffsetDateTime::from_unix_timestamp(at.unix_seconds()).ok()?;
        let (year, month, day) = at.to_calendar_date();
        let month = u8::from(month);
        Some(match self {
            Self::Whole => format!("{year:04}-{month:02}-{day:02}"),
            Self::Year => format!("{year:04}"),
            Self::Month => format!("{month:02}"),
            Self::Day => format!("{day:02}"),
            Self::Hour => format!("{:02}", at.hour()),
            Self::Minute => format!("{:02}", at.minute()),
            Self::Second => format!("{:02}", at.second()),
        })
    }
}
