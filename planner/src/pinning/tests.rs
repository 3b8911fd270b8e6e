use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Cursor;

use proptest::prelude::*;
use rebucket_protocol::{BucketName, ObjectUri, S3Prefix, StorageClass};

use super::*;
use crate::choices::JobChoices;
use crate::input::open_reader;
use crate::resolve::resolve;

type Bytes = Cursor<Vec<u8>>;
/// What is at each name, `bucket/key`.
type World = BTreeMap<String, Found>;

fn class(name: &str) -> StorageClass {
    StorageClass::new(name).unwrap()
}

fn found(seed: u64, tag: &str) -> Found {
    Found {
        etag: Some(ETag::new(tag).unwrap()),
        size: Some(seed),
        modified: Timestamp::from_unix(1_700_000_000 + i64::try_from(seed).unwrap(), 0),
        storage_class: match seed % 5 {
            0 => None,
            1 => Some(class("COLD_1")),
            2 => Some(class("GLACIER")),
            _ => Some(class("STANDARD")),
        },
    }
}

fn name(object: &ObjectUri) -> String {
    format!("{}/{}", object.bucket, object.key)
}

/// The plan of a manifest, and its warnings.
fn planned(text: &str, options: &ManifestOptions) -> (PlanReader<Bytes>, Warnings) {
    let input = open_reader("m:1.csv", None, Cursor::new(text.to_owned().into_bytes())).unwrap();
    let options = ManifestOptions { ..options.clone() };
    let plan = PlanWriter::new(Cursor::new(Vec::new()), JobChoices::default()).unwrap();
    let resolved = resolve(input, &options, plan).unwrap_or_else(|error| panic!("{error}"));
    let plan = PlanReader::open(resolved.plan).unwrap();
    (plan, resolved.warnings)
}

struct Done {
    bytes: Vec<u8>,
    counts: PinCounts,
    /// The lines that were warned of.
    warned: Vec<u64>,
}

/// Pins a manifest with sorts of so much memory.
fn pinned(text: &str, memory: usize, world: &World, look: Look<'_>) -> Result<Done, ManifestError> {
    let options = ManifestOptions::default();
    let (mut plan, mut warnings) = planned(text, &options);
    let spill = Spill::new(std::env::temp_dir()).unwrap();
    let steps = StepPins::new(&mut plan, &spill, memory)?;
    let late = LateFindings::new(&mut warnings, &std::env::temp_dir()).unwrap();
    let out = PlanWriter::new(Vec::new(), JobChoices::default()).unwrap();
    let done = pin_rows(&mut plan, out, steps, late, look, &mut |rows| {
        let insist = |row: &mut PlannedRename| {
            let Some(found) = world.get(&name(&row.source)) else {
                return Insisted::Nothing;
            };
            if row.pins.size == Some(7) {
                return Insisted::Different("has another size".to_owned());
            }
            row.pins.etag.clone_from(&found.etag);
            (row.pins.size, row.pins.modified) = (found.size, found.modified);
            let said = row.pins.storage_class.take();
            row.pins.storage_class = found.storage_class.clone().or(said);
            Insisted::Pinned
        };
        Ok(rows.iter_mut().map(insist).collect())
    })?;
    Ok(Done {
        bytes: done.plan,
        counts: done.counts,
        warned: warnings.warnings.sorted().iter().map(|p| p.line).collect(),
    })
}

/// Looks into the world, one row after the other.
fn by_head(world: &World) -> impl FnMut(&[SourceRow]) -> Result<Vec<Sight>, PinError> {
    |rows| {
        let sight = |row: &SourceRow| match world.get(&name(&row.rename.source)) {
            _ if row.rename.pins.version.is_some() => Sight::Unseen,
            None => Sight::Nothing,
            Some(found) => Sight::There(found.clone()),
        };
        Ok(rows.iter().map(sight).collect())
    }
}

