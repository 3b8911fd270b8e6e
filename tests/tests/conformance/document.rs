//! docs/CONFORMANCE.md, written from the checks and the table of differences.

use std::fmt::Write as _;
use std::path::Path;

use crate::check::{Difference, Group};
use crate::{differences, s3, sqs};

/// Set to write the document instead of comparing it.
const UPDATE: &str = "REBUCKET_UPDATE_DOCS";

const INTRODUCTION: &str = "\
# What S3 and SQS do, and who else does it

<!-- Generated from tests/tests/conformance. Do not edit: change a check or
     differences.rs, then run
     REBUCKET_UPDATE_DOCS=1 cargo test -p rebucket-tests --test conformance document
-->

rebucket is written for AWS and tested without it, on a simulator and on servers that imitate S3 and
SQS. None of these proves anything about AWS unless it does what AWS does. So one suite of checks, through
the AWS SDK, runs on all of them. Each check states what AWS documents (API reference, user guide); no
check was run on AWS itself.

A server may differ only where a table below says so, and only in the way it says: the suite fails on a
new difference and on one that has vanished. `✓` is \"as AWS\"; anything else is what the server does
instead, up to where the check gave up. To run it:

```
.venv/bin/python scripts/with_servers.py -- cargo test -p rebucket-tests --test conformance
```

";

struct Server {
    name: &'static str,
    known: &'static [Difference],
}

const S3_SERVERS: [Server; 3] = [
    Server {
        name: "simulator",
        known: differences::S3_SIMULATOR,
    },
    Server {
        name: "SeaweedFS",
        known: differences::S3_SEAWEEDFS,
    },
    Server {
        name: "moto",
        known: differences::S3_MOTO,
    },
];

const SQS_SERVERS: [Server; 3] = [
    Server {
        name: "simulator",
        known: differences::SQS_SIMULATOR,
    },
    Server {
        name: "MiniStack",
        known: differences::SQS_MINISTACK,
    },
    Server {
        name: "moto",
        known: differences::SQS_MOTO,
    },
];

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str("| service | checks | server | as AWS | otherwise |\n");
    text.push_str("| --- | --- | --- | --- | --- |\n");
    summary(&mut text, "S3", s3::GROUPS, &S3_SERVERS);
    summary(&mut text, "SQS", sqs::GROUPS, &SQS_SERVERS);
    tables(&mut text, "S3", s3::GROUPS, &S3_SERVERS);
    tables(&mut text, "SQS", sqs::GROUPS, &SQS_SERVERS);
    text
}

fn summary<W>(text: &mut String, service: &str, groups: &[Group<W>], servers: &[Server]) {
    let checks: usize = groups.iter().map(|group| group.checks.len()).sum();
    for Server { name, known } in servers {
        let (same, other) = (checks - known.len(), known.len());
        writeln!(text, "| {service} | {checks} | {name} | {same} | {other} |").expect("a string");
    }
}

fn tables<W>(text: &mut String, service: &str, groups: &[Group<W>], servers: &[Server]) {
    writeln!(text, "\n## {service}").expect("a string");
    let names: Vec<_> = servers.iter().map(|server| server.name).collect();
    for group in groups {
        let (title, names) = (group.title, names.join(" | "));
        writeln!(text, "\n### {service}: {title}\n").expect("a string");
        writeln!(text, "| check | what AWS does | {names} |").expect("a string");
        writeln!(text, "| --- | --- |{}", " --- |".repeat(servers.len())).expect("a string");
        for check in group.checks {
            write!(text, "| `{}` | {} |", check.name, cell(check.aws)).expect("a string");
            for server in servers {
                let seen = server.known.iter().find(|(name, _)| *name == check.name);
                let seen = seen.map_or_else(|| "✓".to_owned(), |(_, seen)| cell(seen));
                write!(text, " {seen} |").expect("a string");
            }
            text.push('\n');
        }
    }
}

/// Text that Markdown shows as it is.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for letter in text.chars() {
        if matches!(letter, '|' | '*' | '\\' | '<' | '>' | '_' | '`' | '[' | ']') {
            cell.push('\\');
        }
        cell.push(letter);
    }
    cell
}

pub(crate) fn assert_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CONFORMANCE.md");
    let wanted = document();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, wanted).expect("docs/CONFORMANCE.md is written");
        return;
    }
    let seen = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        seen == wanted,
        "docs/CONFORMANCE.md is not what the checks and the table say; write it anew with\n  \
         {UPDATE}=1 cargo test -p rebucket-tests --test conformance document"
    );
}
