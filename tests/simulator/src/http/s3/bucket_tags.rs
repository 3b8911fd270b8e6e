//! The tags of a bucket.

use hyper::Method;

use super::properties::{sent_tags, shown_tags};
use super::reply::Reply;
use super::request::Call;
use super::unknown;
use crate::s3::{S3, S3Result, Tags};

pub(super) fn answer(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let bucket = &call.bucket;
    match call.method {
        Method::GET => Ok(shown_tags(&s3.get_bucket_tagging(bucket, call.now)?)),
        Method::PUT => {
            s3.put_bucket_tagging(bucket, sent_tags(call)?, call.now)?;
            Ok(Reply::no_content())
        }
        Method::DELETE => {
            s3.put_bucket_tagging(bucket, Tags::default(), call.now)?;
            Ok(Reply::no_content())
        }
        _ => Err(unknown()),
    }
}
