//! A queue in memory with the semantics of SQS: what `rebucket run` works
//! from. Tasks are lost with the process; the report makes a run resumable.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rebucket_protocol::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Depth, EntryResult, Outgoing, ParkReason, Queue, ReceiptHandle, Received};
use crate::error::{ErrorClass, ServiceError};

/// Parked messages are in the report as well; only the last ones are kept, so
/// that memory stays bounded.
const PARKED_KEPT: usize = 1_000;

#[derive(Debug, Clone)]
struct Message {
    body: String,
    sent: Timestamp,
    receive_count: u32,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    next_receipt: u64,
    /// Every message by the time at which it can be received, then by age.
    waiting: BTreeMap<(Instant, u64), Message>,
    /// Where a message waits that was received: its receipt leads to it until
    /// it is received again.
    in_flight: HashMap<String, (Instant, u64)>,
    dead: VecDeque<(String, ParkReason)>,
    more_to_come: bool,
}

/// The queue in memory.
#[derive(Debug)]
pub struct MemoryQueue {
    state: Mutex<State>,
    changed: Notify,
    max_receive_count: u32,
}

impl MemoryQueue {
    /// An empty queue that gives a message up after so many deliveries.
    #[must_use]
    pub fn new(max_receive_count: u32) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            max_receive_count,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message.
    pub fn send(&self, body: String) {
        let mut state = self.lock();
        state.next_id += 1;
        let slot = (Instant::now(), state.next_id);
        let message = Message {
            body,
            sent: Timestamp::now(),
            receive_count: 0,
        };
        state.waiting.insert(slot, message);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Says whether more messages will be sent. While so, [`Queue::depth`]
    /// counts one as delayed, so that the queue does not look drained.
    pub fn set_more_to_come(&self, more: bool) {
        self.lock().more_to_come = more;
        self.changed.notify_waiters();
    }

    /// Returns once fewer than `limit` messages are in the queue, so that a
    /// feeder keeps it short.
    pub async fn wait_below(&self, limit: usize) {
        loop {
            let changed = self.changed.notified();
            if self.len() < limit {
                return;
            }
            changed.await;
        }
    }

    /// How many messages are in the queue, received ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// True when every message was acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages that were parked last, with their reasons.
    #[must_use]
    pub fn parked(&self) -> Vec<(String, ParkReason)> {
        self.lock().dead.iter().cloned().collect()
    }

    fn take(&self, max: usize, visibility: Duration) -> Vec<Received> {
        let mut state = self.lock();
        let now = Instant::now();
        let due: Vec<_> = state
            .waiting
            .range(..=(now, u64::MAX))
            .take(max)
            .map(|(slot, _)| *slot)
            .collect();
        let mut received = Vec::with_capacity(due.len());
        for slot in due {
            let Some(mut message) = state.waiting.remove(&slot) else {
                continue;
            };
            message.receive_count += 1;
            state.next_receipt += 1;
            let receipt = state.next_receipt.to_string();
            let hidden = (now + visibility, slot.1);
            state.in_flight.retain(|_, at| *at != slot);
            state.in_flight.insert(receipt.clone(), hidden);
            received.push(Received {
                id: slot.1.to_string(),
                receipt: ReceiptHandle(receipt),
                body: message.body.clone(),
                receive_count: Some(message.receive_count),
                sent: Some(message.sent),
                deadline: hidden.0,
            });
            state.waiting.insert(hidden, message);
        }
        received
    }

    /// When the next message can be received.
    fn next_due(&self) -> Option<Instant> {
        self.lock()
            .waiting
            .first_key_value()
            .map(|((at, _), _)| *at)
    }
}

fn stale(operation: &'static str) -> ServiceError {
    let (class, message) = (
        ErrorClass::LeaseLost,
        "the message was received again or is gone",
    );
    ServiceError::local(
        operation,
        "the queue in memory",
        class,
        "ReceiptHandleIsInvalid",
        message,
    )
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn receive(
        &self,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Received>, ServiceError> {
        let give_up = Instant::now() + wait;
        loop {
            let changed = self.changed.notified();
            let received = self.take(max, visibility);
            if !received.is_empty() || Instant::now() >= give_up {
                return Ok(received);
            }
            let until = self.next_due().map_or(give_up, |due| due.min(give_up));
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    async fn change_visibility(
        &self,
        entries: &[(ReceiptHandle, Duration)],
    ) -> Result<Vec<EntryResult>, ServiceError> {
        let mut state = self.lock();
        let results = entries
            .iter()
            .map(|(receipt, by)| {
                let stale = || stale("ChangeMessageVisibility");
                let slot = state.in_flight.get(&receipt.0).copied().ok_or_else(stale)?;
                let message = state.waiting.remove(&slot).ok_or_else(stale)?;
                let moved = (Instant::now() + *by, slot.1);
                state.waiting.insert(moved, message);
                state.in_flight.insert(receipt.0.clone(), moved);
                Ok(())
            })
            .collect();
        drop(state);
        self.changed.notify_waiters();
        Ok(results)
    }

    async fn acknowledge(
        &self,
        entries: &[ReceiptHandle],
    ) -> Result<Vec<EntryResult>, ServiceError> {
        let mut state = self.lock();
        let results = entries
            .iter()
            .map(|receipt| {
                let slot = state
                    .in_flight
                    .remove(&receipt.0)
                    .ok_or_else(|| stale("DeleteMessage"))?;
                state.waiting.remove(&slot);
                Ok(())
            })
            .collect();
        drop(state);
        self.changed.notify_waiters();
        Ok(results)
    }

    async fn enqueue(&self, message: Outgoing) -> Result<(), ServiceError> {
        self.send(message.body);
        Ok(())
    }

    async fn park(&self, message: &Received, reason: &ParkReason) -> Result<(), ServiceError> {
        let mut state = self.lock();
        if state.dead.len() == PARKED_KEPT {
            state.dead.pop_front();
        }
        state.dead.push_back((message.body.clone(), reason.clone()));
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, ServiceError> {
        let state = self.lock();
        let now = Instant::now();
        let visible = state.waiting.range(..=(now, u64::MAX)).count();
        let in_flight = state.waiting.len() - visible;
        Ok(Depth {
            visible: visible as u64,
            in_flight: in_flight as u64,
            delayed: u64::from(state.more_to_come),
        })
    }

    fn max_receive_count(&self) -> u32 {
        self.max_receive_count
    }

    /// This machine's.
    fn now(&self) -> Option<Timestamp> {
        Some(Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    async fn receive_one(queue: &MemoryQueue) -> Option<Received> {
        queue
            .receive(1, MINUTE, Duration::ZERO)
            .await
            .unwrap()
            .pop()
    }

    #[tokio::test(start_paused = true)]
    async fn a_received_message_is_invisible_until_its_deadline() {
        let queue = MemoryQueue::new(5);
        queue.send("a".into());
        assert_eq!(receive_one(&queue).await.unwrap().receive_count, Some(1));
        assert!(receive_one(&queue).await.is_none());
        tokio::time::advance(MINUTE).await;
        let again = receive_one(&queue).await.unwrap();
        assert_eq!((again.body.as_str(), again.receive_count), ("a", Some(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_receipt_neither_extends_nor_removes() {
        let queue = MemoryQueue::new(5);
        queue.send("a".into());
        let first = receive_one(&queue).await.unwrap();
        tokio::time::advance(MINUTE).await;
        let second = receive_one(&queue).await.unwrap();
        let extended = queue
            .change_visibility(&[(first.receipt.clone(), MINUTE)])
            .await
            .unwrap();
        assert_eq!(
            extended[0].as_ref().unwrap_err().class(),
            ErrorClass::LeaseLost
        );
        assert!(queue.acknowledge(&[first.receipt]).await.unwrap()[0].is_err());
        assert_eq!(queue.len(), 1);
        assert!(queue.acknowledge(&[second.receipt]).await.unwrap()[0].is_ok());
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_receiver_is_woken_by_what_is_handed_back() {
        let queue = MemoryQueue::new(5);
        queue.send("a".into());
        let first = receive_one(&queue).await.unwrap();
        let waiting = queue.receive(1, MINUTE, Duration::from_secs(20));
        let hand_back = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            queue
                .change_visibility(&[(first.receipt.clone(), Duration::ZERO)])
                .await
                .unwrap()
        };
        let (again, _) = tokio::join!(waiting, hand_back);
        assert_eq!(again.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn depth_counts_what_is_in_flight() {
        let queue = MemoryQueue::new(5);
        queue.send("a".into());
        queue.send("b".into());
        receive_one(&queue).await.unwrap();
        let depth = queue.depth().await.unwrap();
        assert_eq!((depth.visible, depth.in_flight), (1, 1));
    }
}
