//! Which bucket names in use are names of one bucket. An access point's alias
//! is a bucket's second name, and some stores give a bucket as many names as
//! one likes (facts 8.1). There, the same key under both is one object, whose
//! "copy" is the object itself.
//!
//! The look: every name gets a scratch object at one key, which says under
//! which name it was put. Where another name's object is read, the two are
//! names of one bucket.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use rebucket_protocol::{BucketName, ObjectUri, S3Prefix};

use super::ProbeError;
use super::scratch::{plain, remove, unique};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Caller, Policy};
use crate::store::ObjectStore;

/// How two bucket names are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation<'a> {
    /// They name two buckets, as far as is known.
    Two,
    /// They name one bucket.
    One,
    /// Nobody could find out, and why.
    Unknown(&'a str),
}

type Pair = (BucketName, BucketName);

/// What was found out about the names in use. Names that nobody asked about
/// name two buckets.
#[derive(Debug, Clone, Default)]
pub struct BucketNames {
    one: BTreeSet<Pair>,
    unknown: BTreeMap<Pair, String>,
}

fn pair(a: &BucketName, b: &BucketName) -> Pair {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    (a.clone(), b.clone())
}

impl BucketNames {
    /// Notes two names of one bucket, and with them all others of it.
    pub fn add_one(&mut self, a: &BucketName, b: &BucketName) {
        let mut all: BTreeSet<BucketName> = [a.clone(), b.clone()].into();
        for (c, d) in &self.one {
            if [c, d].iter().any(|name| *name == a || *name == b) {
                all.extend([c.clone(), d.clone()]);
            }
        }
        for c in &all {
            self.one
                .extend(all.iter().filter(|d| *d > c).map(|d| pair(c, d)));
        }
    }

    /// Notes that nobody could find out about two names.
    pub fn add_unknown(&mut self, a: &BucketName, b: &BucketName, why: impl Into<String>) {
        self.unknown.insert(pair(a, b), why.into());
    }

    /// How two names are related.
    #[must_use]
    pub fn relation(&self, a: &BucketName, b: &BucketName) -> Relation<'_> {
        let pair = pair(a, b);
        if a == b || self.one.contains(&pair) {
            return Relation::One;
        }
        match self.unknown.get(&pair) {
            Some(why) => Relation::Unknown(why),
            None => Relation::Two,
        }
    }

    /// Another name in use of this bucket, if there is one.
    #[must_use]
    pub fn other_name(&self, name: &BucketName) -> Option<&BucketName> {
        self.one.iter().find_map(|(a, b)| {
            if a == name {
                Some(b)
            } else {
                (b == name).then_some(a)
            }
        })
    }

    /// The pairs of names of one bucket.
    pub fn pairs(&self) -> impl Iterator<Item = &(BucketName, BucketName)> {
        self.one.iter()
    }

    /// The pairs of which nobody could find out, and why.
    pub fn unknown(&self) -> impl Iterator<Item = (&(BucketName, BucketName), &str)> {
        self.unknown.iter().map(|(pair, why)| (pair, why.as_str()))
    }
}

/// Looks which of `places`, a scratch prefix for each name, are in one bucket.
/// A look that is denied, or fails, is no error: the pair is unknown.
///
/// # Errors
/// [`ProbeError::Interrupted`].
pub async fn look(
    store: &dyn ObjectStore,
    caller: &Caller,
    places: &[S3Prefix],
) -> Result<BucketNames, ProbeError> {
    let look = Look {
        store,
        caller,
        places,
        folder: unique("names"),
    };
    let put = join_all(places.iter().map(|place| look.put(place))).await;
    let found = look.find(&put).await;
    join_all(places.iter().map(|place| look.clean_up(place))).await;
    let interrupted =
        |answer: &Result<(), CallError>| matches!(answer, Err(CallError::Interrupted));
    if put.iter().any(interrupted) {
        return Err(ProbeError::Interrupted);
    }
    found
}

struct Look<'a> {
    store: &'a dyn ObjectStore,
    caller: &'a Caller,
    places: &'a [S3Prefix],
    /// The same for all names, so that they meet if they are one bucket's.
    folder: String,
}

/// What was read under a name where another one, or itself, had put something.
enum Sight {
    /// The object that was put under the name with this index.
    Of(usize),
    Nothing,
    Unclear(String),
}

