//! The probe's part about `If-Match` on writes: does it keep a copy, and the
//! completion of an upload, from replacing another object than the one that was
//! seen? Nothing is refused for it: where it does not, a HEAD stands in.

use rebucket_protocol::{ETag, ObjectUri};

use super::ProbeError;
use super::exercise::{BODY, Probe, piece};
use crate::error::ErrorClass;
use crate::store::object::{Attributes, Checksums, PinnedSource};
use crate::store::{CompleteRequest, CopyRequest, Replaces, StoreResult};

impl Probe<'_> {
    /// True if both kinds of write fail with a wrong tag and leave `target` as
    /// it is, and replace it with the right one. `target` must be there.
    pub(super) async fn replaces_conditionally(
        &self,
        source: &PinnedSource,
        target: &ObjectUri,
        wrong: &ETag,
        attributes: &Attributes,
    ) -> Result<bool, ProbeError> {
        let copy = |etag| self.copy_over(source, target, etag, attributes);
        let complete = |etag| self.complete_over(source, target, etag, attributes);
        let Some(first) = self.head(target).await? else {
            return Ok(false);
        };
        if !kept(&copy(wrong.clone()).await?)
            || self.etag_of(target).await? != Some(first.etag.clone())
        {
            return Ok(false);
        }
        if copy(first.etag).await?.is_err() || !self.holds(target, BODY).await? {
            return Ok(false);
        }
        let Some(second) = self.etag_of(target).await? else {
            return Ok(false);
        };
        if !kept(&complete(wrong.clone()).await?) || !self.holds(target, BODY).await? {
            return Ok(false);
        }
        Ok(complete(second).await?.is_ok() && self.holds(target, piece().0).await?)
    }

    async fn copy_over(
        &self,
        source: &PinnedSource,
        target: &ObjectUri,
        etag: ETag,
        attributes: &Attributes,
    ) -> Result<StoreResult<()>, ProbeError> {
        let request = CopyRequest {
            source,
            destination: target,
            replaces: Replaces::Object(&etag),
            attributes,
            keep_tags: true,
        };
        let copied = self.once(|| self.store.copy(request)).await?;
        Ok(copied.map(drop))
    }

    async fn complete_over(
        &self,
        source: &PinnedSource,
        target: &ObjectUri,
        etag: ETag,
        attributes: &Attributes,
    ) -> Result<StoreResult<()>, ProbeError> {
        let created = self.once(|| self.store.create_upload(target, attributes));
        let upload = match created.await? {
            Ok(upload) => upload,
            Err(error) => return Ok(Err(error)),
        };
        let (_, range) = piece();
        let copied = self.once(|| self.store.copy_part(source, target, &upload, range));
        let completed = match copied.await?.map(|part| [part]) {
            Ok(parts) => {
                let request = CompleteRequest {
                    destination: target,
                    upload: &upload,
                    parts: &parts,
                    replaces: Replaces::Object(&etag),
                    size: range.len,
                    expected: &Checksums::default(),
                };
                self.once(|| self.store.complete_upload(request)).await?
            }
            Err(error) => Err(error),
        };
        if completed.is_err() {
            self.abort(target, &upload).await;
        }
        Ok(completed.map(drop))
    }

    async fn etag_of(&self, object: &ObjectUri) -> Result<Option<ETag>, ProbeError> {
        Ok(self.head(object).await?.map(|head| head.etag))
    }
}

/// Whether the condition kept a write from being carried out.
fn kept(answer: &StoreResult<()>) -> bool {
    let class = answer.as_ref().err().map(crate::error::ServiceError::class);
    matches!(class, Some(ErrorClass::Precondition | ErrorClass::Conflict))
}
