//! Credentials that are read again: before they expire, and when a service
//! says that they have expired or are not known (any more). The SDK reads a file
//! or a process once and keeps what has no date of its own for good.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::store::classify::CREDENTIALS_REFUSED;

/// What expires within this time is read again.
const BEFORE_EXPIRY: Duration = Duration::from_mins(1);

/// Not read again sooner than this: many requests fail at once, and a process
/// or the metadata service is asked.
const BETWEEN_READS: Duration = Duration::from_secs(5);

type Reading = Pin<Box<dyn Future<Output = provider::Result> + Send>>;
type Source = Box<dyn Fn() -> Reading + Send + Sync>;

/// The standard chain of credentials, read anew when need be. Clones share what
/// was read.
#[derive(Debug, Clone)]
pub(super) struct Renewed(Arc<Inner>);

struct Inner {
    source: Source,
    refused: AtomicBool,
    held: Mutex<Option<Held>>,
}

struct Held {
    credentials: Credentials,
    read: Instant,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Renewed {
    /// Environment, profile, web identity, container and instance, in the
    /// SDK's order.
    pub(super) fn chain(region: Option<Region>, http: Option<SharedHttpClient>) -> Self {
        Self::from_source(Box::new(move || {
            // All of it anew each time: it keeps what it read from files.
            let mut config = ProviderConfig::default().with_region(region.clone());
            if let Some(http) = &http {
                config = config.with_http_client(http.clone());
            }
            Box::pin(async move {
                let chain = DefaultCredentialsChain::builder().configure(config);
                chain.build().await.provide_credentials().await
            })
        }))
    }

    fn from_source(source: Source) -> Self {
        Self(Arc::new(Inner {
            source,
            refused: AtomicBool::new(false),
            held: Mutex::new(None),
        }))
    }

    async fn credentials(&self) -> provider::Result {
        let inner = &*self.0;
        let mut held = inner.held.lock().await;
        let now = SystemTime::now();
        if let Some(held) = &*held {
            let lasts = |until: SystemTime| until > now + BEFORE_EXPIRY;
            let lasts = held.credentials.expiry().is_none_or(lasts);
            let good = lasts && !inner.refused.load(Ordering::SeqCst);
            if good || held.read.elapsed() < BETWEEN_READS {
                return Ok(held.credentials.clone());
            }
        }
        let read = (inner.source)().await.and_then(|read| legible(&read));
        match read {
            Ok(credentials) => {
                inner.refused.store(false, Ordering::SeqCst);
                *held = Some(Held {
                    credentials: credentials.clone(),
                    read: Instant::now(),
                });
                Ok(credentials)
            }
            // A file that is being written, a service that is away: what is
            // held may do for a while.
            Err(error) => match &mut *held {
                Some(held) if held.credentials.expiry().is_none_or(|until| until > now) => {
                    let error = super::causes(&error);
                    tracing::warn!(error, "the credentials could not be read again");
                    held.read = Instant::now();
                    Ok(held.credentials.clone())
                }
                _ => Err(error),
            },
        }
    }
}

/// Without what an editor or `echo` leaves at the end of a line. Other control
/// characters would make the SDK panic.
fn legible(read: &Credentials) -> provider::Result {
    let (id, secret) = (read.access_key_id(), read.secret_access_key());
    let token = read.session_token();
    let mut all = [id, secret].into_iter().chain(token);
    if all.any(|text| text.trim().contains(|c: char| c.is_control())) {
        return Err(CredentialsError::invalid_configuration(
            "the credentials have a control character in them, such as a newline; write them anew",
        ));
    }
    if [id, secret]
        .into_iter()
        .chain(token)
        .all(|text| text.trim() == text)
    {
        return Ok(read.clone());
    }
    let token = token.map(|token| token.trim().to_owned());
    Ok(Credentials::new(
        id.trim(),
        secret.trim(),
        token,
        read.expiry(),
        "trimmed",
    ))
}

impl ProvideCredentials for Renewed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// Sees in answers that the credentials were refused.
impl Intercept for Renewed {
    fn name(&self) -> &'static str {
        "Renewed"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        if matches!(response.status().as_u16(), 400 | 401 | 403) {
            let body = response.body().bytes().unwrap_or_default();
            let body = String::from_utf8_lossy(body);
            if CREDENTIALS_REFUSED.iter().any(|code| body.contains(code))
                && !self.0.refused.swap(true, Ordering::SeqCst)
            {
                tracing::warn!(
                    "the credentials have expired or are not known; they are read again"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    fn renewed(read: impl Fn(u32) -> provider::Result + Send + Sync + 'static) -> Renewed {
        let reads = AtomicU32::new(0);
        Renewed::from_source(Box::new(move || {
            let read = read(reads.fetch_add(1, Ordering::SeqCst) + 1);
            Box::pin(std::future::ready(read))
        }))
    }

    fn named(id: &str, expiry: Option<SystemTime>) -> Credentials {
        Credentials::new(id, "secret", None, expiry, "test")
    }

    async fn id(renewed: &Renewed) -> String {
        let credentials = renewed.credentials().await.unwrap();
        credentials.access_key_id().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_read_again_and_nothing_else_is() {
        let renewed = renewed(|n| Ok(named(&n.to_string(), None)));
        assert_eq!(id(&renewed).await, "1");
        tokio::time::advance(Duration::from_hours(9)).await;
        assert_eq!(id(&renewed).await, "1");
        renewed.0.refused.store(true, Ordering::SeqCst);
        assert_eq!(id(&renewed).await, "2");
        renewed.0.refused.store(true, Ordering::SeqCst);
        assert_eq!(
            id(&renewed).await,
            "2",
            "not more than once in five seconds"
        );
        tokio::time::advance(BETWEEN_READS).await;
        assert_eq!(id(&renewed).await, "3");
    }

    #[tokio::test(start_paused = true)]
    async fn what_expires_soon_is_read_again() {
        let soon = SystemTime::now() + BEFORE_EXPIRY / 2;
        let renewed = renewed(move |n| Ok(named(&n.to_string(), Some(soon))));
        assert_eq!(id(&renewed).await, "1");
        tokio::time::advance(BETWEEN_READS).await;
        assert_eq!(id(&renewed).await, "2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_fails_for_a_while_costs_nothing() {
        let renewed = renewed(|n| match n {
            1 | 3 => Ok(named(&n.to_string(), None)),
            _ => Err(CredentialsError::provider_error("away")),
        });
        assert_eq!(id(&renewed).await, "1");
        tokio::time::advance(BETWEEN_READS).await;
        renewed.0.refused.store(true, Ordering::SeqCst);
        assert_eq!(id(&renewed).await, "1");
        tokio::time::advance(BETWEEN_READS).await;
        assert_eq!(id(&renewed).await, "3");
    }

    #[test]
    fn a_newline_at_the_end_is_cut_off_and_one_within_is_refused() {
        let read = Credentials::new("id\n", "secret\r\n", Some("token ".into()), None, "test");
        let read = legible(&read).unwrap();
        assert_eq!(read.access_key_id(), "id");
        assert_eq!(read.secret_access_key(), "secret");
        assert_eq!(read.session_token(), Some("token"));
        let error = legible(&named("a\nb", None)).unwrap_err();
        assert!(super::super::causes(&error).contains("newline"), "{error}");
    }
}
