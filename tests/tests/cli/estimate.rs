//! `rebucket estimate`: requests, dollars and hours before anything is sent.

use serde_json::Value;

use crate::support::{Bench, csv_text};

const GIB: u64 = 1 << 30;

/// A thousand small objects, one of 3 GiB, and one of unknown size.
fn manifest(bench: &Bench) {
    let rows = (0..1002_u64).map(|n| {
        let size = match n {
            0 => (3 * GIB).to_string(),
            1 => String::new(),
            _ => "1000".to_owned(),
        };
        [
            bench.uri(&format!("old/{n}")),
            bench.uri(&format!("new/{n}")),
            size,
        ]
    });
    bench.write(
        "moves.csv",
        csv_text(&["source", "destination", "size"], rows),
    );
}

async fn json(bench: &Bench, arguments: &str) -> Value {
    let ended = bench
        .run(&format!("estimate {arguments} --format json"))
        .await
        .is(0);
    serde_json::from_str(&ended.out).unwrap()
}

/// The requests that are counted, and what they are said to cost.
fn billed(json: &Value, part: &str) -> Vec<(String, u64, f64)> {
    let lines = json[part].as_array().unwrap().iter();
    lines
        .map(|line| {
            let what = line["what"].as_str().unwrap().to_owned();
            (
                what,
                line["count"].as_u64().unwrap(),
                line["dollars"].as_f64().unwrap(),
            )
        })
        .collect()
}

/// Equal but for rounding.
fn assert_close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} is not {b}");
}

