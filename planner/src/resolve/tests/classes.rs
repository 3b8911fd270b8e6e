//! Storage classes from a manifest into its plan.

use std::fmt::Write as _;
use std::io::Cursor;

use proptest::prelude::*;
use rebucket_protocol::StorageClass;

use super::*;

fn class(name: &str) -> Option<StorageClass> {
    (!name.is_empty()).then(|| StorageClass::new(name).unwrap())
}

#[test]
fn a_class_is_a_name_or_not_known() {
    let header = "storage_class,source,destination\n";
    let good = "GLACIER_IR,s3://bkt/a,s3://bkt/b\n,s3://bkt/c,s3://bkt/d\n\
                COLD_STORE_2,s3://bkt/e,s3://bkt/f\n";
    let options = ManifestOptions::default();
    let found = renames(format!("{header}{good}").as_bytes(), &options);
    let classes: Vec<_> = found
        .into_iter()
        .map(|row| row.pins.storage_class)
        .collect();
    assert_eq!(classes, [class("GLACIER_IR"), None, class("COLD_STORE_2")]);
    let long = "X".repeat(65);
    for bad in ["standard", "STANDARD-IA", " STANDARD", &long] {
        let text = format!("{header}{bad},s3://bkt/a,s3://bkt/b\n");
        assert_eq!(problems(&text), [(2, 1, Kind::BadStorageClass)], "{bad:?}");
    }
}

/// Rows that are wrong have no bucket, and their names are read again.
#[test]
fn classes_of_rows_that_are_wrong_do_not_hide_what_else_is_wrong() {
    let text = "source,destination,storage_class\n\
                s3://bkt/a,s3://bkt/x,GLACIER\n\
                nowhere,s3://bkt/same,GLACIER\n\
                s3://bkt/b,s3://bkt/same,\n\
                nowhere,s3://bkt/other,STANDARD\n\
                s3://bkt/c,nowhere,STANDARD\n\
                s3://bkt/d,s3://bkt/other,STANDARD\n";
    let expected = [
        (3, 1, Kind::BadUri),
        (4, 2, Kind::DuplicateDestination),
        (5, 1, Kind::BadUri),
        (6, 2, Kind::BadUri),
        (7, 2, Kind::DuplicateDestination),
    ];
    assert_eq!(problems(text), expected);
    let Err(ManifestError::Invalid(manifest)) =
        resolved(text.as_bytes(), &ManifestOptions::default())
    else {
        panic!()
    };
    let told = manifest.problems.sorted();
    for (at, name) in [(1, "s3://bkt/same"), (4, "s3://bkt/other")] {
        assert!(told[at].message.contains(name), "{}", told[at].message);
    }
}

#[test]
fn rows_with_a_class_are_summed_up() {
    let text = b"source,destination,storage_class\n\
        s3://bkt/a,s3://bkt/b,STANDARD\ns3://bkt/c,s3://bkt/d,\ns3://bkt/e,s3://bkt/f,GLACIER\n";
    let plan = PlanWriter::new(Cursor::new(Vec::new()), JobChoices::default()).unwrap();
    let resolved = resolve(input(text), &ManifestOptions::default(), plan).unwrap();
    assert_eq!(resolved.resolution.totals.classed_rows, 2);
}

/// A path of 990 rows whose messages have just room in one segment.
fn path(class: &str) -> String {
    let stem = "k".repeat(250);
    let mut text = "source,destination,storage_class\n".to_owned();
    for n in 1000..1990 {
        let next = n + 1;
        writeln!(text, "s3://bkt/{stem}{n},s3://bkt/{stem}{next},{class}").unwrap();
    }
    text
}

#[test]
fn a_class_takes_room_in_the_message_of_a_chain() {
    let segments = |class: &str| {
        let plan = resolved(path(class).as_bytes(), &ManifestOptions::default()).unwrap();
        let plan = PlanReader::open(Cursor::new(plan)).unwrap();
        plan.resolution().totals.segments
    };
    assert_eq!((segments(""), segments(&"X".repeat(64))), (1, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_row_has_its_own_class_whatever_the_rows_around_it_have(
        rows in prop::collection::vec(
            (
                prop::sample::select(vec!["", "", "STANDARD", "GLACIER", "X_1"]),
                prop::sample::select(vec!["one", "two"]),
                any::<bool>(),
            ),
            0..60,
        ),
    ) {
        let mut text = "source,destination,storage_class\n".to_owned();
        for (n, (class, bucket, chained)) in rows.iter().enumerate() {
            let next = if *chained { format!("k/{}", n + 1) } else { format!("new/{n}") };
            let to = rows.get(n + 1).map_or("one", |(_, bucket, _)| bucket);
            writeln!(text, "s3://{bucket}/k/{n},s3://{to}/{next},{class}").unwrap();
        }
        let plan = resolved(text.as_bytes(), &ManifestOptions::default()).unwrap();
        let mut plan = PlanReader::open(Cursor::new(plan)).unwrap();
        let steps: Vec<_> = plan.steps().unwrap().map(|step| step.unwrap().rename).collect();
        plan.rewind().unwrap();
        let mut seen = BTreeSet::new();
        for rename in plan.map(Result::unwrap).chain(steps) {
            let at = usize::try_from(rename.row - 1).unwrap();
            prop_assert_eq!(rename.pins.storage_class, class(rows[at].0));
            seen.insert(at);
        }
        prop_assert_eq!(seen.len(), rows.len());
    }
}
