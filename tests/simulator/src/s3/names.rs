//! Names that are not what they seem: one bucket under several of them, keys
//! that a store takes for one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::{Iter, Range};
use std::ops::Bound;

use icu_normalizer::ComposingNormalizerBorrowed;
use percent_encoding::percent_decode_str;

use super::{ErrorCode, S3, S3Error, S3Result, Version};

/// What a store makes of every key that it is sent. Each is a pure function of
/// the key, and folding a folded key changes nothing, so that a key from a
/// listing names what was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Folding {
    /// Unicode's form NFC, as file systems and gateways over them have it:
    /// `e` and U+0301 become U+00E9.
    Nfc,
    /// Percent-encoding is taken off as often as there is any: `%2F` becomes
    /// `/`.
    Percent,
    /// Hadoop's mark of a folder at the end, `_$folder$`, becomes `/`.
    Folder,
    /// Small ASCII letters for capital ones.
    Case,
    /// One slash for several.
    Slashes,
    /// `~1` at the end is dropped: one that no list of foldings has.
    Tilde,
}

impl Folding {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Nfc,
        Self::Percent,
        Self::Folder,
        Self::Case,
        Self::Slashes,
        Self::Tilde,
    ];

    /// The name on the command line and in the administration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nfc => "nfc",
            Self::Percent => "percent",
            Self::Folder => "folder",
            Self::Case => "case",
            Self::Slashes => "slashes",
            Self::Tilde => "tilde",
        }
    }

    /// The folding of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.as_str() == name)
    }

    /// The key that the store takes this one for. Never empty, unless the key is.
    #[must_use]
    pub fn fold(self, key: &str) -> Cow<'_, str> {
        match self {
            Self::Nfc => ComposingNormalizerBorrowed::new_nfc().normalize(key),
            Self::Percent => decoded(key),
            Self::Folder => match key.strip_suffix("_$folder$") {
                Some(folder) => format!("{folder}/").into(),
                None => key.into(),
            },
            Self::Case => key.to_ascii_lowercase().into(),
            Self::Slashes => {
                let mut before = None;
                let mut folded = key.to_owned();
                folded.retain(|c| before.replace(c) != Some('/') || c != '/');
                folded.into()
            }
            Self::Tilde => {
                let dropped = key.trim_end_matches("~1");
                if dropped.is_empty() { key } else { dropped }.into()
            }
        }
    }
}

fn decoded(key: &str) -> Cow<'_, str> {
    let mut key = Cow::Borrowed(key);
    // Every round makes the key shorter. What is no UTF-8 stays encoded.
    while let Ok(shorter) = percent_decode_str(&key).decode_utf8()
        && shorter.len() < key.len()
    {
        key = shorter.into_owned().into();
    }
    key
}

/// The history of each key, oldest first, never empty: the last is current.
/// Nothing reaches a history but by the folded key.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    histories: BTreeMap<String, Vec<Version>>,
    folding: Option<Folding>,
}

impl Keys {
    pub(super) fn new(folding: Option<Folding>) -> Self {
        Self {
            histories: BTreeMap::new(),
            folding,
        }
    }

    /// The key as it is kept.
    pub(super) fn fold<'k>(&self, key: &'k str) -> Cow<'k, str> {
        self.folding.map_or(Cow::Borrowed(key), |f| f.fold(key))
    }

    /// How the keys are folded from now on. To be asked only while there are
    /// none.
    pub(super) fn fold_by(&mut self, folding: Option<Folding>) {
        self.folding = folding;
    }

    pub(super) fn get(&self, key: &str) -> Option<&Vec<Version>> {
        self.histories.get(&*self.fold(key))
    }

    /// The history, and the key as it is kept.
    pub(super) fn get_key_value(&self, key: &str) -> Option<(&String, &Vec<Version>)> {
        self.histories.get_key_value(&*self.fold(key))
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Vec<Version>> {
        let key = self.fold(key);
        self.histories.get_mut(&*key)
    }

    pub(super) fn insert(&mut self, key: &str, history: Vec<Version>) {
        let key = self.fold(key).into_owned();
        self.histories.insert(key, history);
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Vec<Version>> {
        let key = self.fold(key);
        self.histories.remove(&*key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.histories.is_empty()
    }

    pub(super) fn iter(&self) -> Iter<'_, String, Vec<Version>> {
        self.histories.iter()
    }

    /// The histories from that folded key on.
    pub(super) fn from(&self, start: Bound<&str>) -> Range<'_, String, Vec<Version>> {
        self.histories.range::<str, _>((start, Bound::Unbounded))
    }
}

/// What a bucket's other name is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AliasKind {
    /// A name that nothing tells from the bucket's own, as gateways and some
    /// stores give them.
    #[default]
    Plain,
    /// The alias of an S3 access point: `HeadBucket` says so.
    AccessPoint,
}

/// Another name of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alias {
    bucket: String,
    kind: AliasKind,
}

impl Alias {
    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }
}

impl S3 {
    /// Gives a bucket one more name. Every request may use it, copy sources too;
    /// auditors may. The bucket need not be there yet.
    pub fn alias_bucket(&mut self, name: &str, bucket: &str, kind: AliasKind) -> S3Result<()> {
        if self.buckets.contains_key(name) {
            return Err(S3Error::new(
                ErrorCode::BucketAlreadyOwnedByYou,
                "A bucket has this name.",
            ));
        }
        if self.aliases.contains_key(bucket) || name == bucket {
            return Err(S3Error::argument("An alias is the name of a bucket."));
        }
        let bucket = bucket.to_owned();
        self.aliases.insert(name.to_owned(), Alias { bucket, kind });
        Ok(())
    }

    /// Whether the name is an access point's alias.
    #[must_use]
    pub fn is_access_point_alias(&self, name: &str) -> bool {
        let alias = self.aliases.get(name);
        alias.is_some_and(|alias| alias.kind == AliasKind::AccessPoint)
    }

    /// How an empty bucket folds keys from now on.
    pub fn fold_keys(&mut self, bucket: &str, folding: Option<Folding>) -> S3Result<()> {
        let bucket = self.bucket_mut(bucket)?;
        if !bucket.keys.is_empty() || !bucket.uploads.is_empty() {
            return Err(S3Error::new(
                ErrorCode::BucketNotEmpty,
                "Only an empty bucket can begin to fold keys.",
            ));
        }
        bucket.settings.folding = folding;
        bucket.keys.fold_by(folding);
        Ok(())
    }

    /// The name under which a bucket is kept.
    pub(super) fn own_name<'n>(&'n self, name: &'n str) -> &'n str {
        self.aliases.get(name).map_or(name, Alias::bucket)
    }
}
