use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

/// Rows as keys: what is at the first goes to the second.
pub(crate) type Rows = Vec<(u32, u32)>;

/// Rows in the order in which [`resolve`] takes them: paths in the order of
/// their last rows, then cycles in the order of their lowest rows.
pub(crate) fn in_chains(rows: &Rows) -> Vec<(Chain, u32)> {
    let sources: BTreeSet<u32> = rows.iter().map(|(from, _)| *from).collect();
    let to: BTreeMap<u32, u32> = (0..).zip(rows).map(|(row, (_, to))| (*to, row)).collect();
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    let numbers = || 0..u32::try_from(rows.len()).unwrap();
    let ends = numbers().filter(|row| !sources.contains(&rows[*row as usize].1));
    let ends = ends.map(|row| (row, false));
    for (first, cycle) in ends.chain(numbers().map(|row| (row, true))) {
        let mut row = Some(first);
        while let Some(this) = row.filter(|row| taken.insert(*row)) {
            found.push((Chain { cycle, first }, this));
            row = to.get(&rows[this as usize].0).copied();
        }
    }
    found
}

fn segments(rows: &Rows, limits: Limits, cost: impl Fn(u32) -> u64) -> Vec<Segment<u32>> {
    let mut segments = Vec::new();
    let rows = in_chains(rows).into_iter().map(Ok::<_, Infallible>);
    let taken = resolve(
        rows,
        limits,
        |row| cost(*row),
        |segment| {
            segments.push(segment);
            Ok(())
        },
    );
    taken.unwrap();
    segments
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Key(u32),
    Scratch(u32),
}

/// Carries the segments out, each time the one that `choose` points to among
/// those that may go on; no step may meet another object or miss its own.
fn carried_out(
    rows: &Rows,
    segments: &[Segment<u32>],
    mut choose: impl FnMut(usize) -> usize,
) -> BTreeMap<Place, u32> {
    let mut objects: BTreeMap<Place, u32> = rows
        .iter()
        .map(|(from, _)| (Place::Key(*from), *from))
        .collect();
    let mut at = vec![0; segments.len()];
    loop {
        let ready: Vec<usize> = (0..segments.len())
            .filter(|segment| {
                segments[*segment].get(at[*segment]).is_some_and(|step| {
                    step.after
                        .is_none_or(|after| at[usize::try_from(after).unwrap()] > 0)
                })
            })
            .collect();
        if ready.is_empty() {
            break;
        }
        let segment = ready[choose(ready.len())];
        let step = segments[segment][at[segment]];
        at[segment] += 1;
        let (from, to) = rows[step.row as usize];
        let (from, to) = match step.kind {
            StepKind::Whole => (Place::Key(from), Place::Key(to)),
            StepKind::ToScratch => (Place::Key(from), Place::Scratch(step.row)),
            StepKind::FromScratch => (Place::Scratch(step.row), Place::Key(to)),
            StepKind::Occupant => {
                let hop = segments[segment][at[segment] - 2];
                let rows = (rows[hop.row as usize], (from, to));
                assert_eq!(hop.kind, StepKind::ToScratch);
                assert_eq!(rows.0.1, rows.1.0, "what is in the way of the hop's end");
                continue;
            }
        };
        let object = objects.remove(&from).expect("the object is there");
        assert_eq!(
            objects.insert(to, object),
            None,
            "{step:?} replaces an object"
        );
    }
    let done: Vec<usize> = segments.iter().map(Vec::len).collect();
    assert_eq!(at, done, "every step was done");
    objects
}

/// The steps that do something.
fn doing(segment: &Segment<u32>) -> impl Iterator<Item = &Step<u32>> {
    let does = |step: &&Step<u32>| step.kind != StepKind::Occupant;
    segment.iter().filter(does)
}

fn hops(segments: &[Segment<u32>]) -> usize {
    let steps = segments.iter().flatten();
    steps
        .filter(|step| step.kind == StepKind::ToScratch)
        .count()
}

/// Lengths of the cycles and of the paths.
fn components(rows: &Rows) -> (Vec<usize>, Vec<usize>) {
    let to: BTreeMap<u32, u32> = rows.iter().copied().collect();
    let destinations: BTreeSet<u32> = rows.iter().map(|(_, to)| *to).collect();
    let mut seen = BTreeSet::new();
    let mut walk = |start: u32| {
        let (mut key, mut length) = (start, 0);
        while let Some(next) = to.get(&key).filter(|_| seen.insert(key)) {
            length += 1;
            key = *next;
        }
        length
    };
    let starts = to.keys().filter(|key| !destinations.contains(key));
    let paths: Vec<usize> = starts.map(|start| walk(*start)).collect();
    let cycles = to
        .keys()
        .map(|start| walk(*start))
        .filter(|length| *length > 0);
    (cycles.collect(), paths)
}