#[tokio::test]
async fn requests_dollars_and_time_are_told() {
    let bench = Bench::new().await;
    manifest(&bench);
    let told = json(&bench, "moves.csv").await;
    assert_eq!(told["renames"], 1002, "{told}");
    assert_eq!(told["bytes"], 3 * GIB + 1_000_000, "{told}");
    assert_eq!(
        (&told["of_unknown_size"], &told["of_assumed_size"]),
        (&1.into(), &0.into())
    );
    let expected = [
        ("HeadObject", 1001 + 3, 0.40),
        ("ListObjectAnnotations", 1, 5.0),
        ("CopyObject", 1001, 5.0),
        ("CreateMultipartUpload", 1, 5.0),
        ("UploadPartCopy", 24, 5.0),
        ("CompleteMultipartUpload", 1, 5.0),
        ("DeleteObject", 1002, 0.0),
    ];
    let found = billed(&told, "billed");
    assert_eq!(found.len(), expected.len(), "{told}");
    let mut sum = 0.0;
    for ((what, count, dollars), (name, number, price)) in found.iter().zip(expected) {
        assert_eq!((what.as_str(), *count), (name, number));
        let price = f64::from(u32::try_from(number).unwrap()) * price / 1e6;
        assert_close(*dollars, price);
        sum += price;
    }
    assert_close(told["dollars_without_queue"].as_f64().unwrap(), sum);
    let queue = billed(&told, "billed_for_queue");
    assert_eq!(
        queue.iter().map(|line| line.1).collect::<Vec<_>>(),
        [101, 101, 101]
    );
    assert_close(told["dollars"].as_f64().unwrap(), sum + 303.0 * 0.40 / 1e6);
    assert_eq!(told["limited_by"], "the largest object", "{told}");
    let notes = told["notes"].to_string();
    for word in [
        "not verified",
        "size of 1 object is unknown",
        "--assume-size",
    ] {
        assert!(notes.contains(word), "{word}: {notes}");
    }

    let text = bench.run("estimate moves.csv").await.is(0).out;
    for line in [
        "moves.csv: 1,002 renames\n",
        "of unknown size                               1\n",
        "UploadPartCopy                               24         0.00\n",
        "with a queue and workers                                0.01\n",
        "limited by the largest object\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    // A plan comes to the same.
    bench.run("plan moves.csv --out moves.plan").await.is(0);
    assert_eq!(json(&bench, "moves.plan").await, told);
}

#[tokio::test]
async fn what_is_assumed_and_chosen_changes_the_sum() {
    let bench = Bench::new().await;
    manifest(&bench);
    let assumed = json(
        &bench,
        "moves.csv --assume-size 2GiB --workers 7 --partitions 3",
    )
    .await;
    assert_eq!(
        (&assumed["of_unknown_size"], &assumed["of_assumed_size"]),
        (&0.into(), &1.into())
    );
    assert_eq!(billed(&assumed, "billed")[4].1, 24 + 16, "{assumed}");
    assert_eq!(
        (&assumed["workers"], &assumed["partitions"]),
        (&7.into(), &3.into())
    );
    // Copies at the price of the new class; HEAD and retrieval at the old one's.
    let flags = "moves.csv --assume-storage-class GLACIER_IR --storage-class STANDARD_IA";
    let moved = json(&bench, flags).await;
    let lines = billed(&moved, "billed");
    assert_close(lines[0].2, 1004.0 * 10.0 / 1e6);
    assert_close(lines[2].2, 1001.0 * 10.0 / 1e6);
    let (what, bytes, dollars) = lines.last().unwrap();
    assert_eq!(
        (what.as_str(), *bytes),
        ("retrieval, bytes", 3 * GIB + 1_000_000)
    );
    assert_close(*dollars, 3.222_225_472 * 0.03);
    assert!(
        moved["notes"].to_string().contains("younger than 90 days"),
        "{moved}"
    );
    let archived = json(&bench, "moves.csv --assume-storage-class DEEP_ARCHIVE").await;
    assert!(
        archived["notes"].to_string().contains("must be restored"),
        "{archived}"
    );
    let encrypted = json(&bench, "moves.csv --assume kms,acl").await;
    let lines = billed(&encrypted, "billed");
    assert_eq!(lines.last().unwrap().1, 2 * 1001 + 2 * 24 + 2);
    assert_eq!((lines[1].0.as_str(), lines[1].1), ("GetObjectAcl", 1002));
    let waived = json(&bench, "moves.csv --assume acl --waive acl,annotations").await;
    let lines = billed(&waived, "billed");
    assert_eq!(lines[1].0, "CopyObject", "{waived}");
}

#[tokio::test]
async fn another_table_of_prices_takes_the_place_of_ours() {
    let bench = Bench::new().await;
    manifest(&bench);
    let table = "region = \"eu-central-1\"\nas_of = \"yesterday\"\n\
                 [sqs]\nstandard_per_million = 0\nfifo_per_million = 0\n[kms]\nper_million = 0\n\
                 [s3.STANDARD]\nwrite_per_million = 1e6\nread_per_million = 0\n";
    bench.write("mine.toml", table);
    let told = json(&bench, "moves.csv --prices mine.toml").await;
    // A dollar for each copy, part, upload and list.
    assert_close(told["dollars"].as_f64().unwrap(), 1001.0 + 24.0 + 2.0 + 1.0);
    assert_eq!(told["prices"]["region"], "eu-central-1", "{told}");

    bench.write("bad.toml", table.replace("1e6", "-1"));
    for (flags, words) in [
        (
            "--prices bad.toml",
            ["bad.toml", "s3.STANDARD.write_per_million is -1"],
        ),
        ("--prices moves.csv", ["moves.csv", "not a table of prices"]),
        ("--prices nowhere", ["nowhere", "cannot be read"]),
        (
            "--prices mine.toml --assume-storage-class GLACIER",
            ["mine.toml", "[s3.GLACIER]"],
        ),
        ("--assume-storage-class OWN", ["[s3.OWN]", "--prices"]),
        ("--assume-size big", ["--assume-size", "8MiB"]),
        ("--part-size 1MiB", ["--part-size", "5MiB"]),
    ] {
        bench
            .run(&format!("estimate moves.csv {flags}"))
            .await
            .is(2)
            .says(&words);
    }
}

#[tokio::test]
async fn a_manifest_with_a_problem_has_no_estimate() {
    let bench = Bench::new().await;
    bench.manifest("moves.csv", &[("a", "b"), ("c", "b")]);
    let ended = bench.run("estimate moves.csv").await.is(2);
    assert_eq!(ended.out, "");
    ended.says(&["moves.csv:3:"]);
    bench.write("empty.csv", "source,destination\n");
    let ended = bench.run("estimate empty.csv").await.is(0);
    assert!(ended.out.contains("empty.csv: 0 renames"), "{}", ended.out);
}

#[tokio::test]
async fn rows_that_say_their_class_are_counted_at_its_prices() {
    let bench = Bench::new().await;
    let classes = [
        "STANDARD_IA",
        "GLACIER_IR",
        "",
        "STANDARD_IA",
        "DEEP_ARCHIVE",
    ];
    let rows = classes.iter().enumerate().map(|(n, class)| {
        let (from, to) = (format!("old/{n}"), format!("new/{n}"));
        let size = "1000000000".to_owned();
        [bench.uri(&from), bench.uri(&to), size, (*class).to_owned()]
    });
    let header = ["source", "destination", "size", "storage_class"];
    bench.write("moves.csv", csv_text(&header, rows));
    let told = json(&bench, "moves.csv").await;
    let counted = serde_json::json!({
        "STANDARD": 1, "STANDARD_IA": 2, "GLACIER_IR": 1, "DEEP_ARCHIVE": 1,
    });
    assert_eq!(told["storage_classes"], counted, "{told}");
    assert_eq!(told["of_assumed_class"], 1, "{told}");
    let lines = billed(&told, "billed");
    let names: Vec<&str> = lines.iter().map(|line| line.0.as_str()).collect();
    assert_eq!(
        names,
        [
            "HeadObject",
            "CopyObject",
            "DeleteObject",
            "retrieval, bytes"
        ]
    );
    let counts: Vec<u64> = lines.iter().map(|line| line.1).collect();
    assert_eq!(counts, [5, 5, 5, 3_000_000_000]);
    assert_close(lines[0].2, (2.0 * 1.0 + 10.0 + 0.4 + 0.4) / 1e6);
    assert_close(lines[1].2, (2.0 * 10.0 + 20.0 + 50.0 + 5.0) / 1e6);
    assert_close(lines[3].2, 2.0 * 0.01 + 0.03);
    let notes = told["notes"].to_string();
    for words in [
        "1 object in DEEP_ARCHIVE must be restored",
        "2 objects in STANDARD_IA: what is younger than 30 days",
        "1 object in GLACIER_IR: what is younger than 90 days",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    let text = bench.run("estimate moves.csv").await.is(0).out;
    for line in [
        "  in DEEP_ARCHIVE                               1\n",
        "  in STANDARD_IA                                2\n",
        "  of assumed class                              1\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    // One class for all copies; read and retrieved in their own.
    let moved = json(
        &bench,
        "moves.csv --storage-class STANDARD --assume-storage-class GLACIER_IR",
    )
    .await;
    let lines = billed(&moved, "billed");
    assert_close(lines[0].2, (2.0 * 1.0 + 2.0 * 10.0 + 0.4) / 1e6);
    assert_close(lines[1].2, 5.0 * 5.0 / 1e6);
    assert_close(lines[3].2, 2.0 * 0.01 + 2.0 * 0.03);
    assert_eq!(moved["storage_classes"]["GLACIER_IR"], 2, "{moved}");
    assert_eq!(moved["of_assumed_class"], 1, "{moved}");
    // A class that nobody has a price for is no reason not to begin.
    let cold = |key: &str| {
        let (from, to) = (format!("old/{key}"), format!("new/{key}"));
        [
            bench.uri(&from),
            bench.uri(&to),
            "1".to_owned(),
            "COLD".to_owned(),
        ]
    };
    bench.write("cold.csv", csv_text(&header, ["a", "b"].map(cold)));
    let told = json(&bench, "cold.csv --assume-storage-class STANDARD_IA").await;
    assert_eq!(
        told["storage_classes"],
        serde_json::json!({"COLD": 2}),
        "{told}"
    );
    assert_close(billed(&told, "billed")[1].2, 2.0 * 10.0 / 1e6);
    let notes = told["notes"].to_string();
    for words in ["no table for COLD", "at those of STANDARD_IA", "--prices"] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    assert!(!notes.contains("younger than"), "{notes}");
}
