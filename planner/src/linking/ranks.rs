//! Where each linked row belongs: in which path or cycle, and how far from its
//! end. That is list ranking, here with a table on disk.
//!
//! Rows are taken in ranges that have room in memory, the highest first. In a
//! range, links are followed until they lead out of it, to a lower range, or
//! to the end of a path; then all links of lower rows into the range are led on
//! to there, in one pass over them. So no link is left that leads upwards, and
//! the lowest range knows all ends of its rows. From there the answers go back
//! up, a range at a time. With R ranges the table is read and written about R
//! times, from one end to the other; mostly there is one range.

use std::ops::Range;

use crate::chains::Chain;
use crate::spill::{Spill, SpillError};

/// More linked rows than this have no room in a [`Place`].
pub(super) const MAX_ROWS: u32 = (1 << Place::SHIFT) - 1;

/// Memory for each row of a range, in bytes.
const ROW_BYTES: usize = size_of::<u64>();

/// Rows that are read of the table at a time.
const PIECE: u32 = 32 * 1024;

/// Where a row belongs, as far as that is known. In the order of chains, and of
/// the rows of each as [`resolve`](crate::chains::resolve) takes them.
///
/// The highest bit is set when the chain is known. Then follow: whether it is
/// a cycle (1 bit), its first row (31), and how many links lead there (31).
/// Else another row of the chain (31), and how many links lead there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

impl Place {
    const KNOWN: u64 = 1 << 63;
    const CYCLE: u64 = 1 << 62;
    const SHIFT: u32 = 31;
    const LOW: u64 = (1 << Self::SHIFT) - 1;

    /// The destination of the row is the source of that one.
    fn before(row: u32) -> Self {
        Self(u64::from(row) << Self::SHIFT | 1)
    }

    /// The first one of a chain.
    fn first(row: u32, cycle: bool) -> Self {
        let cycle = if cycle { Self::CYCLE } else { 0 };
        Self(Self::KNOWN | cycle | u64::from(row) << Self::SHIFT)
    }

    /// Of a row from which so many links lead to the row in this place.
    fn after(self, links: u32) -> Self {
        // A chain has no more links than rows, so that nothing is carried over.
        Self(self.0 + u64::from(links))
    }

    fn row(self) -> u32 {
        u32::try_from(self.0 >> Self::SHIFT & Self::LOW).unwrap_or(u32::MAX)
    }

    /// The row that it leads to, and by how many links, until the chain is known.
    fn link(self) -> Option<(u32, u32)> {
        let links = u32::try_from(self.0 & Self::LOW).unwrap_or(u32::MAX);
        (self.0 & Self::KNOWN == 0).then(|| (self.row(), links))
    }

    /// By which rows are sorted.
    pub(super) fn key(self) -> u64 {
        self.0
    }

    /// The chain of a row with this key.
    pub(super) fn chain(key: u64) -> Chain {
        Chain {
            cycle: key & Self::CYCLE != 0,
            first: Self(key).row(),
        }
    }
}

/// Places of rows on disk.
struct Table {
    spill: Spill,
    at: u64,
    rows: u32,
}

impl Table {
    fn read(&self, rows: Range<u32>) -> Result<Vec<Place>, SpillError> {
        let mut places = Vec::with_capacity(rows.len());
        for piece in pieces(rows, PIECE) {
            let mut bytes = vec![0; piece.len() * ROW_BYTES];
            self.spill.read(&mut bytes, self.offset(piece.start))?;
            places.extend(bytes.chunks_exact(ROW_BYTES).map(|bytes| {
                let mut le = [0; ROW_BYTES];
                le.copy_from_slice(bytes);
                Place(u64::from_le_bytes(le))
            }));
        }
        Ok(places)
    }

    fn write(&self, first: u32, places: &[Place]) -> Result<(), SpillError> {
        let mut at = self.offset(first);
        for piece in places.chunks(PIECE as usize) {
            let bytes = piece.iter().flat_map(|place| place.0.to_le_bytes());
            let bytes: Vec<u8> = bytes.collect();
            self.spill.write(&bytes, at)?;
            at += bytes.len() as u64;
        }
        Ok(())
    }

    fn offset(&self, row: u32) -> u64 {
        self.at + u64::from(row) * ROW_BYTES as u64
    }

    /// Leads the links of these rows into `part` on to where that knows.
    fn lead_on(&self, rows: Range<u32>, part: &Part) -> Result<(), SpillError> {
        for piece in pieces(rows, PIECE) {
            let mut places = self.read(piece.clone())?;
            for place in &mut places {
                if let Some((next, links)) = place.link()
                    && part.rows.contains(&next)
                {
                    *place = part.get(next).after(links);
                }
            }
            self.write(piece.start, &places)?;
        }
        Ok(())
    }
}

