//! Random schedules.

use rebucket_tests::simulation::random::play;
use rebucket_tests::simulation::schedule::Schedule;
use rebucket_tests::simulation::shrink::shrink;

/// How many schedules this suite plays; `make soak` plays any number.
const SCHEDULES: u64 = 20_000;

/// The test harness runs these side by side.
const SHARES: u64 = 4;

fn share(number: u64) {
    for seed in (0..SCHEDULES).filter(|seed| seed % SHARES == number) {
        let schedule = Schedule::new(seed);
        if !play(&schedule, false).violations.is_empty() {
            let small = shrink(&schedule);
            let played = play(&small, true);
            panic!(
                "the schedule {seed} fails; cut down to {small}:\n{}\n{}",
                played.log.join("\n"),
                played.violations.join("\n"),
            );
        }
    }
}

#[test]
fn no_schedule_of_the_first_share_fails() {
    share(0);
}

#[test]
fn no_schedule_of_the_second_share_fails() {
    share(1);
}

#[test]
fn no_schedule_of_the_third_share_fails() {
    share(2);
}

#[test]
fn no_schedule_of_the_fourth_share_fails() {
    share(3);
}

#[test]
fn a_schedule_repeats_itself_exactly() {
    for seed in 0..50 {
        let schedule = Schedule::new(seed);
        assert_eq!(
            play(&schedule, true).log,
            play(&schedule, true).log,
            "{seed}"
        );
    }
}

/// The draw reaches what it is for: renames that begin with the copy.
#[test]
fn some_schedules_rename_what_nobody_looked_at() {
    let of_objects =
        |line: &&String| line.contains(" HeadObject ") || line.contains(" CopyObject ");
    let unseen = (0..400).filter(|seed| {
        let log = play(&Schedule::new(*seed), true).log;
        let first = log.iter().find(of_objects);
        first.is_some_and(|line| line.contains(" CopyObject "))
    });
    let unseen = unseen.count();
    assert!(unseen > 20, "{unseen}");
}
