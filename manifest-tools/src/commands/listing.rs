//! A live listing: many requests at a time, each key once.

mod pages;

use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget};
use rebucket_mapper::Listed;
use rebucket_mapper::coverage::{Coverage, Disorder, Order, Plan, Request};
use rebucket_protocol::{AccountId, S3Prefix};
use rebucket_worker::clients::Clients;
use rebucket_worker::retry::CallError;
use rebucket_worker::store::s3::expecting;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::map::MapError;
use super::progress::rated;
use super::{CommandError, complain};
use pages::{Next, Pages};

/// Pages that wait to be taken, for each lister.
const PAGES_AHEAD: usize = 2;

/// Refuses what cannot be listed.
pub(crate) fn check(place: &S3Prefix) -> Result<(), MapError> {
    if place.bucket.as_str().ends_with("--x-s3") {
        return Err(MapError::DirectoryBucket(place.bucket.clone()));
    }
    Ok(())
}

/// What is listed, and how.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The keys.
    pub(crate) place: S3Prefix,
    /// The account whose bucket it is, if that is known.
    pub(crate) owner: Option<AccountId>,
    /// List versions, to know the current one of each object.
    pub(crate) versions: bool,
    /// Requests at a time.
    pub(crate) listers: u16,
}

/// Takes what is listed, in any order. One page is taken after the other, where
/// blocking is allowed.
pub(crate) trait Taker: Send + 'static {
    /// Takes a page.
    fn take(&mut self, page: Vec<Listed>) -> Result<(), CommandError>;
}

/// Lists all keys of a place, each once, into what `begin` makes: one that gets
/// all of them is handed back. Others were begun in vain, because the keys came
/// in another order than was thought.
pub(crate) async fn list<T: Taker>(
    clients: &Clients,
    wanted: Wanted,
    begin: impl Fn() -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let Wanted {
        place,
        owner,
        versions,
        listers,
    } = wanted;
    let prefix = place.prefix.clone();
    let s3 = expecting(&clients.s3, owner);
    let pages = Pages::new(s3, place, versions, listers)?;
    let plan = |order, split| Plan {
        prefix: prefix.clone(),
        order,
        check: !clients.endpoint.is_aws(),
        repeats: versions,
        split,
    };
    let mut plans = Vec::new();
    if listers > 1 {
        plans.push(plan(Order::Bytes, true));
        if !clients.endpoint.is_aws() {
            plans.push(plan(Order::Folders, true));
        }
    }
    for plan in plans {
        match list_as(&pages, plan, usize::from(listers), begin()?).await {
            Ok(taker) => return Ok(taker),
            Err(Failure::Disorder(disorder)) => {
                complain(format_args!(
                    "rebucket: {disorder}; the listing is begun again"
                ));
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    // One lister alone checks no order.
    let alone = plan(Order::Bytes, false);
    Ok(list_as(&pages, alone, 1, begin()?).await?)
}

enum Failure {
    /// Nothing of this listing can be used.
    Disorder(Disorder),
    Other(CommandError),
    /// The taker has stopped, and has an error of its own.
    Unwanted,
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Other(error) => error,
            Failure::Disorder(disorder) => MapError::Disorder(disorder).into(),
            Failure::Unwanted => Self::Interrupted,
        }
    }
}

impl From<Disorder> for Failure {
    fn from(disorder: Disorder) -> Self {
        Self::Disorder(disorder)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Other(error.into())
    }
}

/// What the listers of one listing share.
struct Shared {
    pages: Pages,
    order: Order,
    coverage: Mutex<Coverage>,
    progress: Notify,
    out: mpsc::Sender<Vec<Listed>>,
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Coverage) -> T) -> T {
        change(&mut self.coverage.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn list_as<T: Taker>(
    pages: &Pages,
    plan: Plan,
    listers: usize,
    mut taker: T,
) -> Result<T, Failure> {
    let (out, mut listed) = mpsc::channel::<Vec<Listed>>(PAGES_AHEAD * listers);
    let shared = Arc::new(Shared {
        pages: pages.clone(),
        order: plan.order,
        coverage: Mutex::new(Coverage::new(plan, listers)),
        progress: Notify::new(),
        out,
    });
    let bar = counter();
    let taking = tokio::task::spawn_blocking(move || {
        while let Some(page) = listed.blocking_recv() {
            bar.inc(page.len() as u64);
            taker.take(page)?;
        }
        bar.finish_and_clear();
        Ok::<_, CommandError>(taker)
    });
    let mut tasks = JoinSet::new();
    for lister in 0..listers {
        tasks.spawn(run_lister(Arc::clone(&shared), lister));
    }
    drop(shared);
    // The first failure ends all: the set is dropped, and aborts the others.
    while let Some(ended) = tasks.join_next().await {
        match ended.map_err(|error| Failure::Other(error.into()))? {
            Err(Failure::Unwanted) => break,
            ended => ended?,
        }
    }
    tasks.abort_all();
    let taken = taking.await.map_err(|error| Failure::Other(error.into()))?;
    taken.map_err(Failure::Other)
}

async fn run_lister(shared: Arc<Shared>, lister: usize) -> Result<(), Failure> {
    let mut next = Next::After(None);
    loop {
        let progress = shared.progress.notified();
        tokio::pin!(progress);
        // From here on no progress is missed, before it is waited for.
        progress.as_mut().enable();
        match shared.with(|coverage| coverage.next(lister)) {
            Request::Wait => {
                progress.await;
                continue;
            }
            Request::End => {
                shared.progress.notify_waiters();
                return Ok(());
            }
            Request::Begin(after) => {
                let first = after.is_none();
                next = Next::After(after);
                list_page(&shared, lister, &mut next, first).await?;
            }
            Request::Continue => list_page(&shared, lister, &mut next, false).await?,
            Request::Folders { prefix, after } => {
                let (folders, truncated) = shared.pages.folders(&prefix, &after).await?;
                shared.with(|coverage| coverage.folders(lister, &folders, truncated));
            }
            Request::Probe(after) => {
                let first = shared.pages.first_after(&after, shared.order).await?;
                shared.with(|coverage| coverage.probed(lister, first.as_deref()))?;
            }
        }
        shared.progress.notify_waiters();
    }
}

/// Lists one page and passes on what is the lister's.
async fn list_page(
    shared: &Shared,
    lister: usize,
    next: &mut Next,
    first: bool,
) -> Result<(), Failure> {
    let mut page = shared.pages.page(next, first).await?;
    page.merge(shared.order);
    let taken = shared.with(|coverage| {
        let keys: Vec<&str> = page.keys.iter().map(|(key, _)| key.as_str()).collect();
        coverage.page(lister, &keys, page.next.is_some())
    })?;
    if let Some(after) = page.next {
        *next = after;
    }
    page.keys.truncate(taken);
    let listed: Vec<Listed> = page.keys.into_iter().map(|(_, listed)| listed).collect();
    if listed.is_empty() {
        return Ok(());
    }
    let sent = shared.out.send(listed).await;
    sent.map_err(|_| Failure::Unwanted)
}

/// How many keys there are so far: on a terminal, and nowhere else.
fn counter() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    bar.set_style(rated("{human_pos} keys listed, {rate}"));
    bar
}
