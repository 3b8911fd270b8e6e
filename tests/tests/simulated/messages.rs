//! Queues at their worst: late, twice, out of order, in part.

use std::time::Duration;

use rebucket_simulator::http::{Action, Rule, When};
use rebucket_simulator::s3::{NewObject, Object};
use rebucket_simulator::sqs::Disorder;
use rebucket_tests::{Queue, Task};

use crate::stage::{Stage, small};

/// Small objects `in/N` and tasks that rename them to `out/N`.
struct Renames {
    stage: Stage,
    tasks: Vec<Task>,
    before: Vec<Object>,
}

impl Renames {
    async fn new(count: u32) -> Self {
        let stage = Stage::new().await;
        let numbers = 1..=count;
        let objects = numbers.clone().map(|number| {
            let mut object = small(NewObject::default());
            object.seed = number.into();
            stage.put(&format!("in/{number}"), &object)
        });
        let before = objects.collect();
        let tasks = numbers.map(|number| {
            let (from, to) = (format!("in/{number}"), format!("out/{number}"));
            stage.world.task(number, &from, &to)
        });
        let tasks = tasks.collect();
        Self {
            stage,
            tasks,
            before,
        }
    }

    fn queue(&self) -> &str {
        self.stage.world.queue.url.rsplit('/').next().unwrap()
    }

    fn disturb(&self, disorder: Disorder) {
        let mut sqs = self.stage.simulator.sqs();
        sqs.set_disorder(self.queue(), Some(disorder)).unwrap();
    }

    async fn carry_out(&self, flags: &str, faults: Vec<Rule>) {
        self.stage.carry_out(flags, &self.tasks, faults).await;
        for (number, before) in (1..).zip(&self.before) {
            let (from, to) = (format!("in/{number}"), format!("out/{number}"));
            self.stage.assert_moved(&from, &to, before);
        }
        self.stage.assert_all_renamed(self.before.len()).await;
        assert_eq!(self.stage.keys().len(), self.before.len());
    }
}

fn entries(operation: &str, positions: &[usize]) -> Rule {
    let action = Action::Entries {
        positions: positions.to_vec(),
        code: "InternalError".to_owned(),
        sender_fault: false,
        when: When::Before,
    };
    Rule::on(operation, action)
}

#[tokio::test]
async fn acknowledgements_that_fail_in_part_are_repeated() {
    let renames = Renames::new(40).await;
    let faults = vec![
        entries("DeleteMessageBatch", &[0, 1, 2]).times(3),
        Rule::on("DeleteMessageBatch", Action::error(500, "InternalFailure")).times(2),
    ];
    renames.carry_out("", faults).await;
    let struck: Vec<_> = renames.stage.simulator.faults().list();
    assert!(struck.iter().all(|rule| rule.struck > 0), "{struck:#?}");
    // No message had to come again for it.
    assert_eq!(renames.stage.totals().delivered, 40);
}

#[tokio::test]
async fn extensions_that_fail_in_part_are_repeated() {
    let renames = Renames::new(12).await;
    let long = Action::Stall {
        ms: 3000,
        when: When::Before,
    };
    let faults = vec![
        Rule::on("CopyObject", long),
        entries("ChangeMessageVisibilityBatch", &[0, 1]).times(2),
    ];
    renames.carry_out("--visibility-timeout 4s", faults).await;
    let struck: Vec<_> = renames.stage.simulator.faults().list();
    assert!(struck.iter().all(|rule| rule.struck > 0), "{struck:#?}");
    assert_eq!(renames.stage.totals().delivered, 12);
}

#[tokio::test]
async fn receives_that_fail_or_get_lost_are_repeated() {
    let renames = Renames::new(20).await;
    let failed = Action::error(500, "InternalFailure");
    let lost = Action::lost_reply(503, "ServiceUnavailable");
    let faults = vec![
        Rule::on("ReceiveMessage", failed).times(3),
        // What it delivered comes again when the lease has ended.
        Rule::on("ReceiveMessage", lost).times(1),
    ];
    renames.carry_out("--visibility-timeout 4s", faults).await;
    assert!(renames.stage.totals().delivered > 20);
}

#[tokio::test]
async fn duplicates_in_any_order_are_one_rename_each() {
    let mut renames = Renames::new(200).await;
    // A duplicate counts as a delivery, and may come more than once.
    let world = &mut renames.stage.world;
    world.queue = Queue::create(&world.servers, 1000).await;
    let disorder = Disorder {
        duplicate: 0.3,
        reorder: 0.3,
        late: 0.3,
        late_by: Duration::from_millis(200),
        undead: 0.0,
        seed: 7,
    };
    renames.disturb(disorder);
    renames.carry_out("", vec![]).await;
    let delivered = renames.stage.totals().delivered;
    assert!(delivered > 220, "only {delivered} deliveries");
}

#[tokio::test]
async fn deleted_messages_that_come_again_change_nothing() {
    let renames = Renames::new(100).await;
    let disorder = Disorder {
        undead: 0.3,
        seed: 11,
        ..Disorder::default()
    };
    renames.disturb(disorder);
    renames.carry_out("", vec![]).await;
    let undeleted = renames.stage.totals().undeleted;
    assert!(undeleted > 10, "only {undeleted} came again");
}

#[tokio::test]
async fn a_queue_that_lets_few_be_in_flight_is_worked_off() {
    let renames = Renames::new(60).await;
    let limited = renames
        .stage
        .simulator
        .sqs()
        .set_in_flight_limit(renames.queue(), 5);
    limited.unwrap();
    renames.carry_out("", vec![]).await;
    // With a long poll, Amazon waits until there is room: at most five a time.
    let receives = renames.stage.simulator.requests().count("ReceiveMessage");
    assert!(receives >= 12, "60 messages in {receives} receives");
    assert_eq!(renames.stage.totals().delivered, 60);
}
