//! Taking the signature off a request that is to be believed without one.
//!
//! Where no key pair is insisted on, clients sign with keys of their own that
//! nobody here knows. What is signed chunk by chunk is unpacked, too.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::http::{HeaderName, HeaderValue, Uri};

/// Removes the signature, from the headers or from a presigned URL.
pub(super) fn strip(parts: &mut Parts) {
    parts.headers.remove("authorization");
    parts.headers.remove("x-amz-content-sha256");
    let Some((path, query)) = parts
        .uri
        .path_and_query()
        .and_then(|p| p.as_str().split_once('?'))
    else {
        return;
    };
    // In that spelling: a request's own parameters are spelt small. The others
    // are those of the older signature.
    let of_signature = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        name.starts_with("X-Amz-") || ["AWSAccessKeyId", "Signature", "Expires"].contains(&name)
    };
    if !query.split('&').any(|pair| of_signature(&pair)) {
        return;
    }
    let kept: Vec<_> = query
        .split('&')
        .filter(|pair| !of_signature(pair))
        .collect();
    let rest = if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    };
    if let Ok(rest) = PathAndQuery::try_from(rest) {
        parts.uri = Uri::from(rest);
    }
}

/// The access key of a request that is signed for `s3express`, as SDKs sign for
/// directory buckets. `s3s` does not know that scope: of such a request the
/// access key alone can be checked.
pub(super) fn express_key(headers: &HeaderMap) -> Option<String> {
    let signature = headers.get("authorization")?.to_str().ok()?;
    let (_, scope) = signature.split_once("Credential=")?;
    let mut scope = scope.split(',').next()?.split('/');
    let access_key = scope.next()?;
    (scope.nth(2) == Some("s3express")).then(|| access_key.to_owned())
}

/// Whether the body of a request comes in chunks of its own (`aws-chunked`).
/// To be asked before [`strip`].
pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    let hash = headers.get("x-amz-content-sha256");
    hash.is_some_and(|hash| hash.as_bytes().starts_with(b"STREAMING-"))
}

/// Unpacks a chunked body. Its trailers become headers.
pub(super) fn unpack(headers: &mut HeaderMap, packed: Bytes) -> io::Result<Bytes> {
    let (body, trailers) = chunks(packed).ok_or_else(|| io::Error::other("broken chunks"))?;
    for line in trailers.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    headers.remove("x-amz-trailer");
    headers.remove("x-amz-trailer-signature");
    headers.remove("x-amz-decoded-content-length");
    headers.insert("content-length", HeaderValue::from(body.len()));
    Ok(body)
}

/// The bytes of all chunks, and what follows the last one.
fn chunks(mut packed: Bytes) -> Option<(Bytes, Bytes)> {
    let mut body = BytesMut::new();
    loop {
        let end = packed.windows(2).position(|pair| pair == b"\r\n")?;
        let line = packed.split_to(end);
        packed.advance(2);
        let digits = line.split(|byte| *byte == b';').next()?;
        let length = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if length == 0 {
            return Some((body.freeze(), packed));
        }
        if packed.len() < length + 2 {
            return None;
        }
        body.extend_from_slice(&packed.split_to(length));
        packed.advance(2);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn chunks_are_unpacked_and_trailers_become_headers() {
        let packed = "5;chunk-signature=0\r\nhello\r\n6\r\n world\r\n0\r\n\
                      x-amz-checksum-crc32:DUoRhQ==\r\nx-amz-trailer-signature:1\r\n\r\n";
        let mut headers = HeaderMap::new();
        let body = unpack(&mut headers, packed.into()).unwrap();
        assert_eq!(body, "hello world");
        assert_eq!(headers["content-length"], "11");
        assert_eq!(headers["x-amz-checksum-crc32"], "DUoRhQ==");
        assert!(!headers.contains_key("x-amz-trailer-signature"));
        assert!(unpack(&mut headers, "5\r\nhel".into()).is_err());
    }

    #[test]
    fn presigned_urls_lose_their_signature() {
        for (uri, expected) in [
            (
                "/b/k?X-Amz-Signature=1&versionId=2&X-Amz-Date=3",
                "/b/k?versionId=2",
            ),
            ("/b/k?X-Amz-Signature=1", "/b/k"),
            ("/b/k?AWSAccessKeyId=1&Signature=2&Expires=3", "/b/k"),
            ("/b/k?partNumber=1", "/b/k?partNumber=1"),
        ] {
            let request = hyper::Request::builder().uri(uri).body(()).unwrap();
            let mut parts = request.into_parts().0;
            strip(&mut parts);
            assert_eq!(parts.uri, expected);
        }
    }
}
