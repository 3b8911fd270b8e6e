//! The files of recorded facts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::Deserialize;

/// What a service was recorded to answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fact {
    pub(crate) name: String,
    /// The recording: a source of its file, `::`, and the test there.
    from: Option<String>,
    /// Why nothing is recorded. What is expected is then only what the simulator
    /// does.
    pub(crate) unknown: Option<String>,
    /// Whether the bucket has Object Lock.
    #[serde(default)]
    pub(crate) lock: bool,
    /// What goes before. A step that begins with `?` may fail.
    #[serde(default)]
    pub(crate) given: Vec<String>,
    pub(crate) ask: String,
    pub(crate) expect: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    sources: BTreeMap<String, Source>,
    fact: Vec<Fact>,
}

/// A suite that was run against Amazon's services.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    /// Suite and file.
    #[expect(dead_code, reason = "for readers of the file")]
    file: String,
    /// When it was recorded, or a word on why no date is known.
    #[expect(dead_code, reason = "for readers of the file")]
    date: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.from.as_deref().unwrap_or("unknown");
        write!(f, "{} ({from}): {}", self.name, self.ask)
    }
}

/// All of them, in the order of the files.
pub(crate) fn facts() -> Vec<Fact> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulator/facts");
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut names = BTreeSet::new();
    let mut facts = Vec::new();
    for file in files {
        let shown = file.display();
        let text = std::fs::read_to_string(&file).unwrap();
        let page: Page = toml::from_str(&text).unwrap_or_else(|e| panic!("{shown}: {e}"));
        for fact in page.fact {
            match (&fact.from, &fact.unknown) {
                (Some(from), None) => {
                    let source = from.split("::").next().unwrap_or_default();
                    let known = page.sources.contains_key(source);
                    assert!(known, "{shown}: {}: no source {source}", fact.name);
                }
                (None, Some(_)) => {}
                _ => panic!("{shown}: {}: either from or unknown", fact.name),
            }
            assert!(
                names.insert(fact.name.clone()),
                "{shown}: {} twice",
                fact.name
            );
            facts.push(fact);
        }
    }
    facts
}