/// Lists the world, from its end, and joins.
fn by_list(text: &str, memory: usize, world: &World) -> Sights {
    let (mut plan, _) = planned(text, &ManifestOptions::default());
    let spill = Spill::new(std::env::temp_dir()).unwrap();
    let mut index = SourceIndex::within(&mut plan, spill, memory).unwrap();
    for place in index.places() {
        let mut listing = index.listing(&place.bucket);
        for (name, found) in world.iter().rev() {
            let (bucket, key) = name.split_once('/').unwrap();
            if bucket == place.bucket.as_str() && key.starts_with(&place.prefix) {
                listing.push(key, found).unwrap();
            }
        }
        index.add(listing).unwrap();
    }
    index.join().unwrap()
}

#[derive(Debug, Clone)]
struct Row {
    key: u16,
    /// Its new name is the next key, or one of its own.
    chained: bool,
    /// 0 none, 1 the right size, 2 a wrong size, 3 a version, 4 a class.
    says: u8,
}

/// None that anything has.
const SAID_CLASS: &str = "DEEP_ARCHIVE";

fn manifest(rows: &BTreeMap<u16, Row>) -> String {
    let mut text = "source,destination,size,version_id,storage_class\n".to_owned();
    for row in rows.values() {
        let Row { key, chained, says } = row;
        let bucket = if key % 3 == 0 { "bkt-a" } else { "bkt-b" };
        let destination = if *chained {
            let next = key + 3;
            format!("s3://{bucket}/k/{next}")
        } else {
            format!("s3://bkt-c/k/{key}")
        };
        let (size, version, class) = match says {
            1 => (key.to_string(), "", ""),
            2 => ("7777777".to_owned(), "", ""),
            3 => (String::new(), "v1", ""),
            4 => (String::new(), "", SAID_CLASS),
            _ => (String::new(), "", ""),
        };
        let source = format!("s3://{bucket}/k/{key}");
        writeln!(text, "{source},{destination},{size},{version},{class}").unwrap();
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_the_memory_a_listing_pins_what_a_look_at_each_row_does(
        rows in prop::collection::btree_map(
            0_u16..900,
            (prop::bool::weighted(0.2), 0_u8..8),
            0..300,
        ),
        there in prop::collection::btree_set(0_u16..900, 0..900),
        memory in prop::sample::select(vec![0_usize, 20_000, 1 << 20]),
    ) {
        let rows: BTreeMap<u16, Row> = rows
            .into_iter()
            .map(|(key, (chained, says))| (key, Row { key, chained, says }))
            .collect();
        let text = manifest(&rows);
        // What is linked must be there, and as the row says.
        let sources: BTreeSet<u16> = rows.keys().copied().collect();
        let linked = |row: &Row| {
            let after = |key: u16| rows.get(&key).is_some_and(|row| row.chained);
            row.chained && sources.contains(&(row.key + 3)) || row.key >= 3 && after(row.key - 3)
        };
        let linked: BTreeSet<u16> =
            rows.values().filter(|row| linked(row)).map(|row| row.key).collect();
        let mut world = World::new();
        for key in there.iter().chain(&linked) {
            let bucket = if key % 3 == 0 { "bkt-a" } else { "bkt-b" };
            let tag = match key % 4 {
                0 => format!("{key:032x}"),
                1 => format!("{key:032x}-{}", key + 1),
                _ => format!("tag+{key}"),
            };
            world.insert(format!("{bucket}/k/{key}"), found(u64::from(*key), &tag));
        }
        let mut sights = by_list(&text, memory, &world);
        let listed =
            pinned(&text, memory, &world, &mut |rows| Ok(sights.look(rows)?)).unwrap();
        let looked = pinned(&text, 1 << 20, &world, &mut by_head(&world)).unwrap();
        prop_assert_eq!(&listed.bytes, &looked.bytes);
        prop_assert_eq!(listed.counts, looked.counts);
        // And both do what they should.
        let mut plan = PlanReader::open(Cursor::new(listed.bytes)).unwrap();
        let totals = plan.resolution().totals.clone();
        prop_assert_eq!((totals.rows, totals.linked_rows), (rows.len() as u64, linked.len() as u64));
        let steps: Vec<_> = plan.steps().unwrap().map(|step| step.unwrap().rename).collect();
        plan.rewind().unwrap();
        let mut warned = Vec::new();
        let mut seen = PinCounts::default();
        for rename in plan.map(Result::unwrap).chain(steps) {
            let key: u16 = rename.source.key.as_str()[2..].parse().unwrap();
            let row = &rows[&key];
            let is_linked = linked.contains(&key);
            let at = world.get(&name(&rename.source));
            let expect = match (row.says, at) {
                (_, Some(at)) if is_linked => Some(at),
                (3, _) => { seen.unseen += 1; None }
                (_, None) => { seen.missing += 1; warned.push(rename.line); None }
                (2, _) => { seen.different += 1; warned.push(rename.line); None }
                (_, Some(at)) => { seen.pinned += 1; Some(at) }
            };
            let pins = rename.pins;
            let none = Found::default();
            let expect = expect.unwrap_or(&none);
            prop_assert_eq!((&pins.etag, pins.modified), (&expect.etag, expect.modified));
            prop_assert!(expect.size.is_none() || expect.size == pins.size);
            prop_assert_eq!(pins.version.is_some(), row.says == 3);
            let said = (row.says == 4).then(|| class(SAID_CLASS));
            prop_assert_eq!(pins.storage_class, expect.storage_class.clone().or(said));
        }
        seen.pinned += linked.len() as u64;
        prop_assert_eq!(seen, listed.counts);
        warned.sort_unstable();
        prop_assert_eq!(listed.warned, warned);
    }

    #[test]
    fn a_place_is_what_all_sources_of_a_bucket_begin_with(
        keys in prop::collection::btree_set("[aé😀/]{1,6}", 1..5),
    ) {
        let mut text = "source,destination\n".to_owned();
        for (row, key) in keys.iter().enumerate() {
            writeln!(text, "s3://bkt/{key},s3://new/{row}").unwrap();
        }
        let (mut plan, _) = planned(&text, &ManifestOptions::default());
        let spill = Spill::new(std::env::temp_dir()).unwrap();
        let index = SourceIndex::within(&mut plan, spill, 0).unwrap();
        let first = keys.first().unwrap();
        let longest = (0..=first.len())
            .filter(|end| first.is_char_boundary(*end))
            .map(|end| &first[..end])
            .rfind(|prefix| keys.iter().all(|key| key.starts_with(prefix)));
        let bucket = BucketName::new("bkt").unwrap();
        let place = S3Prefix { bucket, prefix: longest.unwrap().to_owned() };
        prop_assert_eq!(index.places(), vec![place]);
    }
}

const ROWS: &str = "source,destination,etag\n\
     s3://bkt-b/a,s3://new/a//x,\n\
     s3://bkt-b/b,s3://new/b,\"\"\"said\"\"\"\n\
     s3://bkt-b/c,s3://new/c,\n\
     s3://bkt-b/d,s3://new/d//x,\n";

#[test]
fn what_is_not_there_or_differs_is_warned_of_in_the_order_of_lines() {
    let folder = tempfile::tempdir().unwrap();
    let problems = folder.path().join("problems");
    let options = ManifestOptions {
        max_problems: 1,
        problems: Some(problems.clone()),
        ..ManifestOptions::default()
    };
    let (mut plan, mut warnings) = planned(ROWS, &options);
    let out = PlanWriter::new(Vec::new(), JobChoices::default()).unwrap();
    let world = World::from([
        ("bkt-b/b".to_owned(), found(1, "is")),
        ("bkt-b/c".to_owned(), found(1, "is")),
    ]);
    let mut head = by_head(&world);
    let mut nothing = |_: &mut [PlannedRename]| -> Result<_, PinError> { Ok(Vec::new()) };
    let out = pin_plan(
        &mut plan,
        out,
        &options,
        &mut warnings,
        &mut head,
        &mut nothing,
    );
    let expected = PinCounts {
        pinned: 1,
        missing: 2,
        different: 1,
        unseen: 0,
    };
    assert_eq!(out.unwrap().counts, expected);
    let all = std::fs::read_to_string(problems).unwrap();
    let lines: Vec<&str> = all.lines().collect();
    let expected = [
        ("m:1.csv:2:", "source s3://bkt-b/a is not there"),
        ("m:1.csv:2:2:", "empty segment"),
        (
            "m:1.csv:3:",
            "s3://bkt-b/b has the ETag \"is\", and the row says \"said\"",
        ),
        ("m:1.csv:5:", "source s3://bkt-b/d is not there"),
        ("m:1.csv:5:2:", "empty segment"),
    ];
    assert_eq!(lines.len(), expected.len(), "{all}");
    for (start, what) in expected {
        let said = lines
            .iter()
            .any(|line| line.starts_with(start) && line.contains(what));
        assert!(said, "{start} {what}: {all}");
    }
    let order = |line: &&str| line.split(':').nth(2).unwrap().parse::<u64>().unwrap();
    assert!(lines.is_sorted_by_key(order), "{all}");
    assert_eq!(warnings.warnings.total(), 5);
    assert_eq!(warnings.warnings.sorted().len(), 3);
}

#[test]
fn linked_rows_are_pinned_or_there_is_no_plan() {
    let text = "source,destination,size\ns3://bkt-b/a,s3://bkt-b/b,7\n\
                s3://bkt-b/x,s3://bkt-b/y,\ns3://bkt-b/b,s3://bkt-b/c,\n\
                s3://bkt-b/c,s3://bkt-b/d,1\ns3://bkt-b/d,s3://bkt-b/e,\n";
    let world = World::from(["a", "c"].map(|key| (format!("bkt-b/{key}"), found(1, "is"))));
    let Err(ManifestError::Invalid(invalid)) = pinned(text, 0, &world, &mut by_head(&world)) else {
        panic!("a plan was made");
    };
    // All of them, in the order of their lines, and the warning of a row that
    // nobody waits for.
    let told = invalid.to_string();
    let expected = [
        "m:1.csv:2: source s3://bkt-b/a has another size; it is part of a chain",
        "m:1.csv:3: warning: source s3://bkt-b/x is not there",
        "m:1.csv:4: source s3://bkt-b/b is not there; it is part of a chain",
        "m:1.csv:6: source s3://bkt-b/d is not there; it is part of a chain",
        "m:1.csv: 3 problems and 1 warning; nothing was renamed",
    ];
    assert_eq!(told.lines().count(), expected.len(), "{told}");
    for (line, expected) in told.lines().zip(expected) {
        assert!(line.starts_with(expected), "{line}, not {expected}");
    }
}

/// A listing may not have all that a chain needs.
#[test]
fn what_a_listing_does_not_tell_of_linked_rows_is_looked_at() {
    let text = "source,destination\ns3://bkt-b/a,s3://bkt-b/b\ns3://bkt-b/b,s3://bkt-b/c\n";
    let whole = World::from(["a", "b"].map(|key| (format!("bkt-b/{key}"), found(1, key))));
    let mut partial = whole.clone();
    for found in partial.values_mut() {
        found.etag = None;
    }
    let done = pinned(text, 0, &whole, &mut by_head(&partial)).unwrap();
    let mut plan = PlanReader::open(Cursor::new(done.bytes)).unwrap();
    for step in plan.steps().unwrap() {
        let rename = step.unwrap().rename;
        assert_eq!(rename.pins.etag, whole[&name(&rename.source)].etag);
    }
}
