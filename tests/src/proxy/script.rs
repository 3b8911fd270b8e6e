//! What the proxy does with which request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;
use tokio::sync::watch;

use super::seen::Seen;

/// An answer that the proxy makes up.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: String,
    pub(super) header: Option<(&'static str, String)>,
}

impl Reply {
    /// A status with this body.
    #[must_use]
    pub fn new(status: u16, body: &str) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a status"),
            body: body.to_owned(),
            header: None,
        }
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(self, name: &'static str, value: &str) -> Self {
        let header = Some((name, value.to_owned()));
        Self { header, ..self }
    }

    /// An error as S3 writes it.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let body = format!(
            "{xml}<Error><Code>{code}</Code><Message>by the test's proxy</Message></Error>"
        );
        Self::new(status, &body)
    }

    /// 503, as S3 asks for fewer requests.
    #[must_use]
    pub fn slow_down() -> Self {
        Self::error(503, "SlowDown")
    }
}

/// Where a held request stands still, and the test that holds it.
#[derive(Debug, Clone)]
pub struct Hold {
    reached: Arc<watch::Sender<bool>>,
    released: Arc<watch::Sender<bool>>,
}

impl Hold {
    fn new() -> Self {
        Self {
            reached: Arc::new(watch::Sender::new(false)),
            released: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Waits until the request is there.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn reached(&self) {
        let mut reached = self.reached.subscribe();
        let wait = reached.wait_for(|reached| *reached);
        let came = tokio::time::timeout(crate::wait::PATIENCE, wait).await;
        came.expect("the held request never came")
            .expect("the sender is ours");
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    pub(super) async fn wait(&self) {
        self.reached.send_replace(true);
        let mut released = self.released.subscribe();
        released
            .wait_for(|released| *released)
            .await
            .expect("the sender is ours");
    }
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    Answer(Reply),
    AnswerAfterForwarding(Reply),
    WeakenETag,
    LoseReply,
    HoldRequest(Hold),
    HoldReply(Hold),
}

type Predicate = Box<dyn Fn(&Seen) -> bool + Send + Sync>;

/// Which requests, and what happens to them. Nothing matches a scratch
/// request unless it is asked to.
pub struct Rule {
    matches: Predicate,
    skip: usize,
    times: usize,
    action: Action,
}

/// The first half of a rule: which requests.
pub struct On {
    matches: Predicate,
    skip: usize,
    times: usize,
}

impl Rule {
    /// Every request of one operation, but for scratch objects.
    #[must_use]
    pub fn on(operation: &'static str) -> On {
        Self::when(move |seen| seen.operation == operation && !seen.is_scratch())
    }

    /// Every request for which this holds.
    #[must_use]
    pub fn when(matches: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> On {
        On {
            matches: Box::new(matches),
            skip: 0,
            times: usize::MAX,
        }
    }
}

impl On {
    /// Only the `n`th one, counted from 1.
    #[must_use]
    pub fn nth(self, n: usize) -> Self {
        Self {
            skip: n - 1,
            times: 1,
            ..self
        }
    }

    /// Only the first one.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only the first `n`.
    #[must_use]
    pub fn times(self, n: usize) -> Self {
        Self { times: n, ..self }
    }

    /// Is not forwarded but answered.
    #[must_use]
    pub fn answer(self, reply: Reply) -> Rule {
        self.act(Action::Answer(reply))
    }

    /// Is forwarded, but answered with something else.
    #[must_use]
    pub fn forward_but_answer(self, reply: Reply) -> Rule {
        self.act(Action::AnswerAfterForwarding(reply))
    }

    /// Is forwarded, and the ETag of the reply made a weak one.
    #[must_use]
    pub fn weaken_etag(self) -> Rule {
        self.act(Action::WeakenETag)
    }

    /// Is forwarded and carried out, but its connection breaks before the
    /// reply.
    #[must_use]
    pub fn lose_reply(self) -> Rule {
        self.act(Action::LoseReply)
    }

    /// Stands still before it is forwarded.
    #[must_use]
    pub fn hold_request(self) -> (Rule, Hold) {
        let hold = Hold::new();
        (self.act(Action::HoldRequest(hold.clone())), hold)
    }

    /// Is forwarded and carried out, but its reply stands still.
    #[must_use]
    pub fn hold_reply(self) -> (Rule, Hold) {
        let hold = Hold::new();
        (self.act(Action::HoldReply(hold.clone())), hold)
    }

    fn act(self, action: Action) -> Rule {
        Rule {
            matches: self.matches,
            skip: self.skip,
            times: self.times,
            action,
        }
    }
}

/// The rules, and the log of what came.
#[derive(Default)]
pub(super) struct Script {
    rules: Mutex<Vec<Rule>>,
    log: Mutex<Vec<Seen>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Script {
    pub(super) fn add(&self, rule: Rule) {
        lock(&self.rules).push(rule);
    }

    pub(super) fn log(&self) -> Vec<Seen> {
        lock(&self.log).clone()
    }

    /// Logs a request and finds the first rule that applies to it.
    pub(super) fn take(&self, seen: &Seen) -> Option<Action> {
        lock(&self.log).push(seen.clone());
        let mut rules = lock(&self.rules);
        for rule in rules.iter_mut().filter(|rule| (rule.matches)(seen)) {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                return Some(rule.action.clone());
            }
        }
        None
    }
}
