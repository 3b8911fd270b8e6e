//! What is known to differ from AWS, server by server: the check, and what is
//! seen there instead, in the words of the check.

use crate::check::Difference;

/// Aim: none. An entry says why it is there.
pub(crate) const S3_SIMULATOR: &[Difference] = &[];

pub(crate) const S3_SEAWEEDFS: &[Difference] = &[
    ("acl_canned", "grants: [\"owner FULL_CONTROL\"]"),
    ("acl_enforced", "PutObjectAcl: done"),
    ("acl_grant_headers", "the grant is not there"),
    ("acl_of_a_copy", "source: [\"owner FULL_CONTROL\"]"),
    (
        "annotations_of_a_copy",
        "PutObjectAnnotation: 200, unreadable",
    ),
    (
        "annotations_round_trip",
        "PutObjectAnnotation: 200, unreadable",
    ),
    ("archived_object", "GET: done"),
    ("archived_object_restored", "copy before: done"),
    (
        "checksum_copy_of_composite",
        "SHA-256: tfmzeY9XeH2OXmxrtS4iDWlNIKUTAFv0/csHs2lsoD8=-2",
    ),
    ("checksum_copy_other", "CRC64NVME: nothing"),
    ("checksum_default", "CRC64NVME: nothing"),
    ("checksum_in_answers", "copy: nothing"),
    ("checksum_multipart_default", "CRC64NVME: nothing"),
    ("checksum_type", "type: none"),
    (
        "copy_collapses_parts",
        "ETag: \"e5a8c5272b26fc10581a21089559b006-2\"",
    ),
    (
        "copy_of_version",
        "the answer does not name the source's version",
    ),
    ("copy_resets_redirect", "redirect: nothing"),
    ("copy_resets_storage_class", "the copy's class: STANDARD_IA"),
    (
        "copy_result_has_etag",
        "ETag: 5d41402abc4b2a76b9719d911017c592",
    ),
    (
        "default_content_type",
        "Content-Type: text/plain; charset=utf-8",
    ),
    ("encryption_default", "not asked for: (\"none\", None)"),
    ("encryption_of_a_copy", "PUT: 500 InternalError"),
    ("encryption_with_kms", "PUT: 500 InternalError"),
    ("expires_text", "PUT: 400 MalformedDate"),
    ("head_part_number_of_one", "parts: 1"),
    ("keys_with_a_long_component", "PUT: 400 KeyTooLongError"),
    ("keys_with_backslash", "bytes of \"a\\b\": a/b"),
    (
        "keys_with_dot_segments",
        "PUT of \"a/./b\": 400 InvalidRequest",
    ),
    ("keys_with_double_slash", "bytes of \"a//b\": a///b"),
    (
        "keys_with_trailing_slash",
        "\"a/\": GET: the body breaks off",
    ),
    (
        "list_order",
        "order: [\"A\", \"a\", \"a/b\", \"a-\", \"~\", \"ä\", \"～\", \"𐀀\"]",
    ),
    ("list_start_after", "keys: [\"list_start_after/c\"]"),
    ("lock_of_a_copy", "retention is kept"),
    ("lock_without_digest", "PUT: done"),
    ("marker_version", "GET: 404 NoSuchKey"),
    ("metadata_too_large", "PUT: done"),
    ("missing_bucket", "PUT: done"),
    ("multipart_abort_unknown", "second abort: done"),
    ("multipart_encryption", "a part: 500 InternalError"),
    ("multipart_no_parts", "complete: 404 NoSuchUpload"),
    ("multipart_part_number_limit", "a part: 400 InvalidPart"),
    ("multipart_redirect", "redirect: nothing"),
    ("multipart_size_wrong", "complete: done"),
    (
        "ownership_default",
        "with ObjectWriter: BucketOwnerEnforced",
    ),
    ("part_copy_by_version", "copy-source-version-id: nothing"),
    (
        "part_copy_result_has_etag",
        "ETag: 781e5e245d69b566979b86e28d23f2c7",
    ),
    (
        "part_copy_same_boundaries",
        "ETag: \"7d17e42351913e572f956e1d2dcc3a0f-2\"",
    ),
    (
        "put_if_match",
        "PUT of a missing key: 412 PreconditionFailed",
    ),
    ("rename_in_a_plain_bucket", "rename: done"),
    ("storage_class_kept", "STANDARD: STANDARD"),
    ("tags_over_ten", "PUT: done"),
];

