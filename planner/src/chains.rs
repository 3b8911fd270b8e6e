//! Chains, swaps and cycles: in which order linked rows are carried out, and
//! where an object takes a hop through a temporary key.
//!
//! In a manifest without duplicates a key is the source of at most one row and
//! the destination of at most one. So linked rows form paths and cycles. A path
//! is carried out from its end: `b->c` before `a->b`. A cycle has no end; it is
//! opened by taking one object out of it, to a temporary key, and putting it
//! where it belongs at last. The same hop cuts a path that is too long for one
//! segment, and then the segments need not wait for each other.

/// Rows of a segment at most: each waits for the one before it.
pub const SEGMENT_ROWS: usize = 1000;

/// Bytes of the messages of a segment's steps at most, as estimated. A message
/// has no more than 1 MiB (facts 4), and carries the rest of its segment.
pub const SEGMENT_BYTES: u64 = 900 * 1024;

/// What a step does with its row's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// Moves it from source to destination.
    Whole,
    /// Moves it from the source to a temporary key of this row.
    ToScratch,
    /// Moves it from the temporary key of this row to the destination.
    FromScratch,
    /// Does nothing: after a [`ToScratch`](Self::ToScratch) whose second half
    /// is in another segment, the row whose source is in the way of that.
    Occupant,
}

/// A step of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Which of the linked rows.
    pub(crate) row: u32,
    pub(crate) kind: StepKind,
    /// The segment, numbered from 0, whose first step must be done before this
    /// one: it has put the object at the temporary key.
    pub(crate) after: Option<u64>,
}

/// Steps to be done one after the other. Segments may be carried out in any
/// order, and at the same time, but for [`Step::after`].
pub(crate) type Segment = Vec<Step>;

/// How long a segment may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) rows: usize,
    pub(crate) bytes: u64,
}

/// Linked rows: which row must come before which. Takes 4 bytes and 2 bits a
/// row, with what [`resolve`](Self::resolve) needs.
pub(crate) struct Links {
    /// For each row the one whose destination is its source, or [`NONE`].
    previous: Vec<u32>,
    /// Rows whose destination is the source of another.
    continued: Bits,
}

/// No row: there are fewer than `u32` counts.
const NONE: u32 = u32::MAX;

impl Links {
    /// So many rows, at most `u32::MAX`, without links.
    pub(crate) fn new(rows: usize) -> Self {
        Self {
            previous: vec![NONE; rows],
            continued: Bits::new(rows),
        }
    }

    /// The destination of `row` is the source of `next`.
    pub(crate) fn link(&mut self, row: u32, next: u32) {
        self.previous[next as usize] = row;
        self.continued.set(row);
    }

    fn previous(&self, row: u32) -> Option<u32> {
        Some(self.previous[row as usize]).filter(|row| *row != NONE)
    }

    /// The row whose source is the destination of this one, on a cycle.
    fn around(&self, row: u32) -> u32 {
        let mut next = row;
        while let Some(previous) = self.previous(next).filter(|previous| *previous != row) {
            next = previous;
        }
        next
    }

    /// Resolves all links and gives each segment to `take`, those of a path or
    /// cycle together: paths in the order of their last rows, then cycles in
    /// the order of their lowest rows. `cost` is the estimated size of a row's
    /// message in bytes.
    pub(crate) fn resolve<E>(
        &self,
        limits: Limits,
        cost: impl Fn(u32) -> u64,
        mut take: impl FnMut(Segment) -> Result<(), E>,
    ) -> Result<(), E> {
        let rows = || 0..u32::try_from(self.previous.len()).unwrap_or(NONE);
        let mut done = Bits::new(self.previous.len());
        let mut segments = 0;
        let ends = rows().filter(|row| !self.continued.get(*row));
        // Once all paths are done, what is left is on cycles.
        for (first, cycle) in ends
            .map(|end| (end, false))
            .chain(rows().map(|row| (row, true)))
        {
            if done.get(first) {
                continue;
            }
            let mut cut = Cut {
                limits,
                segment: Vec::new(),
                rows: 0,
                bytes: 0,
                segments,
            };
            let mut row = Some(first);
            let mut next = first;
            if cycle {
                cut.hop(first, self.around(first), cost(first));
                done.set(first);
                row = self.previous(first).filter(|row| *row != first);
            }
            while let Some(this) = row {
                done.set(this);
                row = self.previous(this).filter(|row| !done.get(*row));
                // Whatever comes next must have room as a hop's second half.
                let reserve = match row {
                    Some(next) => cost(next),
                    None if cycle => cost(first),
                    None => 0,
                };
                if cut.has_room(cost(this), reserve) {
                    cut.add(this, StepKind::Whole, None, cost(this));
                } else {
                    cut.add(this, StepKind::FromScratch, Some(cut.segments + 1), 0);
                    take(cut.next())?;
                    cut.hop(this, next, cost(this));
                }
                next = this;
            }
            if cycle {
                let after = (cut.segments != segments).then_some(segments);
                if after.is_none() {
                    cut.segment.retain(|step| step.kind != StepKind::Occupant);
                }
                cut.add(first, StepKind::FromScratch, after, 0);
            }
            take(cut.next())?;
            segments = cut.segments;
        }
        Ok(())
    }
}

/// A set of rows, in a bit each.
struct Bits(Vec<u64>);

impl Bits {
    fn new(rows: usize) -> Self {
        Self(vec![0; rows.div_ceil(64)])
    }

    fn get(&self, row: u32) -> bool {
        self.0[row as usize / 64] >> (row % 64) & 1 == 1
    }

    fn set(&mut self, row: u32) {
        self.0[row as usize / 64] |= 1 << (row % 64);
    }
}

/// A segment being put together.
struct Cut {
    limits: Limits,
    segment: Segment,
    /// Its steps that do something.
    rows: usize,
    bytes: u64,
    /// Those before it.
    segments: u64,
}

impl Cut {
    /// True when the segment can take a row that costs so much, and a second
    /// half of a hop after it.
    fn has_room(&self, cost: u64, reserve: u64) -> bool {
        // A segment without a whole row would be no progress.
        let last = self.segment.last();
        let started = last.is_some_and(|step| step.kind == StepKind::Whole);
        let reserved = usize::from(reserve > 0);
        !started
            || (self.rows + 1 + reserved <= self.limits.rows
                && self.bytes + cost + reserve <= self.limits.bytes)
    }

    /// Begins with the first half of a hop.
    fn hop(&mut self, row: u32, occupant: u32, cost: u64) {
        self.add(row, StepKind::ToScratch, None, cost);
        // Only its pins travel, and costs have room for them.
        self.add(occupant, StepKind::Occupant, None, 0);
    }

    fn add(&mut self, row: u32, kind: StepKind, after: Option<u64>, cost: u64) {
        self.segment.push(Step { row, kind, after });
        self.rows += usize::from(kind != StepKind::Occupant);
        self.bytes += cost;
    }

    fn next(&mut self) -> Segment {
        self.segments += 1;
        (self.rows, self.bytes) = (0, 0);
        std::mem::take(&mut self.segment)
    }
}

#[cfg(test)]
mod tests;
