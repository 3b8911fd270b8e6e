//! Templates: a new key built from what is known about an object.

use md5::{Digest as _, Md5};
use rebucket_protocol::Timestamp;
use regex::{Captures, Regex};
use time::OffsetDateTime;

use crate::entry::Entry;
use crate::rewrite::has_group;
use crate::syntax::SyntaxError;

const FIELDS: &str = "key, basename, stem, extension, suffix, dirname, folder, segment:N, size, \
     etag, storage_class, version_id, date, date:year, date:month, date:day, date:hour, \
     date:minute, date:second, hash:N, match:GROUP, column:NAME";

/// The hash digits that `{hash}` alone stands for.
const HASH_DIGITS: usize = 4;

/// A template such as `{dirname}/{date:year}/{basename}`.
///
/// `{field}` is replaced; `{field|text}` has a text for objects that lack the
/// field; `{{` and `}}` are braces.
#[derive(Debug, Clone)]
pub struct Template {
    pieces: Vec<Piece>,
    columns: Vec<String>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Field {
        /// As it is written, for messages.
        written: String,
        field: Field,
        default: Option<String>,
    },
}

#[derive(Debug, Clone)]
enum Field {
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
enum DatePart {
    Whole,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// A field that an object does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it has no {field}: {hint}")]
pub struct MissingField {
    /// The field, as the template has it.
    pub field: String,
    /// What to do.
    pub hint: String,
}

impl Template {
    /// Reads a template. `pattern` is what keys are matched with, whose groups
    /// the template may use.
    ///
    /// # Errors
    /// [`SyntaxError`] with the place of the first mistake.
    pub fn parse(text: &str, pattern: Option<&Regex>) -> Result<Self, SyntaxError> {
        let wrong = |at, message: &str| SyntaxError::new("template", text, at, message);
        let mut template = Self {
            pieces: Vec::new(),
            columns: Vec::new(),
        };
        if text.is_empty() {
            return Err(wrong(0, "it is empty; {key} is the key as it is"));
        }
        let mut literal = String::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(c);
                at += 2;
                continue;
            }
            match c {
                '}' => return Err(wrong(at, "} without {; a brace is written }}")),
                '{' => {
                    let Some(end) = rest.find('}') else {
                        return Err(wrong(at, "{ is not closed by }; a brace is written {{"));
                    };
                    let written = &rest[1..end];
                    let (name, default) = match written.split_once('|') {
                        Some((name, default)) => (name, Some(default.to_owned())),
                        None => (written, None),
                    };
                    let field = template
                        .field(name, pattern)
                        .map_err(|message| wrong(at + 1, &message))?;
                    if !literal.is_empty() {
                        template
                            .pieces
                            .push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    template.pieces.push(Piece::Field {
                        written: name.to_owned(),
                        field,
                        default,
                    });
                    at += end + 1;
                }
                _ => {
                    literal.push(c);
                    at += c.len_utf8();
                }
            }
        }
        if !literal.is_empty() {
            template.pieces.push(Piece::Text(literal));
        }
        if template
            .pieces
            .iter()
            .all(|piece| matches!(piece, Piece::Text(_)))
        {
            let message = "it has no field, so that every object would get the same key; \
                 fields stand in braces, as in {basename}";
            return Err(wrong(0, message));
        }
        Ok(template)
    }

    /// The columns of a file of keys that the template uses, in the order in
    /// which [`Entry::columns`] must have them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    fn field(&mut self, name: &str, pattern: Option<&Regex>) -> Result<Field, String> {
        let (kind, argument) = match name.split_once(':') {
            Some((kind, argument)) => (kind, Some(argument)),
            None => (name, None),
        };
        let field = match (kind, argument) {
            ("key", None) => Field::Key,
            ("basename", None) => Field::Basename,
            ("stem", None) => Field::Stem,
            ("extension", None) => Field::Extension,
            ("suffix", None) => Field::Suffix,
            ("dirname", None) => Field::Dirname,
            ("folder", None) => Field::Folder,
            ("size", None) => Field::Size,
            ("etag", None) => Field::Etag,
            ("storage_class" | "storage-class", None) => Field::StorageClass,
            ("version_id" | "version-id", None) => Field::VersionId,
            ("date", None) => Field::Date(DatePart::Whole),
            ("date", Some(part)) => Field::Date(date_part(part)?),
            ("hash", None) => Field::Hash(HASH_DIGITS),
            ("hash", Some(digits)) => match digits.parse() {
                Ok(digits @ 1..=32) => Field::Hash(digits),
                _ => return Err(format!("hash:N takes 1 to 32 digits, not {digits:?}")),
            },
            ("segment", Some(number)) => segment(number)?,
            ("match", Some(group)) => match pattern {
                Some(pattern) if has_group(pattern, group) => Field::Match(group.to_owned()),
                Some(_) => return Err(format!("--match has no group {group:?}")),
                None => return Err("match:GROUP needs --match PATTERN".to_owned()),
            },
            ("column", Some(column)) if !column.is_empty() => {
                let known = self.columns.iter().position(|known| known == column);
                Field::Column(known.unwrap_or_else(|| {
                    self.columns.push(column.to_owned());
                    self.columns.len() - 1
                }))
            }
            _ => return Err(format!("unknown field {name:?}; the fields are {FIELDS}")),
        };
        Ok(field)
    }

