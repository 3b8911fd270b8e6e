use std::collections::BTreeSet;
use std::io::Cursor;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use rebucket_protocol::{BucketName, ETag, IfExists, VersionId};

use super::*;
use crate::input::open_reader;
use crate::plan::PlannedRename;
use crate::problem::ProblemKind as Kind;

mod chains;
mod classes;
mod scale;

fn input(text: &[u8]) -> Input {
    open_reader("m.csv", None, Cursor::new(text.to_vec())).unwrap()
}

fn resolved(text: &[u8], options: &ManifestOptions) -> Result<Vec<u8>, ManifestError> {
    let plan = PlanWriter::new(Cursor::new(Vec::new()), JobChoices::default()).unwrap();
    resolve(input(text), options, plan).map(|resolved| resolved.plan.into_inner())
}

fn renames(text: &[u8], options: &ManifestOptions) -> Vec<PlannedRename> {
    let bytes = match resolved(text, options) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{error}"),
    };
    PlanReader::open(Cursor::new(bytes))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

type Place = (u64, usize, Kind);

/// Line, column (0 for the row as a whole) and kind of every problem.
fn problems_with(text: &[u8], options: &ManifestOptions) -> Vec<Place> {
    match resolved(text, options) {
        Ok(_) => vec![],
        Err(ManifestError::Invalid(manifest)) => {
            let place = |problem: &crate::Problem| {
                let column = problem.column.as_ref().map_or(0, |column| column.number);
                (problem.line, column, problem.kind)
            };
            manifest.problems.sorted().into_iter().map(place).collect()
        }
        Err(error) => panic!("{error}"),
    }
}

fn problems(text: &str) -> Vec<Place> {
    problems_with(text.as_bytes(), &ManifestOptions::default())
}

fn encoded() -> ManifestOptions {
    ManifestOptions {
        url_encoded: true,
        ..ManifestOptions::default()
    }
}

fn in_bucket() -> ManifestOptions {
    let bucket = Some(BucketName::new("bkt").unwrap());
    ManifestOptions {
        bucket,
        ..ManifestOptions::default()
    }
}

fn keys(renames: &[PlannedRename]) -> Vec<(&str, &str)> {
    let pairs = renames
        .iter()
        .map(|rename| (&rename.source.key, &rename.destination.key));
    pairs
        .map(|(source, destination)| (source.as_str(), destination.as_str()))
        .collect()
}

#[test]
fn every_problem_of_a_row_has_its_line_and_column() {
    let long = "k".repeat(1025);
    let cases: &[(&str, &[(usize, Kind)])] = &[
        ("http://bkt/a,s3://bkt/x", &[(1, Kind::BadUri)]),
        ("s3://bkt/a,", &[(2, Kind::BadUri)]),
        ("s3://b!/a,s3://bkt/x", &[(1, Kind::BadBucket)]),
        (
            "s3://bkt/,s3://bkt",
            &[(1, Kind::EmptyKey), (2, Kind::EmptyKey)],
        ),
        (
            &format!("s3://bkt/a,s3://bkt/{long}"),
            &[(2, Kind::KeyTooLong)],
        ),
        ("s3://bkt/a,s3://bkt/a", &[(2, Kind::SelfRename)]),
        ("s3://bkt/a", &[(0, Kind::FieldCount)]),
        ("s3://bkt/a,s3://bkt/b,c", &[(0, Kind::FieldCount)]),
        ("s3://bkt/a,\"s3://bkt/b\"c", &[(2, Kind::BadQuoting)]),
        ("s3://bkt/a\"b,s3://bkt/c", &[(1, Kind::BadQuoting)]),
        ("s3://bkt/a,\"s3://bkt/b", &[(2, Kind::BadQuoting)]),
        ("s3://bkt/a\rb,s3://bkt/c", &[(1, Kind::BadQuoting)]),
        (&"x".repeat(70_000), &[(0, Kind::RowTooLong)]),
    ];
    for (row, expected) in cases {
        let text = format!("source,destination\n\"s3://bkt/1\n2\",s3://bkt/3\n{row}\n");
        let expected: Vec<Place> = expected
            .iter()
            .map(|(column, kind)| (4, *column, *kind))
            .collect();
        assert_eq!(problems(&text), expected, "{}", &row[..row.len().min(80)]);
    }
}

