//! Somebody else who writes to the same buckets, without conditions.

use rebucket_simulator::clock::Millis;

use super::audit::Place;
use super::cloud::State;
use super::store::{Blueprint, put, remove};

/// What an outsider does to a place.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "a schedule has a handful of them"
)]
pub enum Act {
    /// Puts an object: perhaps with the bytes that were there before.
    Put(Blueprint),
    /// Deletes what is there.
    Delete,
}

/// When an outsider acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Once a worker took the object at the place away, at once.
    Taken,
    /// Once a worker wrote the object at the place, at once.
    Written,
}

/// An act that waits for a worker's.
#[derive(Debug, Clone)]
pub struct Ambush {
    /// Where, and for what.
    pub place: Place,
    /// For what.
    pub trigger: Trigger,
    /// What is done then.
    pub act: Act,
}

/// An act right after a certain request.
#[derive(Debug, Clone)]
pub struct Appointment {
    /// The process.
    pub process: u16,
    /// Its how manieth request, from 0.
    pub request: u32,
    /// Where.
    pub place: Place,
    /// What is done then.
    pub act: Act,
}

impl State {
    /// An outsider acts.
    pub fn outsider(&mut self, place: &Place, act: &Act, now: Millis) {
        let before = place.current(&self.s3).cloned();
        match act {
            Act::Put(made) => {
                put(&mut self.s3, place, made, now);
                self.note(now, || format!("outsider puts {place}"));
            }
            Act::Delete => {
                remove(&mut self.s3, place, now);
                self.note(now, || format!("outsider deletes {place}"));
            }
        }
        self.audit.outsider(place, before.as_ref(), &self.s3, now);
    }

    /// Does what was appointed for after this request.
    pub fn keep_appointments(&mut self, process: u16, request: u32, now: Millis) {
        let due = |kept: &Appointment| kept.process == process && kept.request == request;
        while let Some(at) = self.appointments.iter().position(due) {
            let Appointment { place, act, .. } = self.appointments.remove(at);
            self.outsider(&place, &act, now);
        }
    }

    /// Springs the first ambush that waits for this.
    pub fn spring(&mut self, place: &Place, trigger: Trigger, now: Millis) {
        let waiting = self
            .ambushes
            .iter()
            .position(|ambush| ambush.trigger == trigger && ambush.place == *place);
        if let Some(found) = waiting {
            let ambush = self.ambushes.remove(found);
            self.outsider(&ambush.place, &ambush.act, now);
        }
    }
}
