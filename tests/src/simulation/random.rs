//! Random schedules: scenes, fates, outsiders, duplicates and signals, all
//! drawn from one seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rebucket_simulator::clock::Millis;
use rebucket_simulator::sqs::Outgoing;
use rebucket_worker::shutdown::Shutdown;
use tokio::time::Instant;

use super::cloud::Cloud;
use super::draw::{self, Drawn};
use super::ending::{self, Ended};
use super::events::Happening;
use super::fate::Dice;
use super::fleet::{Fleet, Started};
use super::line::Process;
use super::queue::{DEAD, QUEUE};
use super::scene::{SENT, Stage};
use super::schedule::Schedule;

/// The longest that a quiet world may take to empty its queue: every message
/// can be delivered as often as it may, each time after the longest delay.
const DRAINED_WITHIN: Duration = Duration::from_hours(12);

/// What came of a schedule.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// What went wrong; nothing, if all is well.
    pub violations: Vec<String>,
    /// What happened, if that was wanted.
    pub log: Vec<String>,
    /// How the tasks ended.
    pub ended: Ended,
    /// Requests that reached a service.
    pub requests: u64,
    /// Workers that were started.
    pub workers: u16,
}

/// Plays a schedule from its beginning to its end.
#[must_use]
pub fn play(schedule: &Schedule, log: bool) -> Played {
    runtime().block_on(run(schedule, log))
}

/// One thread, and a clock that goes on when there is nothing to do.
pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without any driver but time")
}

struct Theatre {
    cloud: Arc<Cloud>,
    dice: Arc<Dice>,
    fleet: Fleet,
    next: AtomicU16,
}

impl Theatre {
    fn start(&self) -> Started {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        self.cloud.note(|| format!("w{number} starts"));
        let cloud = Arc::clone(&self.cloud);
        let process = Process::start(number, cloud, Arc::clone(&self.dice) as _);
        self.fleet.start(&process)
    }

    /// Keeps one worker running, by starting another when it died or stopped,
    /// until `closing`; then stops the last one.
    async fn keep_running(self: Arc<Self>, rest: Duration, stops: Vec<Stop>, closing: Shutdown) {
        let mut stops = stops.into_iter();
        let mut stop = stops.next();
        loop {
            let Started {
                process,
                shutdown,
                mut running,
            } = self.start();
            let at = stop.as_ref().map(|stop| stop.at);
            let asked = async {
                match at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = process.died.notified() => {}
                () = asked => {
                    let grace = stop.take().map_or(Duration::ZERO, |stop| stop.grace);
                    stop = stops.next();
                    self.cloud.note(|| format!("w{} is told to stop within {grace:?}", process.number));
                    tokio::select! {
                        biased;
                        () = process.died.notified() => {}
                        _ = &mut running => {}
                        () = async { shutdown.within(grace).await; std::future::pending().await } => {}
                    }
                }
                () = closing.drain().cancelled() => {
                    process.thaw();
                    tokio::select! {
                        biased;
                        () = process.died.notified() => {}
                        _ = &mut running => {}
                        () = async { shutdown.within(Duration::from_secs(5)).await; std::future::pending().await } => {}
                    }
                    return;
                }
            }
            if closing.drain().is_cancelled() {
                return;
            }
            tokio::time::sleep(rest).await;
        }
    }
}

/// A worker is told to stop.
#[derive(Debug, Clone, Copy)]
struct Stop {
    at: Instant,
    grace: Duration,
}

async fn run(schedule: &Schedule, log: bool) -> Played {
    let drawn = draw::draw(schedule);
    let Stage { cloud, bodies } = drawn.scene.set(log);
    let longest_freeze = drawn.scene.fleet.visibility * 3;
    let theatre = Arc::new(Theatre {
        cloud: Arc::clone(&cloud),
        dice: Arc::new(Dice::new(schedule.clone(), drawn.roughness, longest_freeze)),
        fleet: drawn.scene.fleet.clone(),
        next: AtomicU16::new(0),
    });
    let mut stops = vec![Vec::new(); drawn.workers];
    for event in &drawn.events {
        if let Happening::Stop { worker, grace } = event.what {
            stops[worker].push(Stop {
                at: cloud.instant(event.at),
                grace,
            });
        }
    }
    cloud.with(|state, _| state.ambushes.clone_from(&drawn.ambushes));
    let closing = Shutdown::new();
    let slots: Vec<_> = stops
        .into_iter()
        .map(|mut stops| {
            stops.sort_by_key(|stop| stop.at);
            let theatre = Arc::clone(&theatre);
            tokio::spawn(theatre.keep_running(drawn.rest, stops, closing.clone()))
        })
        .collect();

    happen(&cloud, &drawn, &bodies).await;
    tokio::time::sleep_until(cloud.instant(drawn.calm_at)).await;

    cloud.note(|| "all is calm from here on".to_owned());
    theatre.dice.calm_down();
    closing.drain().cancel();
    for slot in slots {
        drop(slot.await);
    }
    let last = theatre.start();
    drain(&cloud).await;
    last.shutdown.drain().cancel();
    drop(last.running.await);
    // Whatever is still on its way arrives.
    tokio::time::sleep(Duration::from_mins(1)).await;

    let ended = cloud.with(ending::check);
    cloud.with(|state, _| Played {
        violations: state.audit.violations().to_vec(),
        log: state.log.take().unwrap_or_default(),
        ended,
        requests: state.requests,
        workers: theatre.next.load(Ordering::SeqCst),
    })
}

