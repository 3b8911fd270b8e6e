//! What is at the sources before the first rename, by listings.

use std::io::{Read, Seek};

use rebucket_mapper::Listed;
use rebucket_planner::pinning::{Found, Listing, Sights, SourceIndex};
use rebucket_planner::{ManifestError, ManifestOptions, PlanReader};
use rebucket_worker::clients::Clients;
use tokio::runtime::Handle;

use super::super::CommandError;
use super::super::listing::{self, Taker, Wanted};
use super::pins::Reach;

/// Requests at a time, and the memory that the pages of each take.
const LISTERS: u64 = 32;
const LISTER_BYTES: u64 = 8 * 1024 * 1024;

/// Lists what the sources of a plan have in common, bucket by bucket, and finds
/// them in it. To be used where blocking is allowed.
pub(super) fn sights<R: Read + Seek>(
    plan: &mut PlanReader<R>,
    options: &ManifestOptions,
    reach: Reach,
    runtime: &Handle,
) -> Result<Sights, CommandError> {
    let mut index = SourceIndex::new(plan, options)?;
    let places = index.places();
    // Before the first of them has taken its hours.
    places.iter().try_for_each(listing::check)?;
    let listers = (options.memory / LISTER_BYTES).clamp(1, LISTERS);
    runtime.block_on(async {
        if places.is_empty() {
            return Ok(());
        }
        let clients = Clients::from_env(reach.s3).await?;
        for place in places {
            let bucket = place.bucket.clone();
            let wanted = Wanted {
                place,
                owner: reach.owner.bucket_owner,
                versions: false,
                listers: u16::try_from(listers).unwrap_or(1),
            };
            let begin = || Ok(Sources(index.listing(&bucket)));
            let Sources(listing) = listing::list(&clients, wanted, begin).await?;
            index.add(listing).map_err(ManifestError::from)?;
        }
        Ok::<_, CommandError>(())
    })?;
    Ok(index.join().map_err(ManifestError::from)?)
}

struct Sources(Listing);

impl Taker for Sources {
    fn take(&mut self, page: Vec<Listed>) -> Result<(), CommandError> {
        for listed in page {
            let Listed::Current(entry) = listed else {
                continue;
            };
            let found = Found {
                etag: entry.etag,
                size: entry.size,
                modified: entry.modified,
                storage_class: entry.storage_class,
            };
            let added = self.0.push(entry.key.as_str(), &found);
            added.map_err(ManifestError::from)?;
        }
        Ok(())
    }
}
