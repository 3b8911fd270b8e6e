//! Plays random schedules by a range of seeds, as fast as it can, and prints
//! the rate. A failing one is cut down and shown.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rebucket_tests::simulation::random::play;
use rebucket_tests::simulation::schedule::Schedule;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let first = args.next().unwrap_or_default();
    if let Some(count) = args.next().and_then(|n| n.parse::<u64>().ok()) {
        return soak(first.parse().unwrap_or(0), count);
    }
    let schedule: Schedule = first.parse().expect("a schedule");
    let played = play(&schedule, true);
    for line in &played.log {
        println!("{line}");
    }
    for line in &played.violations {
        println!("VIOLATION {line}");
    }
    println!("{:?}", played.ended);
    ExitCode::from(u8::from(!played.violations.is_empty()))
}

fn soak(first: u64, count: u64) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let failed = AtomicU64::new(0);
    let (done, left, unsaid, requests, workers) = (
        AtomicU64::new(0),
        AtomicU64::new(0),
        AtomicU64::new(0),
        AtomicU64::new(0),
        AtomicU64::new(0),
    );
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let played = play(&Schedule::new(seed), false);
                    done.fetch_add(played.ended.done, Ordering::Relaxed);
                    left.fetch_add(played.ended.left, Ordering::Relaxed);
                    unsaid.fetch_add(played.ended.unsaid, Ordering::Relaxed);
                    requests.fetch_add(played.requests, Ordering::Relaxed);
                    workers.fetch_add(u64::from(played.workers), Ordering::Relaxed);
                    if !played.violations.is_empty() && failed.fetch_add(1, Ordering::Relaxed) < 20
                    {
                        let small =
                            rebucket_tests::simulation::shrink::shrink(&Schedule::new(seed));
                        println!("seed {seed}: {:?}\n   {small}", played.violations);
                    }
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{count} schedules in {seconds:.1} s: {:.0} a second; {} failed; {done:?} done {left:?} left {unsaid:?} unsaid {requests:?} requests {workers:?} workers",
        count as f64 / seconds,
        failed.load(Ordering::Relaxed)
    );
    ExitCode::from(u8::from(failed.load(Ordering::Relaxed) > 0))
}
