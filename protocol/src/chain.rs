//! Renames that wait for one another: paths, swaps and cycles.
//!
//! `b -> c` frees the key that `a -> b` needs. Whoever completes the first
//! sends the next, so the message for `b -> c` carries `a -> b` with it. A
//! cycle is opened, and a path that is too long is split, by renaming one of
//! its rows in two legs, by way of a temporary key.

use serde::{Deserialize, Serialize};

use crate::{IfExists, ObjectUri, Pins, SelfRename, TaskId, Timestamp};

/// Which half of a rename in two legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// From the source to the temporary key.
    Out,
    /// From the temporary key to the destination.
    In,
}

/// A rename in two legs. Nobody but the job writes to the temporary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The half that is meant.
    pub leg: Leg,
    /// The temporary key.
    pub via: ObjectUri,
    /// Of a first leg: what is at the row's destination until the rename that
    /// another message carries takes it away. `None` when that comes before
    /// the second leg in the same chain.
    pub occupant: Option<Pins>,
    /// When the object came to the temporary key, as S3 dates it, where that is
    /// known: whoever completes the first leg says it to the second.
    pub arrived: Option<Timestamp>,
}

/// One rename of a chain: a row of the manifest, or one leg of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub(crate) id: TaskId,
    pub(crate) source: ObjectUri,
    pub(crate) destination: ObjectUri,
    pub(crate) hop: Option<Hop>,
    /// What is known of the row's source.
    pub pins: Pins,
    /// What to do with another object at the destination.
    pub if_exists: IfExists,
}

/// Why steps are no chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A step that leads to where it starts.
    #[error(transparent)]
    SelfRename(#[from] SelfRename),
    /// A step that does not lead to where the one before it starts.
    #[error("{to} is not freed by the rename before it in the chain, which frees {freed}")]
    Unlinked {
        /// Where the step leads.
        to: ObjectUri,
        /// What the step before it frees.
        freed: ObjectUri,
    },
    /// A first leg without a second.
    #[error("{0} is renamed to a temporary key, and by nobody from there to its destination")]
    Unfinished(ObjectUri),
    /// A step whose source may change under way, and is not pinned.
    #[error("{0} is part of a chain and must be pinned by etag, size and modified")]
    Unpinned(ObjectUri),
}

impl Step {
    /// A row of the manifest, or with `hop` one leg of it.
    ///
    /// # Errors
    /// [`SelfRename`] when two of source, destination and temporary key are
    /// the same.
    pub fn new(
        id: TaskId,
        source: ObjectUri,
        destination: ObjectUri,
        hop: Option<Hop>,
    ) -> Result<Self, SelfRename> {
        let via = hop.as_ref().map(|hop| &hop.via);
        if source == destination || via == Some(&source) {
            return Err(SelfRename(source));
        }
        if via == Some(&destination) {
            return Err(SelfRename(destination));
        }
        Ok(Self {
            id,
            source,
            destination,
            hop,
            pins: Pins::default(),
            if_exists: IfExists::default(),
        })
    }

    /// The row's task.
    #[must_use]
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Where this step takes the object from.
    #[must_use]
    pub fn from(&self) -> &ObjectUri {
        match &self.hop {
            Some(Hop {
                leg: Leg::In, via, ..
            }) => via,
            _ => &self.source,
        }
    }

    /// Where this step takes the object to.
    #[must_use]
    pub fn to(&self) -> &ObjectUri {
        match &self.hop {
            Some(Hop {
                leg: Leg::Out, via, ..
            }) => via,
            _ => &self.destination,
        }
    }

    /// The row's source, whichever leg this is.
    #[must_use]
    pub fn source(&self) -> &ObjectUri {
        &self.source
    }

    /// The row's destination, whichever leg this is.
    #[must_use]
    pub fn destination(&self) -> &ObjectUri {
        &self.destination
    }

    /// The objects that its row is about.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectUri> {
        let via = self.hop.as_ref().map(|hop| &hop.via);
        [&self.source, &self.destination].into_iter().chain(via)
    }

    /// The leg, of a rename in two.
    #[must_use]
    pub fn hop(&self) -> Option<&Hop> {
        self.hop.as_ref()
    }

    /// The leg, of a rename in two.
    #[must_use]
    pub fn leg(&self) -> Option<Leg> {
        self.hop.as_ref().map(|hop| hop.leg)
    }

    /// The second leg of a rename of which this is the first.
    #[must_use]
    pub fn second_leg(&self) -> Option<Self> {
        let hop = self.hop.as_ref().filter(|hop| hop.leg == Leg::Out)?;
        Some(Self {
            hop: Some(Hop {
                leg: Leg::In,
                via: hop.via.clone(),
                occupant: None,
                arrived: hop.arrived,
            }),
            ..self.clone()
        })
    }

    /// Keys of a chain are used again, perhaps by an object with the same
    /// bytes: only the date tells the two apart. The temporary key is used
    /// once.
    fn is_pinned(&self) -> bool {
        let Pins {
            etag,
            size,
            modified,
            ..
        } = &self.pins;
        self.leg() == Some(Leg::In) || etag.is_some() && size.is_some() && modified.is_some()
    }
}

/// Checks that each step leads to the key that the one before it frees, that
/// those whose keys are used again are pinned, and that each first leg has its
/// second.
///
/// # Errors
/// [`ChainError`].
pub(crate) fn check(first: &Step, then: &[Step]) -> Result<(), ChainError> {
    let mut before = first;
    for step in then {
        if step.to() != before.from() {
            return Err(ChainError::Unlinked {
                to: step.to().clone(),
                freed: before.from().clone(),
            });
        }
        if !before.is_pinned() {
            return Err(ChainError::Unpinned(before.source().clone()));
        }
        before = step;
    }
    let steps = || std::iter::once(first).chain(then);
    let out = |step: &&Step| matches!(&step.hop, Some(hop) if hop.leg == Leg::Out && hop.occupant.is_none());
    for out in steps().filter(out) {
        if !steps().any(|step| step.leg() == Some(Leg::In) && step.id == out.id) {
            return Err(ChainError::Unfinished(out.source().clone()));
        }
    }
    Ok(())
}
