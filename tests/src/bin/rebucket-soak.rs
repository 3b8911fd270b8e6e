//! Plays random schedules of the deterministic simulation by a range of
//! seeds, on every core, and prints the rate. A schedule that fails is cut
//! down and shown.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use rebucket_tests::simulation::random::{Played, play};
use rebucket_tests::simulation::schedule::Schedule;
use rebucket_tests::simulation::shrink::shrink;

/// Plays random schedules of the deterministic simulation.
#[derive(Debug, Parser)]
#[command(name = "rebucket-soak", version)]
struct Args {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many schedules.
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 10)]
    failures: u64,
    /// Play one schedule instead, as a failure names it, and show what happens.
    #[arg(long, value_name = "SCHEDULE", conflicts_with_all = ["from", "count"])]
    replay: Option<Schedule>,
}

/// How often a line about the progress is printed.
const PROGRESS: Duration = Duration::from_mins(1);

fn main() -> ExitCode {
    let args = Args::parse();
    let failed = match &args.replay {
        Some(schedule) => {
            let played = play(schedule, true);
            show(schedule, &played);
            !played.violations.is_empty()
        }
        None => soak(&args),
    };
    ExitCode::from(u8::from(failed))
}

fn show(schedule: &Schedule, played: &Played) {
    println!("schedule {schedule}");
    for line in &played.log {
        println!("{line}");
    }
    for violation in &played.violations {
        println!("VIOLATION: {violation}");
    }
}

/// What all schedules did together.
#[derive(Debug, Default)]
struct Sums {
    schedules: u64,
    requests: u64,
    workers: u64,
    done: u64,
    left: u64,
    unsaid: u64,
    failed: u64,
}

impl Sums {
    fn add(&mut self, played: &Played) {
        self.schedules += 1;
        self.requests += played.requests;
        self.workers += u64::from(played.workers);
        self.done += played.ended.done;
        self.left += played.ended.left;
        self.unsaid += played.ended.unsaid;
        self.failed += u64::from(!played.violations.is_empty());
    }

    fn line(&self, since: Instant) -> String {
        #[allow(
            clippy::cast_precision_loss,
            reason = "a rate for people needs no more than 52 bits"
        )]
        let rate = self.schedules as f64 / since.elapsed().as_secs_f64();
        let seconds = since.elapsed().as_secs();
        format!(
            "{} schedules in {seconds} s, {rate:.0} a second: {} requests of {} workers; {} tasks \
             done, {} skipped or failed, {} without an outcome; {} schedules failed",
            self.schedules,
            self.requests,
            self.workers,
            self.done,
            self.left,
            self.unsaid,
            self.failed
        )
    }
}

/// True when a schedule failed.
fn soak(args: &Args) -> bool {
    let began = Instant::now();
    let next = AtomicU64::new(args.from);
    let state = Mutex::new((Sums::default(), Instant::now()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed - args.from >= args.count {
                        return;
                    }
                    let schedule = Schedule::new(seed);
                    let played = play(&schedule, false);
                    if !played.violations.is_empty() {
                        let small = shrink(&schedule);
                        show(&small, &play(&small, true));
                    }
                    let Ok(mut state) = state.lock() else {
                        return;
                    };
                    let (sums, shown) = &mut *state;
                    sums.add(&played);
                    if sums.failed >= args.failures {
                        return;
                    }
                    if shown.elapsed() >= PROGRESS {
                        *shown = Instant::now();
                        println!("{}", sums.line(began));
                    }
                }
            });
        }
    });
    let (sums, _) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", sums.line(began));
    sums.failed > 0
}
