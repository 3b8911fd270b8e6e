//! How the properties of a copy differ from what was asked for, in words: which
//! one, what it was and what it is.

use std::collections::{BTreeMap, BTreeSet};

use rebucket_protocol::Waiver;
use rebucket_protocol::printable::shortened;

use crate::store::object::{Acl, Attributes, Encryption, ObjectLock};

/// Values that are named; how many more there are is said.
const NAMED: usize = 4;

/// Properties in which a copy falls short of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    waivers: Vec<Waiver>,
    words: String,
}

/// One property: its name, what it was and what it is.
type Value = (String, Option<String>, Option<String>);

impl Missing {
    /// These, of two objects with these properties.
    pub(crate) fn new(waivers: Vec<Waiver>, expected: &Attributes, found: &Attributes) -> Self {
        let values = waivers.iter().flat_map(|waiver| {
            let mut values = values(*waiver, expected, found);
            values.retain(|(_, was, is)| was != is);
            values
        });
        let mut words: Vec<String> = values.map(|value| in_words(&value)).collect();
        let more = words.len().saturating_sub(NAMED);
        if more > 0 {
            words.truncate(NAMED);
            words.push(format!("and {more} more"));
        }
        Self {
            waivers,
            words: words.join(", "),
        }
    }

    /// Whether nothing is missing.
    pub(crate) fn is_empty(&self) -> bool {
        self.waivers.is_empty()
    }

    /// The value of `--waive` that would permit it.
    pub(crate) fn waivers(&self) -> String {
        let names: Vec<_> = self.waivers.iter().map(|waiver| waiver.as_str()).collect();
        names.join(",")
    }

    /// `metadata, tags: Expires was "0" and is not there, the tag "a" ...`.
    pub(crate) fn in_words(&self) -> String {
        format!("{}: {}", self.waivers().replace(',', ", "), self.words)
    }
}

fn in_words((name, was, is): &Value) -> String {
    let shown = |value: &Option<String>| match value {
        Some(value) => format!("\"{}\"", shortened(value)),
        None => "not there".to_owned(),
    };
    format!("{name} was {} and is {}", shown(was), shown(is))
}

/// The values that a waiver is about.
fn values(waiver: Waiver, expected: &Attributes, found: &Attributes) -> Vec<Value> {
    let one = |name: &str, value: &dyn Fn(&Attributes) -> Option<String>| {
        vec![(name.to_owned(), value(expected), value(found))]
    };
    match waiver {
        Waiver::Metadata => {
            let mut all = headers(expected, found);
            all.extend(entries("the metadata", &expected.metadata, &found.metadata));
            all
        }
        Waiver::Tags => entries("the tag", &expected.tags, &found.tags),
        Waiver::Acl => one("the list of grants", &|a| a.acl.as_ref().map(grants)),
        Waiver::StorageClass => one("the class", &|a| Some(a.storage_class.to_string())),
        Waiver::Encryption => one("the encryption", &|a| encryption(&a.encryption)),
        Waiver::Lock => lock(&expected.lock, &found.lock),
        Waiver::Redirect => one("the redirect", &|a| a.redirect.clone()),
        Waiver::Checksum => one("the algorithm", &|a| {
            a.checksum.map(|(algorithm, _)| format!("{algorithm:?}"))
        }),
        // Not compared: nothing of the object shows these.
        Waiver::Annotations | Waiver::History => Vec::new(),
    }
}

fn headers(expected: &Attributes, found: &Attributes) -> Vec<Value> {
    let (was, is) = (&expected.headers, &found.headers);
    // Without a type, a copy gets the endpoint's default one.
    let content_type = was.content_type.as_ref().or(is.content_type.as_ref());
    [
        ("Content-Type", content_type, &is.content_type),
        (
            "Cache-Control",
            was.cache_control.as_ref(),
            &is.cache_control,
        ),
        (
            "Content-Disposition",
            was.content_disposition.as_ref(),
            &is.content_disposition,
        ),
        (
            "Content-Encoding",
            was.content_encoding.as_ref(),
            &is.content_encoding,
        ),
        (
            "Content-Language",
            was.content_language.as_ref(),
            &is.content_language,
        ),
        ("Expires", was.expires.as_ref(), &is.expires),
    ]
    .map(|(name, was, is)| (name.to_owned(), was.cloned(), is.clone()))
    .to_vec()
}

