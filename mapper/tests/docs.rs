//! Runs every rule, template and glob in docs/MAP.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a failed unwrap is a failed test, helpers included"
)]

use rebucket_mapper::mapping::{Change, Mapped, Mapping, RowProblem};
use rebucket_mapper::{Entry, Filters, SyntaxError, Template, filter, syntax};
use rebucket_protocol::{BucketName, ETag, ObjectKey, StorageClass, VersionId};

const DOCS: &str = include_str!("../../docs/MAP.md");
const BUCKET: &str = "examples";

/// The fenced blocks of this kind.
fn blocks(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}\n");
    let parts = DOCS.split(fence.as_str()).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap())
        .collect()
}

/// Words of a command line, with single quotes and without escapes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').expect("a closing quote"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

/// What the flags of a command line say.
fn mapping(words: &[String]) -> Result<Mapping, SyntaxError> {
    let (mut rules, mut template, mut pattern, mut to) = (Vec::new(), None, None, None);
    let mut filters = Filters::default();
    for pair in words.windows(2) {
        let value = pair[1].as_str();
        match pair[0].as_str() {
            "--rewrite" => rules.push(value.parse()?),
            "--template" => template = Some(value),
            "--match" => pattern = Some(syntax::pattern(value)?),
            "--to" => to = Some(value.parse().unwrap()),
            "--include" => filters.include.push(value.parse()?),
            "--exclude" => filters.exclude.push(value.parse()?),
            _ => {}
        }
    }
    let change = match template {
        Some(text) => Change::Template {
            template: Template::parse(text, pattern.as_ref())?,
            pattern,
        },
        None if rules.is_empty() => Change::Keep,
        None => Change::Rewrite(rules),
    };
    Ok(Mapping {
        filters,
        change,
        to,
    })
}

fn object(key: &str) -> Entry {
    Entry {
        etag: Some(ETag::new("9e107d9d372bb6826bd81d3542a419d6").unwrap()),
        size: Some(1_048_576),
        version: Some(VersionId::new("v1").unwrap()),
        modified: Some(filter::time("2026-11-22T10:30:05Z").unwrap()),
        storage_class: StorageClass::new("STANDARD_IA").ok(),
        ..Entry::new(
            BucketName::new(BUCKET).unwrap(),
            ObjectKey::new(key).unwrap(),
        )
    }
}

/// What the docs would say about it.
fn said(mapping: &Mapping, key: &str) -> String {
    match mapping.map(&object(key)) {
        Ok(Mapped::FilteredOut) => "is filtered out".to_owned(),
        Ok(Mapped::Unmatched | Mapped::Unchanged) => "stays".to_owned(),
        Ok(Mapped::Changed(to)) if to.bucket.as_str() == BUCKET => format!("-> {}", to.key),
        Ok(Mapped::Changed(to)) => format!("-> {to}"),
        Err(RowProblem::Missing(missing)) => format!("has no {}", missing.field),
        Err(problem) => problem.to_string(),
    }
}

#[test]
fn every_example_does_what_it_says() {
    let mut examples = 0;
    for block in blocks("map") {
        let (flags, lines) = block.split_once('\n').unwrap();
        let mapping = mapping(&words(flags)).unwrap();
        for line in lines.lines() {
            let at = ["->", "stays", "is filtered out", "has no "]
                .iter()
                .find_map(|word| line.find(word))
                .unwrap_or_else(|| panic!("nothing is said in {line:?}"));
            let (key, expected) = line.split_at(at);
            assert_eq!(said(&mapping, key.trim_end()), expected, "{flags}: {line}");
            examples += 1;
        }
    }
    assert!(examples >= 30, "only {examples} examples were found");
}

#[test]
fn every_refusal_is_one() {
    let mut refusals = 0;
    for line in blocks("refused").concat().lines() {
        let (flags, expected) = line.split_at(line.rfind(" at character").unwrap());
        let error = mapping(&words(flags)).expect_err(line).to_string();
        assert!(error.contains(expected.trim()), "{error}");
        refusals += 1;
    }
    assert!(refusals >= 7, "only {refusals} were found");
}

#[test]
fn every_field_of_the_table_has_its_value() {
    let mut fields = 0;
    for line in DOCS.lines().filter(|line| line.starts_with("| `{")) {
        let line = line.replace("\\|", " ");
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let quoted = |cell: &str| -> Vec<String> {
            let parts = cell.split('`').skip(1).step_by(2);
            parts.map(str::to_owned).collect()
        };
        let (templates, values) = (quoted(cells[1]), quoted(cells[2]));
        if values.is_empty() {
            continue;
        }
        for (template, value) in templates.iter().zip(&values) {
            let parsed = Template::parse(template, None).unwrap();
            let made = parsed.render(&object("a/b/photo.tar.gz"), None);
            assert_eq!(made.as_ref(), Ok(value), "{template}");
            fields += 1;
        }
        assert_eq!(templates.len(), values.len(), "{line}");
    }
    assert!(fields >= 21, "only {fields} fields were found");
}

#[test]
fn every_command_can_be_given() {
    let mut commands = 0;
    for line in blocks("sh").concat().lines() {
        let words = words(line);
        if words.get(1).is_some_and(|word| word == "map") {
            mapping(&words).expect(line);
            commands += 1;
        }
    }
    assert!(commands >= 3, "only {commands} commands were found");
}
