//! The table of deaths in `docs/SEMANTICS.md` is what was played.

use std::fmt::Write as _;
use std::path::Path;

use rebucket_protocol::{Outcome, Reason};
use rebucket_tests::simulation::deaths::{Asked, Enacted, enact};
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::scenarios::{Scenario, all};
use rebucket_tests::simulation::scene::{NEW, OLD};

use crate::counting::{check, count};

const BEGIN: &str = "<!-- generated: deaths, begin -->\n";
const END: &str = "<!-- generated: deaths, end -->\n";

/// Requests in a row that end alike whenever the worker dies at them.
struct Stretch {
    requests: Vec<String>,
    outcomes: [String; 3],
}

#[test]
fn the_table_of_deaths_is_what_was_played() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SEMANTICS.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("the table's begin");
    let (_, tail) = rest.split_once(END).expect("the table's end");
    let made = format!("{head}{BEGIN}{}{END}{tail}", table());
    if std::env::var_os("REBUCKET_UPDATE_DOCS").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    assert!(
        text == made,
        "docs/SEMANTICS.md does not show what was played; run this test with \
         REBUCKET_UPDATE_DOCS=1 and look at what changed"
    );
}

fn table() -> String {
    let mut text = String::from(
        "| scenario | the worker dies at | before it is sent | carried out, answer lost | answered |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for scenario in all() {
        let mut name = format!("**{}**: {}", scenario.name, scenario.about);
        for stretch in stretches(&scenario) {
            let requests = shortened(&stretch.requests);
            let [before, applied, answered] = &stretch.outcomes;
            writeln!(
                text,
                "| {name} | {requests} | {before} | {applied} | {answered} |"
            )
            .unwrap();
            name = String::new();
        }
    }
    text
}

fn stretches(scenario: &Scenario) -> Vec<Stretch> {
    let counted = count(scenario);
    let mut stretches: Vec<Stretch> = Vec::new();
    for (request, asked) in (0..).zip(&counted.asked) {
        let outcomes = Moment::ALL.map(|moment| {
            let fates = counted.and(request, Fate::Death(moment));
            let enacted = enact(scenario, &fates, &[], false);
            check(scenario, &enacted, &fates);
            outcome(&enacted)
        });
        let request = named(asked);
        match stretches.last_mut() {
            Some(last) if last.outcomes == outcomes => last.requests.push(request),
            _ => stretches.push(Stretch {
                requests: vec![request],
                outcomes,
            }),
        }
    }
    stretches
}

fn outcome(enacted: &Enacted) -> String {
    let one = |outcome: &Option<(Outcome, Option<Reason>)>| match outcome {
        Some((outcome, None)) => format!("`{}`", outcome.as_str()),
        Some((outcome, Some(reason))) => format!("`{}`, `{}`", outcome.as_str(), reason.as_str()),
        None => "none".to_owned(),
    };
    let mut all: Vec<String> = enacted.played.ended.outcomes.iter().map(one).collect();
    all.dedup();
    all.join("; ")
}

fn named((operation, target): &Asked) -> String {
    let of = if target.contains(".rebucket/") {
        " of a scratch copy"
    } else if *operation == "HeadObject" && target.starts_with(&format!("s3://{OLD}/")) {
        " of the source"
    } else if *operation == "HeadObject" && target.starts_with(&format!("s3://{NEW}/")) {
        " of the destination"
    } else {
        ""
    };
    format!("{operation}{of}")
}

/// The first and the last of many.
fn shortened(requests: &[String]) -> String {
    match requests {
        [one] => one.clone(),
        [first, last] => format!("{first}, {last}"),
        [first, .., last] => format!("{first} to {last} ({} requests)", requests.len()),
        [] => String::new(),
    }
}
