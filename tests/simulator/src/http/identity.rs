//! What marks an answer as the service's own: the hour on its clock, and ids of
//! the request.

use hyper::HeaderMap;
use hyper::http::HeaderValue;
use hyper::http::header::DATE;

use super::operation::Service;
use super::s3::dates;
use crate::clock::Millis;
use crate::s3::base64;

/// Which request it is: its place in the order of arrival.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RequestId(u64);

impl RequestId {
    pub(super) fn new(number: u64) -> Self {
        Self(number)
    }

    /// `x-amz-request-id`, and `<RequestId>` in errors.
    pub(super) fn s3(self) -> String {
        format!("{:016X}", scattered(self.0))
    }

    /// `x-amz-id-2`, and `<HostId>` in errors.
    pub(super) fn host(self) -> String {
        let bytes: Vec<u8> = (0..7)
            .flat_map(|word| scattered(self.0 ^ (word << 48)).to_be_bytes())
            .collect();
        base64(&bytes)
    }

    /// `x-amzn-RequestId`.
    fn sqs(self) -> String {
        let (high, low) = (scattered(self.0), scattered(!self.0));
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xFFFF,
            high & 0xFFF,
            low >> 52,
            low & 0xFFFF_FFFF_FFFF
        )
    }

    /// Puts all of it on an answer.
    pub(super) fn mark(self, headers: &mut HeaderMap, service: Service, now: Millis) {
        let mut set = |name: &'static str, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        match service {
            Service::S3 => {
                set("x-amz-request-id", &self.s3());
                set("x-amz-id-2", &self.host());
            }
            Service::Sqs => set("x-amzn-requestid", &self.sqs()),
        }
        set(DATE.as_str(), &dates::http(now));
    }
}

/// Different for different numbers, and without their order.
fn scattered(number: u64) -> u64 {
    let z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
