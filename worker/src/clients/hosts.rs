//! Which hosts are the services' own. Only S3's own are believed without a
//! probe: under AWS's domains lie load balancers, EC2 machines and API gateways
//! as well, and behind those may be any store.

/// The domains of AWS's partitions (`dnsSuffix` in the endpoint rules of
/// aws-sdk-s3 1.157).
const DOMAINS: [&str; 7] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];

/// True for an endpoint of S3 itself: regional, global, dual-stack, FIPS,
/// accelerated, or a VPC endpoint of S3 (S3 user guide, "Making requests";
/// `PrivateLink` guide). Only over TLS, which shows that it is the host that was
/// asked; only at the usual port, and as a whole.
pub(super) fn is_s3(url: &str) -> bool {
    let url = url.to_ascii_lowercase();
    let Some(rest) = url.strip_prefix("https://") else {
        return false;
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let host = rest.strip_suffix(":443").unwrap_or(rest);
    let Some(labels) = below_aws(host) else {
        return false;
    };
    match labels.as_slice() {
        ["s3" | "s3-accelerate" | "s3-external-1"] | ["s3-accelerate", "dualstack"] => true,
        ["s3" | "s3-fips", region] | ["s3" | "s3-fips", "dualstack", region] => is_region(region),
        // `s3-eu-west-1`, `s3-fips-us-gov-west-1`: the forms of before 2019.
        [legacy] => legacy
            .strip_prefix("s3-")
            .map(|rest| rest.strip_prefix("fips-").unwrap_or(rest))
            .is_some_and(is_region),
        labels => is_vpc_endpoint(labels, "s3"),
    }
}

/// True for a host of SQS itself. What follows from it is how long to wait for
/// its counts, and that the SDK knows the way; no object is at stake.
pub(super) fn is_sqs(host: &str) -> bool {
    host.eq_ignore_ascii_case("queue.amazonaws.com") || sqs_region(host).is_some()
}

/// The region in the host of a queue on AWS.
pub(super) fn sqs_region(host: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let labels: Vec<&str> = match host.strip_suffix(".api.aws") {
        Some(labels) => labels.split('.').collect(),
        None => below_aws(&host)?,
    };
    let region = match labels.as_slice() {
        ["sqs" | "sqs-fips", region] | [region, "queue"] => *region,
        labels if is_vpc_endpoint(labels, "sqs") => labels[labels.len() - 2],
        _ => return None,
    };
    is_region(region).then(|| region.to_owned())
}

/// The labels of a host in front of one of AWS's domains.
fn below_aws(host: &str) -> Option<Vec<&str>> {
    let mut below = DOMAINS.iter().filter_map(|domain| {
        let labels = host.strip_suffix(domain)?.strip_suffix('.')?;
        let all: Vec<&str> = labels.split('.').collect();
        let plain = |label: &&str| {
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
            !label.is_empty() && label.chars().all(legal)
        };
        all.iter().all(plain).then_some(all)
    });
    below.next()
}

/// `bucket.vpce-ID.s3.REGION.vpce`, with or without `bucket`. What lies behind
/// `vpce-svc-ID` in the place of the service is somebody's own.
fn is_vpc_endpoint(labels: &[&str], service: &str) -> bool {
    let (["bucket", endpoint, named, region, "vpce"] | [endpoint, named, region, "vpce"]) = labels
    else {
        return false;
    };
    endpoint.starts_with("vpce-") && *named == service && is_region(region)
}

/// True for what is written like a region: `eu-west-1`, `us-gov-east-1`.
pub(super) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [area, middle @ .., number] = parts.as_slice() else {
        return false;
    };
    let letters = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    (2..=4).contains(&area.len())
        && letters(area)
        && !middle.is_empty()
        && middle.iter().all(|part| letters(part))
        && (1..=2).contains(&number.len())
        && number.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_has_these_forms() {
        for host in [
            "s3.amazonaws.com",
            "S3.EU-West-1.amazonaws.com",
            "s3.eu-west-1.amazonaws.com:443",
            "s3.us-gov-west-1.amazonaws.com/",
            "s3-eu-west-1.amazonaws.com",
            "s3-external-1.amazonaws.com",
            "s3-fips-us-gov-west-1.amazonaws.com",
            "s3-fips.us-east-1.amazonaws.com",
            "s3-fips.dualstack.us-east-1.amazonaws.com",
            "s3.dualstack.ap-southeast-2.amazonaws.com",
            "s3-accelerate.amazonaws.com",
            "s3-accelerate.dualstack.amazonaws.com",
            "bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com",
            "vpce-1a2b3c4d-5e6f-us-east-1a.s3.us-east-1.vpce.amazonaws.com",
            "s3.cn-north-1.amazonaws.com.cn",
            "s3.dualstack.cn-northwest-1.amazonaws.com.cn",
            "s3.us-iso-east-1.c2s.ic.gov",
            "s3.us-isob-east-1.sc2s.sgov.gov",
            "s3.eusc-de-east-1.amazonaws.eu",
        ] {
            assert!(is_s3(&format!("https://{host}")), "{host}");
        }
    }

    #[test]
    fn what_customers_run_under_awss_domains_is_not_s3() {
        for url in [
            "https://minio-1234.eu-west-1.elb.amazonaws.com",
            "https://s3-1234567890.eu-west-1.elb.amazonaws.com",
            "https://s3.eu-west-1.elb.amazonaws.com",
            "https://ec2-3-70-1-2.eu-central-1.compute.amazonaws.com:9000",
            "https://ec2-3-70-1-2.compute-1.amazonaws.com",
            "https://abc123.execute-api.us-east-1.amazonaws.com/s3",
            "https://vpce-1a2b-3c4d.vpce-svc-5e6f.us-east-1.vpce.amazonaws.com",
            "https://accesspoint.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com",
            "https://s3-website-us-east-1.amazonaws.com",
            "https://s3-website.eu-west-1.amazonaws.com",
            "https://s3-outposts.us-east-1.amazonaws.com",
            "https://s3-object-lambda.us-east-1.amazonaws.com",
            "https://ap-1234.s3-accesspoint.us-east-1.amazonaws.com",
            "https://bkt.s3.us-east-1.amazonaws.com",
            "https://abc.mrap.accesspoint.s3-global.amazonaws.com",
            "https://s3.amazonaws.com.example.net",
            "https://s3.amazonaws.com@example.net",
            "https://s3.amazonaws.com:9000",
            "https://s3.eu-west-1.amazonaws.com/prefix",
            "https://fakes3.amazonaws.com",
            "https://amazonaws.com",
            "https://evil-amazonaws.com",
            "https://d111111abcdef8.cloudfront.net",
            // Anybody on the way can answer.
            "http://s3.eu-west-1.amazonaws.com",
            "s3.eu-west-1.amazonaws.com",
        ] {
            assert!(!is_s3(url), "{url}");
        }
    }

    #[test]
    fn sqs_is_told_from_its_kin() {
        for host in [
            "sqs.eu-west-1.amazonaws.com",
            "sqs-fips.us-east-1.amazonaws.com",
            "eu-west-1.queue.amazonaws.com",
            "queue.amazonaws.com",
            "sqs.cn-north-1.amazonaws.com.cn",
            "sqs.eu-west-1.api.aws",
            "vpce-1a2b.sqs.eu-west-1.vpce.amazonaws.com",
        ] {
            assert!(is_sqs(host), "{host}");
        }
        for (host, region) in [
            ("sqs.eu-west-1.amazonaws.com", Some("eu-west-1")),
            (
                "vpce-1a2b.sqs.eu-west-1.vpce.amazonaws.com",
                Some("eu-west-1"),
            ),
            ("queue.amazonaws.com", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(sqs_region(host).as_deref(), region, "{host}");
        }
        for host in ["elasticmq-1.eu-west-1.elb.amazonaws.com", "sqs.example.net"] {
            assert!(!is_sqs(host), "{host}");
        }
    }
}
