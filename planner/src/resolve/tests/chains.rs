//! Plans with chains, swaps and cycles, carried out in memory.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::Cursor;

use proptest::prelude::*;
use rebucket_protocol::{ETag, IfExists, JobId, JobOptions, SubmissionId, TaskId, Timestamp};

use super::*;
use crate::chains::StepKind;
use crate::pinning::{Insisted, Pin, pin_linked};
use crate::plan::{PlannedStep, Submission, Totals};

/// What a plan with chains does to objects in memory, one after the other, in
/// the plan's order; every step must find its object, and no other in its way.
fn carried_out(plan: &[u8]) -> (BTreeMap<String, String>, Totals) {
    let mut plan = PlanReader::open(Cursor::new(plan)).unwrap();
    let unlinked: Vec<PlannedRename> = plan.by_ref().map(Result::unwrap).collect();
    let steps: Vec<PlannedStep> = plan.steps().unwrap().map(Result::unwrap).collect();
    let totals = plan.resolution().totals.clone();
    plan.rewind().unwrap();
    assert!(plan.map(Result::unwrap).eq(unlinked.iter().cloned()));
    let begins = |step: &&PlannedStep| matches!(step.kind, StepKind::Whole | StepKind::ToScratch);
    let linked = steps.iter().filter(begins);
    let sources = unlinked.iter().chain(linked.map(|step| &step.rename));
    let mut objects: BTreeMap<String, String> = sources
        .map(|rename| rename.source.to_string())
        .map(|source| (source.clone(), source))
        .collect();
    assert_eq!(objects.len() as u64, totals.rows);
    let mut go = |from: &str, to: &str| {
        let object = objects.remove(from).expect("the object is there");
        assert_eq!(objects.insert(to.to_owned(), object), None, "{to} is taken");
    };
    for rename in &unlinked {
        go(&rename.source.to_string(), &rename.destination.to_string());
    }
    let last = steps.last().map_or(0, |step| step.segment + 1);
    assert_eq!(totals.segments, last);
    // Round and round the segments, a step of each, so that they are mixed.
    let mut segments: Vec<VecDeque<&PlannedStep>> = vec![];
    for step in &steps {
        segments.resize_with(usize::try_from(step.segment).unwrap() + 1, Default::default);
        segments[usize::try_from(step.segment).unwrap()].push_back(step);
    }
    let mut started = vec![false; segments.len()];
    for _ in 0..steps.len() {
        for number in 0..segments.len() {
            let Some(step) = segments[number].front().copied() else {
                continue;
            };
            if step
                .after
                .is_some_and(|after| !started[usize::try_from(after).unwrap()])
            {
                continue;
            }
            started[number] = true;
            segments[number].pop_front();
            let scratch = format!("scratch {}", step.rename.row);
            let (from, to) = (&step.rename.source, &step.rename.destination);
            match step.kind {
                StepKind::Whole => go(&from.to_string(), &to.to_string()),
                StepKind::ToScratch => go(&from.to_string(), &scratch),
                StepKind::FromScratch => go(&scratch, &to.to_string()),
                StepKind::Occupant => {}
            }
        }
    }
    assert!(segments.iter().all(VecDeque::is_empty));
    (objects, totals)
}

#[test]
fn chains_swaps_and_cycles_are_resolved() {
    let mut text = "source,destination\n".to_owned();
    let mut row = |from: u32, to: u32| writeln!(text, "s3://bkt/{from},s3://bkt/{to}").unwrap();
    // One path of 10,000 rows, with rows that have nothing to do with it; a
    // cycle of 3,000; and 3,000 swaps.
    for n in 0..10_000 {
        row(n, n + 1);
        row(1_000_000 + n, 2_000_000 + n);
    }
    for n in 0..3_000 {
        row(100_000 + n, 100_000 + (n + 1) % 3_000);
        row(200_000 + n, 300_000 + n);
        row(300_000 + n, 200_000 + n);
    }
    let plan = resolved(text.as_bytes(), &ManifestOptions::default()).unwrap();
    let (objects, totals) = carried_out(&plan);
    for line in text.lines().skip(1) {
        let (from, to) = line.split_once(',').unwrap();
        assert_eq!(objects.get(to).map(String::as_str), Some(from));
    }
    assert_eq!((totals.rows, totals.linked_rows), (29_000, 19_000));
    // A segment has 1,000 steps, of which hops take one at each cut end.
    assert_eq!(totals.extra_copies, 10 + 4 + 3_000);
    assert_eq!(totals.segments, 11 + 4 + 3_000);

    let again = ManifestOptions {
        threads: NonZeroUsize::new(3),
        memory: 0,
        ..ManifestOptions::default()
    };
    assert!(resolved(text.as_bytes(), &again).unwrap() == plan);
    // Any place to go on from is found, linked rows in between or not.
    let mut reader = PlanReader::open(Cursor::new(plan.clone())).unwrap();
    let all: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(all.len(), 10_000);
    for skipped in [1, 2_047, 2_048, 2_049, 5_000, 9_999, 10_000] {
        reader.start_after(skipped).unwrap();
        let skipped = usize::try_from(skipped).unwrap();
        assert!(
            reader
                .by_ref()
                .map(Result::unwrap)
                .eq(all[skipped..].iter().cloned())
        );
    }
}

