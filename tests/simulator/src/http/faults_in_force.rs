//! The rules in force: added, counted, ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::faults::{Action, Rule};
use super::operation::Operation;
use crate::clock::Millis;
use crate::random::Random;

/// A rule in force, and what it did so far.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// What [`Faults::remove`] takes.
    pub id: u64,
    /// The rule.
    pub rule: Rule,
    /// Requests that matched, struck or not.
    pub matched: u64,
    /// Requests struck.
    pub struck: u64,
    #[serde(skip)]
    since: Millis,
    #[serde(skip)]
    random: Random,
}

/// The rules in force. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    added: u64,
    rules: Vec<Standing>,
}

impl Faults {
    /// Adds a rule, after those that are there. Of several that match a
    /// request, the first one that strikes counts.
    #[allow(clippy::must_use_candidate)]
    pub fn add(&self, rule: Rule, now: Millis) -> u64 {
        let mut state = self.state();
        state.added += 1;
        let standing = Standing {
            id: state.added,
            random: Random::new(rule.seed),
            rule,
            matched: 0,
            struck: 0,
            since: now,
        };
        state.rules.push(standing);
        state.added
    }

    /// Ends a rule. Answers whether it was there.
    #[must_use]
    pub fn remove(&self, id: u64) -> bool {
        let mut state = self.state();
        let before = state.rules.len();
        state.rules.retain(|standing| standing.id != id);
        state.rules.len() < before
    }

    /// Ends every rule.
    pub fn clear(&self) {
        self.state().rules.clear();
    }

    /// The rules in force.
    #[must_use]
    pub fn list(&self) -> Vec<Standing> {
        self.state().rules.clone()
    }

    /// How many requests a rule has struck.
    #[must_use]
    pub fn struck(&self, id: u64) -> u64 {
        let state = self.state();
        let standing = state.rules.iter().find(|standing| standing.id == id);
        standing.map_or(0, |standing| standing.struck)
    }

    /// What happens to this request.
    pub(super) fn decide(&self, operation: &Operation, now: Millis) -> Option<Action> {
        let mut state = self.state();
        state.rules.iter_mut().find_map(|standing| {
            let strikes = standing.strikes(operation, now);
            strikes.then(|| standing.rule.action.clone())
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// Counts a request, and says whether it is struck.
    fn strikes(&mut self, operation: &Operation, now: Millis) -> bool {
        let begin = self.since + Duration::from_millis(self.rule.from_ms);
        let lasts = |ms| now < begin + Duration::from_millis(ms);
        if now < begin || !self.rule.for_ms.is_none_or(lasts) || !self.rule.matches(operation) {
            return false;
        }
        self.matched += 1;
        let strikes = self.matched > self.rule.skip
            && self.rule.times.is_none_or(|times| self.struck < times)
            && self.random.chance(self.rule.probability);
        self.struck += u64::from(strikes);
        strikes
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::Service;
    use super::*;

    fn request(name: &str, key: &str) -> Operation {
        Operation {
            service: Service::S3,
            name: name.to_owned(),
            bucket: Some("b".to_owned()),
            key: Some(key.to_owned()),
            keys: Vec::new(),
            source: None,
            queue: None,
        }
    }

    #[test]
    fn rules_count_their_matches() {
        let faults = Faults::default();
        let error = Action::error(503, "SlowDown");
        let rule = Rule::on("CopyObject", error.clone())
            .prefix("old/")
            .skip(1)
            .times(2);
        let id = faults.add(rule, Millis(0));
        let hit = |name, key| faults.decide(&request(name, key), Millis(0)).is_some();
        assert!(!hit("PutObject", "old/a"));
        assert!(!hit("CopyObject", "new/a"));
        let struck: Vec<_> = (0..5).map(|_| hit("CopyObject", "old/a")).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!(faults.struck(id), 2);
        assert!(faults.remove(id) && !faults.remove(id));
    }

    #[test]
    fn a_rule_lasts_as_long_as_it_says() {
        let faults = Faults::default();
        let mut rule = Rule::new(Action::error(503, "SlowDown")).lasting(Duration::from_secs(1));
        rule.from_ms = 500;
        faults.add(rule, Millis(1_000));
        let hit = |now| {
            faults
                .decide(&request("HeadObject", "k"), Millis(now))
                .is_some()
        };
        let struck = [1_499, 1_500, 2_499, 2_500].map(hit);
        assert_eq!(struck, [false, true, true, false]);
    }
}
