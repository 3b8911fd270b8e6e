//! Receiving, and waiting for something to receive.

use std::pin::pin;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::wire::{self, Wanted};
use super::{Answer, Call, Front};
use crate::clock::Millis;
use crate::sqs::{Code, Received, SqsError};

/// How often a long poll looks again by itself: a manual clock moves, and the
/// model changes under its owner's hands, without telling.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receive {
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
}

impl Front {
    pub(super) async fn receive(&self, call: &Call) -> Answer {
        let queue = call.queue()?;
        let wanted: Wanted = call.parse()?;
        let receive: Receive = call.parse()?;
        // What is below 0 is as wrong as what is above the limits.
        let max = receive.max_number_of_messages.unwrap_or(1);
        let max = usize::try_from(max).unwrap_or(0);
        let visibility = receive.visibility_timeout;
        let visibility = visibility.map(|v| u32::try_from(v).unwrap_or(u32::MAX));
        let wait = match receive.wait_time_seconds {
            Some(wait) => u32::try_from(wait).unwrap_or(u32::MAX),
            None => self.model().settings(&queue)?.wait,
        };
        if wait > 20 {
            let text = format!(
                "Value {wait} for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."
            );
            return Err(SqsError::new(Code::InvalidParameterValue, text).into());
        }
        let waiting = Waiting::new(wait, self.clock.now());
        loop {
            // Listened to before looking: what arrives in between is not missed.
            let mut arrived = pin!(self.arrived.notified());
            arrived.as_mut().enable();
            let now = self.clock.now();
            let received = self.model().receive(&queue, max, visibility, now);
            // Too many in flight: long polls are met with silence.
            let full = matches!(&received, Err(e) if e.code == Code::OverLimit && wait > 0);
            let received = if full { Vec::new() } else { received? };
            let Some(left) = waiting.left(now).filter(|_| received.is_empty()) else {
                return Ok(render(&received, &wanted));
            };
            let next = self.model().next_visible(&queue, now)?;
            let due = next.filter(|_| !full).map_or(LOOK_AGAIN, |next| {
                // Not 0: what is due now may have gone to the dead letters.
                Duration::from_millis(next.0.saturating_sub(now.0).max(1))
            });
            let pause = due.min(left).min(LOOK_AGAIN);
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

fn render(received: &[Received], wanted: &Wanted) -> Value {
    if received.is_empty() {
        return json!({});
    }
    let messages: Vec<_> = received.iter().map(|m| wire::received(m, wanted)).collect();
    json!({ "Messages": messages })
}

/// The end of a long poll: by the machine's clock or the simulator's, whichever
/// comes first.
struct Waiting {
    until: Instant,
    deadline: Millis,
}

impl Waiting {
    fn new(seconds: u32, now: Millis) -> Self {
        let wait = Duration::from_secs(seconds.into());
        Self {
            until: Instant::now() + wait,
            deadline: now + wait,
        }
    }

    fn left(&self, now: Millis) -> Option<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        (!left.is_zero() && now < self.deadline).then_some(left)
    }
}
