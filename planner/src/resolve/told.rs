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

    /// What is wrong with a row that collides with another. A chain is no
    /// problem.
    pub(super) fn problem(
        &mut self,
        collision: &Collision,
        header: &Header,
    ) -> Result<Option<Problem>, ManifestError> {
        if collision.kind == CollisionKind::Chain {
            return Ok(None);
        }
        let uri = self.uri(collision)?;
        let problem = wrong(collision, &uri).map(|(kind, message)| Problem {
            line: collision.line,
            column: header.column(header.key_column(side(collision.kind))),
            kind,
            message,
        });
        Ok(problem)
    }

    /// The destination, or for a duplicate source the source, of a row.
    fn uri(&mut self, collision: &Collision) -> Result<String, ManifestError> {
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

fn wrong(collision: &Collision, uri: &str) -> Option<(ProblemKind, String)> {
    let other = collision.other;
    let folds = |what: &str| {
        format!(
            "destination {uri} and the {what} on line {other} are one key to endpoints that fold \
             `//`, `./` and slashes at an end: one would replace the other there"
        )
    };
    Some(match collision.kind {
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
        CollisionKind::FoldsOntoSource => (ProblemKind::FoldedKeys, folds("source")),
        CollisionKind::FoldsOntoDestination => (ProblemKind::FoldedKeys, folds("destination")),
        CollisionKind::Chain => return None,
    })
}
