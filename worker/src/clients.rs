//! The AWS clients, from the standard environment.

mod hosts;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{
    RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_types::service_config::ServiceConfigKey;

use crate::queue::sqs::SqsAnswerCheck;
use crate::store::s3::{AnswerCheck, Signs};

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
    pub async fn from_env(path_style: bool) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            // Attempts are bounded by `retry::Policy`, which knows how much
            // an attempt has to do; this is the last net.
            .operation_attempt_timeout(Duration::from_hours(1))
            .build();
        let region = aws_config::meta::region::RegionProviderChain::default_provider()
            .or_else(Region::from_static("us-east-1"));
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(region)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // Kills part copies and completes after 6 s without body bytes,
            // which S3 sends none of while it works (facts 1.2).
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .load()
            .await;
        let endpoint = S3Endpoint {
            url: service_endpoint(&config, "S3", "AWS_ENDPOINT_URL_S3"),
        };
        let signs = if endpoint.is_aws() {
            Signs::aws()
        } else {
            Signs::default()
        };
        let mut s3 = aws_sdk_s3::config::Builder::from(&config);
        s3.set_endpoint_url(endpoint.url.clone());
        let s3 = s3
            .force_path_style(path_style || endpoint.needs_path_style())
            // Other stores refuse the trailing checksums that are the default.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .interceptor(AnswerCheck::new(signs.clone()))
            .build();
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            endpoint,
            signs,
            config,
        }
    }

    /// A client for the queue at `queue_url`. Without an endpoint in the
    /// environment, a queue URL that is not AWS's names its own.
    #[must_use]
    pub fn sqs(&self, queue_url: &str) -> aws_sdk_sqs::Client {
        let configured = service_endpoint(&self.config, "SQS", "AWS_ENDPOINT_URL_SQS");
        let endpoint = configured.or_else(|| own_endpoint(queue_url));
        let mut config = aws_sdk_sqs::config::Builder::from(&self.config);
        config.set_endpoint_url(endpoint);
        aws_sdk_sqs::Client::from_conf(config.interceptor(SqsAnswerCheck).build())
    }
}

/// `scheme://authority` of a queue URL whose host is not AWS's.
fn own_endpoint(queue_url: &str) -> Option<String> {
    if is_aws_queue(queue_url) {
        return None;
    }
    let (scheme, rest) = queue_url.split_once("://")?;
    let authority = rest.split('/').next()?;
    Some(format!("{scheme}://{authority}"))
}

/// The endpoint for one service: its own variable or profile entry first, then
/// the one for all services.
fn service_endpoint(config: &SdkConfig, service: &str, variable: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env(variable)
        .profile("endpoint_url")
        .build()
        .ok()?;
    let own = config
        .service_config()
        .and_then(|services| services.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
        .filter(|url| !url.is_empty())
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
    fn a_queue_url_names_its_own_endpoint_unless_it_is_aws() {
        assert_eq!(
            own_endpoint("http://127.0.0.1:4566/000000000000/renames").as_deref(),
            Some("http://127.0.0.1:4566")
        );
        assert_eq!(
            own_endpoint("https://sqs.eu-west-1.amazonaws.com/1/q"),
            None
        );
        assert_eq!(
            own_endpoint("http://elasticmq-1.eu-west-1.elb.amazonaws.com:9324/1/q").as_deref(),
            Some("http://elasticmq-1.eu-west-1.elb.amazonaws.com:9324")
        );
    }
}
