//! Acknowledgements of which only some go through.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rebucket_worker::error::{ErrorClass, ServiceError};
use rebucket_worker::queue::ack::Acknowledger;
use rebucket_worker::queue::{
    Depth, EntryResult, Outgoing, ParkReason, Queue, ReceiptHandle, Received,
};
use rebucket_worker::retry::Caller;

/// A queue that fails each entry the first time that it sees it.
#[derive(Default)]
struct Hesitant {
    seen: Mutex<Vec<String>>,
    acknowledged: Mutex<Vec<String>>,
}

#[async_trait]
impl Queue for Hesitant {
    async fn receive(
        &self,
        _: usize,
        _: Duration,
        _: Duration,
    ) -> Result<Vec<Received>, ServiceError> {
        Ok(Vec::new())
    }

    async fn change_visibility(
        &self,
        _: &[(ReceiptHandle, Duration)],
    ) -> Result<Vec<EntryResult>, ServiceError> {
        Ok(Vec::new())
    }

    async fn acknowledge(
        &self,
        entries: &[ReceiptHandle],
    ) -> Result<Vec<EntryResult>, ServiceError> {
        let mut seen = self.seen.lock().unwrap();
        let results = entries.iter().map(|ReceiptHandle(receipt)| {
            if seen.contains(receipt) {
                self.acknowledged.lock().unwrap().push(receipt.clone());
                return Ok(());
            }
            seen.push(receipt.clone());
            let class = ErrorClass::Transient;
            Err(ServiceError::local(
                "DeleteMessage",
                "queue",
                class,
                "Test",
                "",
            ))
        });
        Ok(results.collect())
    }

    async fn enqueue(&self, _: Outgoing) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn park(&self, _: &Received, _: &ParkReason) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, ServiceError> {
        Ok(Depth::default())
    }

    fn max_receive_count(&self) -> u32 {
        5
    }

    fn now(&self) -> Option<rebucket_protocol::Timestamp> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn the_entries_that_fail_are_sent_again_until_all_are_through() {
    let queue = Arc::new(Hesitant::default());
    let (acknowledger, sending) =
        Acknowledger::start(Arc::clone(&queue) as Arc<dyn Queue>, Caller::apart());
    let receipts: Vec<_> = (0..25).map(|n| n.to_string()).collect();
    for receipt in &receipts {
        acknowledger
            .acknowledge(ReceiptHandle(receipt.clone()))
            .await;
    }
    drop(acknowledger);
    sending.await.unwrap();
    let mut acknowledged = queue.acknowledged.lock().unwrap().clone();
    acknowledged.sort_by_key(|receipt| receipt.parse::<u32>().unwrap());
    assert_eq!(acknowledged, receipts);
}
