//! Sources and listings, joined: both are sorted by the hashes of their names
//! and read side by side, and what is found is sorted back into the order of
//! the rows. So neither needs memory for its length.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::iter::Peekable;
use std::sync::Arc;

use rebucket_protocol::{BucketName, S3Prefix};

use super::packed::{pack, unpack};
use super::{Found, Sight, SourceRow};
use crate::manifest::ManifestOptions;
use crate::names::hash;
use crate::plan::PlanReader;
use crate::resolve::ManifestError;
use crate::sorted::{Sorted, Sorter};
use crate::spill::{self, Spill, SpillError};

/// What is left for sorting of the memory that the operator gives: the process
/// and the pages of a listing under way take the rest.
pub(super) fn memory(options: &ManifestOptions) -> usize {
    const OTHERS: u64 = 48 * 1024 * 1024;
    const LEAST: usize = 8 * 1024 * 1024;
    let memory = options.memory.max(ManifestOptions::MIN_MEMORY) - OTHERS;
    usize::try_from(memory).unwrap_or(usize::MAX).max(LEAST)
}

/// The sources of a plan, to be found in listings.
pub struct SourceIndex {
    spill: Spill,
    memory: usize,
    /// The hash of a source, and the number of its row in the plan.
    rows: Sorter<3>,
    filter: Arc<Filter>,
    /// What all sources in a bucket begin with.
    places: BTreeMap<BucketName, String>,
    /// The hash of a key, and what is there.
    listed: Sorter<7>,
}

impl SourceIndex {
    /// Reads a plan's sources. Those of rows that name a version are left out:
    /// a listing of what is current says nothing of them.
    ///
    /// # Errors
    /// [`ManifestError`] when the plan cannot be read, or nothing be sorted on
    /// disk.
    pub fn new<R: Read + Seek>(
        plan: &mut PlanReader<R>,
        options: &ManifestOptions,
    ) -> Result<Self, ManifestError> {
        let spill = Spill::new(spill::folder(options.temp_dir.as_ref()))?;
        Self::within(plan, spill, memory(options))
    }

    /// The same with about so much memory.
    pub(super) fn within<R: Read + Seek>(
        plan: &mut PlanReader<R>,
        spill: Spill,
        memory: usize,
    ) -> Result<Self, ManifestError> {
        let count = plan.resolution().totals.rows;
        let mut filter = Filter::new(count, memory / 8);
        let mut rows = Sorter::new(&spill, memory / 4);
        let mut places = BTreeMap::new();
        let mut name = Vec::new();
        let mut number = 0;
        for block in plan.blocks().map_err(ManifestError::Write)? {
            for row in block.map_err(ManifestError::Write)? {
                if row.rename.pins.version.is_none() {
                    let source = &row.rename.source;
                    let [high, low] = hashed(&mut name, &source.bucket, source.key.as_str());
                    filter.insert(low);
                    rows.push([high, low, number])?;
                    widen(&mut places, &source.bucket, source.key.as_str());
                }
                number += 1;
            }
        }
        Ok(Self {
            listed: Sorter::new(&spill, memory / 8),
            filter: Arc::new(filter),
            spill,
            memory,
            rows,
            places,
        })
    }

    /// What has to be listed: of each bucket what its sources have in common.
    #[must_use]
    pub fn places(&self) -> Vec<S3Prefix> {
        let places = self.places.iter();
        places
            .map(|(bucket, prefix)| S3Prefix {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
            })
            .collect()
    }

    /// Takes a listing of a bucket. One that ended too soon is dropped.
    #[must_use]
    pub fn listing(&self, bucket: &BucketName) -> Listing {
        Listing {
            bucket: bucket.clone(),
            filter: Arc::clone(&self.filter),
            sorter: Sorter::new(&self.spill, self.memory / 8),
            spill: self.spill.clone(),
            name: Vec::new(),
        }
    }

    /// Adds a listing that is complete.
    ///
    /// # Errors
    /// [`SpillError`] when it cannot be sorted on disk.
    pub fn add(&mut self, listing: Listing) -> Result<(), SpillError> {
        self.listed.absorb(listing.sorter)
    }