#[test]
fn chains_do_not_hide_mistakes() {
    let text = b"source,destination\ns3://bkt/a,s3://bkt/b\ns3://bkt/b,s3://bkt/c\n\
        s3://bkt/d,s3://bkt/c\ns3://bkt/e,s3://bkt/e\n";
    let expected = [(4, 2, Kind::DuplicateDestination), (5, 2, Kind::SelfRename)];
    assert_eq!(problems_with(text, &ManifestOptions::default()), expected);
}

/// Pins made up from a row.
fn made_up(row: &mut PlannedRename) {
    row.pins.etag = ETag::new("abc").ok();
    row.pins.size = Some(row.row);
    row.pins.modified = Timestamp::from_unix(1_700_000_000, 0);
}

/// The plan with its linked rows pinned to these.
fn made_up_plan(plan: &[u8]) -> (Vec<u8>, Resolution) {
    let mut pin = |rows: &mut [PlannedRename]| {
        rows.iter_mut().for_each(made_up);
        Ok(vec![Insisted::Pinned; rows.len()])
    };
    pinned(plan, &mut pin).unwrap()
}

/// The same plan with its linked rows pinned.
fn pinned(plan: &[u8], pin: Pin<'_>) -> Result<(Vec<u8>, Resolution), ManifestError> {
    let mut plan = PlanReader::open(Cursor::new(plan)).unwrap();
    let out = PlanWriter::new(Vec::new(), JobChoices::default()).unwrap();
    let mut warnings = Warnings {
        name: "m.csv".to_owned(),
        warnings: Problems::keeping(0),
        notes: Problems::keeping(0),
        written: None,
        stream: None,
    };
    let options = ManifestOptions::default();
    let pinned = pin_linked(&mut plan, out, &options, &mut warnings, pin)?;
    Ok((pinned.plan, pinned.resolution))
}

/// What each of these segments' tasks does, step by step.
fn messages(text: &str, pin: bool, id: Option<u128>) -> Vec<Result<Vec<String>, String>> {
    let mut plan = resolved(text.as_bytes(), &ManifestOptions::default()).unwrap();
    if pin {
        plan = made_up_plan(&plan).0;
    }
    let mut plan = PlanReader::open(Cursor::new(plan)).unwrap();
    let job = JobId::new("j").unwrap();
    let options = JobOptions::default();
    let id = id.map(SubmissionId::from_bits);
    let submission = Submission { id, at: None };
    let segments = plan.segments().unwrap().map(Result::unwrap);
    let told = segments.map(|segment| {
        let rows: Vec<u64> = segment.rows().map(|(row, _)| row).collect();
        let task = segment.into_task(&job, &options, IfExists::Fail, submission, &[]);
        let mut next = Some(task.map_err(|error| error.to_string())?);
        let mut steps = Vec::new();
        while let Some(task) = next {
            assert_eq!(task.submission, id);
            let row = task.id().to_string();
            steps.push(format!(
                "{} {} {}",
                row,
                task.source().key,
                task.destination().key
            ));
            next = task.next();
        }
        let ends = steps.iter().filter(|step| !step.ends_with("/000000000002"));
        assert_eq!(ends.count(), rows.len());
        Ok(steps)
    });
    told.collect()
}

#[test]
fn a_segment_is_a_task_that_carries_the_others() {
    let swap = "source,destination\ns3://bkt/a,s3://bkt/b\ns3://bkt/b,s3://bkt/a\n\
        s3://bkt/c,s3://bkt/d\ns3://bkt/d,s3://bkt/e\n";
    for (id, temporary) in [
        (
            Some(0xab),
            ".rebucket-in-transit/000000000000000000000000000000ab/000000000002",
        ),
        // Of a job that was begun before submissions had ids.
        (None, ".rebucket/hop/j/000000000002"),
    ] {
        assert_eq!(
            messages(swap, true, id),
            [
                Ok(vec![
                    "j/000000000004 d e".to_owned(),
                    "j/000000000003 c d".to_owned(),
                ]),
                Ok(vec![
                    format!("j/000000000002 b {temporary}"),
                    "j/000000000001 a b".to_owned(),
                    format!("j/000000000002 {temporary} a"),
                ])
            ]
        );
    }
    let unpinned = messages(swap, false, None).remove(0).unwrap_err();
    assert!(unpinned.contains("must be pinned"), "{unpinned}");
}

