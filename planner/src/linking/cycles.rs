//! Cycles among linked rows, for those who want to hear of them.

use crate::chains::Chain;
use crate::plan::PlannedRename;
use crate::resolve::ManifestError;

/// Lines of a cycle that are named.
const NAMED: usize = 10;

/// Rows that wait for one another in a circle.
pub(crate) struct Cycle {
    /// The first lines, from the lowest once around: the destination of each is
    /// the source of the one before.
    pub(crate) lines: Vec<u64>,
    /// How many rows there are.
    pub(crate) rows: u64,
}

/// Passes linked rows on, chain by chain as they come, and tells of each cycle
/// among them when it has passed.
pub(super) struct Watched<I, F> {
    rows: I,
    tell: F,
    /// That is passing.
    cycle: Option<(Chain, Cycle)>,
}

impl<I, F: FnMut(&Cycle) -> Result<(), ManifestError>> Watched<I, F> {
    pub(super) fn new(rows: I, tell: F) -> Self {
        Self {
            rows,
            tell,
            cycle: None,
        }
    }

    /// Takes note of a row, or of the end.
    fn watch(&mut self, row: Option<&(Chain, PlannedRename)>) -> Result<(), ManifestError> {
        let same = |passing: &(Chain, Cycle)| row.is_some_and(|(chain, _)| *chain == passing.0);
        if let Some((_, passed)) = self.cycle.take_if(|passing| !same(passing)) {
            (self.tell)(&passed)?;
        }
        let Some((chain, row)) = row.filter(|(chain, _)| chain.cycle) else {
            return Ok(());
        };
        let (_, cycle) = self.cycle.get_or_insert_with(|| {
            let (lines, rows) = (Vec::new(), 0);
            (*chain, Cycle { lines, rows })
        });
        cycle.rows += 1;
        if cycle.lines.len() < NAMED {
            cycle.lines.push(row.line);
        }
        Ok(())
    }
}

impl<I, F> Iterator for Watched<I, F>
where
    I: Iterator<Item = Result<(Chain, PlannedRename), ManifestError>>,
    F: FnMut(&Cycle) -> Result<(), ManifestError>,
{
    type Item = I::Item;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rows.next();
        let watched = match &next {
            Some(Err(_)) => Ok(()),
            Some(Ok(row)) => self.watch(Some(row)),
            None => self.watch(None),
        };
        match watched {
            Ok(()) => next,
            Err(error) => Some(Err(error)),
        }
    }
}
