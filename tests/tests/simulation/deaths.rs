//! Every scenario, with every request made to go wrong in every way.

use rebucket_protocol::Outcome;
use rebucket_tests::simulation::deaths::{Asked, Enacted, enact, mishaps};
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::outsider::Appointment;
use rebucket_tests::simulation::scenarios::{Scenario, all};

type Fates = Vec<(u16, u32, Fate)>;

/// The requests of a scenario that are made to go wrong: of which process,
/// and after which trouble.
struct Counted {
    process: u16,
    trouble: Fates,
    asked: Vec<Asked>,
}

fn count(scenario: &Scenario) -> Counted {
    let plain = enact(scenario, &[], &[], false);
    let mut trouble = Fates::new();
    if let Some((operation, fate)) = scenario.trouble {
        let at = plain.asked[0]
            .iter()
            .position(|(asked, _)| *asked == operation);
        let at = at.expect("the operation that goes wrong");
        trouble.push((0, u32::try_from(at).unwrap(), fate));
    }
    let troubled = enact(scenario, &trouble, &[], false);
    check(scenario, &troubled, &trouble);
    let ends_first = matches!(scenario.trouble, Some((_, Fate::Death(_))));
    let process = u16::from(ends_first);
    Counted {
        process,
        trouble,
        asked: troubled.asked[usize::from(process)].clone(),
    }
}

/// What must hold after any mishap: nothing is violated, and the task ends as
/// it would have.
fn check(scenario: &Scenario, enacted: &Enacted, fates: &Fates) {
    let outcomes = &enacted.played.ended.outcomes;
    let good = enacted.played.violations.is_empty()
        && outcomes.iter().all(|outcome| {
            outcome.is_some_and(|(outcome, _)| ends_well(scenario.outcome, outcome))
        });
    if !good {
        let again = enact(scenario, fates, &[], true);
        panic!(
            "{} with {fates:?}: {outcomes:?}\n{}\n{}",
            scenario.name,
            again.played.log.join("\n"),
            again.played.violations.join("\n")
        );
    }
}

fn ends_well(expected: Outcome, found: Outcome) -> bool {
    match expected {
        Outcome::Renamed | Outcome::AlreadyRenamed => {
            matches!(found, Outcome::Renamed | Outcome::AlreadyRenamed)
        }
        other => found == other,
    }
}

#[test]
fn one_mishap_at_any_request_of_any_scenario() {
    let mut played = 0;
    for scenario in all() {
        let counted = count(&scenario);
        for request in 0..u32::try_from(counted.asked.len()).unwrap() {
            for mishap in mishaps(&scenario) {
                let mut fates = counted.trouble.clone();
                fates.push((counted.process, request, mishap));
                check(&scenario, &enact(&scenario, &fates, &[], false), &fates);
                played += 1;
            }
        }
    }
    println!("{played} mishaps");
    assert!(played > 2_000, "{played}");
}

#[test]
fn a_death_at_any_request_and_another_at_any_request_of_the_next_worker() {
    let mut played = 0;
    for scenario in all() {
        let counted = count(&scenario);
        for first in 0..u32::try_from(counted.asked.len()).unwrap() {
            for moment in [Moment::Before, Moment::Applied] {
                let mut fates = counted.trouble.clone();
                fates.push((counted.process, first, Fate::Death(moment)));
                let next = counted.process + 1;
                let once = enact(&scenario, &fates, &[], false);
                let Some(asked) = once.asked.get(usize::from(next)) else {
                    continue;
                };
                for second in 0..u32::try_from(asked.len()).unwrap() {
                    for moment in [Moment::Before, Moment::Applied] {
                        let mut both = fates.clone();
                        both.push((next, second, Fate::Death(moment)));
                        check(&scenario, &enact(&scenario, &both, &[], false), &both);
                        played += 1;
                    }
                }
            }
        }
    }
    println!("{played} pairs of deaths");
    assert!(played > 5_000, "{played}");
}

#[test]
fn an_outsider_after_any_request_with_and_without_a_death() {
    let mut played = 0;
    for scenario in all() {
        let counted = count(&scenario);
        let acts = scenario.outsider_acts();
        for request in 0..u32::try_from(counted.asked.len()).unwrap() {
            for (place, act) in &acts {
                for death in [None, Some(Fate::Death(Moment::Applied))] {
                    let mut fates = counted.trouble.clone();
                    fates.extend(death.map(|fate| (counted.process, request, fate)));
                    let appointment = Appointment {
                        process: counted.process,
                        request,
                        place: place.clone(),
                        act: act.clone(),
                    };
                    let appointments = [appointment];
                    let enacted = enact(&scenario, &fates, &appointments, false);
                    played += 1;
                    if !enacted.played.violations.is_empty() {
                        let again = enact(&scenario, &fates, &appointments, true);
                        panic!(
                            "{} with {fates:?}, {act:?} at {place} after request {request}:\n{}\n{}",
                            scenario.name,
                            again.played.log.join("\n"),
                            again.played.violations.join("\n")
                        );
                    }
                }
            }
        }
    }
    println!("{played} meddlings");
    assert!(played > 2_000, "{played}");
}
