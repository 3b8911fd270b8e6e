//! What `make bench-plan` measures, one thing a run: prints one JSON object
//! with the seconds that it took.
//!
//! ```text
//! bench_plan generate MANIFEST ROWS LINKED   writes a manifest to measure with
//! bench_plan parse MANIFEST                  reads the rows, and no more
//! bench_plan csv MANIFEST                    the same by the csv crate
//! bench_plan verify PLAN                     reads a plan to its end
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

use rebucket_planner::{PlanReader, count_records, open};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let started = Instant::now();
    let rows = match args.as_slice() {
        ["generate", manifest, rows, linked] => generate(manifest, rows.parse()?, linked.parse()?)?,
        ["parse", manifest] => count_records(open(manifest)?)?.0,
        ["csv", manifest] => {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .from_path(manifest)?;
            let mut record = csv::ByteRecord::new();
            let mut rows = 0;
            while reader.read_byte_record(&mut record)? {
                rows += 1;
            }
            rows
        }
        ["verify", plan] => {
            let mut rows = 0;
            for rename in PlanReader::open(File::open(plan)?)? {
                rename?;
                rows += 1;
            }
            rows
        }
        _ => return Err("usage: bench_plan generate|parse|csv|verify FILE ...".into()),
    };
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"rows\":{rows},\"seconds\":{seconds:.3}}}");
    Ok(())
}

/// Log files of many customers over eleven years, in no order, that move into
/// a folder a month; the same rows each time. `linked` percent of them move to
/// each other's places instead, in no order: all in one cycle, but for one in a
/// hundred that goes to a new place, so that there are chains.
fn generate(manifest: &str, rows: u64, linked: u64) -> std::io::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(manifest)?);
    writeln!(out, "source,destination")?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    // xorshift64
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    // By Sattolo's algorithm, which makes one cycle of all of them.
    let mut places: Vec<u64> = (0..rows * linked / 100).collect();
    for place in (1..places.len()).rev() {
        let other = draw() % place as u64;
        places.swap(place, usize::try_from(other).unwrap_or(0));
    }
    let mut places = (0_u64..).zip(places);
    for row in 0..rows {
        // Evenly among the others.
        if (row + 1) * linked / 100 > row * linked / 100
            && let Some((from, to)) = places.next()
        {
            let folder = if from % 100 == 50 { "new" } else { "all" };
            writeln!(
                out,
                "s3://acme-logs/all/{from:016x}.gz,s3://acme-logs/{folder}/{to:016x}.gz"
            )?;
            continue;
        }
        let state = draw();
        let (year, month, day) = (
            2015 + state % 11,
            1 + (state >> 8) % 12,
            1 + (state >> 16) % 28,
        );
        let customer = (state >> 24) % 20_000;
        writeln!(
            out,
            "s3://acme-logs/logs/{year}-{month:02}-{day:02}/c{customer:05}/{state:016x}{row:08x}.gz,\
             s3://acme-archive/{year}/{month:02}/c{customer:05}/{state:016x}{row:08x}.gz"
        )?;
    }
    out.flush()?;
    Ok(rows)
}