/// Rows in parts of so many.
fn pieces(rows: Range<u32>, most: u32) -> impl DoubleEndedIterator<Item = Range<u32>> {
    let Range { start, end } = rows;
    let parts = 0..rows.len().div_ceil(most as usize);
    parts.map(move |part| {
        // Below `end`, which is a row.
        let from = start + u32::try_from(part).unwrap_or(u32::MAX) * most;
        from..from.saturating_add(most).min(end)
    })
}

/// A range of rows in memory.
struct Part {
    rows: Range<u32>,
    places: Vec<Place>,
}

impl Part {
    fn get(&self, row: u32) -> Place {
        self.places[(row - self.rows.start) as usize]
    }

    fn set(&mut self, row: u32, place: Place) {
        self.places[(row - self.rows.start) as usize] = place;
    }

    /// The link of a row to another one of this part.
    fn inside(&self, row: u32) -> Option<(u32, u32)> {
        let link = self.get(row).link();
        link.filter(|(next, _)| self.rows.contains(next))
    }

    /// Follows all links until they lead out of this part, or end.
    fn settle(&mut self) {
        for row in self.rows.clone() {
            if !self.follow(row) {
                // What the cycle had in higher parts was led on from there, and
                // lower rows of this part are settled: it is its lowest row.
                let next = self.inside(row);
                self.set(row, Place::first(row, true));
                if let Some((next, _)) = next {
                    self.follow(next);
                }
            }
        }
    }

    /// Follows the links from `row` on, and settles all rows on the way. False
    /// if they come back to `row`: then nothing is settled.
    fn follow(&mut self, row: u32) -> bool {
        let (mut at, mut rest) = (row, 0);
        while let Some((next, links)) = self.inside(at) {
            if next == row {
                return false;
            }
            (at, rest) = (next, rest + links);
        }
        let end = self.get(at);
        let mut at = row;
        while let Some((next, links)) = self.inside(at) {
            self.set(at, end.after(rest));
            (at, rest) = (next, rest - links);
        }
        true
    }
}

/// Finds out where each of `rows` rows belongs, at most [`MAX_ROWS`], with
/// so much memory in bytes. `links` are pairs of a row and the one whose source
/// is its destination, in the order of the first.
pub(super) fn ranks<E: From<SpillError>>(
    links: impl Iterator<Item = Result<(u32, u32), E>>,
    rows: u32,
    memory: usize,
    spill: &Spill,
) -> Result<Ranks, E> {
    let table = Table {
        at: spill.reserve(rows as usize * ROW_BYTES).at,
        spill: spill.clone(),
        rows,
    };
    let mut links = links.peekable();
    for piece in pieces(0..rows, PIECE) {
        let mut places = Vec::with_capacity(piece.len());
        for row in piece.clone() {
            let this = |link: &Result<(u32, u32), E>| match link {
                Ok((from, _)) => *from == row,
                Err(_) => true,
            };
            places.push(match links.next_if(this).transpose()? {
                Some((_, next)) => Place::before(next),
                None => Place::first(row, false),
            });
        }
        table.write(piece.start, &places)?;
    }
    let most = u32::try_from(memory / ROW_BYTES).unwrap_or(MAX_ROWS);
    let most = most.clamp(1, MAX_ROWS);
    let part = |rows: Range<u32>| -> Result<Part, SpillError> {
        let places = table.read(rows.clone())?;
        Ok(Part { rows, places })
    };
    for range in pieces(0..rows, most).rev() {
        let mut part = part(range.clone())?;
        part.settle();
        table.write(range.start, &part.places)?;
        table.lead_on(0..range.start, &part)?;
    }
    for range in pieces(0..rows, most).filter(|range| range.end < rows) {
        table.lead_on(range.end..rows, &part(range)?)?;
    }
    Ok(Ranks {
        table,
        next: 0,
        read: Vec::new().into_iter(),
    })
}

/// The places of all rows, in the order of the rows.
pub(super) struct Ranks {
    table: Table,
    /// The next row to be read.
    next: u32,
    read: std::vec::IntoIter<Place>,
}

impl Iterator for Ranks {
    type Item = Result<Place, SpillError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(place) = self.read.next() {
            return Some(Ok(place));
        }
        let piece = pieces(self.next..self.table.rows, PIECE).next()?;
        self.next = piece.end;
        match self.table.read(piece) {
            Ok(places) => {
                self.read = places.into_iter();
                self.read.next().map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests;