    /// What is at the sources, in the plan's order.
    ///
    /// # Errors
    /// [`SpillError`] when it cannot be sorted on disk.
    pub fn join(self) -> Result<Sights, SpillError> {
        let mut listed = self.listed.finish()?.peekable();
        let mut found = Sorter::new(&self.spill, self.memory / 4);
        for row in self.rows.finish()? {
            let [high, low, number] = row?;
            let up_to = |next: &Result<[u64; 7], SpillError>| match next {
                Ok([a, b, ..]) => [*a, *b] <= [high, low],
                Err(_) => true,
            };
            let mut last = None;
            while let Some(next) = listed.next_if(up_to) {
                let [a, b, packed @ ..] = next?;
                if [a, b] == [high, low] {
                    // A key that was listed twice was written meanwhile: the
                    // later date is the last of them.
                    last = Some(packed);
                }
            }
            if let Some([modified, size, tag_a, tag_b, flags]) = last {
                found.push([number, modified, size, tag_a, tag_b, flags])?;
            }
        }
        Ok(Sights {
            found: found.finish()?.peekable(),
            spill: self.spill,
            next: 0,
        })
    }
}

fn hashed(name: &mut Vec<u8>, bucket: &BucketName, key: &str) -> [u64; 2] {
    name.clear();
    name.extend_from_slice(bucket.as_str().as_bytes());
    name.push(b'/');
    name.extend_from_slice(key.as_bytes());
    hash(name)
}

/// Makes a bucket's place one that has the key too.
fn widen(places: &mut BTreeMap<BucketName, String>, bucket: &BucketName, key: &str) {
    let Some(prefix) = places.get_mut(bucket) else {
        places.insert(bucket.clone(), key.to_owned());
        return;
    };
    if !key.starts_with(prefix.as_str()) {
        let pairs = prefix.char_indices().zip(key.chars());
        let same = pairs.take_while(|((_, a), b)| a == b).last();
        prefix.truncate(same.map_or(0, |((at, c), _)| at + c.len_utf8()));
    }
}

/// The keys of a listing that may be sources.
pub struct Listing {
    bucket: BucketName,
    filter: Arc<Filter>,
    sorter: Sorter<7>,
    spill: Spill,
    name: Vec<u8>,
}

impl Listing {
    /// Adds a key, and what is there.
    ///
    /// # Errors
    /// [`SpillError`] when it cannot be sorted on disk.
    pub fn push(&mut self, key: &str, found: &Found) -> Result<(), SpillError> {
        let [high, low] = hashed(&mut self.name, &self.bucket, key);
        if !self.filter.may_have(low) {
            return Ok(());
        }
        let [modified, size, tag_a, tag_b, flags] = pack(found, &self.spill)?;
        self.sorter
            .push([high, low, modified, size, tag_a, tag_b, flags])
    }
}

/// What was found at the sources, in the plan's order.
pub struct Sights {
    found: Peekable<Sorted<6>>,
    spill: Spill,
    /// The number of the next row.
    next: u64,
}

impl Sights {
    /// What is at the sources of the next rows.
    ///
    /// # Errors
    /// [`ManifestError`] when it cannot be read again.
    pub fn look(&mut self, rows: &[SourceRow]) -> Result<Vec<Sight>, ManifestError> {
        rows.iter().map(|row| self.sight(row)).collect()
    }

    fn sight(&mut self, row: &SourceRow) -> Result<Sight, ManifestError> {
        let number = self.next;
        self.next += 1;
        let this = |next: &Result<[u64; 6], SpillError>| match next {
            Ok([at, ..]) => *at == number,
            Err(_) => true,
        };
        match self.found.next_if(this).transpose()? {
            Some([_, packed @ ..]) => Ok(Sight::There(unpack(packed, &self.spill)?)),
            None if row.rename.pins.version.is_some() => Ok(Sight::Unseen),
            None => Ok(Sight::Nothing),
        }
    }
}

/// Tells most keys that are no source, so that a listing of much more than the
/// sources does not go to disk.
struct Filter {
    bits: Vec<u64>,
    mask: u64,
}

impl Filter {
    /// For so many sources: one key in 8 of the others passes, or fewer; more
    /// where `memory`, in bytes, is too little for that.
    fn new(sources: u64, memory: usize) -> Self {
        let most = (memory as u64 * 8).max(64);
        let wanted = sources.saturating_mul(16).clamp(64, most);
        // A power of two that is in memory's limits.
        let bits = 1_u64 << wanted.ilog2();
        Self {
            bits: vec![0; usize::try_from(bits / 64).unwrap_or(1)],
            mask: bits - 1,
        }
    }

    fn place(&self, low: u64) -> (usize, u64) {
        let bit = low & self.mask;
        // As long as the bits.
        (usize::try_from(bit / 64).unwrap_or(0), 1 << (bit % 64))
    }

    fn insert(&mut self, low: u64) {
        let (word, bit) = self.place(low);
        self.bits[word] |= bit;
    }

    fn may_have(&self, low: u64) -> bool {
        let (word, bit) = self.place(low);
        self.bits[word] & bit != 0
    }
}
