//! What rows have to do with each other, in the operator's words.

use std::io::{BufReader, Read, Seek, Write};

use rebucket_protocol::printable::shortened;

use super::ManifestError;
use crate::collisions::{Collision, CollisionKind};
use crate::linking::Cycle;
use crate::manifest::{Header, Side};
use crate::plan::{PlanWriter, Rows};
use crate::problem::{Problem, ProblemKind};

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

    /// What there is to say of a row that has a name in common with another.
    pub(super) fn problem(
        &mut self,
        collision: &Collision,
        header: &Header,
    ) -> Result<Problem, ManifestError> {
        let uri = self.uri(collision)?;
        let (kind, message) = told(collision, &uri);
        Ok(Problem {
            line: collision.line,
            column: header.column(header.key_column(side(collision.kind))),
            kind,
            message,
        })
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
        Ok(format!(
            "s3://{}",
            shortened(&String::from_utf8_lossy(&name))
        ))
    }
}

fn side(kind: CollisionKind) -> Side {
    match kind {
        CollisionKind::Source => Side::Source,
        _ => Side::Destination,
    }
}

fn told(collision: &Collision, uri: &str) -> (ProblemKind, String) {
    let other = collision.other;
    let folds = |what: &str| {
        format!(
            "destination {uri} and the {what} on line {other} are one key to endpoints that fold \
             `//`, `./` and slashes at an end: one would replace the other there"
        )
    };
    match collision.kind {
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
        CollisionKind::Chain => (
            ProblemKind::WaitsFor,
            format!(
                "destination {uri} is the source of line {other}, whose object makes room first"
            ),
        ),
    }
}

/// Says of rows that they wait for one another in a circle.
pub(super) fn circle(cycle: &Cycle) -> Problem {
    let named: Vec<String> = cycle.lines.iter().map(u64::to_string).collect();
    let others = cycle.rows - named.len() as u64;
    let which = match (named.as_slice(), others) {
        ([one, two], 0) => format!("lines {one} and {two} change places"),
        (named, 0) => format!("lines {} form a circle", named.join(", ")),
        (named, others) => format!("lines {} and {others} more form a circle", named.join(", ")),
    };
    Problem {
        line: cycle.lines.first().copied().unwrap_or_default(),
        column: None,
        kind: ProblemKind::Cycle,
        message: format!(
            "{which}: the object of one goes through a temporary key, which takes one copy more"
        ),
    }
}
