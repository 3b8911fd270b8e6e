//! Opening a queue: its redrive policy, and the dead-letter queue in it.

use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::send::is_fifo;
use super::{REQUEST_LIMIT, SqsQueue, send};
use crate::clock::ServiceClock;
use crate::error::ErrorClass;
use crate::metrics::Metrics;
use crate::retry::{CallError, Caller, Policy};

/// Why a queue cannot be worked from.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The queue could not be asked.
    #[error(transparent)]
    Service(#[from] CallError),
    /// Failed renames would have nowhere to go.
    #[error(
        "the queue {0} has no redrive policy, so failed renames would be retried until they \
         expire and are lost; give it a dead-letter queue"
    )]
    NoDeadLetterQueue(String),
    /// The dead-letter queue is gone.
    #[error(
        "the dead-letter queue {name} of the queue {url} does not exist; make it, or name another \
         one in the queue's redrive policy"
    )]
    DeadLetterQueueGone {
        /// The queue.
        url: String,
        /// Its dead-letter queue.
        name: String,
    },
    /// One of both queues is FIFO, the other one is not: SQS moves nothing from
    /// the one to the other (SQS developer guide, "Using dead-letter queues").
    #[error(
        "the queue {url} and its dead-letter queue {name} are not of one kind: either both are \
         FIFO, with names that end in .fifo, or none is; name another dead-letter queue in the \
         redrive policy"
    )]
    MixedKinds {
        /// The queue.
        url: String,
        /// Its dead-letter queue.
        name: String,
    },
    /// The redrive policy cannot be read.
    #[error("the queue {url} has a redrive policy that cannot be read: {policy}")]
    BadRedrivePolicy {
        /// The queue.
        url: String,
        /// Its policy.
        policy: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    /// A number or a string, depending on who wrote it.
    max_receive_count: serde_json::Value,
}

impl RedrivePolicy {
    fn max_receive_count(&self) -> Option<u32> {
        let count = match &self.max_receive_count {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        count.and_then(|count| u32::try_from(count).ok())
    }

    /// Account and name: `arn:aws:sqs:REGION:ACCOUNT:NAME`.
    fn account_and_name(&self) -> Option<(&str, &str)> {
        let (head, name) = self.dead_letter_target_arn.rsplit_once(':')?;
        let (_, account) = head.rsplit_once(':')?;
        Some((account, name))
    }
}

impl SqsQueue {
    /// Opens the queue at `url`: reads its redrive policy and finds its
    /// dead-letter queue. An endpoint that is just starting is waited for.
    ///
    /// # Errors
    /// [`OpenError`] when the queue does not exist, denies us, or has no
    /// dead-letter queue.
    pub async fn open(
        client: Client,
        url: &str,
        metrics: Metrics,
        stop: &CancellationToken,
    ) -> Result<Self, OpenError> {
        let clock = ServiceClock::default();
        let config = client.config().to_builder().interceptor(clock.clone());
        let client = Client::from_conf(config.build());
        let caller = Caller::new(metrics.clone(), Arc::new(Semaphore::new(1)), stop.clone());
        let attributes = || {
            let request = client
                .get_queue_attributes()
                .queue_url(url)
                .attribute_names(QueueAttributeName::RedrivePolicy)
                .send();
            send(&metrics, "GetQueueAttributes", url, REQUEST_LIMIT, request)
        };
        let answer = caller.call(Policy::START, attributes).await?;
        let attributes = answer.attributes();
        let text = attributes
            .and_then(|map| map.get(&QueueAttributeName::RedrivePolicy))
            .filter(|text| !text.is_empty())
            .ok_or_else(|| OpenError::NoDeadLetterQueue(url.to_owned()))?;
        let unreadable = || OpenError::BadRedrivePolicy {
            url: url.to_owned(),
            policy: text.clone(),
        };
        let policy: RedrivePolicy = serde_json::from_str(text).map_err(|_| unreadable())?;
        let max_receive_count = policy.max_receive_count().ok_or_else(unreadable)?;
        let (account, name) = policy.account_and_name().ok_or_else(unreadable)?;
        if is_fifo(url) != is_fifo(name) {
            return Err(OpenError::MixedKinds {
                url: url.to_owned(),
                name: name.to_owned(),
            });
        }
        let dead_letter = || {
            let request = client
                .get_queue_url()
                .queue_name(name)
                .queue_owner_aws_account_id(account)
                .send();
            send(&metrics, "GetQueueUrl", name, REQUEST_LIMIT, request)
        };
        let answer = caller.call(Policy::START, dead_letter).await;
        let answer = answer.map_err(|error| match error {
            CallError::Failed(error) if error.class() == ErrorClass::ContainerMissing => {
                OpenError::DeadLetterQueueGone {
                    url: url.to_owned(),
                    name: name.to_owned(),
                }
            }
            error => error.into(),
        })?;
        let dead_letter_url = answer.queue_url().ok_or_else(unreadable)?.to_owned();
        Ok(Self {
            client,
            metrics,
            url: url.to_owned(),
            dead_letter_url,
            max_receive_count,
            clock,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_policy_is_read_in_both_spellings() {
        for count in ["5", "\"5\""] {
            let text = format!(
                "{{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:123456789012:dead\",\
                 \"maxReceiveCount\":{count}}}"
            );
            let policy: RedrivePolicy = serde_json::from_str(&text).unwrap();
            assert_eq!(policy.max_receive_count(), Some(5));
            assert_eq!(policy.account_and_name(), Some(("123456789012", "dead")));
        }
    }
}
