//! What a check is, and how all of them are run against one server.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};

use crate::answer::Outcome;

/// Longer than any check takes on a server that answers at all.
const LIMIT: Duration = Duration::from_mins(1);

/// One thing that AWS does. `W` is where it is tried.
pub(crate) struct Check<W> {
    /// Never changes, and names the check everywhere.
    pub(crate) name: &'static str,
    /// What AWS does, in one line.
    pub(crate) aws: &'static str,
    pub(crate) run: fn(W) -> BoxFuture<'static, Outcome>,
}

/// A heading of the document and the checks below it.
pub(crate) struct Group<W: 'static> {
    pub(crate) title: &'static str,
    pub(crate) checks: &'static [Check<W>],
}

/// A check that is named after its function.
macro_rules! check {
    ($name:ident, $aws:literal) => {
        $crate::check::Check {
            name: stringify!($name),
            aws: $aws,
            run: |place| Box::pin($name(place)),
        }
    };
}

pub(crate) use check;

/// The name of a check, and what a server does instead of what AWS does.
pub(crate) type Difference = (&'static str, &'static str);

/// Every check that does not find what AWS does, with what it finds.
pub(crate) async fn run<W>(
    groups: &[Group<W>],
    at_once: usize,
    place: impl Fn(&'static str) -> W,
) -> BTreeMap<&'static str, String> {
    run_those(groups, at_once, place, |_| true).await
}

/// The same, of some of the checks.
pub(crate) async fn run_those<W>(
    groups: &[Group<W>],
    at_once: usize,
    place: impl Fn(&'static str) -> W,
    wanted: impl Fn(&str) -> bool,
) -> BTreeMap<&'static str, String> {
    let checks = groups.iter().flat_map(|group| group.checks);
    let checks = checks.filter(|check| wanted(check.name));
    let runs = checks.map(|check| {
        let run = (check.run)(place(check.name));
        async move {
            let outcome = tokio::time::timeout(LIMIT, run).await;
            let seen = outcome.unwrap_or_else(|_| Err("hangs".to_owned())).err()?;
            Some((check.name, seen))
        }
    });
    let seen = stream::iter(runs).buffer_unordered(at_once);
    seen.filter_map(std::future::ready).collect().await
}

/// Asserts that a server differs from AWS exactly as the table says.
#[track_caller]
pub(crate) fn assert_as_known(
    server: &str,
    seen: &BTreeMap<&'static str, String>,
    known: &[Difference],
) {
    let known: BTreeMap<_, _> = known.iter().copied().collect();
    let mut report = String::new();
    for (name, text) in seen {
        match known.get(name) {
            Some(expected) if expected == text => {}
            Some(expected) => {
                writeln!(
                    report,
                    "  otherwise: (\"{name}\", {text:?}), not {expected:?}"
                )
            }
            .expect("a string"),
            None => writeln!(report, "  new: (\"{name}\", {text:?}),").expect("a string"),
        }
    }
    for (name, expected) in known.iter().filter(|(name, _)| !seen.contains_key(*name)) {
        writeln!(report, "  no longer: (\"{name}\", {expected:?})").expect("a string");
    }
    assert!(
        report.is_empty(),
        "{server} differs from AWS in another way than differences.rs says:\n{report}"
    );
}
