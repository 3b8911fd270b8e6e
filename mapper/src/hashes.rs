//! Which places are named more than once, in bounded memory: hashes, sorted in
//! runs on disk.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use rebucket_protocol::{BucketName, ObjectKey};

/// Hashes sorted in memory at a time; 16 bytes each.
const RUN: usize = 4 << 20;
/// Bytes read ahead of each run while runs are merged.
const READ_AHEAD: usize = 64 << 10;
const HASH: usize = 15;

/// The place of an object, in 120 bits: among a billion places two alike have
/// a chance of less than one in 10^18.
pub(crate) type PlaceHash = [u8; HASH];

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// An object is to go there.
    Destination = 0,
    /// An object is there and stays.
    Stays = 1,
}

pub(crate) fn place_hash(bucket: &BucketName, key: &ObjectKey) -> PlaceHash {
    let mut hasher = Md5::new();
    hasher.update(bucket.as_str());
    hasher.update(b"/");
    hasher.update(key.as_str());
    let digest = hasher.finalize();
    let mut hash = [0; HASH];
    hash.copy_from_slice(&digest[..HASH]);
    hash
}

/// A place that more than one object has a claim on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contested {
    pub(crate) place: PlaceHash,
    /// How many objects are to go there.
    pub(crate) destinations: u64,
    /// Whether one is there and stays.
    pub(crate) stays: bool,
}

/// Claims on places.
pub(crate) struct Claims {
    buffer: Vec<[u8; HASH + 1]>,
    run: usize,
    spilled: Option<File>,
    /// How many records each run on disk has.
    runs: Vec<u64>,
}

impl Claims {
    pub(crate) fn new() -> Self {
        Self::with_run(RUN)
    }

    fn with_run(run: usize) -> Self {
        Self {
            buffer: Vec::new(),
            run,
            spilled: None,
            runs: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, place: PlaceHash, claim: Claim) -> io::Result<()> {
        if self.buffer.len() >= self.run {
            self.spill()?;
        }
        let mut record = [claim as u8; HASH + 1];
        record[..HASH].copy_from_slice(&place);
        self.buffer.push(record);
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.buffer.sort_unstable();
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all(self.buffer.as_flattened())?;
        self.runs.push(self.buffer.len() as u64);
        self.buffer.clear();
        Ok(())
    }

    /// Calls `report` for each contested place that is a destination.
    pub(crate) fn contested(mut self, mut report: impl FnMut(Contested)) -> io::Result<()> {
        let mut group: Option<Contested> = None;
        let mut note = |record: [u8; HASH + 1]| {
            let mut place = [0; HASH];
            place.copy_from_slice(&record[..HASH]);
            if group.is_none_or(|group| group.place != place)
                && let Some(done) = group.replace(Contested {
                    place,
                    destinations: 0,
                    stays: false,
                })
            {
                settle(done, &mut report);
            }
            if let Some(group) = &mut group {
                group.destinations += u64::from(record[HASH] == Claim::Destination as u8);
                group.stays |= record[HASH] == Claim::Stays as u8;
            }
        };
        if self.runs.is_empty() {
            self.buffer.sort_unstable();
            self.buffer.iter().copied().for_each(&mut note);
        } else {
            self.spill()?;
            let file = Arc::new(self.spilled.take().ok_or(io::ErrorKind::NotFound)?);
            self.buffer = Vec::new();
            let mut runs = Vec::new();
            let mut start = 0;
            for count in self.runs {
                let end = start + count * (HASH as u64 + 1);
                let part = Part {
                    file: Arc::clone(&file),
                    at: start,
                    end,
                };
                runs.push(BufReader::with_capacity(READ_AHEAD, part));
                start = end;
            }
            let mut heads = BinaryHeap::new();
            for (index, run) in runs.iter_mut().enumerate() {
                if let Some(record) = next(run)? {
                    heads.push(Reverse((record, index)));
                }
            }
            while let Some(Reverse((record, index))) = heads.pop() {
                note(record);
                if let Some(record) = next(&mut runs[index])? {
                    heads.push(Reverse((record, index)));
                }
            }
        }
        if let Some(done) = group {
            settle(done, &mut report);
        }
        Ok(())
    }
}

fn settle(group: Contested, report: &mut impl FnMut(Contested)) {
    if group.destinations > 1 || (group.destinations == 1 && group.stays) {
        report(group);
    }
}

fn next(run: &mut impl Read) -> io::Result<Option<[u8; HASH + 1]>> {
    let mut record = [0; HASH + 1];
    match run.read_exact(&mut record) {
        Ok(()) => Ok(Some(record)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// One run of the file.
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn contested_places_are_found_however_many_runs_there_are(
            claims in prop::collection::vec((0_u8..40, any::<bool>()), 0..200),
            run in 1_usize..64,
        ) {
            let mut sorter = Claims::with_run(run);
            let mut expected = BTreeMap::<PlaceHash, (u64, bool)>::new();
            for (place, stays) in claims {
                let place = [place; HASH];
                let claim = if stays { Claim::Stays } else { Claim::Destination };
                sorter.add(place, claim).unwrap();
                let known = expected.entry(place).or_default();
                known.0 += u64::from(!stays);
                known.1 |= stays;
            }
            expected.retain(|_, (count, stays)| *count > 1 || (*count == 1 && *stays));
            let mut found = Vec::new();
            sorter
                .contested(|one| found.push((one.place, (one.destinations, one.stays))))
                .unwrap();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
