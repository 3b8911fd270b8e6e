//! The queue of one worker process, over the model of SQS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rebucket_protocol::Timestamp;
use rebucket_simulator::clock::Millis;
use rebucket_simulator::sqs::{self, AttributeValue, Code, Outgoing, SqsError};
use rebucket_worker::error::{ErrorClass, ServiceError};
use rebucket_worker::queue::{
    self, Depth, EntryResult, ParkReason, Queue, ReceiptHandle, Received,
};
use tokio::time::Instant;

use super::cloud::timestamp;
use super::line::Process;
use super::twist::Twist;

/// The queue that workers take tasks from.
pub const QUEUE: &str = "tasks";
/// Its dead-letter queue.
pub const DEAD: &str = "dead";

/// A queue by way of one process's line.
pub struct SimQueue {
    process: Arc<Process>,
    max_receive_count: u32,
}

impl SimQueue {
    /// The queue as this process reaches it.
    #[must_use]
    pub fn new(process: Arc<Process>, max_receive_count: u32) -> Self {
        Self {
            process,
            max_receive_count,
        }
    }
}

fn error(operation: &'static str, error: &SqsError) -> ServiceError {
    let class = match error.code {
        Code::QueueDoesNotExist => ErrorClass::ContainerMissing,
        // As AWS answers to a receipt that is no longer good.
        Code::ReceiptHandleIsInvalid | Code::MessageNotInflight | Code::InvalidParameterValue => {
            ErrorClass::LeaseLost
        }
        Code::OverLimit => ErrorClass::Throttled,
        _ => ErrorClass::Invalid,
    };
    let message = error.message.clone();
    ServiceError::local(
        operation,
        QUEUE,
        class,
        &format!("{:?}", error.code),
        message,
    )
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn delivered(message: &sqs::Received, deadline: Instant, twist: &Twist) -> Received {
    Received {
        id: message.message_id.to_string(),
        receipt: ReceiptHandle(message.receipt_handle.clone()),
        body: message.body().to_owned(),
        receive_count: (!twist.uncounted).then_some(message.receive_count),
        sent: Some(timestamp(twist.queue_time(message.sent_at))),
        deadline,
    }
}

#[async_trait]
impl Queue for SimQueue {
    async fn receive(
        &self,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Received>, ServiceError> {
        let cloud = self.process.cloud();
        let give_up = Instant::now() + wait;
        // The service waits, not the client: only the last look is a request
        // whose fate is decided.
        loop {
            let sent = cloud.sent.notified();
            let due = cloud.with(|state, now| {
                let next = state.sqs.next_visible(QUEUE, now).ok().flatten();
                next.map(|at| at.max(now))
            });
            let now = cloud.now();
            if due.is_some_and(|at| at <= now) || Instant::now() >= give_up {
                break;
            }
            let until = due.map_or(give_up, |at| cloud.instant(at).min(give_up));
            tokio::select! {
                biased;
                () = sent => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
        let stamped = Instant::now();
        let target = || QUEUE.to_owned();
        let visible = seconds(visibility);
        let received = self
            .process
            .bounded("ReceiveMessage", target, move |state, now| {
                state
                    .sqs
                    .receive(QUEUE, max, Some(visible), now)
                    .map_err(|e| error("ReceiveMessage", &e))
            })
            .await?;
        Ok(received
            .iter()
            .map(|message| delivered(message, stamped + visibility, &cloud.twist))
            .collect())
    }

    async fn change_visibility(
        &self,
        entries: &[(ReceiptHandle, Duration)],
    ) -> Result<Vec<EntryResult>, ServiceError> {
        let owned: Vec<_> = entries
            .iter()
            .map(|(receipt, by)| (receipt.0.clone(), seconds(*by)))
            .collect();
        let target = || format!("{entries:?}");
        let answer = self
            .process
            .bounded("ChangeMessageVisibility", target, move |state, now| {
                let change = |(receipt, by): &(String, u32)| {
                    state
                        .sqs
                        .change_visibility(QUEUE, receipt, *by, now)
                        .map_err(|e| error("ChangeMessageVisibility", &e))
                };
                Ok(owned.iter().map(change).collect())
            })
            .await;
        self.process.cloud().sent.notify_waiters();
        answer
    }

    async fn acknowledge(
        &self,
        entries: &[ReceiptHandle],
    ) -> Result<Vec<EntryResult>, ServiceError> {
        let owned: Vec<_> = entries.iter().map(|receipt| receipt.0.clone()).collect();
        let target = || format!("{entries:?}");
        self.process
            .bounded("DeleteMessage", target, move |state, now| {
                let delete = |receipt: &String| {
                    state
                        .sqs
                        .delete(QUEUE, receipt, now)
                        .map_err(|e| error("DeleteMessage", &e))
                };
                Ok(owned.iter().map(delete).collect())
            })
            .await
    }

    async fn enqueue(&self, message: queue::Outgoing) -> Result<(), ServiceError> {
        let message = Outgoing::new(message.body);
        let target = || QUEUE.to_owned();
        let sent = self
            .process
            .bounded("SendMessage", target, move |state, now: Millis| {
                state
                    .sqs
                    .send(QUEUE, message, now)
                    .map(|_| ())
                    .map_err(|e| error("SendMessage", &e))
            })
            .await;
        self.process.cloud().sent.notify_waiters();
        sent
    }

    async fn park(&self, message: &Received, reason: &ParkReason) -> Result<(), ServiceError> {
        let body = message.body.clone();
        let code = reason.reason.as_str();
        let target = || DEAD.to_owned();
        self.process
            .bounded("SendMessage", target, move |state, now: Millis| {
                let parked = Outgoing::new(body).attribute("reason", AttributeValue::string(code));
                state
                    .sqs
                    .send(DEAD, parked, now)
                    .map(|_| ())
                    .map_err(|e| error("SendMessage", &e))
            })
            .await
    }

    async fn depth(&self) -> Result<Depth, ServiceError> {
        let target = || QUEUE.to_owned();
        self.process
            .bounded("GetQueueAttributes", target, |state, now| {
                let attributes = state
                    .sqs
                    .attributes(QUEUE, now)
                    .map_err(|e| error("GetQueueAttributes", &e))?;
                let count = |which: &str| {
                    let name = format!("ApproximateNumberOfMessages{which}");
                    attributes
                        .get(&name)
                        .and_then(|n| n.parse().ok())
                        .unwrap_or_default()
                };
                Ok(Depth {
                    visible: count(""),
                    in_flight: count("NotVisible"),
                    delayed: count("Delayed"),
                })
            })
            .await
    }

    fn max_receive_count(&self) -> u32 {
        self.max_receive_count
    }

    fn now(&self) -> Option<Timestamp> {
        let cloud = self.process.cloud();
        Some(timestamp(cloud.twist.queue_time(cloud.now())))
    }
}