#[test]
fn a_bad_quote_has_the_line_on_which_it_was_opened() {
    let text = "source,destination\n\"s3://bkt/a\nb\",\"s3://bkt/c\"d\n";
    assert_eq!(problems(text), [(3, 2, Kind::BadQuoting)]);
}

#[test]
fn optional_columns_in_any_order_are_checked_and_pinned() {
    let header = "if_exists,destination,size,etag,source,version_id\n";
    let good = "skip,s3://bkt/b,12,\"\"\"abc-2\"\"\",s3://bkt/a,null\n,s3://bkt/d,,,s3://bkt/c,\n";
    let found = renames(
        format!("{header}{good}").as_bytes(),
        &ManifestOptions::default(),
    );
    assert_eq!(keys(&found), [("a", "b"), ("c", "d")]);
    assert_eq!(found[0].if_exists, Some(IfExists::Skip));
    assert_eq!(found[0].pins.size, Some(12));
    assert_eq!(found[0].pins.etag, Some(ETag::new("abc-2").unwrap()));
    assert_eq!(found[0].pins.version, Some(VersionId::new("null").unwrap()));
    assert_eq!(
        (found[1].if_exists, &found[1].pins),
        (None, &rebucket_protocol::Pins::default())
    );

    let bad =
        "Skip,s3://bkt/b,+12,\"a b\",s3://bkt/a,v 1\n,s3://bkt/d,1.5,\"\"\"\"\"\",s3://bkt/c,\n";
    let expected = [
        (2, 1, Kind::BadIfExists),
        (2, 3, Kind::BadSize),
        (2, 4, Kind::BadEtag),
        (2, 6, Kind::BadVersionId),
        (3, 3, Kind::BadSize),
        (3, 4, Kind::BadEtag),
    ];
    assert_eq!(problems(&format!("{header}{bad}")), expected);
}

#[test]
fn a_date_is_pinned_or_told_by_its_line_and_column() {
    let header = "source,modified,destination\n";
    let good = "s3://bkt/a,2026-11-20T12:00:00+02:00,s3://bkt/b\ns3://bkt/c,,s3://bkt/d\n";
    let text = format!("{header}{good}");
    let found = renames(text.as_bytes(), &ManifestOptions::default());
    let dates: Vec<_> = found.into_iter().map(|row| row.pins.modified).collect();
    let at = rebucket_protocol::Timestamp::try_from("2026-11-20T10:00:00Z".to_owned()).unwrap();
    assert_eq!(dates, [Some(at), None]);
    for bad in [
        "2026-11-20",
        "20.11.2026 10:00",
        "1763632800",
        " 2026-11-20T10:00:00Z",
    ] {
        let text = format!("{header}s3://bkt/a,{bad},s3://bkt/b\n");
        assert_eq!(problems(&text), [(2, 2, Kind::BadModified)], "{bad:?}");
    }
}

#[test]
fn invalid_utf8_is_told_by_its_column() {
    let mut text = b"source,destination,etag\ns3://bkt/a,s3://bkt/\xff,\xc3\n".to_vec();
    text.extend(b"s3://bkt/\xc3,\xa9,\n");
    let expected = [
        (2, 2, Kind::InvalidUtf8),
        (2, 3, Kind::InvalidUtf8),
        (3, 1, Kind::InvalidUtf8),
        (3, 2, Kind::InvalidUtf8),
    ];
    assert_eq!(problems_with(&text, &ManifestOptions::default()), expected);
    let header = b"source,destination,\xff\ns3://bkt/a,s3://bkt/b,\n";
    assert_eq!(
        problems_with(header, &ManifestOptions::default()),
        [(1, 3, Kind::InvalidUtf8)]
    );
}

