//! What the suites of deaths have in common.

use rebucket_protocol::Outcome;
use rebucket_tests::simulation::deaths::{Asked, Enacted, enact, mishaps};
use rebucket_tests::simulation::fate::Fate;
use rebucket_tests::simulation::scenarios::Scenario;

pub(crate) type Fates = Vec<(u16, u32, Fate)>;

/// The requests of a scenario that are made to go wrong: of which process,
/// and after which trouble.
pub(crate) struct Counted {
    pub(crate) process: u16,
    pub(crate) trouble: Fates,
    pub(crate) asked: Vec<Asked>,
}

impl Counted {
    /// How many requests there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.asked.len()).unwrap()
    }

    /// The scenario's own trouble, and one more.
    pub(crate) fn and(&self, request: u32, fate: Fate) -> Fates {
        let mut fates = self.trouble.clone();
        fates.push((self.process, request, fate));
        fates
    }
}

/// Plays a scenario undisturbed, and counts.
pub(crate) fn count(scenario: &Scenario) -> Counted {
    let plain = enact(scenario, &[], &[], false);
    let mut trouble = Fates::new();
    if let Some((operation, fate)) = scenario.trouble {
        let at = plain.asked[0]
            .iter()
            .position(|(asked, _)| *asked == operation);
        let at = at.expect("the operation that goes wrong");
        trouble.push((0, u32::try_from(at).unwrap(), fate));
    }
    let undisturbed = enact(scenario, &trouble, &[], false);
    check(scenario, &undisturbed, &trouble);
    let ends_first = matches!(scenario.trouble, Some((_, Fate::Death(_))));
    let process = u16::from(ends_first);
    Counted {
        process,
        trouble,
        asked: undisturbed.asked[usize::from(process)].clone(),
    }
}

/// Plays each scenario with each mishap at each of its requests; how often
/// that is.
pub(crate) fn play_mishaps(scenarios: &[Scenario]) -> u32 {
    let mut played = 0;
    for scenario in scenarios {
        let counted = count(scenario);
        for request in 0..counted.len() {
            for mishap in mishaps(scenario) {
                let fates = counted.and(request, mishap);
                check(scenario, &enact(scenario, &fates, &[], false), &fates);
                played += 1;
            }
        }
    }
    println!("{played} mishaps");
    played
}

/// What must hold after any mishap: nothing is violated, and the task ends as
/// it would have.
pub(crate) fn check(scenario: &Scenario, enacted: &Enacted, fates: &Fates) {
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
