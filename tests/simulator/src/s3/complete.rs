//! `CompleteMultipartUpload`.

use std::sync::Arc;

use super::checksum::{bad_digest, base64, composite};
use super::limits::{MAX_OBJECT, MIN_PART};
use super::put::Draft;
use super::{
    ChecksumType, CompletePart, CompleteUploadRequest, Completed, Content, ETag, ErrorCode,
    ObjectPart, S3, S3Error, S3Result, Upload, WriteResponse,
};
use crate::clock::Millis;

impl S3 {
    /// `CompleteMultipartUpload`. When refused, the upload stays. When repeated
    /// after its success, it answers the same, whatever its conditions are.
    pub fn complete_multipart_upload(
        &mut self,
        request: &CompleteUploadRequest,
        now: Millis,
    ) -> S3Result<WriteResponse> {
        let quirks = self.quirks;
        let bucket = self.bucket_or_err(&request.bucket)?;
        let upload = match bucket.upload(&request.key, &request.upload_id) {
            Ok(upload) => upload,
            Err(gone) => {
                return match self.completed.get(&request.upload_id) {
                    Some(done)
                        if !quirks.forgets_completed_uploads
                            && done.bucket == self.own_name(&request.bucket)
                            && done.key == *bucket.keys.fold(&request.key) =>
                    {
                        Ok(done.answer.clone())
                    }
                    _ => Err(gone),
                };
            }
        };
        let parts = chosen_parts(&request.upload_id, upload, &request.parts)?;
        let content = Content::concat(parts.iter().map(|p| &p.content));
        if content.size() > MAX_OBJECT {
            return Err(S3Error::new(
                ErrorCode::EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed object size.",
            ));
        }
        if let Some(expected) = request.object_size
            && expected != content.size()
        {
            return Err(S3Error::request(format!(
                "The provided 'x-amz-mp-object-size' header value {expected} does not match what \
                 was computed: {}",
                content.size()
            )));
        }
        if !quirks.no_checksums {
            check_checksums(upload, request, &parts, &content)?;
        }
        if !quirks.ignore_conditions_on_complete {
            request
                .conditions
                .check(&request.key, bucket.latest(&request.key))?;
            if let Some(header) = request.conditions.header().filter(|_| upload.overtaken) {
                return Err(overtaken(header, &request.key));
            }
        }

        let key = upload.key.clone();
        let properties = upload.properties.clone();
        let draft = Draft {
            parts: Some(parts),
            checksum: upload.stored(),
            origin: upload.origin(request.parts.iter().map(|p| p.number)),
            ..Draft::new(&properties, content, upload.initiated)
        };
        let written = self.write(&request.bucket, &request.key, draft, now)?;
        self.bucket_mut(&request.bucket)?
            .uploads
            .remove(&request.upload_id);
        let done = Completed {
            bucket: self.own_name(&request.bucket).to_owned(),
            key,
            answer: written.clone(),
        };
        self.completed.insert(request.upload_id.clone(), done);
        Ok(written)
    }
}

fn wrong_type(own: &str) -> S3Error {
    S3Error::request(format!(
        "The upload was created using the {own} checksum mode. The complete request must use the \
         same checksum mode."
    ))
}

fn overtaken(header: &str, key: &str) -> S3Error {
    S3Error::new(
        ErrorCode::ConditionalRequestConflict,
        "The conditional request cannot succeed due to a conflicting operation against this \
         resource.",
    )
    .with("Condition", header)
    .with("Key", key)
}

/// The parts that the object is made of, each there, of the right ETag, in
/// order, and none but the last too small.
fn chosen_parts(id: &str, upload: &Upload, wanted: &[CompletePart]) -> S3Result<Arc<[ObjectPart]>> {
    if wanted.is_empty() {
        return Err(S3Error::new(
            ErrorCode::InvalidRequest,
            "You must specify at least one part",
        ));
    }
    if wanted.windows(2).any(|w| w[0].number >= w[1].number) {
        return Err(S3Error::new(
            ErrorCode::InvalidPartOrder,
            "The list of parts was not in ascending order. The parts list must be specified in \
             order by part number.",
        )
        .with("UploadId", id));
    }
    let mut parts = Vec::with_capacity(wanted.len());
    for part in wanted {
        let stored = upload
            .parts
            .get(&part.number)
            .filter(|stored| ETag::new(&part.etag) == stored.etag)
            .ok_or_else(|| invalid_part(id, part))?;
        parts.push(ObjectPart {
            number: part.number,
            content: stored.content.clone(),
        });
    }
    let but_last = &parts[..parts.len() - 1];
    if let Some(small) = but_last.iter().find(|p| p.content.size() < MIN_PART) {
        return Err(S3Error::new(
            ErrorCode::EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size",
        )
        .with("ProposedSize", small.content.size())
        .with("MinSizeAllowed", MIN_PART)
        .with("PartNumber", small.number));
    }
    Ok(parts.into())
}

fn invalid_part(id: &str, part: &CompletePart) -> S3Error {
    S3Error::new(
        ErrorCode::InvalidPart,
        "One or more of the specified parts could not be found. The part may not have been \
         uploaded, or the specified entity tag may not match the part's entity tag.",
    )
    .with("UploadId", id)
    .with("PartNumber", part.number)
    .with("ETag", ETag::new(&part.etag).as_str())
}

fn check_checksums(
    upload: &Upload,
    request: &CompleteUploadRequest,
    parts: &[ObjectPart],
    content: &Content,
) -> S3Result<()> {
    let kept = upload.kept();
    if upload.checksum.is_none() && request.checksum_type.is_some() {
        return Err(wrong_type("null"));
    }
    for (wanted, part) in request.parts.iter().zip(parts) {
        match &wanted.checksum {
            Some((algorithm, _)) if upload.checksum.is_some_and(|c| c.algorithm != *algorithm) => {
                return Err(bad_digest(algorithm.as_str()));
            }
            Some((algorithm, value))
                if upload.checksum.is_none()
                    || *value != base64(part.content.digest(*algorithm)) =>
            {
                return Err(invalid_part(&request.upload_id, wanted));
            }
            None if kept.kind == ChecksumType::Composite => {
                return Err(S3Error::request(format!(
                    "The upload was created using a {} checksum. The complete request must \
                     include the checksum for each part. It was missing for part {} in the \
                     request.",
                    kept.algorithm.as_str().to_lowercase(),
                    wanted.number
                )));
            }
            Some(_) | None => {}
        }
    }
    if kept.kind == ChecksumType::Composite && !(1..).zip(parts).all(|(n, p)| n == p.number) {
        return Err(S3Error::new(
            ErrorCode::InternalError,
            "We encountered an internal error. Please try again.",
        ));
    }
    if request.checksum_type.is_some_and(|kind| kind != kept.kind) {
        return Err(wrong_type(kept.kind.as_str()));
    }
    if let Some((algorithm, value)) = &request.checksum {
        if *algorithm != kept.algorithm {
            return Err(bad_digest(algorithm.as_str()));
        }
        let computed = match kept.kind {
            ChecksumType::FullObject => base64(content.digest(*algorithm)),
            ChecksumType::Composite => composite(*algorithm, parts.iter().map(|p| &p.content)),
        };
        if *value != computed {
            return Err(bad_digest(algorithm.as_str()));
        }
    }
    Ok(())
}