pub(crate) const S3_MOTO: &[Difference] = &[
    ("acl_enforced", "PutObjectAcl: done"),
    (
        "annotations_of_a_copy",
        "PutObjectAnnotation: 200, unreadable",
    ),
    (
        "annotations_round_trip",
        "PutObjectAnnotation: 200, unreadable",
    ),
    (
        "checksum_composite",
        "SHA-256: tfmzeY9XeH2OXmxrtS4iDWlNIKUTAFv0/csHs2lsoD8=",
    ),
    ("checksum_composite_incomplete", "complete: done"),
    ("checksum_copied_parts", "complete with a wrong value: done"),
    ("checksum_copy", "SHA-256: nothing"),
    (
        "checksum_copy_of_composite",
        "SHA-256: tfmzeY9XeH2OXmxrtS4iDWlNIKUTAFv0/csHs2lsoD8=",
    ),
    ("checksum_copy_other", "CRC64NVME: y/Q5Jg=="),
    ("checksum_crc32", "checksum: nothing"),
    ("checksum_crc32c", "checksum: nothing"),
    ("checksum_crc64nvme", "checksum: nothing"),
    ("checksum_default", "CRC64NVME: nothing"),
    ("checksum_full_object", "CRC64NVME: rBxv8Q=="),
    ("checksum_full_object_sha", "create an upload: done"),
    ("checksum_full_object_wrong", "complete: done"),
    ("checksum_hidden", "asked for: nothing"),
    ("checksum_in_answers", "PUT: nothing"),
    ("checksum_multipart_default", "CRC64NVME: nothing"),
    ("checksum_sha1", "checksum: nothing"),
    ("checksum_sha256", "checksum: nothing"),
    ("checksum_type", "type: none"),
    ("checksum_wrong", "CRC32: done"),
    ("content_md5_mismatch", "PUT: done"),
    (
        "copy_collapses_parts",
        "ETag: \"79b281060d337b9b2b84ccf390adcf74\"",
    ),
    ("copy_if_none_match", "copy: done"),
    ("copy_resets_redirect", "redirect of the copy: /b"),
    ("copy_source_if_match", "copy: done"),
    ("copy_source_if_unmodified_since", "copy: done"),
    ("delete_if_match_any", "DELETE: 412 PreconditionFailed"),
    (
        "delete_objects_if_match_missing",
        "said: [\"a deleted\", \"b deleted\"]",
    ),
    (
        "delete_objects_if_match_mixed",
        "said: [\"a deleted\", \"b deleted\", \"c deleted\"]",
    ),
    (
        "delete_objects_quiet",
        "said: [\"a deleted\", \"c deleted\"]",
    ),
    ("encryption_default", "not asked for: (\"none\", None)"),
    ("encryption_of_a_copy", "copy: (\"none\", None)"),
    ("encryption_with_kms", "the ETag is the MD5"),
    (
        "head_part_number",
        "ETag: \"79b281060d337b9b2b84ccf390adcf74\"",
    ),
    ("keys_of_1025_bytes", "PUT: done"),
    ("lock_headers", "GetObjectRetention: 200, unreadable"),
    (
        "lock_without_digest",
        "PUT: 400 MissingUploadObjectWithObjectLockHeaders",
    ),
    ("marker_deleted", "delete marker: nothing"),
    ("marker_version", "GET: 404 NoSuchVersion"),
    ("metadata_too_large", "PUT: done"),
    ("multipart_abort", "complete: 500"),
    ("multipart_encryption", "bucket key: nothing"),
    ("multipart_list_parts", "ListParts: 200, unreadable"),
    ("multipart_size_wrong", "complete: done"),
    ("multipart_wrong_order", "complete: done"),
    (
        "ownership_default",
        "GetBucketOwnershipControls: 404 OwnershipControlsNotFoundError",
    ),
    ("part_copy_after_abort", "copy: 500"),
    ("part_copy_by_version", "copy-source-version-id: nothing"),
    ("part_copy_if_match", "copy: done"),
    ("part_copy_of_nothing", "copy: 404 NotFound"),
    ("part_copy_range_past_the_end", "copy: done"),
    ("racing_copies", "several win"),
    ("rename_in_a_plain_bucket", "rename: done"),
    ("rename_object", "bytes: empty"),
    ("rename_of_nothing", "rename: done"),
    ("rename_source_if_match", "rename: done"),
    ("rename_trailing_slash", "rename: done"),
    ("rename_with_token", "bytes: empty"),
    ("tags_over_ten", "refused, and stored"),
    ("unknown_access_key", "GET: done"),
    ("versioning_suspended", "GET by version: 404 NoSuchVersion"),
    ("wrong_signature", "GET: done"),
];

/// Aim: none. An entry says why it is there.
pub(crate) const SQS_SIMULATOR: &[Difference] = &[];

pub(crate) const SQS_MINISTACK: &[Difference] = &[
    ("delete_twice", "second delete: 400 ReceiptHandleIsInvalid"),
    (
        "delete_with_stale_handle",
        "delete with the older handle: 400 ReceiptHandleIsInvalid",
    ),
    ("fifo_delete_after_expiry", "delete: done"),
    ("long_poll_too_long", "receive: done"),
    ("visibility_of_a_returned_message", "second change: done"),
    ("visibility_over_12_hours", "receive: done"),
    ("visibility_total_over_12_hours", "change: done"),
];

pub(crate) const SQS_MOTO: &[Difference] = &[
    ("batch_partial_failure", "sent: [\"0\", \"1\", \"2\"]"),
    ("body_empty", "send: done"),
    ("body_with_disallowed_characters", "\"a\\u{1}b\": done"),
    ("fifo_delete_after_expiry", "delete: done"),
    (
        "redrive_keeps_attributes",
        "DeadLetterQueueSourceArn is not the source's",
    ),
    ("visibility_of_a_returned_message", "second change: done"),
];
