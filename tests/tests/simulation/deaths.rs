//! Every scenario, with every request made to go wrong in every way.

use rebucket_tests::simulation::deaths::enact;
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::outsider::Appointment;
use rebucket_tests::simulation::scenarios::all;

use crate::counting::{check, count, play_mishaps};

#[test]
fn one_mishap_at_any_request_of_any_scenario() {
    let played = play_mishaps(&all());
    assert!(played > 3_000, "{played}");
}

#[test]
fn a_death_at_any_request_and_another_at_any_request_of_the_next_worker() {
    let mut played = 0;
    for scenario in all() {
        let counted = count(&scenario);
        for first in 0..counted.len() {
            for moment in [Moment::Before, Moment::Applied] {
                let fates = counted.and(first, Fate::Death(moment));
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
    assert!(played > 10_000, "{played}");
}

#[test]
fn an_outsider_after_any_request_with_and_without_a_death() {
    let mut played = 0;
    for scenario in all() {
        let counted = count(&scenario);
        let acts = scenario.outsider_acts();
        for request in 0..counted.len() {
            for (place, act) in &acts {
                for death in [None, Some(Fate::Death(Moment::Applied))] {
                    let mut fates = counted.trouble.clone();
                    fates.extend(death.map(|fate| (counted.process, request, fate)));
                    let appointments = [Appointment {
                        process: counted.process,
                        request,
                        place: place.clone(),
                        act: act.clone(),
                    }];
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
    assert!(played > 5_000, "{played}");
}
