//! What happens by itself in a schedule: outsiders, duplicates, signals.

use std::time::Duration;

use fastrand::Rng;
use rebucket_simulator::clock::Millis;

use super::audit::Place;
use super::draw::plain;
use super::outsider::{Act, Ambush, Trigger};
use super::permuted;
use super::scene::{Job, Put, SENT, Scene};
use super::schedule::{Decision, Schedule};

/// Something that happens by itself.
#[derive(Debug, Clone)]
pub enum Happening {
    /// An outsider acts.
    Outsider {
        /// Where.
        place: Place,
        /// What is done.
        act: Box<Act>,
    },
    /// The submitter sends a message once more, as another one.
    SentTwice {
        /// The message's number.
        message: usize,
    },
    /// The queue delivers a message once more.
    DeliveredTwice {
        /// The message's number.
        message: usize,
    },
    /// What is in the dead-letter queue is moved back.
    Redriven,
    /// A worker is told to stop, and another is started in its place.
    Stop {
        /// Which of those that run side by side.
        worker: usize,
        /// What is under way may go on for so long.
        grace: Duration,
    },
}

/// When something happens.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at: Millis,
    /// What.
    pub what: Happening,
}

/// What may happen in a schedule.
pub(super) struct Troubles {
    /// How long, in milliseconds.
    pub length: u64,
    /// To how many workers.
    pub workers: usize,
    /// Whether outsiders meddle.
    pub meddling: bool,
}

/// One of them.
enum Trouble {
    Happens(Happening),
    Waits(Box<Ambush>),
}

impl Troubles {
    /// Draws so many events, and what outsiders do in answer to workers.
    pub(super) fn draw(
        &self,
        schedule: &Schedule,
        count: u16,
        scene: &Scene,
    ) -> (Vec<Event>, Vec<Ambush>) {
        let (mut events, mut ambushes) = (Vec::new(), Vec::new());
        for number in 0..count {
            let decision = Decision::Event(number);
            if !schedule.has(decision) || scene.jobs.is_empty() {
                continue;
            }
            let mut chance = schedule.chance_of(decision);
            let at = Millis(SENT.0 + chance.u64(0..=self.length));
            match self.one(&mut chance, scene) {
                Some(Trouble::Happens(what)) => events.push(Event { at, what }),
                Some(Trouble::Waits(ambush)) => ambushes.push(*ambush),
                None => {}
            }
        }
        if let Some(after) = scene.twist.redriven_after {
            events.push(Event {
                at: Millis(SENT.0 + after),
                what: Happening::Redriven,
            });
        }
        events.sort_by_key(|event| event.at);
        (events, ambushes)
    }

    fn one(&self, chance: &mut Rng, scene: &Scene) -> Option<Trouble> {
        let message = chance.usize(0..scene.messages());
        let job = &scene.jobs[message];
        let what = match chance.u8(0..10) {
            0 if job.submitted => Happening::SentTwice { message },
            0 | 1 => Happening::DeliveredTwice { message },
            2 => Happening::Stop {
                worker: chance.usize(0..self.workers),
                grace: Duration::from_millis(chance.u64(0..=10_000)),
            },
            _ if !self.meddling => return None,
            _ if scene.twist.chained => {
                let ambush = permuted::ambush(chance, scene)?;
                return Some(Trouble::Waits(Box::new(ambush)));
            }
            _ => {
                let (place, act) = meddle(chance, job, &scene.objects);
                if chance.u8(0..3) == 0 {
                    let trigger = if place == job.source {
                        Trigger::Taken
                    } else {
                        Trigger::Written
                    };
                    return Some(Trouble::Waits(Box::new(Ambush {
                        place,
                        trigger,
                        act,
                    })));
                }
                let act = Box::new(act);
                Happening::Outsider { place, act }
            }
        };
        Some(Trouble::Happens(what))
    }
}

/// What an outsider does to a task's source or destination: often with the
/// very bytes that are or were there.
fn meddle(chance: &mut Rng, job: &Job, objects: &[Put]) -> (Place, Act) {
    let at_source = chance.u8(0..3) > 0;
    let place = if at_source {
        job.source.clone()
    } else {
        job.destination.clone()
    };
    if chance.u8(0..4) == 0 {
        return (place, Act::Delete);
    }
    let same = objects
        .iter()
        .rev()
        .find(|object| object.place == job.source);
    let act = match same.filter(|_| chance.u8(0..4) > 0) {
        Some(same) => Act::Put(same.made.clone()),
        None => Act::Put(plain(b"the outsider's own")),
    };
    (place, act)
}
