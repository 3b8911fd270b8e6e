//! The AWS clients, from the standard environment.

mod credentials;
mod environment;
mod hosts;
mod payer;
mod regions;

use std::error::Error;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{
    IdentityCache, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_types::service_config::ServiceConfigKey;

use self::credentials::Renewed;
use self::environment::ProfileSettings;
use self::payer::RequesterPays;
use self::regions::Regions;
use crate::config::S3Args;
use crate::queue::sqs::SqsAnswerCheck;
use crate::store::s3::{AnswerCheck, Signs};

pub use self::environment::EnvironmentError;
pub use self::regions::Moved;

/// Where S3 is, and how to address it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Endpoint {
    /// The URL from the environment or profile; `None` for AWS's own.
    pub url: Option<String>,
}

impl S3Endpoint {
    /// True for S3 itself, whose behaviour is known and needs no probe.
    #[must_use]
    pub fn is_aws(&self) -> bool {
        self.url.as_deref().is_none_or(hosts::is_s3)
    }

    /// True when buckets cannot be host names: an IP address or localhost.
    #[must_use]
    pub fn needs_path_style(&self) -> bool {
        self.url.as_deref().map(host).is_some_and(|host| {
            host == "localhost"
                || host.starts_with('[')
                || host.parse::<std::net::Ipv4Addr>().is_ok()
        })
    }
}

/// True when a queue's URL is one of SQS itself.
#[must_use]
pub fn is_aws_queue(url: &str) -> bool {
    hosts::is_sqs(host(url))
}

/// The host of a URL, with the brackets of an IPv6 address, without the port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if authority.starts_with('[') {
        authority.split_inclusive(']').next().unwrap_or(authority)
    } else {
        authority.split(':').next().unwrap_or(authority)
    }
}

/// Clients for both services.
#[derive(Debug, Clone)]
pub struct Clients {
    config: SdkConfig,
    credentials: Renewed,
    /// S3. Every answer is checked to be S3's.
    pub s3: aws_sdk_s3::Client,
    /// Where S3 is.
    pub endpoint: S3Endpoint,
    /// By what its answers are known.
    pub signs: Signs,
}

impl Clients {
    /// Reads the standard AWS environment and makes the clients. Nothing is
    /// sent yet.
    ///
    /// # Errors
    /// [`EnvironmentError`] for variables, profiles and certificates that
    /// cannot be used.
    pub async fn from_env(args: S3Args) -> Result<Self, EnvironmentError> {
        environment::check_variables()?;
        let profile = ProfileSettings::read().await?;
        let http = profile.http_client()?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            // Attempts are bounded by `retry::Policy`, which knows how much
            // an attempt has to do; this is the last net.
            .operation_attempt_timeout(Duration::from_hours(1))
            .build();
        let region = aws_config::meta::region::RegionProviderChain::default_provider()
            .or_else(Region::from_static("us-east-1"));
        let region = region.region().await;
        let credentials = Renewed::chain(region.clone(), http.clone());
        let mut config = aws_config::defaults(BehaviorVersion::v2026_01_12());
        if let Some(http) = http {
            config = config.http_client(http);
        }
        let config = config
            .region(region)
            .credentials_provider(credentials.clone())
            // It would keep what a service has refused.
            .identity_cache(IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // Kills part copies and completes after 6 s without body bytes,
            // which S3 sends none of while it works (facts 1.2).
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .load()
            .await;
        let url = own_setting(&config, "S3", "AWS_ENDPOINT_URL_S3").or_else(|| shared(&config));
        let endpoint = S3Endpoint {
            url: url.map(with_slash),
        };
        let signs = if endpoint.is_aws() {
            Signs::aws()
        } else {
            Signs::default()
        };
        let mut s3 = aws_sdk_s3::config::Builder::from(&config);
        s3.set_endpoint_url(endpoint.url.clone());
        let regions = Regions::default();
        let mut s3 = s3
            .force_path_style(args.s3_path_style || endpoint.needs_path_style())
            // Other stores refuse the trailing checksums that are the default.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .endpoint_resolver(regions.clone())
            .interceptor(AnswerCheck::new(signs.clone()))
            .interceptor(regions)
            .interceptor(credentials.clone());
        if args.requester_pays {
            s3 = s3.interceptor(RequesterPays);
        }
        Ok(Self {
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            endpoint,
            signs,
            credentials,
            config,
        })
    }

    /// A client for the queue at `queue_url`. The URL names the host and, on
    /// AWS, the region; only an endpoint that is set for SQS alone comes before
    /// it, for `AWS_ENDPOINT_URL` may be that of a store.
    #[must_use]
    pub fn sqs(&self, queue_url: &str) -> aws_sdk_sqs::Client {
        let mut config = aws_sdk_sqs::config::Builder::from(&self.config);
        let set = own_setting(&self.config, "SQS", "AWS_ENDPOINT_URL_SQS");
        // Without an endpoint, the SDK knows AWS's own.
        let named = !is_aws_queue(queue_url) || shared(&self.config).is_some();
        config.set_endpoint_url(set.or_else(|| origin(queue_url).filter(|_| named)));
        if let Some(region) = hosts::sqs_region(host(queue_url)) {
            config.set_region(Some(Region::new(region)));
        }
        let config = config.interceptor(SqsAnswerCheck);
        aws_sdk_sqs::Client::from_conf(config.interceptor(self.credentials.clone()).build())
    }
}

/// `scheme://authority` of a URL.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    Some(format!("{scheme}://{authority}"))
}

