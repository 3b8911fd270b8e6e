//! Every request, counted and written down.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::operation::Operation;
use crate::clock::Millis;

/// How many requests the log remembers.
const LOGGED: usize = 100_000;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its place in the order of arrival, from 0.
    pub number: u64,
    /// When it came, in milliseconds since 1970.
    pub at_ms: u64,
    /// What it asked for.
    #[serde(flatten)]
    pub operation: Operation,
    /// The status of the answer; nothing while there is none, or none at all.
    pub status: Option<u16>,
    /// Whether it reached the model.
    pub applied: bool,
    /// What was done to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Requests in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// All requests.
    pub total: u64,
    /// By operation.
    pub operations: BTreeMap<String, u64>,
    /// By status; a request without an answer is in none.
    pub statuses: BTreeMap<u16, u64>,
    /// Struck by a fault.
    pub faults: u64,
    /// Under way now.
    pub in_flight: u64,
    /// Most under way at the same time.
    pub peak_in_flight: u64,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
}

/// The requests so far. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    log: VecDeque<Record>,
    next: u64,
}

impl Requests {
    /// The numbers.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// How many requests of an operation came.
    #[must_use]
    pub fn count(&self, operation: &str) -> u64 {
        let state = self.state();
        state.counts.operations.get(operation).copied().unwrap_or(0)
    }

    /// The last 100,000 requests in the order of arrival.
    #[must_use]
    pub fn log(&self) -> Vec<Record> {
        self.state().log.iter().cloned().collect()
    }

    /// Forgets everything but what is under way.
    pub fn reset(&self) {
        let mut state = self.state();
        let in_flight = state.counts.in_flight;
        state.counts = Counts {
            in_flight,
            peak_in_flight: in_flight,
            ..Counts::default()
        };
        state.log.clear();
    }

    /// Writes a request down. It is under way until the ticket is dropped.
    pub(super) fn begin(&self, operation: Operation, now: Millis) -> Ticket {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let counts = &mut state.counts;
        counts.total += 1;
        counts.in_flight += 1;
        counts.peak_in_flight = counts.peak_in_flight.max(counts.in_flight);
        *counts.operations.entry(operation.name.clone()).or_default() += 1;
        if state.log.len() == LOGGED {
            state.log.pop_front();
        }
        state.log.push_back(Record {
            number,
            at_ms: now.0,
            operation,
            status: None,
            applied: false,
            fault: None,
        });
        Ticket {
            requests: self.clone(),
            number,
        }
    }

    pub(super) fn received(&self, bytes: usize) {
        self.state().counts.bytes_in += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.state().counts.bytes_out += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Ticket {
    requests: Requests,
    number: u64,
}

impl Ticket {
    /// Its place in the order of arrival.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn struck(&self, fault: &super::faults::Action) {
        self.note(|record| record.fault = Some(fault.to_string()));
        self.requests.state().counts.faults += 1;
    }

    pub(super) fn applied(&self) {
        self.note(|record| record.applied = true);
    }

    pub(super) fn answered(&self, status: u16) {
        self.note(|record| record.status = Some(status));
        let mut state = self.requests.state();
        *state.counts.statuses.entry(status).or_default() += 1;
    }

    fn note(&self, change: impl FnOnce(&mut Record)) {
        let mut state = self.requests.state();
        let first = state.log.front().map_or(0, |record| record.number);
        let position = self
            .number
            .checked_sub(first)
            .and_then(|p| usize::try_from(p).ok());
        if let Some(record) = position.and_then(|position| state.log.get_mut(position)) {
            change(record);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.requests.state().counts.in_flight -= 1;
    }
}
