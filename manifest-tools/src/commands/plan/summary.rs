//! What a plan comes to, in the operator's words.

use std::fmt::Write as _;

use rebucket_planner::pinning::PinCounts;
use rebucket_protocol::BucketName;

use super::Planned;

/// Buckets listed by name in the summary.
const BUCKETS_SHOWN: usize = 10;

/// What a plan comes to.
pub(super) fn summarize(name: &str, planned: &Planned) -> String {
    let totals = &planned.resolution.totals;
    let plural = if totals.rows == 1 { "" } else { "s" };
    let name = if name == "-" { "<stdin>" } else { name };
    let mut out = format!("{name}: {} rename{plural}, no problems\n", totals.rows);
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
            writeln!(out, "  {label:<5} {buckets}").ok();
        }
    }
    if totals.linked_rows > 0 {
        let linked = totals.linked_rows;
        let segments = match totals.segments {
            1 => "1 segment".to_owned(),
            several => format!("{several} segments"),
        };
        let (extra, is) = match totals.extra_copies {
            1 => ("1 extra copy".to_owned(), "is"),
            copies => (format!("{copies} extra copies"), "are"),
        };
        let cycles = match planned.cycles {
            0 => String::new(),
            1 => ", 1 cycle among them".to_owned(),
            cycles => format!(", {cycles} cycles among them"),
        };
        writeln!(
            out,
            "  chain {linked} renames wait for one another{cycles}, in {segments}; {extra} {is} \
             needed"
        )
        .ok();
    }
    if let Some(counts) = &planned.counts {
        writeln!(out, "  pins  {}", pins(counts)).ok();
    }
    match (totals.rows, totals.sized_rows) {
        (0, _) => {}
        (_, 0) => out.push_str("  size  unknown, the manifest has no sizes\n"),
        (rows, sized) => {
            write!(out, "  size  {} bytes", totals.known_bytes).ok();
            if sized < rows {
                write!(
                    out,
                    " in {sized} rows, unknown for the other {}",
                    rows - sized
                )
                .ok();
            }
            out.push('\n');
        }
    }
    out
}

/// What became of the rows whose sources were looked at.
fn pins(counts: &PinCounts) -> String {
    let counted = |count: u64, one: &str, several: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {several}"),
    };
    let mut parts = vec![
        counted(counts.pinned, "row pinned", "rows pinned"),
        counted(counts.missing, "source not there", "sources not there"),
    ];
    if counts.different > 0 {
        parts.push(format!("{} not as the manifest says", counts.different));
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
        .map(|(name, count)| format!("s3://{name} ({count})"))
        .collect();
    if used.len() > BUCKETS_SHOWN {
        parts.push(format!("and {} more buckets", used.len() - BUCKETS_SHOWN));
    }
    parts.join(", ")
}
