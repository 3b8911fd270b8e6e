//! `--assume plain`: objects that are not as the operator says.

use rebucket_protocol::{Reason, RenameTask, Waiver};
use rebucket_simulator::s3::{
    AclRequest, CannedAcl, Encryption, EventHold, HoldPeriod, NewObject, StorageClass, Versioning,
};
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::scene::{Job, NEW, OLD, place};

use crate::alone::{Bench, bench, class, reason};
use crate::told::scenario;

/// How many objects contradicted the statement by this property.
fn contradictions(bench: &Bench, property: Waiver) -> usize {
    let text = String::from_utf8(bench.metrics.render().unwrap()).unwrap();
    let name = format!("rebucket_assumption_contradicted_total{{property=\"{property}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

/// A scenario of two tasks, of which the second can go unseen.
fn two(source: NewObject) -> Scenario {
    let mut scenario = scenario("unseen");
    let mut second = scenario.scene.objects[0].clone();
    second.place = place(OLD, "k2");
    scenario.scene.objects[0].made.new = source;
    scenario.scene.objects.push(second);
    scenario.scene.jobs.push(Job {
        pins: scenario.scene.jobs[0].pins,
        ..Job::plain("k2")
    });
    scenario
}

/// Objects that are not as the operator says, and what of them is not.
fn untrue() -> Vec<(Waiver, Scenario)> {
    let redirect = NewObject {
        redirect: Some("/elsewhere".to_owned()),
        ..NewObject::default()
    };
    let public = NewObject {
        acl: AclRequest::Canned(CannedAcl::PublicRead),
        ..NewObject::default()
    };
    let kms = NewObject {
        encryption: Some(Encryption::kms("arn:aws:kms:us-east-1:1:key/a")),
        ..NewObject::default()
    };
    let held = NewObject {
        legal_hold: Some(true),
        ..NewObject::default()
    };
    let event_held = NewObject {
        event_hold: Some(EventHold::on(HoldPeriod::Years(1))),
        ..NewObject::default()
    };
    // Versions and locks came to the buckets after the worker did.
    let locked = |source| {
        let mut locked = two(source);
        for bucket in [&mut locked.scene.old, &mut locked.scene.new] {
            bucket.versioning = Versioning::Enabled;
            bucket.object_lock = true;
        }
        locked
    };
    vec![
        (Waiver::Redirect, two(redirect)),
        (Waiver::Acl, two(public)),
        (Waiver::Encryption, two(kms)),
        (Waiver::Lock, locked(held)),
        (Waiver::Lock, locked(event_held)),
        (Waiver::StorageClass, two(NewObject::default())),
    ]
}

#[test]
fn an_inspected_object_that_contradicts_the_statement_ends_it_for_its_bucket() {
    for (property, scenario) in untrue() {
        bench(&scenario, &[], async |bench| {
            let mut first = bench.task(0);
            if property == Waiver::StorageClass {
                first.pins.storage_class = class("STANDARD_IA");
            }
            bench.rename(&first, true).await.0.unwrap();
            assert_eq!(contradictions(&bench, property), 1, "{property}");
            let (ended, asked) = bench.rename(&bench.task(1), false).await;
            ended.unwrap();
            assert_eq!(asked[0].0, "HeadObject", "{property}");
            // Of another bucket nothing was said.
            let mut back = bench.task(1);
            let (job, id) = (back.job().clone(), back.id().clone());
            let pins = back.pins.clone();
            let source = format!("s3://{NEW}/k2").parse().unwrap();
            let destination = format!("s3://{OLD}/k3").parse().unwrap();
            back = RenameTask::new(job, id, source, destination).unwrap();
            back.pins = pins;
            let (_, asked) = bench.rename(&back, false).await;
            assert_eq!(asked[0].0, "CopyObject", "{property}");
        });
    }
}

#[test]
fn what_the_job_gives_up_or_chooses_does_not_contradict() {
    for (property, scenario) in untrue() {
        bench(&scenario, &[], async |bench| {
            let mut first = bench.task(0);
            if property == Waiver::StorageClass {
                first.pins.storage_class = class("STANDARD_IA");
                first.options.storage_class = class("STANDARD");
            } else {
                first.options.waive.insert(property);
            }
            bench.rename(&first, true).await.0.unwrap();
            assert_eq!(contradictions(&bench, property), 0, "{property}");
            let (_, asked) = bench.rename(&bench.task(1), false).await;
            assert_eq!(asked[0].0, "CopyObject", "{property}");
        });
    }
}

/// The copy is refused for good; the inspection says why in its own words.
#[test]
fn what_is_in_an_archive_by_now_is_inspected_and_refused() {
    let archived = NewObject {
        storage_class: Some(StorageClass::Glacier),
        ..NewObject::default()
    };
    bench(&two(archived), &[], async |bench| {
        let mut first = bench.task(0);
        first.pins.storage_class = class("STANDARD");
        let (ended, asked) = bench.rename(&first, false).await;
        let asked: Vec<_> = asked.iter().map(|(operation, _)| *operation).collect();
        assert_eq!(asked, ["CopyObject", "HeadObject"]);
        assert_eq!(reason(ended), Reason::Archived);
        assert_eq!(contradictions(&bench, Waiver::StorageClass), 1);
    });
}

/// Under another key than the destination's default: the tags differ.
#[test]
fn a_copy_that_does_not_verify_is_not_the_end_of_its_source() {
    let (_, scenario) = untrue().swap_remove(2);
    bench(&scenario, &[], async |bench| {
        let (ended, asked) = bench.rename(&bench.task(0), false).await;
        assert_eq!(reason(ended), Reason::DestinationExists);
        assert_eq!(
            asked[..2].iter().map(|a| a.0).collect::<Vec<_>>(),
            ["CopyObject", "HeadObject"]
        );
        assert!(!asked.iter().any(|(operation, target)| {
            *operation == "DeleteObject" && !target.contains(".rebucket/")
        }));
        assert_eq!(contradictions(&bench, Waiver::Encryption), 1);
    });
}
