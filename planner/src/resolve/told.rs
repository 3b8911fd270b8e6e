//! What rows have to do with each other, in the operator's words.

use std::io::{BufReader, Read, Seek, Write};

use super::ManifestError;
use crate::collisions::{Collision, CollisionKind};
use crate::manifest::{Header, Side};
use crate::plan::{PlanWriter, Rows};
use crate::problem::{Problem, ProblemKind, shown};

/// Gets the names of rows out of what was written of the plan. Rows are asked
/// for in their order.
pub(super) struct Names<'p, W> {
    rows: Rows<BufReader<&'p mut W>>,
    /// Where each starts, and its first line.
    blocks: &'p [(u64, u64)],
    block: Option<usize>,
    /// The line of the row that was read last.
    line: u64,
}

impl<'p, W: Read + Write + Seek> Names<'p, W> {
    pub(super) fn new(
        plan: &'p mut PlanWriter<W>,
        blocks: &'p [(u64, u64)],
    ) -> Result<Self, ManifestError> {
        let source = BufReader::with_capacity(256 * 1024, plan.inner());
        Ok(Self {
            rows: Rows::new(source).map_err(ManifestError::Write)?,
            blocks,
            block: None,
            line: 0,
        })
    }

    /// The destination, or for a duplicate source the source, of a row.
    pub(super) fn uri(&mut self, collision: &Collision) -> Result<String, ManifestError> {
        let line = collision.line;
        let block = self
            .blocks
            .partition_point(|(_, first)| *first <= line)
            .saturating_sub(1);
        if self.block != Some(block) {
            let at = self.blocks.get(block).map_or(0, |(at, _)| *at);
            self.rows.seek(at).map_err(ManifestError::Write)?;
            (self.block, self.line) = (Some(block), 0);
        }
        while self.line < line && self.rows.advance(0).map_err(ManifestError::Write)? {
            self.line = self.rows.current().line();
        }
        let name = self.rows.current().name(side(collision.kind) as usize);
        Ok(format!("s3://{}", shown(&String::from_utf8_lossy(&name))))
    }
}

fn side(kind: CollisionKind) -> Side {
    match kind {
        CollisionKind::Source => Side::Source,
        _ => Side::Destination,
    }
}

pub(super) fn problem(collision: &Collision, uri: &str, header: &Header) -> Problem {
    let other = collision.other;
    let (kind, message) = match collision.kind {
        CollisionKind::Source => (
            ProblemKind::DuplicateSource,
            format!(
                "duplicate source {uri}: line {other} has it too; an object can get only one new \
                 name, remove one of the rows"
            ),
        ),
        CollisionKind::Destination => (
            ProblemKind::DuplicateDestination,
            format!(
                "duplicate destination {uri}: line {other} has it too; two objects cannot get the \
                 same name, change or remove one of the rows"
            ),
        ),
        CollisionKind::Chain => (
            ProblemKind::Chain,
            format!(
                "destination {uri} is also the source on line {other}: chains, swaps and cycles \
                 are carried out from a plan that was kept; make it with `rebucket plan --out \
                 PLAN`, and run or submit the plan"
            ),
        ),
        CollisionKind::FoldsOntoSource | CollisionKind::FoldsOntoDestination => {
            let what = match collision.kind {
                CollisionKind::FoldsOntoSource => "source",
                _ => "destination",
            };
            (
                ProblemKind::FoldedKeys,
                format!(
                    "destination {uri} and the {what} on line {other} are one key to endpoints \
                     that fold `//`, `./` and slashes at an end: one would replace the other there"
                ),
            )
        }
    };
    Problem {
        line: collision.line,
        column: header.column(header.key_column(side(collision.kind))),
        kind,
        message,
    }
}