#[test]
fn problems_of_the_header() {
    let cases: &[(&str, &[(usize, Kind)])] = &[
        ("", &[(0, Kind::MissingHeader)]),
        ("\n\n", &[(0, Kind::MissingHeader)]),
        ("s3://bkt/a,s3://bkt/b\n", &[(0, Kind::MissingHeader)]),
        ("source;destination\n", &[(0, Kind::MissingHeader)]),
        ("source\ns3://bkt/a\n", &[(0, Kind::MissingColumn)]),
        (
            "size\n",
            &[(0, Kind::MissingColumn), (0, Kind::MissingColumn)],
        ),
        (
            "source_key,destination_bucket,destination_key\n",
            &[(0, Kind::MissingColumn)],
        ),
        (
            "source,destination,source_key\n",
            &[(0, Kind::ConflictingColumns)],
        ),
        ("source,destination,colour\n", &[(3, Kind::UnknownColumn)]),
        (
            "source, destination\n",
            &[(0, Kind::MissingColumn), (2, Kind::UnknownColumn)],
        ),
        (
            "source,destination,size,size\n",
            &[(4, Kind::DuplicateColumn)],
        ),
        ("source,\"destination\n", &[(2, Kind::BadQuoting)]),
    ];
    for (text, expected) in cases {
        let expected: Vec<Place> = expected
            .iter()
            .map(|(column, kind)| (1, *column, *kind))
            .collect();
        assert_eq!(problems(text), expected, "{text}");
    }
    for utf16 in [
        &b"\xff\xfes\0o\0"[..],
        b"\xfe\xff\0s\0o",
        b"s\0o\0",
        b"\0s\0o",
    ] {
        let found = problems_with(utf16, &ManifestOptions::default());
        assert_eq!(found, [(1, 0, Kind::InvalidUtf8)], "{utf16:?}");
    }
    let split = b"source_bucket,source_key,destination_bucket,destination_key\n";
    assert_eq!(
        problems_with(split, &in_bucket()),
        [(1, 0, Kind::ConflictingColumns)]
    );
    assert_eq!(problems_with(split, &ManifestOptions::default()), []);
    // The rows are checked nonetheless where the header still tells how.
    let text = "source,destination,colour\ns3://bkt/a,s3://bkt/a,red\n";
    let expected = [(1, 3, Kind::UnknownColumn), (2, 2, Kind::SelfRename)];
    assert_eq!(problems(text), expected);
}

#[test]
fn duplicates_name_both_lines_and_chains_are_none() {
    let text = "source,destination\n\
        s3://bkt/a,s3://bkt/1\n\
        s3://bkt/b,s3://bkt/1\n\
        s3://bkt/a,s3://bkt/2\n\
        s3://two/a,s3://two/1\n\
        s3://bkt/a,s3://bkt/b\n";
    let expected = [
        (3, 2, Kind::DuplicateDestination),
        (4, 1, Kind::DuplicateSource),
        (6, 1, Kind::DuplicateSource),
    ];
    assert_eq!(problems(text), expected);
    let Err(error) = resolved(text.as_bytes(), &ManifestOptions::default()) else {
        panic!()
    };
    let message = error.to_string();
    let lines: Vec<&str> = message.lines().collect();
    for (line, start) in [
        "m.csv:3:2: duplicate destination s3://bkt/1: line 2 has it too; ",
        "m.csv:4:1: duplicate source s3://bkt/a: line 2 has it too; ",
        "m.csv:6:1: duplicate source s3://bkt/a: line 2 has it too; ",
        "m.csv: 3 problems; ",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(lines[line].starts_with(start), "{}", lines[line]);
    }
    let swap = "source,destination\ns3://bkt/a,s3://bkt/b\ns3://bkt/b,s3://bkt/a\n";
    assert_eq!(problems(swap), []);
}

#[test]
fn a_row_with_another_problem_is_still_a_duplicate() {
    let text = "source,destination\ns3://bkt/a,nowhere\ns3://bkt/a,s3://bkt/1\n\
        s3://bkt/2,s3://bkt/2\ns3://bkt/3,s3://bkt/2\n";
    let expected = [
        (2, 2, Kind::BadUri),
        (3, 1, Kind::DuplicateSource),
        (4, 2, Kind::SelfRename),
        (5, 2, Kind::DuplicateDestination),
    ];
    let mut found = problems(text);
    found.sort_by_key(|(line, column, kind)| (*line, *column, format!("{kind:?}")));
    assert_eq!(found, expected);
}

