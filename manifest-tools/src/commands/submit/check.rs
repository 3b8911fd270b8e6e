//! Is the queue fit for the job? A warning for each attribute that is not.

use std::time::Duration;

use rebucket_worker::queue::sqs::QueueAttributes;

use crate::commands::words::duration as words;

const DAY: Duration = Duration::from_hours(24);

/// A shorter visibility timeout lets a message come back while anybody still
/// looks at it.
const LEAST_VISIBILITY: Duration = Duration::from_secs(30);

/// A shorter retention leaves no time to mend what keeps workers from work.
const LEAST_RETENTION: Duration = DAY;

/// Being handed back by a worker that is told to stop counts as a delivery.
const LEAST_DELIVERIES: u32 = 5;

/// A task that kills its workers is given to so many of them.
const MOST_DELIVERIES: u32 = 100;

/// What is unfit about a queue for a job that is expected to take so long,
/// one sentence each.
pub(super) fn warnings(queue: &QueueAttributes, takes: Option<Duration>) -> Vec<String> {
    let mut found = Vec::new();
    let deliveries = queue.max_receive_count;
    if deliveries < LEAST_DELIVERIES {
        found.push(format!(
            "its redrive policy has maxReceiveCount {deliveries}: a task that is handed back or \
             throttled so often fails; {LEAST_DELIVERIES} or more is better"
        ));
    }
    if deliveries > MOST_DELIVERIES {
        found.push(format!(
            "its redrive policy has maxReceiveCount {deliveries}: what cannot succeed is tried \
             that often before it fails; 5 to 20 is better"
        ));
    }
    if let Some(visibility) = queue.visibility.filter(|time| *time < LEAST_VISIBILITY) {
        found.push(format!(
            "its visibility timeout is {}: workers set their own, but what anything else receives \
             comes back that soon; 2 minutes is better",
            words(visibility)
        ));
    }
    if let Some(retention) = queue.retention {
        let late = takes.filter(|takes| *takes > retention);
        if let Some(takes) = late {
            found.push(format!(
                "its messages are thrown away after {}, and the job is expected to take {}: what \
                 is not received by then is lost without an outcome; set the retention to 14 days \
                 (1209600), or use more workers",
                words(retention),
                words(takes)
            ));
        } else if retention < LEAST_RETENTION {
            found.push(format!(
                "its messages are thrown away after {}: should the workers stand still for so \
                 long, the rest of the job is lost without an outcome; 4 to 14 days is better",
                words(retention)
            ));
        }
        // A FIFO queue's messages begin a new life in the dead-letter queue.
        if let Some(dead) = queue.dead_letter_retention
            && dead <= retention
            && !queue.fifo
        {
            found.push(format!(
                "its dead-letter queue keeps messages for {}, counted from when they were first \
                 sent, and the queue for {}: a message that is moved late is thrown away early; \
                 give the dead-letter queue 14 days (1209600), and the queue less",
                words(dead),
                words(retention)
            ));
        }
    }
    if queue.dead_letter_retention.is_none() {
        found.push(
            "its dead-letter queue does not say how long it keeps messages; give it 14 days"
                .to_owned(),
        );
    }
    if queue.fifo {
        found.push(
            "it is a FIFO queue: the renames into one bucket are one message group, of which \
             workers get the next ones only when the ones before have ended; a standard queue \
             has no such limit"
                .to_owned(),
        );
        if !queue.high_throughput {
            found.push(
                "it is a FIFO queue without high throughput: 300 requests a second, so at most \
                 3,000 messages"
                    .to_owned(),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const HOUR: Duration = Duration::from_hours(1);

    fn fit() -> QueueAttributes {
        QueueAttributes {
            fifo: false,
            high_throughput: false,
            visibility: Some(2 * MINUTE),
            retention: Some(4 * DAY),
            dead_letter_retention: Some(14 * DAY),
            largest_message: Some(1 << 20),
            max_receive_count: 5,
        }
    }

    #[test]
    fn a_fit_queue_has_no_warning() {
        assert_eq!(warnings(&fit(), None), [""; 0]);
        assert_eq!(warnings(&fit(), Some(4 * DAY)), [""; 0]);
    }

    #[test]
    fn each_unfit_attribute_has_one() {
        type Change = fn(&mut QueueAttributes);
        let unfit: [(&str, Change); 8] = [
            ("maxReceiveCount 4", |q| q.max_receive_count = 4),
            ("maxReceiveCount 101", |q| q.max_receive_count = 101),
            ("visibility timeout is 29 s", |q| {
                q.visibility = Some(Duration::from_secs(29));
            }),
            (
                "thrown away after 2 d, and the job is expected to take 3 d",
                |q| {
                    q.retention = Some(2 * DAY);
                },
            ),
            ("keeps messages for 4 d", |q| {
                q.dead_letter_retention = Some(4 * DAY);
            }),
            ("does not say", |q| q.dead_letter_retention = None),
            ("14 days (1209600), and the queue less", |q| {
                (q.retention, q.dead_letter_retention) = (Some(14 * DAY), Some(14 * DAY));
            }),
            ("FIFO", |q| (q.fifo, q.high_throughput) = (true, true)),
        ];
        for (words, change) in unfit {
            let mut queue = fit();
            change(&mut queue);
            let found = warnings(&queue, Some(3 * DAY));
            assert_eq!(found.len(), 1, "{words}: {found:?}");
            assert!(found[0].contains(words), "{words}: {found:?}");
        }
        let mut short = fit();
        short.retention = Some(23 * HOUR);
        let found = warnings(&short, None);
        assert!(
            found.len() == 1 && found[0].contains("after 23 h"),
            "{found:?}"
        );
    }

    #[test]
    fn a_fifo_queue_has_its_limits_named() {
        let mut queue = fit();
        (queue.fifo, queue.dead_letter_retention) = (true, Some(4 * DAY));
        let found = warnings(&queue, None);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].contains("3,000"), "{found:?}");
    }
}