fn entries(
    what: &str,
    expected: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> Vec<Value> {
    let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let value = |name: &String| {
        let shown = format!("{what} \"{}\"", shortened(name));
        (shown, expected.get(name).cloned(), found.get(name).cloned())
    };
    names.into_iter().map(value).collect()
}

fn grants(acl: &Acl) -> String {
    let grants = acl.grants.iter();
    let all: Vec<_> = grants
        .map(|(permission, grantee)| format!("{permission:?} for {grantee:?}"))
        .collect();
    all.join(", ")
}

fn encryption(encryption: &Encryption) -> Option<String> {
    match encryption {
        Encryption::Unstated => None,
        Encryption::Managed => Some("AES256".to_owned()),
        Encryption::Kms {
            algorithm,
            key,
            bucket_key,
        } => {
            let key = key.as_deref().unwrap_or("the account's key");
            let bucket_key = if *bucket_key { ", bucket key" } else { "" };
            Some(format!("{algorithm}, {key}{bucket_key}"))
        }
        Encryption::CustomerKey => Some("SSE-C".to_owned()),
        Encryption::Other(name) => Some(name.clone()),
    }
}

fn lock(expected: &ObjectLock, found: &ObjectLock) -> Vec<Value> {
    let value = |name: &str, value: &dyn Fn(&ObjectLock) -> Option<String>| {
        (name.to_owned(), value(expected), value(found))
    };
    vec![
        value("the lock's mode", &|lock| lock.mode.clone()),
        value("the lock's date", &|lock| {
            lock.retain_until.map(|at| at.to_string())
        }),
        value("the legal hold", &|lock| {
            lock.legal_hold.then(|| "on".to_owned())
        }),
        value("the event hold", &|lock| {
            lock.event_hold.map(|hold| format!("{hold:?}"))
        }),
    ]
}

#[cfg(test)]
mod tests {
    use rebucket_protocol::StorageClass;

    use super::*;
    use crate::store::object::{ContentHeaders, Tags};

    fn plain() -> Attributes {
        Attributes {
            headers: ContentHeaders::default(),
            metadata: BTreeMap::new(),
            tags: Tags::new(),
            acl: None,
            storage_class: StorageClass::standard(),
            encryption: Encryption::Unstated,
            lock: ObjectLock::default(),
            redirect: None,
            checksum: None,
        }
    }

    #[test]
    fn a_property_is_named_with_both_values() {
        let mut source = plain();
        source.headers.expires = Some("Wed, 21 Oct 2026 07:28:00 GMT".to_owned());
        source
            .metadata
            .insert("a".to_owned(), "x\u{1b}[2J".to_owned());
        source.metadata.insert("same".to_owned(), "same".to_owned());
        source.tags.insert("t".to_owned(), "1".to_owned());
        let mut copy = plain();
        copy.headers.content_type = Some("binary/octet-stream".to_owned());
        copy.metadata.insert("a".to_owned(), "y".repeat(400));
        copy.metadata.insert("same".to_owned(), "same".to_owned());
        let missing = Missing::new(vec![Waiver::Metadata, Waiver::Tags], &source, &copy);
        let expected = format!(
            "metadata, tags: Expires was \"Wed, 21 Oct 2026 07:28:00 GMT\" and is not there, the \
             metadata \"a\" was \"x\\u{{1b}}[2J\" and is \"{}...\", the tag \"t\" was \"1\" and is not \
             there",
            "y".repeat(300)
        );
        assert_eq!(missing.in_words(), expected);
        assert_eq!(missing.waivers(), "metadata,tags");
    }

    #[test]
    fn of_many_values_the_first_are_named() {
        let (mut source, copy) = (plain(), plain());
        for n in 0..9 {
            source.tags.insert(n.to_string(), String::new());
        }
        let words = Missing::new(vec![Waiver::Tags], &source, &copy).in_words();
        assert!(words.contains("the tag \"3\" was") && !words.contains("the tag \"4\""));
        assert!(words.ends_with(", and 5 more"), "{words}");
    }
}
