//! What becomes of a request.

use std::time::Duration;

use super::schedule::{Decision, Schedule};

/// The moment of a request at which its worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before the request is sent.
    Before,
    /// Carried out; the answer is lost with the worker.
    Applied,
    /// The answer has arrived, and nothing else has happened.
    Answered,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Before, Self::Applied, Self::Answered];
}

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Carried out and answered.
    Answered,
    /// The service asks to slow down; not carried out.
    Throttled,
    /// The service reports another request on the same key (409); not carried
    /// out.
    Conflict,
    /// The connection breaks; not carried out.
    Reset,
    /// The connection breaks; carried out.
    ReplyLost,
    /// No answer ever comes; carried out or not.
    Silence {
        /// True if it was carried out.
        applied: bool,
    },
    /// Somebody else than the service answers, a proxy for instance.
    Impostor {
        /// True if the request was carried out.
        applied: bool,
    },
    /// The worker meets a bug of its own, and panics.
    Panic,
    /// The worker dies.
    Death(Moment),
    /// The worker is frozen when the answer is on its way, for so long.
    Frozen(Duration),
    /// The worker stands still for so long when the answer has arrived, and
    /// goes on with it before any timer of its own has run. Time passes for
    /// everybody, so this is for worlds with one worker.
    Asleep(Duration),
    /// On its way for so long, whether or not anybody still waits for it.
    Late(Duration),
}

/// The course of one request.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// How long it takes to be carried out. Never longer than a lease's
    /// margin: what a longer one can do is written down in
    /// `docs/SEMANTICS.md`.
    pub there: Duration,
    /// How long the answer takes.
    pub back: Duration,
    /// How it ends.
    pub fate: Fate,
    /// If nobody waits for it any more before it was carried out: whether it
    /// is carried out all the same.
    pub lingers: bool,
}

/// Decides what becomes of each request of each worker.
pub trait Director: Send + Sync {
    /// The course of the `number`th request of `worker`; both count from 0.
    fn course(&self, worker: u16, number: u32) -> Course;
}

/// A few milliseconds for every request, and one death, perhaps.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Requests with a fate of their own.
    pub fates: Vec<(u16, u32, Fate)>,
}

impl Director for Script {
    fn course(&self, worker: u16, number: u32) -> Course {
        let fate = self
            .fates
            .iter()
            .find(|(at, nth, _)| (*at, *nth) == (worker, number));
        let fate = fate.map_or(Fate::Answered, |(_, _, fate)| *fate);
        Course {
            there: match fate {
                Fate::Late(by) => by,
                _ => Duration::from_millis(2),
            },
            back: Duration::from_millis(2),
            fate,
            lingers: true,
        }
    }
}

/// How rough a random schedule is: chances in 1,000 for each request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Roughness {
    /// A request that is not carried out.
    pub refused: u32,
    /// One that is carried out and not answered.
    pub lost: u32,
    /// One that is never answered.
    pub silent: u32,
    /// The worker dies.
    pub death: u32,
    /// The worker is frozen.
    pub freeze: u32,
    /// Somebody else than the service answers.
    pub impostor: u32,
    /// The longest way there and back, in milliseconds.
    pub latency: u64,
}

/// Random fates.
#[derive(Debug)]
pub struct Dice {
    schedule: Schedule,
    roughness: Roughness,
    longest_freeze: Duration,
    calm: std::sync::atomic::AtomicBool,
}

impl Dice {
    /// Fates by a schedule, until [`Dice::calm_down`].
    #[must_use]
    pub fn new(schedule: Schedule, roughness: Roughness, longest_freeze: Duration) -> Self {
        Self {
            schedule,
            roughness,
            longest_freeze,
            calm: false.into(),
        }
    }

    /// From now on every request is answered.
    pub fn calm_down(&self) {
        self.calm.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Director for Dice {
    fn course(&self, worker: u16, number: u32) -> Course {
        let decision = Decision::Request(worker, number);
        let mut chance = self.schedule.chance_of(decision);
        let rough = &self.roughness;
        let there = Duration::from_millis(chance.u64(0..=rough.latency));
        let back = Duration::from_millis(chance.u64(0..=rough.latency));
        let lingers = chance.bool();
        let calm = self.calm.load(std::sync::atomic::Ordering::SeqCst);
        let mut roll = chance.u32(0..1_000);
        let mut falls = |share: u32| {
            let hit = roll < share;
            roll = roll.wrapping_sub(share);
            hit
        };
        let fate = if calm || !self.schedule.has(decision) {
            Fate::Answered
        } else if falls(rough.refused) {
            if chance.bool() {
                Fate::Throttled
            } else {
                Fate::Reset
            }
        } else if falls(rough.lost) {
            Fate::ReplyLost
        } else if falls(rough.silent) {
            Fate::Silence {
                applied: chance.bool(),
            }
        } else if falls(rough.death) {
            Fate::Death(Moment::ALL[chance.usize(0..3)])
        } else if falls(rough.freeze) {
            let longest = u64::try_from(self.longest_freeze.as_millis()).unwrap_or(u64::MAX);
            Fate::Frozen(Duration::from_millis(chance.u64(1..=longest.max(1))))
        } else if falls(rough.impostor) {
            Fate::Impostor {
                applied: chance.bool(),
            }
        } else {
            Fate::Answered
        };
        Course {
            there,
            back,
            fate,
            lingers,
        }
    }
}
