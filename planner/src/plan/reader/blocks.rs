//! The rows of a plan block by block, those of chains among them: what another
//! plan of the same rows is made of.

use std::io::{Read, Seek};

use super::{LinkedRows, PlanReader};
use crate::plan::{PlanError, PlannedRename};

/// A row of a plan, in the manifest's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// The row.
    pub rename: PlannedRename,
    /// It is part of a chain, a swap or a cycle.
    pub linked: bool,
}

impl<R: Read + Seek> PlanReader<R> {
    /// All rows, a block at a time. The iteration over the renames has to start
    /// again afterwards.
    pub(crate) fn blocks(&mut self) -> Result<RowBlocks<'_, R>, PlanError> {
        let first = self.blocks.first().map(|block| block.at);
        self.rows.seek(first.unwrap_or_default())?;
        Ok(RowBlocks {
            plan: self,
            next: 0,
        })
    }

    /// Which rows of which blocks are linked.
    pub(crate) fn linked_blocks(&self) -> impl Iterator<Item = (u64, &LinkedRows)> {
        (0..).zip(&self.blocks).filter_map(|(number, block)| {
            let linked = block.linked.as_deref()?;
            Some((number, linked))
        })
    }
}

/// See [`PlanReader::blocks`].
pub(crate) struct RowBlocks<'p, R> {
    plan: &'p mut PlanReader<R>,
    next: usize,
}

impl<R: Read + Seek> RowBlocks<'_, R> {
    fn read(&mut self) -> Result<Option<Vec<SourceRow>>, PlanError> {
        let Some(block) = self.plan.blocks.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        let mut block_rows = Vec::with_capacity(block.rows as usize);
        for _ in 0..block.rows {
            if !self.plan.rows.advance(0)? {
                return Err(PlanError::Altered);
            }
            let (_, row) = self.plan.rows.place();
            let linked = block.linked.as_ref();
            block_rows.push(SourceRow {
                rename: self.plan.rows.current().rename()?,
                linked: linked.is_some_and(|linked| linked.contains(row)),
            });
        }
        Ok(Some(block_rows))
    }
}

impl<R: Read + Seek> Iterator for RowBlocks<'_, R> {
    type Item = Result<Vec<SourceRow>, PlanError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