#[test]
fn keys_are_decoded_only_when_asked() {
    let text = b"source,destination\ns3://bkt/a%20b+c,s3://bkt/%C3%A9%2B\n";
    let literal = renames(text, &ManifestOptions::default());
    assert_eq!(keys(&literal), [("a%20b+c", "%C3%A9%2B")]);
    let decoded = renames(text, &encoded());
    assert_eq!(keys(&decoded), [("a b c", "\u{e9}+")]);
    assert_eq!(decoded[0].source.bucket.as_str(), "bkt");
    // A decoded slash or scheme changes nothing about where the key starts.
    let tricky = b"source,destination\ns3://bkt/%2Fa,s3://bkt/s3%3A%2F%2Fx/y\n";
    assert_eq!(keys(&renames(tricky, &encoded())), [("/a", "s3://x/y")]);
    let bad = b"source,destination\ns3://bkt/a%2,s3://bkt/%zz\ns3://bkt/%ff,s3://bkt/%%41\n";
    let expected = [
        (2, 1, Kind::BadUrlEncoding),
        (2, 2, Kind::BadUrlEncoding),
        (3, 1, Kind::InvalidUtf8),
        (3, 2, Kind::BadUrlEncoding),
    ];
    assert_eq!(problems_with(bad, &encoded()), expected);
    let Err(error) = resolved(bad, &encoded()) else {
        panic!()
    };
    let expected = "two hexadecimal digits after the % at byte 2 of the key: a%2; ";
    assert!(error.to_string().contains(expected), "{error}");
    let three = "%C3%A9".repeat(512);
    let fits = format!("source,destination\n{three},b\n");
    let both = ManifestOptions {
        url_encoded: true,
        ..in_bucket()
    };
    assert_eq!(
        renames(fits.as_bytes(), &both)[0].source.key.as_str().len(),
        1024
    );
}

#[test]
fn keys_in_one_bucket_and_in_columns_of_their_own() {
    let text = "source,destination,if_exists\na,s3://b/c,\n,d,fail\n";
    assert_eq!(
        problems_with(text.as_bytes(), &in_bucket()),
        [(3, 1, Kind::EmptyKey)]
    );
    let found = renames(b"source,destination\na,s3://b/c\n", &in_bucket());
    assert_eq!(found[0].destination.to_string(), "s3://bkt/s3://b/c");

    let header = "source_bucket,destination_key,source_key,destination_bucket\n";
    let found = renames(format!("{header}one,y,x/,two\n").as_bytes(), &encoded());
    assert_eq!(found[0].source.to_string(), "s3://one/x/");
    assert_eq!(found[0].destination.to_string(), "s3://two/y");
    let expected = [
        (2, 1, Kind::BadBucket),
        (2, 2, Kind::EmptyKey),
        (2, 3, Kind::EmptyKey),
        (2, 4, Kind::BadBucket),
    ];
    assert_eq!(problems(&format!("{header}o,,,t\n")), expected);
    let expected = [(3, 2, Kind::DuplicateDestination)];
    assert_eq!(
        problems(&format!("{header}one,y,a,two\none,y,b,two\n")),
        expected
    );
}

#[test]
fn rows_are_numbered_without_header_and_empty_lines() {
    let text = b"\xef\xbb\xbfsource,destination\r\n\r\ns3://bkt/a,\"s3://bkt/1\r\n2\"\r\ns3://bkt/b,s3://bkt/c";
    let found = renames(text, &ManifestOptions::default());
    let places: Vec<_> = found
        .iter()
        .map(|rename| (rename.row, rename.line))
        .collect();
    assert_eq!(places, [(1, 3), (2, 5)]);
    assert_eq!(keys(&found), [("a", "1\r\n2"), ("b", "c")]);
    assert_eq!(
        renames(b"source,destination\n", &ManifestOptions::default()),
        []
    );
}

#[test]
fn what_is_known_is_summed_up() {
    let text = b"source,destination,size\ns3://one/a,s3://two/a,5\ns3://one/b,s3://one/c,\n";
    let plan = PlanWriter::new(Cursor::new(Vec::new()), JobChoices::default()).unwrap();
    let resolved = resolve(input(text), &ManifestOptions::default(), plan).unwrap();
    let totals = &resolved.resolution.totals;
    assert_eq!(
        (totals.rows, totals.sized_rows, totals.known_bytes),
        (2, 1, 5)
    );
    let buckets: Vec<_> = totals
        .buckets
        .iter()
        .map(|(name, bucket)| (name.as_str(), bucket.sources, bucket.destinations))
        .collect();
    assert_eq!(buckets, [("one", 2, 1), ("two", 0, 1)]);
}

