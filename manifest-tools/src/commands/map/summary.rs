//! What `rebucket map` says about the manifest that it made.

use std::fmt::Write as _;

use rebucket_mapper::{Counts, Made};
use rebucket_protocol::places::{IN_TRANSIT, SCRATCH};

/// The last line, when there is no manifest.
pub(super) const NOT_WRITTEN: &str = "rebucket: no manifest was written; change the rules or \
     leave these keys out with --exclude, and start again";

/// Examples, one a line.
pub(super) fn examples(made: &Made) -> String {
    let mut out = String::new();
    for (from, to) in &made.examples {
        writeln!(
            out,
            "{} -> {}",
            shown(&from.to_string()),
            shown(&to.to_string())
        )
        .ok();
    }
    let more = made.counts.changed - made.examples.len() as u64;
    if more > 0 {
        writeln!(out, "and {more} more").ok();
    }
    out
}

/// What became of the keys.
pub(super) fn counts(counts: &Counts) -> String {
    let Counts {
        seen,
        matched,
        changed,
        unchanged,
        filtered_out,
        collisions,
        ..
    } = counts;
    let mut out = format!(
        "seen {seen}, matched {matched}, changed {changed}, unchanged {unchanged}, \
         filtered out {filtered_out}, collisions {collisions}\n"
    );
    if counts.problems > 0 {
        writeln!(out, "keys that cannot be mapped: {}", counts.problems).ok();
    }
    if counts.delete_markers + counts.noncurrent > 0 {
        writeln!(
            out,
            "left out: {} delete markers, {} versions that are not current",
            counts.delete_markers, counts.noncurrent
        )
        .ok();
    }
    out
}

/// What is wrong, or may be.
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
        let more = counts.collisions - named;
        lines.push(format!(
            "and {more} more renames that collide; --max-problems 0 shows all"
        ));
    }
    if counts.in_transit > 0 {
        lines.push(format!(
            "note: left out: {} objects in {IN_TRANSIT}, where other jobs have them between the two \
             legs of their renames; map again when these jobs have ended",
            counts.in_transit
        ));
    }
    if counts.scratch > 0 {
        lines.push(format!(
            "note: left out: {} scratch objects of rebucket in {SCRATCH}",
            counts.scratch
        ));
    }
    lines.extend(made.occupied.iter().map(|one| format!("warning: {one}")));
    if counts.occupied > 0 {
        lines.push(format!(
            "warning: {} destinations are taken by objects that stay; what becomes of them is \
             chosen with --if-exists, and the default is that the rename fails",
            counts.occupied
        ));
    }
    lines
}

fn note_rest(lines: &mut Vec<String>, total: u64, kept: usize, what: &str) {
    let more = total.saturating_sub(kept as u64);
    if more > 0 {
        lines.push(format!(
            "and {more} more {what}; --max-problems 0 shows all"
        ));
    }
}

/// A key as it is, unless it would upset a terminal.
fn shown(uri: &str) -> String {
    if uri.chars().any(char::is_control) {
        format!("{uri:?}")
    } else {
        uri.to_owned()
    }
}