/// The SDK appends the bucket to a path without a slash at its end as it is
/// (`/s3` and `bkt` become `/s3bkt`; aws-sdk-rust issue 1387).
fn with_slash(url: String) -> String {
    if url.ends_with('/') { url } else { url + "/" }
}

/// The endpoint that is set for one service, by its variable or in the
/// profile.
fn own_setting(config: &SdkConfig, service: &str, variable: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env(variable)
        .profile("endpoint_url")
        .build()
        .ok()?;
    let own = config.service_config()?.load_config(key);
    own.filter(|url| !url.is_empty())
}

/// The endpoint that is set for all services.
fn shared(config: &SdkConfig) -> Option<String> {
    let url = config.endpoint_url().map(str::to_owned);
    url.filter(|url| !url.is_empty())
}

/// The words of an error and of its causes, without those that only repeat
/// what another one says.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut words = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let own = error.to_string();
        if !words.contains(&own) {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&own);
        }
        next = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> S3Endpoint {
        S3Endpoint {
            url: Some(url.to_owned()),
        }
    }

    #[test]
    fn aws_is_told_from_its_kin() {
        assert!(S3Endpoint { url: None }.is_aws());
        assert!(endpoint("https://s3.eu-west-1.amazonaws.com").is_aws());
        assert!(!endpoint("https://minio-1.eu-west-1.elb.amazonaws.com").is_aws());
        assert!(!endpoint("http://127.0.0.1:9000").is_aws());
    }

    #[test]
    fn addresses_need_path_style() {
        for url in [
            "http://127.0.0.1:9000",
            "http://localhost:1/",
            "http://[::1]:9000",
        ] {
            assert!(endpoint(url).needs_path_style(), "{url}");
        }
        assert!(!endpoint("https://store.example.net").needs_path_style());
    }

    #[test]
    fn a_queue_url_names_its_host() {
        for (url, host) in [
            (
                "http://127.0.0.1:4566/000000000000/renames",
                "http://127.0.0.1:4566",
            ),
            (
                "https://sqs.eu-west-1.amazonaws.com/1/q",
                "https://sqs.eu-west-1.amazonaws.com",
            ),
        ] {
            assert_eq!(origin(url).as_deref(), Some(host));
        }
        assert_eq!(origin("renames"), None);
    }

    #[test]
    fn a_path_ends_in_a_slash() {
        assert_eq!(with_slash("http://h/s3".to_owned()), "http://h/s3/");
        assert_eq!(with_slash("http://h/s3/".to_owned()), "http://h/s3/");
    }
}