/// Sends the tasks, and lets happen what happens by itself.
async fn happen(cloud: &Cloud, drawn: &Drawn, bodies: &[String]) {
    let scene = &drawn.scene;
    tokio::time::sleep_until(cloud.instant(SENT)).await;
    send(cloud, bodies);
    for event in &drawn.events {
        tokio::time::sleep_until(cloud.instant(event.at)).await;
        match &event.what {
            Happening::Outsider { place, act } => {
                cloud.with(|state, now| state.outsider(place, act, now));
            }
            Happening::SentTwice { message } => {
                cloud.with(|state, _| state.audit.doubled.extend(scene.tasks_of(*message)));
                if let Some(body) = bodies.get(*message) {
                    cloud.note(|| format!("message {message} is sent once more"));
                    send(cloud, std::slice::from_ref(body));
                }
            }
            Happening::DeliveredTwice { message } => {
                cloud.note(|| format!("message {message} is delivered once more"));
                cloud.with(|state, now| {
                    let messages = state.sqs.messages(QUEUE, now).unwrap_or_default();
                    let tasks = scene.tasks_of(*message);
                    let found = messages.iter().find(|found| {
                        let about = state.audit.about(&found.payload.body);
                        about.iter().any(|task| tasks.contains(task))
                    });
                    if let Some(message) = found {
                        let about = state.audit.about(&message.payload.body);
                        state.audit.doubled.extend(about);
                        // False when it is gone too long: nothing happens then.
                        drop(state.sqs.deliver_again(QUEUE, message.message_id, now));
                    }
                });
                cloud.sent.notify_waiters();
            }
            Happening::Redriven => redrive(cloud),
            Happening::Stop { .. } => {}
        }
    }
}

/// Sends what is in the dead-letter queue once more, as new messages. One that
/// does not say when its task was sent first would be another task.
fn redrive(cloud: &Cloud) {
    let parked = cloud.with(|state, now| {
        let parked = state
            .sqs
            .receive(DEAD, 10, Some(30), now)
            .unwrap_or_default();
        let dated = parked.iter().filter(|m| m.body().contains("\"submitted\""));
        let dated: Vec<_> = dated
            .map(|message| {
                // Its first message may still be on its way.
                let tasks = state.audit.about(message.body());
                state.audit.doubled.extend(tasks);
                drop(state.sqs.delete(DEAD, &message.receipt_handle, now));
                message.body().to_owned()
            })
            .collect();
        dated
    });
    for body in &parked {
        cloud.note(|| "a message is moved back from the dead-letter queue".to_owned());
        send(cloud, std::slice::from_ref(body));
    }
}

/// Sends a message for each of these bodies.
pub(super) fn send(cloud: &Cloud, bodies: &[String]) {
    cloud.with(|state, now| {
        for body in bodies {
            let sent = state.sqs.send(QUEUE, Outgoing::new(body.clone()), now);
            if let Err(error) = sent {
                state.audit.violation(format!("not sent: {error}"));
            }
        }
    });
    cloud.sent.notify_waiters();
}

/// Waits until the queue is empty.
pub(super) async fn drain(cloud: &Cloud) {
    let give_up = Instant::now() + DRAINED_WITHIN;
    loop {
        let left = cloud.with(|state, now: Millis| {
            let attributes = state.sqs.attributes(QUEUE, now).unwrap_or_default();
            ["", "NotVisible", "Delayed"].iter().any(|which| {
                let name = format!("ApproximateNumberOfMessages{which}");
                attributes.get(&name).is_some_and(|count| count != "0")
            })
        });
        if !left {
            return;
        }
        if Instant::now() >= give_up {
            cloud.with(|state, _| state.audit.violation("the queue does not drain".to_owned()));
            return;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
