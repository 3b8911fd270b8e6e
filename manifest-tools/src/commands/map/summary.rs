//! What `rebucket map` says about the manifest that it made.

use rebucket_mapper::{Again, Counts, Made};
use rebucket_protocol::places::{IN_TRANSIT, SCRATCH};
use rebucket_protocol::printable::grouped;

use crate::commands::say::Lines;

/// The last line, when there is no manifest.
pub(super) const NOT_WRITTEN: &str = "rebucket: no manifest was written; change the rules or \
     leave these keys out with --exclude, and start again";

/// Examples, one a line.
pub(super) fn examples(made: &Made) -> Lines {
    let mut out = Lines::default();
    for (from, to) in &made.examples {
        out.add(format_args!("{from} -> {to}"));
    }
    let more = made.counts.changed - made.examples.len() as u64;
    if more > 0 {
        out.add(format_args!("and {} more", grouped(more)));
    }
    out
}

/// What became of the keys.
pub(super) fn counts(counts: &Counts) -> Lines {
    let mut out = Lines::default();
    out.add(format_args!(
        "seen {}, matched {}, changed {}, unchanged {}, filtered out {}, collisions {}",
        grouped(counts.seen),
        grouped(counts.matched),
        grouped(counts.changed),
        grouped(counts.unchanged),
        grouped(counts.filtered_out),
        grouped(counts.collisions)
    ));
    if counts.problems > 0 {
        out.add(format_args!(
            "keys that cannot be mapped: {}",
            counts.problems
        ));
    }
    if counts.delete_markers + counts.noncurrent > 0 {
        out.add(format_args!(
            "left out: {} delete markers, {} versions that are not current",
            grouped(counts.delete_markers),
            grouped(counts.noncurrent)
        ));
    }
    out
}

/// What is wrong, or may be: one a line.
pub(super) fn complaints(made: &Made) -> Vec<String> {
    let counts = &made.counts;
    let mut lines: Vec<String> = Vec::new();
    lines.extend(made.problems.iter().map(ToString::to_string));
    note_rest(&mut lines, counts.problems, made.problems.len(), "keys");
    lines.extend(
        made.collisions
            .iter()
            .map(|one| format!("collision: {one}")),
    );
    let named = made.collisions.iter().map(|one| one.count).sum();
    if counts.collisions > named {
        let more = grouped(counts.collisions - named);
        lines.push(format!(
            "and {more} more renames that collide; --max-problems 0 shows all"
        ));
    }
    if counts.in_transit > 0 {
        lines.push(format!(
            "note: left out: {} objects in {IN_TRANSIT}, where other jobs have them between the two \
             legs of their renames; map again when these jobs have ended",
            grouped(counts.in_transit)
        ));
    }
    if counts.scratch > 0 {
        lines.push(format!(
            "note: left out: {} scratch objects of rebucket in {SCRATCH}",
            grouped(counts.scratch)
        ));
    }
    lines.extend(made.occupied.iter().map(|one| format!("warning: {one}")));
    if counts.occupied > 0 {
        lines.push(format!(
            "warning: {} destinations are taken by objects that stay; what becomes of them is \
             chosen with --if-exists, and the default is that the rename fails",
            grouped(counts.occupied)
        ));
    }
    if let Some(Again {
        source,
        destination,
        next,
    }) = &made.again
    {
        lines.push(format!(
            "note: new keys are among those that this lists: {source} goes to {destination}, and the \
             same command, given again when that is done, would take it to {next}; --exclude leaves \
             out what is renamed"
        ));
    }
    lines
}

fn note_rest(lines: &mut Vec<String>, total: u64, kept: usize, what: &str) {
    let more = total.saturating_sub(kept as u64);
    if more > 0 {
        lines.push(format!(
            "and {} more {what}; --max-problems 0 shows all",
            grouped(more)
        ));
    }
}