#[test]
fn only_the_first_problems_are_shown_and_all_are_counted() {
    let mut text = "source,destination\n".to_owned();
    for _ in 0..9 {
        text.push_str("a,b\n");
    }
    let options = ManifestOptions {
        max_problems: 3,
        ..ManifestOptions::default()
    };
    assert_eq!(problems_with(text.as_bytes(), &options).len(), 3);
    let Err(error) = resolved(text.as_bytes(), &options) else {
        panic!()
    };
    let message = error.to_string();
    assert!(
        message.contains("m.csv: 18 problems, of which 3 are shown, the first 3 of each kind"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 4);
}

#[test]
fn a_plan_and_its_manifest_are_prepared_alike() {
    let text = b"source,destination\ns3://bkt/a,s3://bkt/b\n";
    let given = |job: &str| JobChoices {
        job: Some(rebucket_protocol::JobId::new(job).unwrap()),
        waive: BTreeSet::from([rebucket_protocol::Waiver::Acl]),
        ..JobChoices::default()
    };
    let prepared = |bytes: &[u8], given| {
        let spool = tempfile::tempfile().unwrap();
        prepare(input(bytes), &ManifestOptions::default(), given, spool).map(|(plan, _)| plan)
    };
    let direct = prepared(text, given("x")).unwrap();
    assert_eq!(direct.choices(), &given("x"));
    let plan = PlanWriter::new(Cursor::new(Vec::new()), given("x")).unwrap();
    let resolved = resolve(input(text), &ManifestOptions::default(), plan).unwrap();
    let mut bytes = resolved.plan.into_inner();
    let again = prepared(&bytes, JobChoices::default()).unwrap();
    assert_eq!(again.choices(), &given("x"));
    let renamed = prepared(
        &bytes,
        JobChoices {
            waive: BTreeSet::new(),
            ..given("y")
        },
    )
    .unwrap();
    assert_eq!(renamed.choices(), &given("y"));
    assert_eq!(renamed.resolution(), direct.resolution());
    assert!(again.map(Result::unwrap).eq(direct.map(Result::unwrap)));
    bytes.pop();
    let Err(error) = prepared(&bytes, JobChoices::default()) else {
        panic!()
    };
    assert_eq!(
        error.to_string(),
        "m.csv: the plan is cut short after 1 renames; make it again"
    );
    // Damaged in its first bytes it is not taken for a manifest.
    for at in 0..20 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        for plan in [&damaged[..], &bytes[..=at]] {
            let refused = prepared(plan, JobChoices::default()).err();
            assert!(matches!(refused, Some(ManifestError::Plan { .. })), "{at}");
        }
    }
    let Err(error) = prepared(b"a,b\n", JobChoices::default()) else {
        panic!()
    };
    assert!(matches!(error, ManifestError::Invalid(_)));
}

/// Keys that have trouble in them, short enough to be keys.
fn any_key() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "\"",
        ",",
        "\n",
        "\r",
        "\r\n",
        "\"\"",
        " ",
        "+",
        "%",
        "%2B",
        "?",
        "#",
        "&",
        "'",
        "//",
        "s3://",
        "\u{e9}",
        "\u{1f600}",
        "\u{feff}",
        "\u{fffe}",
        "\u{0}",
        "\\",
        ";",
        "\t",
    ])
    .prop_map(str::to_owned);
    let any = any::<char>().prop_map(String::from);
    prop::collection::vec(prop_oneof![nasty, any], 1..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_key_comes_back_from_a_manifest(
        keys in prop::collection::btree_set(any_key(), 2..12),
        as_uris in any::<bool>(),
        url_encoded in any::<bool>(),
        crlf in any::<bool>(),
    ) {
        let keys: Vec<String> = keys.into_iter().collect();
        let pairs: Vec<[&str; 2]> =
            keys.chunks_exact(2).map(|pair| [pair[0].as_str(), pair[1].as_str()]).collect();
        let terminator =
            if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer =
            csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        writer.write_record(["destination", "source"]).unwrap();
        for [source, destination] in &pairs {
            let field = |key: &str| {
                let key = if url_encoded {
                    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string().replace("%20", "+")
                } else {
                    key.to_owned()
                };
                if as_uris { format!("s3://bkt/{key}") } else { key }
            };
            writer.write_record([field(destination), field(source)]).unwrap();
        }
        let bucket = (!as_uris).then(|| BucketName::new("bkt").unwrap());
        let options = ManifestOptions { bucket, url_encoded, ..ManifestOptions::default() };
        let found = renames(&writer.into_inner().unwrap(), &options);
        let found: Vec<[&str; 2]> = found
            .iter()
            .map(|rename| [rename.source.key.as_str(), rename.destination.key.as_str()])
            .collect();
        prop_assert_eq!(found, pairs);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = [b"source,destination\n", &bytes[..]].concat();
        drop(resolved(&text, &ManifestOptions::default()));
        drop(resolved(&bytes, &encoded()));
    }
}
