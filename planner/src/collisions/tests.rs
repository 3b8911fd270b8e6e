use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::manifest::Side;
use crate::names;

type Found = Vec<(u64, CollisionKind, u64)>;

fn found(rows: &[(String, String)], memory: usize, threads: usize) -> Found {
    let spill = Spill::new(std::env::temp_dir()).unwrap();
    let mut mentions = Mentions::new(&spill, memory);
    let (mut entries, mut scratch) = (Vec::new(), Vec::new());
    for (line, (source, destination)) in (2..).zip(rows) {
        for (side, key) in [(Side::Source, source), (Side::Destination, destination)] {
            let name = format!("bkt/{key}");
            names::mention(&mut entries, side, &name, 3, line, &mut scratch);
        }
    }
    for entry in &entries {
        mentions.push(entry).unwrap();
    }
    collisions(mentions.collide(threads).unwrap())
        .map(Result::unwrap)
        .map(|collision| (collision.line, collision.kind, collision.other))
        .collect()
}

/// The same by the names themselves, all in memory.
fn expected(rows: &[(String, String)]) -> Found {
    let mut sources: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut destinations: BTreeMap<&str, u64> = BTreeMap::new();
    let mut found = Found::new();
    for (line, (source, _)) in (2..).zip(rows) {
        let lines = sources.entry(source).or_default();
        if let Some(first) = lines.first() {
            found.push((line, CollisionKind::Source, *first));
        }
        lines.push(line);
    }
    for (line, (_, destination)) in (2..).zip(rows) {
        let first = *destinations.entry(destination).or_insert(line);
        if first != line {
            found.push((line, CollisionKind::Destination, first));
        }
        let others = sources.get(destination.as_str()).into_iter().flatten();
        if let Some(other) = others.copied().find(|other| *other != line) {
            found.push((line, CollisionKind::Chain, other));
        }
    }
    found.sort_unstable();
    found
}

proptest! {
    #[test]
    fn every_collision_is_found_whatever_the_memory(
        keys in prop::collection::vec((0_u16..400, 0_u16..400), 0..600),
        memory in prop::sample::select(vec![0_usize, 5_000, 1 << 20]),
        threads in 1_usize..4,
    ) {
        let rows: Vec<_> =
            keys.iter().map(|(from, to)| (format!("k{from}"), format!("k{to}"))).collect();
        prop_assert_eq!(found(&rows, memory, threads), expected(&rows));
    }
}

#[test]
fn one_name_in_every_row_is_sorted_on_disk() {
    let rows: Vec<_> = (0..20_000)
        .map(|row| ("same".to_owned(), format!("k{row}")))
        .collect();
    let found = found(&rows, 64 * 1024, 2);
    assert_eq!(found.len(), rows.len() - 1);
    assert!(
        found
            .iter()
            .zip(3..)
            .all(|(found, line)| *found == (line, CollisionKind::Source, 2))
    );
}

#[test]
fn keys_that_fold_onto_others_are_found() {
    use CollisionKind::{FoldsOntoDestination, FoldsOntoSource};
    let cases: &[(&[(&str, &str)], Found)] = &[
        (
            &[("a", "x/y"), ("b", "x//y")],
            vec![(3, FoldsOntoDestination, 2)],
        ),
        (
            &[("b", "x//y"), ("a", "x/y")],
            vec![(2, FoldsOntoDestination, 3)],
        ),
        (
            &[("x/y", "a"), ("b", "./x/y")],
            vec![(3, FoldsOntoSource, 2)],
        ),
        (&[("b", "a"), ("a/", "c")], vec![(2, FoldsOntoSource, 3)]),
        (
            &[("a", "x/./y"), ("b", "x//y")],
            vec![(3, FoldsOntoDestination, 2)],
        ),
        // One row alone, whose rename such an endpoint takes for no rename.
        (&[("a/b", "a//b")], vec![(2, FoldsOntoSource, 2)]),
        (&[("a/", "b/"), ("a//c", "b//c")], vec![]),
        // The same unusual key twice is a duplicate, not two keys.
        (
            &[("a", "x//y"), ("b", "x//y")],
            vec![(3, CollisionKind::Destination, 2)],
        ),
    ];
    for (rows, expected) in cases {
        let rows: Vec<_> = rows
            .iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect();
        assert_eq!(&found(&rows, 0, 1), expected, "{rows:?}");
    }
}
