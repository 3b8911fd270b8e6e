//! Count, then kill: a scenario is played once undisturbed, and its requests
//! are counted. Then it is played again for each of them and for each way in
//! which it can go wrong: the worker dies before it is sent, or when it was
//! carried out, or when the answer was there. Whatever happened, the next
//! worker must bring the task to its end.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ending;
use super::fate::{Fate, Moment, Script};
use super::fleet::Started;
use super::line::Process;
use super::outsider::Appointment;
use super::random::{Played, drain, runtime, send};
use super::scenarios::Scenario;
use super::scene::{SENT, Stage};

/// A request, by its operation and what it is about.
pub type Asked = (&'static str, String);

/// A scenario that was played.
#[derive(Debug)]
pub struct Enacted {
    /// What came of it.
    pub played: Played,
    /// What each process asked for, in order.
    pub asked: Vec<Vec<Asked>>,
    /// From the sending of the messages until both queues were empty.
    pub took: Duration,
}

/// Plays a scenario with certain fates of certain requests.
#[must_use]
pub fn enact(
    scenario: &Scenario,
    fates: &[(u16, u32, Fate)],
    appointments: &[Appointment],
    log: bool,
) -> Enacted {
    runtime().block_on(run(scenario, fates, appointments, log))
}

async fn run(
    scenario: &Scenario,
    fates: &[(u16, u32, Fate)],
    appointments: &[Appointment],
    log: bool,
) -> Enacted {
    let Stage { cloud, bodies } = scenario.scene.set(log);
    let director = Arc::new(Script {
        fates: fates.to_vec(),
    });
    tokio::time::sleep_until(cloud.instant(SENT)).await;
    cloud.with(|state, _| state.appointments = appointments.to_vec());
    let began = Instant::now();
    for _ in 0..scenario.messages {
        send(&cloud, &bodies);
    }
    let mut processes: Vec<Arc<Process>> = Vec::new();
    let start = |processes: &mut Vec<Arc<Process>>| {
        let number = u16::try_from(processes.len()).expect("few processes");
        let process = Process::start(number, Arc::clone(&cloud), Arc::clone(&director) as _);
        process.write_down();
        processes.push(Arc::clone(&process));
        scenario.scene.fleet.start(&process)
    };
    let Started {
        mut process,
        mut shutdown,
        mut running,
    } = start(&mut processes);
    let mut stop_after = scenario.stop_after;
    loop {
        let drained = drain(&cloud);
        let told = async {
            match stop_after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = process.died.notified() => {}
            () = told => {
                stop_after = None;
                shutdown.drain().cancel();
                shutdown.stop().cancel();
                tokio::select! {
                    biased;
                    () = process.died.notified() => {}
                    _ = &mut running => {}
                }
            }
            () = drained => break,
        }
        Started {
            process,
            shutdown,
            running,
        } = start(&mut processes);
    }
    let took = began.elapsed();
    shutdown.drain().cancel();
    // It may still die of its last requests.
    tokio::select! {
        biased;
        () = process.died.notified() => {}
        _ = running => {}
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    let ended = cloud.with(ending::check);
    let asked = processes.iter().map(|process| {
        let asked = process.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone().unwrap_or_default()
    });
    let asked = asked.collect();
    cloud.with(|state, _| Enacted {
        played: Played {
            violations: state.audit.violations().to_vec(),
            log: state.log.take().unwrap_or_default(),
            ended,
            requests: state.requests,
            workers: u16::try_from(processes.len()).expect("few processes"),
        },
        asked,
        took,
    })
}

/// Every way in which one request of a process can go wrong.
#[must_use]
pub fn mishaps(scenario: &Scenario) -> Vec<Fate> {
    let long = scenario.scene.fleet.visibility * 3;
    Moment::ALL
        .into_iter()
        .map(Fate::Death)
        .chain([
            Fate::Throttled,
            Fate::Conflict,
            Fate::Reset,
            Fate::ReplyLost,
            Fate::Silence { applied: false },
            Fate::Silence { applied: true },
            Fate::Frozen(Duration::from_secs(1)),
            Fate::Frozen(long),
            Fate::Asleep(long),
        ])
        .collect()
}
