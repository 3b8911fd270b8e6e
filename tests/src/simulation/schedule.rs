//! A schedule: a seed, and what of it happens.
//!
//! Everything that a schedule does beside the plain course of things is a
//! [`Decision`] with a name. Each draws its own chance from the seed and its
//! name, so that leaving one out does not change the others, and a failing
//! schedule can be cut down to the decisions that it needs.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Something that a schedule may do, or leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// A task of the manifest, by its number.
    Task(u16),
    /// Something that happens by itself: an external write, a duplicate, a
    /// signal to a worker.
    Event(u16),
    /// What becomes of one request: of which worker, and its how manieth.
    Request(u16, u32),
    /// What is unusual about the world.
    World,
    /// Which chains there are, in a world that has them.
    Chains,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(number) => write!(f, "t{number}"),
            Self::Event(number) => write!(f, "e{number}"),
            Self::Request(worker, number) => write!(f, "r{worker}.{number}"),
            Self::World => f.write_str("w"),
            Self::Chains => f.write_str("c"),
        }
    }
}

/// All of a seed, or some decisions of it only: `seed` or `seed+t1+e3+r2.17`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    /// What all chance is drawn from.
    pub seed: u64,
    /// What happens, if that is not everything.
    pub only: Option<BTreeSet<Decision>>,
}

impl Schedule {
    /// All of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, only: None }
    }

    /// True unless the decision is left out.
    #[must_use]
    pub fn has(&self, decision: Decision) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.contains(&decision))
    }

    /// The chance of the schedule as a whole.
    #[must_use]
    pub fn chance(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(mix(self.seed))
    }

    /// The chance of one decision.
    #[must_use]
    pub fn chance_of(&self, decision: Decision) -> fastrand::Rng {
        let name = match decision {
            Decision::Task(number) => (1 << 60) | u64::from(number),
            Decision::Event(number) => (2 << 60) | u64::from(number),
            Decision::Request(worker, number) => {
                (3 << 60) | (u64::from(worker) << 32) | u64::from(number)
            }
            Decision::World => 4 << 60,
            Decision::Chains => 5 << 60,
        };
        fastrand::Rng::with_seed(mix(self.seed ^ mix(name)))
    }
}

/// Spreads neighbouring seeds far apart (the finaliser of `SplitMix64`).
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)?;
        let only = self.only.iter().flatten();
        only.into_iter().try_for_each(|one| write!(f, "+{one}"))
    }
}

/// A text that names no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a schedule such as 42 or 42+t1+e3+r2.17, found {0:?}")]
pub struct ScheduleError(String);

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ScheduleError(text.to_owned());
        let mut words = text.split('+');
        let seed = words.next().and_then(|word| word.parse().ok());
        let seed = seed.ok_or_else(wrong)?;
        let only: BTreeSet<_> = words
            .map(|word| decision(word).ok_or_else(wrong))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            seed,
            only: (!only.is_empty()).then_some(only),
        })
    }
}

fn decision(word: &str) -> Option<Decision> {
    let (kind, rest) = word.split_at_checked(1)?;
    match kind {
        "w" if rest.is_empty() => Some(Decision::World),
        "c" if rest.is_empty() => Some(Decision::Chains),
        "t" => rest.parse().ok().map(Decision::Task),
        "e" => rest.parse().ok().map(Decision::Event),
        "r" => {
            let (worker, number) = rest.split_once('.')?;
            Some(Decision::Request(
                worker.parse().ok()?,
                number.parse().ok()?,
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_reads_as_it_is_written() {
        for text in ["42", "0+t1+e3+r2.17", "7+t0+w"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        for text in ["", "x", "1+", "1+q3", "1+r3", "1+t+1"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
