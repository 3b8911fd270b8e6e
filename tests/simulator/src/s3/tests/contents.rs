//! Contents and their digests.

use super::*;

#[test]
fn slices_joined_again_are_the_whole() {
    let whole = Content::sparse(3, limits::MAX_OBJECT);
    let parts: Vec<_> = (0..50)
        .map(|i| whole.slice(i * 1024 * limits::GIB..(i + 1) * 1024 * limits::GIB))
        .collect();
    let joined = Content::concat(&parts);
    assert_eq!(joined.segments().len(), 1);
    assert_eq!(joined, whole);
    assert_eq!(joined.md5(), whole.md5());
    let swapped = Content::concat([&parts[1], &parts[0]]);
    let straight = Content::concat([&parts[0], &parts[1]]);
    assert_ne!(swapped, straight);
    assert_ne!(swapped.md5(), straight.md5());
}

#[test]
fn any_slice_has_the_bytes_of_the_whole() {
    let whole = Content::sparse(9, 1_000);
    let bytes = whole.to_bytes();
    for range in [0..1_000, 0..1, 7..9, 13..64, 500..1_000, 999..1_000, 5..5] {
        let slice = whole.slice(range.clone());
        let [start, end] = [range.start, range.end].map(|n| usize::try_from(n).unwrap());
        assert_eq!(slice.to_bytes(), bytes[start..end], "{range:?}");
        let pieces: Vec<u8> = slice.chunks(11).flatten().collect();
        assert_eq!(pieces, bytes[start..end], "{range:?}");
    }
}

#[test]
fn however_literals_are_cut() {
    let one = Content::literal("hello world");
    let two = Content::concat([&Content::literal("hello "), &Content::literal("world")]);
    assert_eq!(one, two);
    let sparse = Content::sparse(1, REAL_DIGEST_LIMIT);
    let (a, b) = (
        Content::concat([&one, &sparse]),
        Content::concat([&two, &sparse]),
    );
    assert!(a.size() > REAL_DIGEST_LIMIT);
    for algorithm in ChecksumAlgorithm::ALL {
        assert_eq!(one.digest(algorithm), two.digest(algorithm));
        assert_eq!(a.digest(algorithm), b.digest(algorithm));
        assert_eq!(a.digest(algorithm).len(), algorithm.size());
    }
}

#[test]
fn small_digests_are_real() {
    let text = Content::literal("123456789");
    for (algorithm, expected) in [
        (ChecksumAlgorithm::Crc32, "cbf43926"),
        (ChecksumAlgorithm::Crc32c, "e3069283"),
        (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
        (ChecksumAlgorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
        (
            ChecksumAlgorithm::Sha1,
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
        ),
    ] {
        assert_eq!(hex::encode(text.digest(algorithm)), expected);
    }
    // A sparse content and the bytes that it stands for agree.
    let sparse = Content::sparse(5, 4_321);
    let literal = Content::literal(sparse.to_bytes());
    assert_ne!(sparse, literal);
    for algorithm in ChecksumAlgorithm::ALL {
        assert_eq!(sparse.digest(algorithm), literal.digest(algorithm));
    }
}

#[test]
fn a_wrong_checksum_is_refused() {
    let mut s3 = plain();
    for algorithm in ChecksumAlgorithm::ALL {
        for (text, good) in [("right", true), ("wrong", false)] {
            let value = base64(Content::literal(text).digest(algorithm));
            let request = PutObjectRequest {
                checksum: ChecksumRequest {
                    expected: Some((algorithm, value)),
                    ..ChecksumRequest::default()
                },
                ..PutObjectRequest::new("b", "k", "right")
            };
            let result = s3.put_object(request, NOW);
            assert_eq!(result.is_ok(), good, "{algorithm:?}");
            if let Ok(written) = result {
                assert_eq!(written.object.checksum().unwrap().algorithm, algorithm);
            }
        }
    }
}

#[test]
fn an_object_of_fifty_terabytes() {
    let mut s3 = plain();
    let object = SparseObject {
        seed: 1,
        size: limits::MAX_OBJECT,
        layout: Layout::Even(limits::MAX_OBJECT.div_ceil(10_000)),
        ..SparseObject::default()
    };
    let written = s3.put_sparse("b", "huge", &object, NOW).unwrap();
    assert!(written.etag().as_str().ends_with("-10000"));
    let mut request = GetObjectRequest::new("b", "huge");
    request.range = Some(ByteRange::Last(5));
    let got = s3.get_object(&request, NOW).unwrap();
    assert_eq!(got.content.to_bytes().len(), 5);
    let too_large = SparseObject {
        size: limits::MAX_OBJECT + 1,
        ..SparseObject::default()
    };
    assert_eq!(
        code(s3.put_sparse("b", "k", &too_large, NOW)),
        ErrorCode::EntityTooLarge
    );
}
