//! What a plan comes to, in the operator's words.

use rebucket_planner::pinning::PinCounts;
use rebucket_protocol::BucketName;
use rebucket_protocol::printable::grouped;

use super::Planned;
use crate::commands::say::Lines;
use crate::commands::words::{bytes, plural};

/// Buckets listed by name in the summary.
const BUCKETS_SHOWN: usize = 10;

/// What a plan comes to.
pub(super) fn summarize(name: &str, planned: &Planned) -> Lines {
    let totals = &planned.resolution.totals;
    let name = if name == "-" { "<stdin>" } else { name };
    let mut out = Lines::default();
    out.add(format_args!(
        "{name}: {}, no problems",
        plural(totals.rows, "rename")
    ));
    let sources = totals
        .buckets
        .iter()
        .map(|(name, bucket)| (name, bucket.sources));
    let destinations = totals
        .buckets
        .iter()
        .map(|(name, bucket)| (name, bucket.destinations));
    for (label, buckets) in [("from", counted(sources)), ("to", counted(destinations))] {
        if !buckets.is_empty() {
            out.add(format_args!("  {label:<5} {buckets}"));
        }
    }
    if totals.linked_rows > 0 {
        let linked = grouped(totals.linked_rows);
        let segments = plural(totals.segments, "segment");
        let (extra, is) = match totals.extra_copies {
            1 => ("1 extra copy".to_owned(), "is"),
            copies => (format!("{} extra copies", grouped(copies)), "are"),
        };
        let cycles = match planned.cycles {
            0 => String::new(),
            cycles => format!(", {} among them", plural(cycles, "cycle")),
        };
        out.add(format_args!(
            "  chain {linked} renames wait for one another{cycles}, in {segments}; {extra} {is} \
             needed"
        ));
    }
    if let Some(counts) = &planned.counts {
        out.add(format_args!("  pins  {}", pins(counts)));
    }
    match (totals.rows, totals.sized_rows) {
        (0, _) => {}
        (_, 0) => out.add("  size  unknown, the manifest has no sizes"),
        (rows, sized) => {
            let rest = match rows - sized {
                0 => String::new(),
                rest => format!(
                    " in {} rows, unknown for the other {}",
                    grouped(sized),
                    grouped(rest)
                ),
            };
            out.add(format_args!("  size  {}{rest}", bytes(totals.known_bytes)));
        }
    }
    out
}

/// What became of the rows whose sources were looked at.
fn pins(counts: &PinCounts) -> String {
    let counted = |count: u64, one: &str, several: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{} {several}", grouped(count)),
    };
    let mut parts = vec![
        counted(counts.pinned, "row pinned", "rows pinned"),
        counted(counts.missing, "source not there", "sources not there"),
    ];
    if counts.different > 0 {
        parts.push(format!(
            "{} not as the manifest says",
            grouped(counts.different)
        ));
    }
    if counts.unseen > 0 {
        let of_version = "row of a version not looked for";
        let of_versions = "rows of a version not looked for";
        parts.push(counted(counts.unseen, of_version, of_versions));
    }
    parts.join(", ")
}

/// `bucket (12 objects), other (1 object)` of the buckets that are used.
fn counted<'a>(buckets: impl Iterator<Item = (&'a BucketName, u64)>) -> String {
    let used: Vec<_> = buckets.filter(|(_, count)| *count > 0).collect();
    let shown = used.iter().take(BUCKETS_SHOWN);
    let mut parts: Vec<String> = shown
        .map(|(name, count)| format!("s3://{name} ({})", grouped(*count)))
        .collect();
    if used.len() > BUCKETS_SHOWN {
        parts.push(format!("and {} more buckets", used.len() - BUCKETS_SHOWN));
    }
    parts.join(", ")
}
