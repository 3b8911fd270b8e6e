//! Every metric of the worker, in one table.

use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};
use rebucket_protocol::{Outcome, Reason, Waiver};

use crate::error::ErrorClass;

/// The worker's metrics, registered together.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// `rebucket_renames_total{outcome,reason}`: tasks that ended.
    renames: IntCounterVec,
    /// `rebucket_renamed_bytes_total`: bytes of the objects renamed.
    renamed_bytes: IntCounter,
    /// `rebucket_rename_seconds`: from delivery to acknowledgement.
    rename_seconds: Histogram,
    /// `rebucket_renames_in_flight`: tasks being worked on.
    pub renames_in_flight: IntGauge,
    /// `rebucket_handed_back_total{cause}`: messages returned to the queue.
    handed_back: IntCounterVec,
    /// `rebucket_parked_total{reason}`: messages sent to the dead-letter queue.
    parked: IntCounterVec,
    /// `rebucket_s3_requests_total{operation,result}`.
    s3_requests: IntCounterVec,
    /// `rebucket_s3_request_seconds{operation}`.
    s3_seconds: HistogramVec,
    /// `rebucket_s3_retries_total{operation,class}`.
    s3_retries: IntCounterVec,
    /// `rebucket_sqs_requests_total{operation,result}`.
    sqs_requests: IntCounterVec,
    /// `rebucket_leases_lost_total`: leases that ended before the rename did.
    pub leases_lost: IntCounter,
    /// `rebucket_lease_extensions_total`: visibility timeouts extended.
    pub lease_extensions: IntCounter,
    /// `rebucket_report_commits_total`: group commits of the report.
    pub report_commits: IntCounter,
    /// `rebucket_assumption_contradicted_total{property}`: objects that are not
    /// what `--assume` says.
    assumption_contradicted: IntCounterVec,
    /// `rebucket_copies_expiring_total`: copies that a lifecycle rule removes
    /// sooner than it would have removed their sources.
    pub copies_expiring: IntCounter,
}

impl Metrics {
    /// A fresh set in a registry of its own.
    ///
    /// # Errors
    /// [`prometheus::Error`] when two metrics have one name, which a test
    /// rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let metric = IntCounter::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let counters =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
                let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(metric.clone()))?;
                Ok(metric)
            };
        let in_flight = IntGauge::with_opts(Opts::new(
            "rebucket_renames_in_flight",
            "Tasks being worked on.",
        ))?;
        registry.register(Box::new(in_flight.clone()))?;
        let rename_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "rebucket_rename_seconds",
                "Seconds from a message's delivery to its acknowledgement.",
            )
            .buckets(prometheus::exponential_buckets(0.005, 3.0, 14)?),
        )?;
        registry.register(Box::new(rename_seconds.clone()))?;
        let s3_seconds = HistogramVec::new(
            HistogramOpts::new("rebucket_s3_request_seconds", "Seconds an S3 request took.")
                .buckets(prometheus::exponential_buckets(0.001, 4.0, 10)?),
            &["operation"],
        )?;
        registry.register(Box::new(s3_seconds.clone()))?;
        Ok(Self {
            renames: counters(
                "rebucket_renames_total",
                "Tasks that ended, by outcome and reason.",
                &["outcome", "reason"],
            )?,
            renamed_bytes: counter(
                "rebucket_renamed_bytes_total",
                "Bytes of the objects that were renamed.",
            )?,
            rename_seconds,
            renames_in_flight: in_flight,
            handed_back: counters(
                "rebucket_handed_back_total",
                "Messages returned to the queue, by cause.",
                &["cause"],
            )?,
            parked: counters(
                "rebucket_parked_total",
                "Messages sent to the dead-letter queue, by reason.",
                &["reason"],
            )?,
            s3_requests: counters(
                "rebucket_s3_requests_total",
                "S3 requests, by operation and result.",
                &["operation", "result"],
            )?,
            s3_seconds,
            s3_retries: counters(
                "rebucket_s3_retries_total",
                "S3 requests that were sent again, by operation and class of the error.",
                &["operation", "class"],
            )?,
            sqs_requests: counters(
                "rebucket_sqs_requests_total",
                "SQS requests, by operation and result.",
                &["operation", "result"],
            )?,
            leases_lost: counter(
                "rebucket_leases_lost_total",
                "Leases that ended before their rename did.",
            )?,
            lease_extensions: counter(
                "rebucket_lease_extensions_total",
                "Visibility timeouts that were extended.",
            )?,
            report_commits: counter(
                "rebucket_report_commits_total",
                "Group commits of the report.",
            )?,
            assumption_contradicted: counters(
                "rebucket_assumption_contradicted_total",
                "Objects that are not what --assume says, by property.",
                &["property"],
            )?,
            copies_expiring: counter(
                "rebucket_copies_expiring_total",
                "Copies that a lifecycle rule removes sooner than it would have removed their sources.",
            )?,
            registry,
        })
    }

    /// Counts a task that ended after `took`.
    pub fn ended(&self, outcome: Outcome, reason: Option<Reason>, bytes: u64, took: Duration) {
        let reason = reason.map_or("", Reason::as_str);
        self.renames
            .with_label_values(&[outcome.as_str(), reason])
            .inc();
        if outcome == Outcome::Renamed {
            self.renamed_bytes.inc_by(bytes);
        }
        self.rename_seconds.observe(took.as_secs_f64());
    }

    /// Counts a message returned to the queue.
    pub fn handed_back(&self, cause: &str) {
        self.handed_back.with_label_values(&[cause]).inc();
    }

    /// Counts a message sent to the dead-letter queue.
    pub fn parked(&self, reason: Reason) {
        self.parked.with_label_values(&[reason.as_str()]).inc();
    }

    /// Counts an S3 request.
    pub fn s3_request(&self, operation: &str, error: Option<ErrorClass>, took: Duration) {
        let result = error.map_or("ok", ErrorClass::as_str);
        self.s3_requests
            .with_label_values(&[operation, result])
            .inc();
        self.s3_seconds
            .with_label_values(&[operation])
            .observe(took.as_secs_f64());
    }

    /// Counts an S3 request that is about to be sent again.
    pub fn s3_retry(&self, operation: &str, class: ErrorClass) {
        self.s3_retries
            .with_label_values(&[operation, class.as_str()])
            .inc();
    }

    /// Counts an SQS request.
    pub fn sqs_request(&self, operation: &str, error: Option<ErrorClass>) {
        let result = error.map_or("ok", ErrorClass::as_str);
        self.sqs_requests
            .with_label_values(&[operation, result])
            .inc();
    }

    /// Counts an object that has a property which `--assume` rules out.
    pub fn assumption_contradicted(&self, property: Waiver) {
        self.assumption_contradicted
            .with_label_values(&[property.as_str()])
            .inc();
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// [`prometheus::Error`] when a metric cannot be encoded.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_register_once_and_render() {
        let metrics = Metrics::new().unwrap();
        metrics.ended(Outcome::Renamed, None, 7, Duration::from_millis(3));
        metrics.s3_request(
            "CopyObject",
            Some(ErrorClass::Throttled),
            Duration::from_millis(3),
        );
        metrics.assumption_contradicted(Waiver::Acl);
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains("rebucket_assumption_contradicted_total{property=\"acl\"} 1"));
        assert!(text.contains("rebucket_renames_total{outcome=\"renamed\",reason=\"\"} 1"));
        assert!(text.contains("rebucket_renamed_bytes_total 7"));
        assert!(text.contains("operation=\"CopyObject\",result=\"throttled\"} 1"));
    }
}