    /// Builds the new key. `captures` are the groups of the pattern that the
    /// template was read with.
    ///
    /// # Errors
    /// [`MissingField`] when the object lacks a field without a default.
    pub fn render(
        &self,
        entry: &Entry,
        captures: Option<&Captures<'_>>,
    ) -> Result<String, MissingField> {
        let mut out = String::with_capacity(entry.key.as_str().len() + 32);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Field {
                    written,
                    field,
                    default,
                } => match (field.value(entry, captures), default) {
                    (Some(value), _) => out.push_str(&value),
                    (None, Some(default)) => out.push_str(default),
                    (None, None) => {
                        return Err(MissingField {
                            field: written.clone(),
                            hint: field.hint(written),
                        });
                    }
                },
            }
        }
        Ok(out)
    }
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
    fn value(&self, entry: &Entry, captures: Option<&Captures<'_>>) -> Option<String> {
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
                let mut hash = hex(&Md5::digest(key.as_bytes()));
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
    fn hint(&self, written: &str) -> String {
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

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use rebucket_protocol::{BucketName, ETag, ObjectKey, StorageClass, VersionId};

    use super::*;
    use crate::filter::time;
    use crate::syntax::pattern;

    fn entry(key: &str) -> Entry {
        Entry {
            etag: Some(ETag::new("\"d41d8cd98f00b204e9800998ecf8427e\"").unwrap()),
            size: Some(42),
            version: Some(VersionId::new("v.1").unwrap()),
            modified: Some(time("2026-01-02T03:04:05Z").unwrap()),
            storage_class: StorageClass::new("GLACIER_IR").ok(),
            columns: vec!["Cat".to_owned(), String::new()],
            ..Entry::new(
                BucketName::new("bkt").unwrap(),
                ObjectKey::new(key).unwrap(),
            )
        }
    }

    fn render(template: &str, key: &str) -> Result<String, MissingField> {
        Template::parse(template, None)
            .unwrap()
            .render(&entry(key), None)
    }

    #[test]
    fn fields_are_what_their_names_say() {
        let key = "a/b/photo.tar.gz";
        for (template, expected) in [
            ("{dirname}/{date:year}/{basename}", "a/b/2026/photo.tar.gz"),
            ("x/{key}", "x/a/b/photo.tar.gz"),
            ("{folder}{stem}-{size}{suffix}", "a/b/photo.tar-42.gz"),
            ("{extension}/{stem}", "gz/photo.tar"),
            ("{date}/{date:month}{date:day}", "2026-01-02/0102"),
            ("{date:hour}:{date:minute}:{date:second}", "03:04:05"),
            (
                "{storage_class}/{etag}/{version_id}",
                "GLACIER_IR/d41d8cd98f00b204e9800998ecf8427e/v.1",
            ),
            // printf %s a/b/photo.tar.gz | md5sum
            ("{hash:6}/{hash}", "c40d41/c40d"),
            ("{segment:1}+{segment:2}+{segment:-1}", "a+b+photo.tar.gz"),
            ("{column:title}/{column:other|none}", "Cat/none"),
            ("{{{size}}}é", "{42}é"),
        ] {
            assert_eq!(render(template, key).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_an_object_lacks_is_said_or_has_a_default() {
        assert_eq!(
            render("{folder}{stem}{suffix}", "top").as_deref(),
            Ok("top")
        );
        assert_eq!(
            render("{extension|none}/{key}", ".rc").as_deref(),
            Ok("none/.rc")
        );
        assert_eq!(render("{dirname|}x{key}", "k").as_deref(), Ok("xk"));
        for (template, key, hint) in [
            ("{dirname}/x", "top", "{folder}"),
            ("{stem}.{extension}", "a.b/README", "{suffix}"),
            ("x/{basename}", "folder/", "--exclude '*/'"),
            ("{segment:3}", "a/b", "{segment:3|none}"),
        ] {
            let missing = render(template, key).unwrap_err();
            assert!(missing.to_string().contains(hint), "{missing}");
        }
        let bare = Entry::new(
            BucketName::new("bkt").unwrap(),
            ObjectKey::new("k").unwrap(),
        );
        for field in [
            "size",
            "etag",
            "storage_class",
            "version_id",
            "date:year",
            "column:x",
        ] {
            let template = Template::parse(&format!("{{{field}}}"), None).unwrap();
            assert_eq!(template.render(&bare, None).unwrap_err().field, field);
        }
    }

    #[test]
    fn groups_of_the_pattern_are_fields() {
        let pattern = pattern(r"^c-(\d+)/(?<rest>.*?)(?:\.(gz))?$").unwrap();
        let template =
            Template::parse("{match:rest}/{match:1}{match:3|-}", Some(&pattern)).unwrap();
        let captures = pattern.captures("c-7/x");
        let made = template.render(&entry("c-7/x"), captures.as_ref());
        assert_eq!(made.as_deref(), Ok("x/7-"));
    }

    #[test]
    fn a_bad_template_is_refused_at_its_place() {
        let groups = pattern("(a)").unwrap();
        for (template, at, words) in [
            ("", 1, "empty"),
            ("constant", 1, "no field"),
            ("é{yeer}", 3, "unknown field \"yeer\""),
            ("{key", 1, "not closed"),
            ("a}b{key}", 2, "without {"),
            ("{date:eon}", 2, "no \"eon\""),
            ("{hash:0}", 2, "1 to 32"),
            ("{hash:33}", 2, "1 to 32"),
            ("{segment:0}", 2, "counts from 1"),
            ("{key:3}", 2, "unknown field"),
            ("{match:2}", 2, "no group \"2\""),
        ] {
            let error = Template::parse(template, Some(&groups)).expect_err(template);
            assert_eq!(error.at, at, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        assert!(Template::parse("{match:1}", None).is_err());
    }
}
