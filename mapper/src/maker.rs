//! From a stream of objects to a manifest: mapping, counting, and finding what
//! would collide, in bounded memory.

use std::collections::HashMap;
use std::fmt;
use std::io;

use rebucket_protocol::places::Own;
use rebucket_protocol::{ObjectUri, S3Prefix};

use crate::entry::{Entry, Listed};
use crate::hashes::{Claim, Claims, Contested, PlaceHash, place_hash};
use crate::mapping::{Mapped, Mapping, RowProblem};
use crate::output::{Spool, Spooled};

/// How many objects there were, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects seen: `filtered_out` + `unchanged` + `changed` + `problems`.
    pub seen: u64,
    /// Objects that a rule matched, or the template's pattern.
    pub matched: u64,
    /// Objects in the manifest.
    pub changed: u64,
    /// Objects that stay where they are, matched or not.
    pub unchanged: u64,
    /// Objects that a filter left out.
    pub filtered_out: u64,
    /// Objects that cannot be mapped.
    pub problems: u64,
    /// Delete markers, not among those seen.
    pub delete_markers: u64,
    /// Versions that are not current, not among those seen.
    pub noncurrent: u64,
    /// Objects of other jobs at their temporary keys, not among those seen.
    pub in_transit: u64,
    /// Scratch objects of rebucket's own, not among those seen.
    pub scratch: u64,
    /// Rows of the manifest that share a destination with another one.
    pub collisions: u64,
    /// Rows whose destination is an object that was seen and stays.
    pub occupied: u64,
}

/// An object that cannot be mapped, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The object.
    pub object: ObjectUri,
    /// What is wrong.
    pub reason: RowProblem,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.object.to_string(), self.reason)
    }
}

/// Objects with one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collision {
    /// Where all of them would go.
    pub destination: String,
    /// Some of the objects, in the manifest's order.
    pub sources: Vec<String>,
    /// How many there are.
    pub count: u64,
    /// Whether an object is there already, and stays.
    pub occupied: bool,
}

/// Sources that are named of one collision.
const NAMED: usize = 5;

/// Makes a manifest.
pub struct Maker {
    mapping: Mapping,
    counts: Counts,
    spool: Spool,
    claims: Claims,
    examples: Vec<(ObjectUri, ObjectUri)>,
    examples_kept: usize,
    problems: Vec<Problem>,
    problems_kept: usize,
    listed: Option<S3Prefix>,
    again: Option<Again>,
}

/// A rename whose new key is mapped once more by the same command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// The object.
    pub source: ObjectUri,
    /// Its new key.
    pub destination: ObjectUri,
    /// What becomes of that the next time.
    pub next: ObjectUri,
}

/// A finished manifest, and what is to be known about it.
pub struct Made {
    /// What became of all objects.
    pub counts: Counts,
    /// The first renames.
    pub examples: Vec<(ObjectUri, ObjectUri)>,
    /// The first objects that cannot be mapped.
    pub problems: Vec<Problem>,
    /// Some collisions.
    pub collisions: Vec<Collision>,
    /// Some destinations that are taken by an object that stays.
    pub occupied: Vec<Collision>,
    /// The first rename whose new key the same listing would map again.
    pub again: Option<Again>,
    /// The manifest.
    pub manifest: Spooled,
}

impl Maker {
    /// A manifest of nothing yet. So many examples and problems (0: all) are
    /// kept to be shown.
    ///
    /// # Errors
    /// When there can be no temporary file.
    pub fn new(mapping: Mapping, examples: usize, problems: usize) -> io::Result<Self> {
        Ok(Self {
            mapping,
            counts: Counts::default(),
            spool: Spool::new()?,
            claims: Claims::new(),
            examples: Vec::new(),
            examples_kept: examples,
            problems: Vec::new(),
            problems_kept: if problems == 0 { usize::MAX } else { problems },
            listed: None,
            again: None,
        })
    }

    /// Of a listing of this place: once the renames are made, the same listing
    /// has those of the new keys that lie in it.
    #[must_use]
    pub fn listing(self, place: S3Prefix) -> Self {
        Self {
            listed: Some(place),
            ..self
        }
    }

    /// What was counted so far; collisions are counted at the end.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes what a source of keys lists.
    ///
    /// # Errors
    /// When a temporary file cannot be written.
    pub fn add(&mut self, listed: Listed) -> io::Result<()> {
        match listed {
            Listed::Current(entry) => match Own::of(entry.key.as_str()) {
                None => self.current(&entry),
                // Some job comes for it, and would not find it any more.
                Some(Own::InTransit) => {
                    self.counts.in_transit += 1;
                    Ok(())
                }
                Some(Own::Scratch) => {
                    self.counts.scratch += 1;
                    Ok(())
                }
            },
            Listed::Noncurrent => {
                self.counts.noncurrent += 1;
                Ok(())
            }
            Listed::DeleteMarker => {
                self.counts.delete_markers += 1;
                Ok(())
            }
        }
    }

