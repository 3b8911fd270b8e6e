//! Random schedules.

use rebucket_tests::simulation::draw::draw;
use rebucket_tests::simulation::random::play;
use rebucket_tests::simulation::scene::Scene;
use rebucket_tests::simulation::schedule::Schedule;
use rebucket_tests::simulation::shrink::shrink;
use rebucket_tests::simulation::twist::Twist;
use rebucket_worker::store::Versioning;

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
    let unseen = (0..600).filter(|seed| {
        let log = play(&Schedule::new(*seed), true).log;
        let first = log.iter().find(of_objects);
        first.is_some_and(|line| line.contains(" CopyObject "))
    });
    let unseen = unseen.count();
    assert!(unseen > 20, "{unseen}");
}

/// Schedules in which an object was lost, or taken for another one.
#[test]
fn no_schedule_that_failed_once_fails_again() {
    for name in [
        // A found copy was replaced while it was compared.
        "777248374+t0+t1+t2+t3+e0",
        "990691705+t0+e1+e3",
        // A purge that named no version removed the version `null` as well.
        "50001428+t0+t1+t3+r1.13+w",
        // An object with two names was said to be renamed.
        "51033555+t2+r0.2+w",
        // An upload that a conflict had ended was left behind.
        "60198754+t0+e0+w",
        // A copy that was tried again was one of what had come to the source's
        // place, and was taken for that of an earlier delivery.
        "300873753+e1+e3+e4+r0.3+w",
        // A copy was made once more over an object with an annotation.
        "501594748+t0+r1.2+w",
        // Rows that had gone on were said to wait.
        "300004026+e0+r0.2+r0.8+r0.9+r0.17+r0.25+r1.8+r3.3+r4.1+r4.2+r4.7+r5.6+r6.2+r6.6+r6.11+r6.15+r6.16+r7.0+w",
    ] {
        let schedule: Schedule = name.parse().unwrap();
        let played = play(&schedule, true);
        assert!(
            played.violations.is_empty(),
            "{name}: {:?}\n{}",
            played.violations,
            played.log.join("\n")
        );
    }
}

/// The draw reaches every kind of world.
#[test]
fn some_schedules_play_in_each_kind_of_unusual_world() {
    type Kind = (&'static str, fn(&Twist) -> bool);
    let worlds: Vec<_> = (0..2_000)
        .map(|seed| draw(&Schedule::new(seed)).scene)
        .collect();
    let kinds: [Kind; 12] = [
        ("a bucket with two names", |it| it.names.alias),
        ("keys that fold", |it| it.names.folding.is_some()),
        ("the queue's clock apart", |it| it.queue_ahead != 0),
        ("an early start in the messages", |it| {
            it.submitted_behind > 0
        }),
        ("deliveries uncounted", |it| it.uncounted),
        ("a redrive", |it| it.redriven_after.is_some()),
        ("nodes that differ", |it| it.lax_nodes > 0),
        ("suspended versioning", |it| it.suspended),
        ("hidden properties", |it| !it.hidden.is_empty()),
        ("answers of others", |it| it.impostors > 0),
        ("two jobs of chains", |it| it.chained),
        ("uploads that are forgotten", |it| it.forgets_uploads),
    ];
    for (kind, has) in kinds {
        let drawn = worlds.iter().filter(|scene| has(&scene.twist)).count();
        assert!(drawn >= 40, "{kind}: {drawn}");
    }
    let held = worlds.iter().filter(|scene| {
        let mut objects = scene.objects.iter();
        objects.any(|object| object.made.new.event_hold.is_some())
    });
    assert!(held.count() >= 20);
    let told = |scene: &&Scene| scene.fleet.facts.versioning == Versioning::Suspended;
    assert!(worlds.iter().filter(told).count() >= 40);
    let waived = worlds.iter().flat_map(|scene| &scene.jobs);
    assert!(waived.filter(|job| job.waives_history).count() >= 20);
}