impl Look<'_> {
    /// The key that the names with this scratch prefix write to, in any bucket.
    fn object(&self, bucket: &BucketName, prefix: &str) -> Result<ObjectUri, ServiceError> {
        let folder = S3Prefix {
            bucket: bucket.clone(),
            prefix: format!("{prefix}{}", self.folder),
        };
        folder.object("name").map_err(|error| {
            let class = ErrorClass::Invalid;
            ServiceError::local("PutObject", &folder, class, "KeyTooLong", error.to_string())
        })
    }

    fn body(&self, place: &S3Prefix) -> String {
        format!("{} {}\n", self.folder, place.bucket)
    }

    async fn put(&self, place: &S3Prefix) -> Result<(), CallError> {
        let object = self.object(&place.bucket, &place.prefix)?;
        let (body, attributes) = (self.body(place), plain(false));
        let put = || {
            self.store
                .put_scratch(&object, body.as_bytes(), &attributes)
        };
        self.caller.call(Policy::START, put).await.map(drop)
    }

    /// One request for each name and each scratch prefix; mostly there is one
    /// prefix.
    async fn find(&self, put: &[Result<(), CallError>]) -> Result<BucketNames, ProbeError> {
        let prefixes: BTreeSet<&str> = self.places.iter().map(|p| p.prefix.as_str()).collect();
        let mut names = BucketNames::default();
        // Told apart by a clear answer, in one direction or the other.
        let mut apart = BTreeSet::new();
        let mut unclear: Vec<(Pair, String)> = Vec::new();
        for prefix in prefixes {
            let sights = join_all(self.places.iter().map(|place| self.see(place, prefix))).await;
            for (place, sight) in self.places.iter().zip(sights) {
                let sight = sight?;
                let others = self.places.iter().zip(put).enumerate();
                for (index, (other, put)) in others {
                    if other.prefix != prefix || other.bucket == place.bucket {
                        continue;
                    }
                    let pair = pair(&place.bucket, &other.bucket);
                    match (&sight, put) {
                        (Sight::Of(seen), _) if *seen == index => {
                            names.add_one(&place.bucket, &other.bucket);
                        }
                        (_, Err(error)) => unclear.push((pair, error.to_string())),
                        (Sight::Unclear(why), Ok(())) => unclear.push((pair, why.clone())),
                        // Its own object would have been replaced by the
                        // other's or have replaced it, as the other's own
                        // look tells.
                        (Sight::Of(_) | Sight::Nothing, Ok(())) => {
                            apart.insert(pair);
                        }
                    }
                }
            }
        }
        for ((a, b), why) in unclear {
            if !apart.contains(&pair(&a, &b)) && names.relation(&a, &b) == Relation::Two {
                names.add_unknown(&a, &b, why);
            }
        }
        Ok(names)
    }

    /// Reads under one name what the names with this prefix have put.
    async fn see(&self, place: &S3Prefix, prefix: &str) -> Result<Sight, ProbeError> {
        let object = match self.object(&place.bucket, prefix) {
            Ok(object) => object,
            Err(error) => return Ok(Sight::Unclear(error.to_string())),
        };
        let get = || self.store.get_scratch(&object);
        let body = match self.caller.call(Policy::START, get).await {
            Ok(body) => body,
            Err(CallError::Interrupted) => return Err(ProbeError::Interrupted),
            // Its own is gone: what else it does not see says nothing.
            Err(CallError::Failed(error))
                if error.class() == ErrorClass::NotFound && place.prefix != prefix =>
            {
                return Ok(Sight::Nothing);
            }
            Err(CallError::Failed(error)) => return Ok(Sight::Unclear(error.to_string())),
        };
        let mut places = self.places.iter();
        let of = places.position(|p| p.prefix == prefix && self.body(p).as_bytes() == body);
        Ok(match of {
            Some(index) => Sight::Of(index),
            None => Sight::Unclear(format!("{object} holds what nobody has put there")),
        })
    }

    async fn clean_up(&self, place: &S3Prefix) {
        if let Ok(object) = self.object(&place.bucket, &place.prefix) {
            remove(self.store, self.caller, &object).await;
        }
        let folder = S3Prefix {
            bucket: place.bucket.clone(),
            prefix: format!("{}{}", place.prefix, self.folder),
        };
        let purge = || self.store.purge_scratch(&folder);
        if let Err(error) = self.caller.call(Policy::CLEAN_UP, purge).await {
            tracing::debug!(%error, "could not remove the versions of scratch objects");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> BucketName {
        BucketName::new(text).unwrap()
    }

    #[test]
    fn all_names_of_a_bucket_are_related() {
        let mut names = BucketNames::default();
        names.add_one(&name("bkt-a"), &name("bkt-b"));
        names.add_one(&name("bkt-d"), &name("bkt-c"));
        names.add_one(&name("bkt-b"), &name("bkt-c"));
        for (a, b) in [("bkt-a", "bkt-d"), ("bkt-d", "bkt-a"), ("bkt-c", "bkt-a")] {
            assert_eq!(names.relation(&name(a), &name(b)), Relation::One, "{a} {b}");
        }
        names.add_unknown(&name("bkt-f"), &name("bkt-e"), "denied");
        let unknown = names.relation(&name("bkt-e"), &name("bkt-f"));
        assert_eq!(unknown, Relation::Unknown("denied"));
        let two = names.relation(&name("bkt-a"), &name("bkt-e"));
        assert_eq!(two, Relation::Two);
    }
}