    fn current(&mut self, entry: &Entry) -> io::Result<()> {
        self.counts.seen += 1;
        match self.mapping.map(entry) {
            Ok(Mapped::Changed(destination)) => {
                self.counts.matched += 1;
                self.counts.changed += 1;
                if self.examples.len() < self.examples_kept {
                    let source = ObjectUri::new(entry.bucket.clone(), entry.key.clone());
                    self.examples.push((source, destination.clone()));
                }
                if self.again.is_none() {
                    self.again = self.mapped_again(entry, &destination);
                }
                let place = place_hash(&destination.bucket, &destination.key);
                self.claims.add(place, Claim::Destination)?;
                return self.spool.write(entry, &destination);
            }
            Ok(Mapped::FilteredOut) => self.counts.filtered_out += 1,
            Ok(Mapped::Unmatched) => self.counts.unchanged += 1,
            Ok(Mapped::Unchanged) => {
                self.counts.matched += 1;
                self.counts.unchanged += 1;
            }
            Err(reason) => {
                self.counts.problems += 1;
                if self.problems.len() < self.problems_kept {
                    let object = ObjectUri::new(entry.bucket.clone(), entry.key.clone());
                    self.problems.push(Problem { object, reason });
                }
                return Ok(());
            }
        }
        self.claims
            .add(place_hash(&entry.bucket, &entry.key), Claim::Stays)
    }

    /// What the same listing would make of a new key.
    fn mapped_again(&self, entry: &Entry, destination: &ObjectUri) -> Option<Again> {
        if !self.listed.as_ref()?.covers(destination) {
            return None;
        }
        let renamed = Entry {
            bucket: destination.bucket.clone(),
            key: destination.key.clone(),
            ..entry.clone()
        };
        match self.mapping.map(&renamed) {
            Ok(Mapped::Changed(next)) => Some(Again {
                source: ObjectUri::new(entry.bucket.clone(), entry.key.clone()),
                destination: destination.clone(),
                next,
            }),
            _ => None,
        }
    }

    /// Ends the manifest, and finds what collides.
    ///
    /// # Errors
    /// When a temporary file cannot be written or read.
    pub fn finish(self) -> io::Result<Made> {
        let mut counts = self.counts;
        let mut found: HashMap<PlaceHash, (Contested, Collision)> = HashMap::new();
        let (mut kept, mut kept_occupied) = (0, 0);
        self.claims.contested(|contested| {
            let kept = if contested.destinations > 1 {
                counts.collisions += contested.destinations;
                &mut kept
            } else {
                &mut kept_occupied
            };
            if contested.stays {
                counts.occupied += contested.destinations;
            }
            if *kept < self.problems_kept {
                *kept += 1;
                let named = Collision {
                    destination: String::new(),
                    sources: Vec::new(),
                    count: contested.destinations,
                    occupied: contested.stays,
                };
                found.insert(contested.place, (contested, named));
            }
        })?;
        let mut manifest = self.spool.finish()?;
        let (collisions, occupied) = name(found, &mut manifest)?;
        Ok(Made {
            counts,
            examples: self.examples,
            problems: self.problems,
            collisions,
            occupied,
            again: self.again,
            manifest,
        })
    }
}

/// Finds the names behind the hashes: the manifest is read once more.
fn name(
    mut found: HashMap<PlaceHash, (Contested, Collision)>,
    manifest: &mut Spooled,
) -> io::Result<(Vec<Collision>, Vec<Collision>)> {
    let mut order = Vec::new();
    if !found.is_empty() {
        let mut rows = csv::Reader::from_reader(manifest.read()?);
        for row in rows.records() {
            let row = row?;
            let (source, destination) = (&row[0], &row[1]);
            let Ok(place) = destination.parse::<ObjectUri>() else {
                continue;
            };
            let hash = place_hash(&place.bucket, &place.key);
            let Some((_, collision)) = found.get_mut(&hash) else {
                continue;
            };
            if collision.sources.is_empty() {
                order.push(hash);
                destination.clone_into(&mut collision.destination);
            }
            if collision.sources.len() < NAMED {
                collision.sources.push(source.to_owned());
            }
        }
    }
    let named = order.iter().filter_map(|hash| found.remove(hash));
    let (collisions, occupied): (Vec<_>, Vec<_>) =
        named.partition(|(contested, _)| contested.destinations > 1);
    let plain = |all: Vec<(Contested, Collision)>| all.into_iter().map(|(_, one)| one).collect();
    Ok((plain(collisions), plain(occupied)))
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count < 2 {
            let source = self.sources.first().map_or("", String::as_str);
            return write!(
                f,
                "{source:?} would go to {:?}, where an object is that stays",
                self.destination
            );
        }
        let repeated = self.sources.windows(2).all(|pair| pair[0] == pair[1]);
        if repeated && self.count == self.sources.len() as u64 {
            let source = &self.sources[0];
            return write!(f, "{source:?} is listed {} times", self.count);
        }
        write!(
            f,
            "{:?} would get {} objects: ",
            self.destination, self.count
        )?;
        for (index, source) in self.sources.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{source:?}")?;
        }
        if self.count > self.sources.len() as u64 {
            write!(f, ", ...")?;
        }
        Ok(())
    }
}
