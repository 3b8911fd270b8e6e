//! The checks notice what other servers get wrong: the simulator can get each
//! of it wrong on demand, one thing at a time.

use std::collections::BTreeSet;

use rebucket_simulator::http::Simulator;
use rebucket_simulator::s3::Quirks;

use crate::{AT_ONCE, check, s3};

/// A quirk, and the checks that it fails.
type Quirk = (fn(&mut Quirks), &'static [&'static str]);

const QUIRKS: &[Quirk] = &[
    (
        |quirks| quirks.ignore_copy_source_conditions = true,
        &[
            "copy_source_if_match",
            "copy_source_if_none_match",
            "copy_source_if_unmodified_since",
            "part_copy_if_match",
        ],
    ),
    (
        |quirks| quirks.ignore_conditions_on_put = true,
        &["put_if_match", "put_if_none_match", "racing_creates"],
    ),
    (
        |quirks| quirks.ignore_conditions_on_copy = true,
        &["copy_if_none_match", "racing_copies"],
    ),
    (
        |quirks| quirks.ignore_conditions_on_complete = true,
        &["complete_if_none_match"],
    ),
    (
        |quirks| quirks.ignore_if_match_on_delete = true,
        &[
            "delete_if_match_another",
            "delete_if_match_makes_a_marker",
            "delete_if_match_missing",
            "delete_if_match_on_marker",
        ],
    ),
    (
        |quirks| quirks.refuse_if_match_on_delete = true,
        &[
            "delete_if_match_another",
            "delete_if_match_makes_a_marker",
            "delete_if_match_missing",
            "delete_if_match_on_marker",
        ],
    ),
    (
        |quirks| quirks.ignore_etags_in_delete_objects = true,
        &[
            "delete_objects_if_match_missing",
            "delete_objects_if_match_mixed",
        ],
    ),
    (
        |quirks| quirks.no_checksums = true,
        &[
            "checksum_composite",
            "checksum_composite_incomplete",
            "checksum_copied_parts",
            "checksum_copy",
            "checksum_copy_of_composite",
            "checksum_copy_other",
            "checksum_crc32",
            "checksum_crc32c",
            "checksum_crc64nvme",
            "checksum_default",
            "checksum_full_object",
            "checksum_full_object_wrong",
            "checksum_hidden",
            "checksum_in_answers",
            "checksum_multipart_default",
            "checksum_of_the_sdk",
            "checksum_sha1",
            "checksum_sha256",
            "checksum_type",
            "checksum_wrong",
            "content_md5_mismatch",
        ],
    ),
    (
        |quirks| quirks.etag_is_not_md5 = true,
        &[
            "copy_collapses_parts",
            "copy_result_has_etag",
            "empty_object",
            "head_part_number",
            "multipart_boundaries",
            "multipart_etag",
            "multipart_gaps",
            "part_copy_range_past_the_end",
            "part_copy_result_has_etag",
            "part_copy_same_boundaries",
            "put_round_trip",
        ],
    ),
    (
        |quirks| quirks.drop_tags_on_create = true,
        &["multipart_headers"],
    ),
    (
        |quirks| quirks.keep_storage_class_on_copy = true,
        &["archived_object_restored", "copy_resets_storage_class"],
    ),
    (
        |quirks| quirks.empty_part_copies = true,
        &[
            "checksum_copied_parts",
            "part_copy_by_version",
            "part_copy_result_has_etag",
            "part_copy_same_boundaries",
            "part_copy_without_range",
        ],
    ),
    (|quirks| quirks.tagging_empties = true, &["tags_replaced"]),
    (
        |quirks| quirks.bare_etag_on_copy = true,
        &["copy_result_has_etag"],
    ),
    (
        |quirks| quirks.delete_objects_needs_md5 = true,
        &[
            "delete_objects",
            "delete_objects_encoded_keys",
            "delete_objects_if_match",
            "delete_objects_if_match_missing",
            "delete_objects_if_match_mixed",
            "delete_objects_quiet",
        ],
    ),
    (
        |quirks| quirks.rename_everywhere = true,
        &["rename_in_a_plain_bucket"],
    ),
    (
        |quirks| quirks.rename_makes_empty = true,
        &[
            "rename_in_a_plain_bucket",
            "rename_object",
            "rename_source_if_match",
            "rename_with_token",
        ],
    ),
];

#[tokio::test]
async fn every_quirk_is_noticed() {
    for (set, expected) in QUIRKS {
        let mut quirks = Quirks::default();
        set(&mut quirks);
        let simulator = Simulator::builder().auth("key", "secret");
        let simulator = simulator.start().await.expect("a simulator");
        simulator.s3().quirks = quirks;
        let place = s3::Server::new(simulator.s3_url(), "key", "secret");
        let place = |check| s3::S3::new(place.clone(), check);
        let some = |name: &str| expected.contains(&name);
        let seen = check::run_those(s3::GROUPS, AT_ONCE, place, some).await;
        let seen: BTreeSet<_> = seen.keys().copied().collect();
        assert_eq!(seen, expected.iter().copied().collect(), "{quirks:?}");
    }
}