/// A part of a random permutation: paths where rows were left out, and cycles.
pub(crate) fn any_rows() -> impl Strategy<Value = Rows> {
    (2_u32..60, any::<u64>()).prop_flat_map(|(keys, _)| {
        let to: Vec<u32> = (0..keys).collect();
        (
            Just(to).prop_shuffle(),
            prop::collection::vec(0_u8..8, keys as usize),
        )
            .prop_map(|(to, kept)| {
                let rows = (0..).zip(to).zip(kept);
                rows.filter(|((from, to), kept)| from != to && *kept > 0)
                    .map(|(row, _)| row)
                    .collect()
            })
    })
}

proptest! {
    #[test]
    fn every_object_ends_in_its_place_whoever_is_first(
        rows in any_rows(),
        longest in 3_usize..9,
        choices in prop::collection::vec(any::<prop::sample::Index>(), 300),
    ) {
        let limits = Limits { rows: longest, bytes: u64::MAX };
        let segments = segments(&rows, limits, |_| 1);
        prop_assert!(segments.iter().all(|segment| doing(segment).count() <= longest));
        let expected: BTreeMap<Place, u32> =
            rows.iter().map(|(from, to)| (Place::Key(*to), *from)).collect();
        let in_order = carried_out(&rows, &segments, |_| 0);
        prop_assert_eq!(&in_order, &expected);
        let backwards = carried_out(&rows, &segments, |ready| ready - 1);
        prop_assert_eq!(&backwards, &expected);
        let mut choices = choices.iter().cycle();
        let mixed = carried_out(&rows, &segments, |ready| choices.next().unwrap().index(ready));
        prop_assert_eq!(&mixed, &expected);
    }

    #[test]
    fn there_are_no_more_hops_than_needed(rows in any_rows(), longest in 3_usize..9) {
        let unlimited = Limits { rows: usize::MAX, bytes: u64::MAX };
        let (cycles, paths) = components(&rows);
        prop_assert_eq!(hops(&segments(&rows, unlimited, |_| 1)), cycles.len());
        // A segment of a cycle has a half hop at both ends, and so one row
        // less than steps counts for it; the ends of a path have none.
        let needed = |rows: usize, steps: usize| rows.div_ceil(steps);
        let per_segment = longest - 1;
        let expected: usize = cycles.iter().map(|rows| needed(*rows, per_segment)).sum::<usize>()
            + paths
                .iter()
                .map(|rows| needed(rows.saturating_sub(1).max(1), per_segment) - 1)
                .sum::<usize>();
        let limits = Limits { rows: longest, bytes: u64::MAX };
        prop_assert_eq!(hops(&segments(&rows, limits, |_| 1)), expected);
    }

    #[test]
    fn no_segment_is_larger_than_a_message(rows in any_rows(), bytes in 30_u64..200) {
        let cost = |row: u32| 1 + u64::from(row % 10);
        let limits = Limits { rows: usize::MAX, bytes };
        let segments = segments(&rows, limits, cost);
        for segment in &segments {
            let size: u64 = doing(segment).map(|step| cost(step.row)).sum();
            prop_assert!(size <= bytes, "{size}");
        }
    }
}

#[test]
fn the_documented_orders() {
    let limits = Limits {
        rows: 4,
        bytes: u64::MAX,
    };
    let show = |rows: Rows| -> Vec<Vec<String>> {
        let step = |step: &Step<u32>| {
            let kind = match step.kind {
                StepKind::Whole => "",
                StepKind::ToScratch => " to",
                StepKind::FromScratch => " from",
                StepKind::Occupant => " is in the way",
            };
            let after = step.after.map_or(String::new(), |s| format!(" after {s}"));
            format!("{}{kind}{after}", step.row)
        };
        let segments = segments(&rows, limits, |_| 1);
        segments
            .iter()
            .map(|s| s.iter().map(step).collect())
            .collect()
    };
    // A path from its end.
    assert_eq!(show(vec![(1, 2), (2, 3), (3, 4)]), [["2", "1", "0"]]);
    // A swap.
    assert_eq!(show(vec![(1, 2), (2, 1)]), [["1 to", "0", "1 from"]]);
    // A path that is cut once.
    assert_eq!(
        show((0..6).map(|n| (n, n + 1)).collect()),
        [
            vec!["5", "4", "3", "2 from after 1"],
            vec!["2 to", "3 is in the way", "1", "0"]
        ]
    );
    // A cycle that is cut.
    assert_eq!(
        show(vec![(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]),
        [
            vec!["4 to", "0 is in the way", "3", "2", "1 from after 1"],
            vec!["1 to", "2 is in the way", "0", "4 from after 0"]
        ]
    );
}
