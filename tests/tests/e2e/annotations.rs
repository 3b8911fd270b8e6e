//! Annotations: what `CopyObject` keeps by itself and a copy in parts drops.

use rebucket_protocol::Reason;
use rebucket_tests::proxy::Seen;
use rebucket_tests::{Reply, Rule};

use crate::faults::Scene;

/// No server that we know has annotations, so the proxy plays one that does.
#[tokio::test]
async fn annotations_are_carried_over_a_copy_in_parts_before_the_source_goes() {
    const LIST: &str = "<ListObjectAnnotationsOutput><Annotations><AnnotationEntry>\
        <AnnotationName>review</AnnotationName><LastModified>2026-11-20T10:00:00Z</LastModified>\
        <Size>4</Size></AnnotationEntry></Annotations></ListObjectAnnotationsOutput>";
    const PUT: &str = "<PutObjectAnnotationOutput></PutObjectAnnotationOutput>";
    let scene = Scene::new().await;
    let asks = |id: &'static str| move |seen: &Seen| seen.query.contains(id);
    let list = asks("x-id=ListObjectAnnotations");
    scene
        .proxy
        .rule(Rule::when(list).answer(Reply::new(200, LIST)));
    let get = asks("x-id=GetObjectAnnotation");
    scene
        .proxy
        .rule(Rule::when(get).answer(Reply::new(200, "good")));
    let put = |seen: &Seen| {
        seen.query.contains("annotationName=review") && !seen.query.contains("x-id=Get")
    };
    scene
        .proxy
        .rule(Rule::when(put).answer(Reply::new(200, PUT)));
    scene.carry_out().await;
    scene.assert_all_is_well().await;
    let log = scene.proxy.log();
    let at = |what: &dyn Fn(&Seen) -> bool| log.iter().position(what).expect("was sent");
    let listed = at(&|seen| list(seen) && seen.key == "in/large");
    let created = at(&|seen| seen.operation == "CreateMultipartUpload" && !seen.is_scratch());
    let carried = at(&|seen| put(seen) && seen.key == "out/large");
    let deleted = at(&|seen| seen.operation == "DeleteObject" && seen.key == "in/large");
    assert!(listed < created, "asked for before anything is copied");
    assert!(carried < deleted, "put before the source is deleted");
    // One piece is copied with its annotations by the service itself.
    assert!(!log.iter().any(|seen| list(seen) && seen.key == "in/small"));
}

/// Without the permission, nothing is copied that would lose them.
#[tokio::test]
async fn annotations_that_may_not_be_listed_are_refused_before_anything_is_copied() {
    let scene = Scene::new().await;
    let large =
        |seen: &Seen| seen.query.contains("x-id=ListObjectAnnotations") && seen.key == "in/large";
    let none = "<ListObjectAnnotationsOutput></ListObjectAnnotationsOutput>";
    scene
        .proxy
        .rule(Rule::when(large).answer(Reply::error(403, "AccessDenied")));
    scene.proxy.rule(
        Rule::when(|seen| seen.query.contains("x-id=ListObjectAnnotations"))
            .answer(Reply::new(200, none)),
    );
    scene.carry_out().await;
    scene
        .world
        .report
        .assert_failed(2, Reason::AccessDenied)
        .await;
    scene
        .world
        .bucket
        .assert_kept("in/large", &scene.before[1])
        .await;
    assert_eq!(scene.proxy.count("CreateMultipartUpload"), 0);
}
