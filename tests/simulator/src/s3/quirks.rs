//! Departures from Amazon S3 that other servers are known for.

use super::Folding;

/// What this server gets wrong. All `false`, `None` and 0 is Amazon S3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each is a server's fault of its own.
pub struct Quirks {
    /// The conditions on the source of a copy or a part copy are not looked at.
    pub ignore_copy_source_conditions: bool,
    /// `If-None-Match` and `If-Match` on `PutObject` are not looked at.
    pub ignore_conditions_on_put: bool,
    /// `If-None-Match` and `If-Match` on `CopyObject` are not looked at.
    pub ignore_conditions_on_copy: bool,
    /// `If-None-Match` and `If-Match` on `CompleteMultipartUpload` are not
    /// looked at.
    pub ignore_conditions_on_complete: bool,
    /// `If-Match` on `DeleteObject` is not looked at.
    pub ignore_if_match_on_delete: bool,
    /// `DeleteObject` with `If-Match` is 501.
    pub refuse_if_match_on_delete: bool,
    /// The ETags in `DeleteObjects` are not looked at.
    pub ignore_etags_in_delete_objects: bool,
    /// No additional checksum is checked, kept or shown.
    pub no_checksums: bool,
    /// ETags are made up, those of parts too.
    pub etag_is_not_md5: bool,
    /// Tags on `CreateMultipartUpload` are lost.
    pub drop_tags_on_create: bool,
    /// `CopyObject` keeps the source's storage class when none is sent.
    pub keep_storage_class_on_copy: bool,
    /// `CopyObject` of an object onto itself is answered well though it changes
    /// nothing.
    pub accept_self_copies: bool,
    /// How buckets made from now on fold keys; a bucket's own settings come first.
    pub fold_keys: Option<Folding>,
    /// `CopyObject` answers well and stores an empty object.
    pub empty_copies: bool,
    /// So many copies are answered as if there were no source.
    pub copies_find_no_source: u32,
    /// So many copies are answered as if an object were at the destination.
    pub copies_find_taken: u32,
    /// `UploadPartCopy` answers well and stores an empty part.
    pub empty_part_copies: bool,
    /// `PutObjectTagging` answers well and empties the object.
    pub tagging_empties: bool,
    /// `CopyObject` shows its ETag without quotes; over HTTP only.
    pub bare_etag_on_copy: bool,
    /// `DeleteObjects` is refused without a Content-MD5; over HTTP only.
    pub delete_objects_needs_md5: bool,
    /// `HeadObject` answers for an object under a customer's key without it.
    pub head_needs_no_key: bool,
    /// `RenameObject` works in every bucket.
    pub rename_everywhere: bool,
    /// `RenameObject` answers well, leaves the source and makes an empty
    /// destination, in every bucket.
    pub rename_makes_empty: bool,
    /// `CompleteMultipartUpload` is 404 when it is repeated after its own success.
    pub forgets_completed_uploads: bool,
}