#[test]
fn a_plan_is_pinned_later_where_its_rows_are_linked() {
    let mut text = "source,destination,size\n".to_owned();
    // Steps of several blocks, among renames of several blocks.
    for n in 0..9_000 {
        writeln!(text, "s3://bkt/{n},s3://bkt/{},", n + 1).unwrap();
        writeln!(text, "s3://bkt/from/{n},s3://two/to/{n},").unwrap();
    }
    let unpinned = resolved(text.as_bytes(), &ManifestOptions::default()).unwrap();
    let (later, resolution) = made_up_plan(&unpinned);
    let mut before = PlanReader::open(Cursor::new(unpinned.clone())).unwrap();
    let mut after = PlanReader::open(Cursor::new(later)).unwrap();
    assert_eq!(after.resolution(), &resolution);
    assert_ne!(resolution.digest, before.resolution().digest);
    let mut steps = 0;
    for (before, after) in before.steps().unwrap().zip(after.steps().unwrap()) {
        let mut step = before.unwrap();
        made_up(&mut step.rename);
        assert_eq!(step, after.unwrap());
        steps += 1;
    }
    assert!(steps > 9_000, "{steps}");
    before.rewind().unwrap();
    after.rewind().unwrap();
    let renames: Vec<_> = before.by_ref().map(Result::unwrap).collect();
    assert_eq!(renames.len(), 9_000);
    assert!(after.by_ref().map(Result::unwrap).eq(renames));
    let mut fails = |_: &mut [PlannedRename]| Err("nothing there".into());
    let failed = pinned(&unpinned, &mut fails);
    assert!(matches!(failed, Err(ManifestError::Pin(_))));
}

#[test]
fn a_segment_goes_on_with_the_last_row_that_is_done() {
    let cycle = "source,destination\ns3://bkt/a,s3://bkt/b\ns3://bkt/b,s3://bkt/c\n\
        s3://bkt/c,s3://bkt/a\n";
    let unpinned = resolved(cycle.as_bytes(), &ManifestOptions::default()).unwrap();
    let plan = made_up_plan(&unpinned).0;
    let mut plan = PlanReader::open(Cursor::new(plan)).unwrap();
    // Out with row 3, then 2, 1, and in with row 3.
    for (done, left) in [
        (&[][..], &[3, 2, 1, 3][..]),
        (&[2], &[2, 1, 3]),
        (&[2, 1], &[1, 3]),
        (&[1, 2, 3], &[3]),
    ] {
        let segment = plan.segments().unwrap().next().unwrap().unwrap();
        let segment = segment.resumed(|row| done.contains(&row));
        let (job, options) = (JobId::new("j").unwrap(), JobOptions::default());
        let task = segment.into_task(&job, &options, IfExists::Fail, Submission::default(), &[]);
        let mut next = Some(task.unwrap());
        let mut rows = Vec::new();
        while let Some(task) = next {
            rows.push(task.id().clone());
            next = task.next();
        }
        let left: Vec<_> = left.iter().map(|row| TaskId::for_row(&job, *row)).collect();
        assert_eq!(rows, left);
    }
}

/// A path of several segments, and a cycle of several.
#[test]
fn a_first_leg_names_what_is_in_the_way_of_its_second() {
    let mut text = "source,destination\n".to_owned();
    for n in 0..2_500 {
        writeln!(text, "s3://bkt/p{n},s3://bkt/p{}", n + 1).unwrap();
        writeln!(text, "s3://bkt/c{n},s3://bkt/c{}", (n + 1) % 2_500).unwrap();
    }
    let unpinned = resolved(text.as_bytes(), &ManifestOptions::default()).unwrap();
    let plan = made_up_plan(&unpinned).0;
    let mut plan = PlanReader::open(Cursor::new(plan)).unwrap();
    let job = JobId::new("j").unwrap();
    let sizes: BTreeMap<_, _> = plan
        .steps()
        .unwrap()
        .map(|step| step.unwrap().rename)
        .map(|row| (row.source, row.pins.size))
        .collect();
    let options = JobOptions::default();
    let mut second_legs = 0;
    for segment in plan.segments().unwrap().map(Result::unwrap) {
        let task = segment.into_task(&job, &options, IfExists::Fail, Submission::default(), &[]);
        let task = task.unwrap();
        if let Some(second) = task.second_leg() {
            // Made up from the row.
            let occupant = task.occupant().unwrap();
            assert_eq!(occupant.size, sizes[second.destination()]);
            assert!(occupant.modified.is_some());
            second_legs += 1;
        }
    }
    // Two cuts of each, and where the cycle is opened.
    assert_eq!(second_legs, 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_permutation_is_carried_out(
        to in Just((0..200_u32).collect::<Vec<u32>>()).prop_shuffle(),
        kept in prop::collection::vec(0_u8..10, 200),
    ) {
        let mut text = "source,destination\n".to_owned();
        for ((from, to), kept) in (0..).zip(&to).zip(kept) {
            if from != *to && kept > 0 {
                writeln!(text, "s3://bkt/{from},s3://bkt/{to}").unwrap();
            }
        }
        let plan = resolved(text.as_bytes(), &ManifestOptions::default()).unwrap();
        let (objects, _) = carried_out(&plan);
        for line in text.lines().skip(1) {
            let (from, to) = line.split_once(',').unwrap();
            prop_assert_eq!(objects.get(to).map(String::as_str), Some(from));
        }
        for at in [plan.len() / 3, plan.len() / 2, plan.len() - 200] {
            let mut altered = plan.clone();
            altered[at] ^= 4;
            prop_assert!(PlanReader::open(Cursor::new(altered)).is_err());
        }
    }
}
