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
pub(crate) struct Step<T> {
    pub(crate) row: T,
    pub(crate) kind: StepKind,
    /// The segment, numbered from 0, whose first step must be done before this
    /// one: it has put the object at the temporary key.
    pub(crate) after: Option<u64>,
}

/// Steps to be done one after the other. Segments may be carried out in any
/// order, and at the same time, but for [`Step::after`].
pub(crate) type Segment<T> = Vec<Step<T>>;

/// How long a segment may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) rows: usize,
    pub(crate) bytes: u64,
}

/// A path or a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Chain {
    /// Of a cycle; all paths come before.
    pub(crate) cycle: bool,
    /// The first row of it that [`resolve`] is given.
    pub(crate) first: u32,
}

/// Resolves paths and cycles into segments, and gives each segment to `take`.
///
/// The rows of a chain come one after the other, each before the row whose
/// destination is its source: those of a path from its last row to its first,
/// those of a cycle from any of its rows once around. `cost` is the estimated
/// size of a row's message in bytes.
pub(crate) fn resolve<T: Clone, E>(
    rows: impl IntoIterator<Item = Result<(Chain, T), E>>,
    limits: Limits,
    cost: impl Fn(&T) -> u64,
    mut take: impl FnMut(Segment<T>) -> Result<(), E>,
) -> Result<(), E> {
    let mut rows = rows.into_iter().peekable();
    let mut segments = 0;
    while let Some((chain, row)) = rows.next().transpose()? {
        let mut following = || {
            let same = |next: &Result<(Chain, T), E>| match next {
                Ok((next, _)) => *next == chain,
                Err(_) => true,
            };
            let next = rows.next_if(same).transpose();
            next.map(|next| next.map(|(_, row)| row))
        };
        let mut cut = Cut {
            limits,
            segment: Vec::new(),
            rows: 0,
            bytes: 0,
            segments,
        };
        // The second row of a cycle opens it: its object makes room at a
        // temporary key, and the first row, which is in its way, comes last.
        let opens = if chain.cycle { following()? } else { None };
        let (mut next, mut last) = match &opens {
            Some(opens) => {
                cut.hop(opens.clone(), row.clone(), cost(opens));
                (following()?, Some(row))
            }
            None => (Some(row), None),
        };
        while let Some(this) = next.or_else(|| last.take()) {
            next = following()?;
            // Whatever comes next must have room as a hop's second half.
            let reserve = next.as_ref().or(last.as_ref()).or(opens.as_ref());
            let size = cost(&this);
            match cut.in_the_way(size, reserve.map_or(0, &cost)) {
                None => cut.add(this, StepKind::Whole, None, size),
                Some(occupant) => {
                    cut.add(
                        this.clone(),
                        StepKind::FromScratch,
                        Some(cut.segments + 1),
                        0,
                    );
                    take(cut.next())?;
                    cut.hop(this, occupant, size);
                }
            }
        }
        if let Some(opens) = opens {
            let after = (cut.segments != segments).then_some(segments);
            if after.is_none() {
                cut.segment.retain(|step| step.kind != StepKind::Occupant);
            }
            cut.add(opens, StepKind::FromScratch, after, 0);
        }
        take(cut.next())?;
        segments = cut.segments;
    }
    Ok(())
}

/// A segment being put together.
struct Cut<T> {
    limits: Limits,
    segment: Segment<T>,
    /// Its steps that do something.
    rows: usize,
    bytes: u64,
    /// Those before it.
    segments: u64,
}

impl<T: Clone> Cut<T> {
    /// `None` while the segment can take a row that costs so much, and a
    /// second half of a hop after it. Else the row that was added last, whose
    /// source is the destination of the next one.
    fn in_the_way(&self, cost: u64, reserve: u64) -> Option<T> {
        // A segment without a whole row would be no progress.
        let last = self.segment.last();
        let last = last.filter(|step| step.kind == StepKind::Whole)?;
        let reserved = usize::from(reserve > 0);
        let room = self.rows + 1 + reserved <= self.limits.rows
            && self.bytes + cost + reserve <= self.limits.bytes;
        (!room).then(|| last.row.clone())
    }

    /// Begins with the first half of a hop.
    fn hop(&mut self, row: T, occupant: T, cost: u64) {
        self.add(row, StepKind::ToScratch, None, cost);
        // Only its pins travel, and costs have room for them.
        self.add(occupant, StepKind::Occupant, None, 0);
    }

    fn add(&mut self, row: T, kind: StepKind, after: Option<u64>, cost: u64) {
        self.segment.push(Step { row, kind, after });
        self.rows += usize::from(kind != StepKind::Occupant);
        self.bytes += cost;
    }

    fn next(&mut self) -> Segment<T> {
        self.segments += 1;
        (self.rows, self.bytes) = (0, 0);
        std::mem::take(&mut self.segment)
    }
}

#[cfg(test)]
pub(crate) mod tests;
