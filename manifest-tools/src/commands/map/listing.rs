//! A live listing as the source of keys: many requests at a time, each key
//! once.

use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rebucket_manifest::map_args::{MapArgs, Versions};
use rebucket_mapper::coverage::{Coverage, Disorder, Order, Plan, Request};
use rebucket_mapper::{Listed, Made, Maker};
use rebucket_protocol::S3Prefix;
use rebucket_worker::clients::Clients;
use rebucket_worker::retry::CallError;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::inventory::called;
use super::listing_pages::{Next, Pages};
use super::{MapError, Recipe};
use crate::commands::{CommandError, complain};

/// Pages that wait to be mapped.
const PAGES_AHEAD: usize = 64;

/// Makes a manifest from a listing.
pub(super) async fn make(
    clients: &Clients,
    place: S3Prefix,
    args: &MapArgs,
    recipe: &Recipe,
) -> Result<Made, CommandError> {
    let versions = args.versions == Versions::Latest;
    let listers = args.list_concurrency;
    let prefix = place.prefix.clone();
    let pages = Pages::new(clients, place, versions, listers)?;
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
        match list(&pages, plan, usize::from(listers), recipe).await {
            Ok(maker) => return maker.finish().map_err(CommandError::Spool),
            Err(Failure::Disorder(disorder)) => {
                complain(&format!("rebucket: {disorder}; the listing is begun again"));
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    // One lister alone checks no order.
    let maker = list(&pages, plan(Order::Bytes, false), 1, recipe).await?;
    maker.finish().map_err(CommandError::Spool)
}

enum Failure {
    /// Nothing of this listing can be used.
    Disorder(Disorder),
    Other(CommandError),
    /// The mapping has stopped, and has an error of its own.
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
        Self::Other(called(error))
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

async fn list(
    pages: &Pages,
    plan: Plan,
    listers: usize,
    recipe: &Recipe,
) -> Result<Maker, Failure> {
    let (out, mut listed) = mpsc::channel::<Vec<Listed>>(PAGES_AHEAD);
    let shared = Arc::new(Shared {
        pages: pages.clone(),
        order: plan.order,
        coverage: Mutex::new(Coverage::new(plan, listers)),
        progress: Notify::new(),
        out,
    });
    let mut maker = recipe.start().map_err(Failure::Other)?;
    let bar = counter();
    let mapping = tokio::task::spawn_blocking(move || {
        while let Some(page) = listed.blocking_recv() {
            bar.inc(page.len() as u64);
            for one in page {
                maker.add(one).map_err(CommandError::Spool)?;
            }
        }
        bar.finish_and_clear();
        Ok::<_, CommandError>(maker)
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
    let mapped = mapping
        .await
        .map_err(|error| Failure::Other(error.into()))?;
    mapped.map_err(Failure::Other)
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
    let style = ProgressStyle::with_template("{human_pos} keys listed, {per_sec}");
    // The template is a constant; a bar without it still counts.
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
