//! Keys that customers bring (SSE-C): three headers that have to agree.

use md5::{Digest as _, Md5};

use super::request::Call;
use crate::s3::{CustomerKey, ErrorCode, S3Error, S3Result, base64};

/// What S3 names in every refusal, whichever header it is about.
const NAME: &str = "x-amz-server-side-encryption";

fn refused(message: &'static str) -> S3Error {
    S3Error::argument(message).with("ArgumentName", NAME)
}

impl Call {
    /// The customer's key, or with the prefix that of a copy's source.
    pub(super) fn customer_key(&self, prefix: &str) -> S3Result<Option<CustomerKey>> {
        let header =
            |name: &str| self.header(&format!("{prefix}server-side-encryption-customer-{name}"));
        let (algorithm, key, md5) = (header("algorithm"), header("key"), header("key-md5"));
        match (algorithm, key, md5) {
            (None, None, None) => Ok(None),
            (None, ..) => Err(refused(
                "Requests specifying Server Side Encryption with Customer provided keys must \
                 provide a valid encryption algorithm.",
            )),
            (Some("AES256"), None, _) => Err(refused(
                "Requests specifying Server Side Encryption with Customer provided keys must \
                 provide an appropriate secret key.",
            )),
            (Some("AES256"), Some(key), md5) => checked(key, md5).map(Some),
            (Some(other), ..) => Err(S3Error::new(
                ErrorCode::InvalidEncryptionAlgorithm,
                "The Encryption request you specified is not valid. Supported value: AES256.",
            )
            .with("ArgumentName", NAME)
            .with("ArgumentValue", other)),
        }
    }

    /// The customer's key for a new object, which no other encryption may come
    /// with.
    pub(super) fn new_customer_key(&self) -> S3Result<Option<CustomerKey>> {
        let prefix = "x-amz-server-side-encryption-customer-";
        let brought = ["algorithm", "key", "key-md5"]
            .iter()
            .any(|name| self.header(&format!("{prefix}{name}")).is_some());
        match self.header(NAME) {
            Some(other) if brought => Err(S3Error::argument_of(
                NAME,
                other,
                "Server Side Encryption with Customer provided key is incompatible with the \
                 encryption method specified",
            )),
            _ => self.customer_key("x-amz-"),
        }
    }
}

/// A key of 256 bits, and the MD5 that it was sent with.
fn checked(key: &str, md5: Option<&str>) -> S3Result<CustomerKey> {
    let key = base64_simd::STANDARD.decode_to_vec(key).ok();
    let key = key
        .filter(|key| key.len() == 32)
        .ok_or_else(|| refused("The secret key was invalid for the specified algorithm."))?;
    let md5 = md5.ok_or_else(|| {
        refused(
            "Requests specifying Server Side Encryption with Customer provided keys must provide \
             the client calculated MD5 of the secret key.",
        )
    })?;
    if base64(&Md5::digest(&key)) != md5 {
        return Err(refused(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
        ));
    }
    Ok(CustomerKey(md5.to_owned()))
}
