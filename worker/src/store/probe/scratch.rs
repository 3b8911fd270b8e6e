//! The probes' own objects: where they lie, what they are like, how they go.

use rebucket_protocol::{ObjectUri, StorageClass};

use crate::error::ErrorClass;
use crate::retry::{CallError, Caller, Policy};
use crate::store::object::{Attributes, ContentHeaders, Encryption, ObjectLock, Tags};
use crate::store::{DeleteRequest, HeadScope, ObjectStore};

/// The name of a folder that nobody else uses.
pub(super) fn unique(kind: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |since| since.as_nanos());
    format!("{kind}-{}-{nanos}/", std::process::id())
}

/// The properties of the scratch objects: one tag, or none.
pub(super) fn plain(tagged: bool) -> Attributes {
    let mut tags = Tags::new();
    if tagged {
        tags.insert("rebucket".to_owned(), "probe +1".to_owned());
    }
    Attributes {
        headers: ContentHeaders {
            content_type: Some("text/plain".to_owned()),
            ..ContentHeaders::default()
        },
        metadata: [("rebucket".to_owned(), "probe".to_owned())].into(),
        tags,
        acl: None,
        storage_class: StorageClass::standard(),
        encryption: Encryption::Unstated,
        lock: ObjectLock::default(),
        redirect: None,
        checksum: None,
    }
}

/// Removes a scratch object, in a versioned bucket for good.
pub(super) async fn remove(store: &dyn ObjectStore, caller: &Caller, object: &ObjectUri) {
    let head = || store.head(object, HeadScope::default());
    let head = match caller.call(Policy::READ, head).await {
        Ok(head) => head,
        Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => return,
        Err(error) => {
            tracing::warn!(%error, %object, "could not remove a scratch object");
            return;
        }
    };
    let request = match &head.version {
        Some(version) => DeleteRequest::Version { object, version },
        // Not every endpoint takes a condition.
        None => DeleteRequest::Unconditional { object },
    };
    let deleted = caller
        .call(Policy::CLEAN_UP, || store.delete(request))
        .await;
    // Under another name of its bucket it may have gone in between.
    if let Err(error) = deleted
        && !matches!(&error, CallError::Failed(e) if e.class() == ErrorClass::NotFound)
    {
        tracing::warn!(%error, %object, "could not remove a scratch object");
    }
}
