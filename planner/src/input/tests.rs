//! Inputs: their compression, and where they are damaged.

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn read(compression: Option<Compression>, bytes: Vec<u8>) -> Result<Vec<u8>, InputError> {
    let mut out = Vec::new();
    open_reader("m", compression, Cursor::new(bytes))?
        .copy_to(&mut out)?
        .unwrap();
    Ok(out)
}

/// Gives one byte a read, as a slow pipe may.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let end = out.len().min(1);
        self.0.read(&mut out[..end])
    }
}

#[test]
fn the_first_bytes_tell_the_compression() {
    let text = b"source,destination\n".repeat(1000);
    let zst = zstd::encode_all(&text[..], 1).unwrap();
    for packed in [text.clone(), gzip(&text), zst] {
        let mut out = Vec::new();
        let mut input = open_reader("m", None, Trickle(Cursor::new(packed))).unwrap();
        input.copy_to(&mut out).unwrap().unwrap();
        assert_eq!(out, text);
    }
    assert_eq!(read(None, Vec::new()).unwrap(), b"");
    assert_eq!(read(None, vec![b'a']).unwrap(), b"a");
}

#[test]
fn all_members_and_frames_are_read() {
    let twice = |part: Vec<u8>| [part.clone(), part].concat();
    assert_eq!(read(None, twice(gzip(b"one,"))).unwrap(), b"one,one,");
    let frame = zstd::encode_all(&b"one,"[..], 1).unwrap();
    assert_eq!(read(None, twice(frame)).unwrap(), b"one,one,");
}

#[test]
fn compressed_data_cut_short_anywhere_is_an_error() {
    let text: Vec<u8> = (0..2000_u32)
        .flat_map(|n| n.to_string().into_bytes())
        .collect();
    let zst = zstd::encode_all(&text[..], 1).unwrap();
    let first = gzip(b"first");
    let members = [&first[..], &gzip(b"second")].concat();
    // Cut between two members, a file is whole as far as anyone can tell.
    for (format, packed, whole) in [
        (Compression::Gzip, gzip(&text), 0),
        (Compression::Gzip, members, first.len()),
        (Compression::Zstd, zst, 0),
    ] {
        for cut in (1..packed.len()).filter(|cut| *cut != whole) {
            let cut_short = read(Some(format), packed[..cut].to_vec());
            assert!(
                matches!(cut_short, Err(InputError::Damaged { .. })),
                "{format:?} at {cut}"
            );
        }
    }
}

#[test]
fn a_name_is_taken_at_its_word() {
    assert_eq!(Compression::of_name("a.csv.gz"), Some(Compression::Gzip));
    assert_eq!(Compression::of_name("a.zst"), Some(Compression::Zstd));
    assert_eq!(Compression::of_name("a.csv"), None);
    assert_eq!(Compression::of_name("gz"), None);
    let not_gzip = read(Some(Compression::Gzip), b"source,destination\n".to_vec());
    let message = not_gzip.unwrap_err().to_string();
    assert!(message.starts_with("m is not gzip data"), "{message}");
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert!(matches!(open(path), Err(InputError::Directory(name)) if name == path));
    let missing = format!("{path}/none.csv");
    assert!(matches!(open(&missing), Err(InputError::NotFound(name)) if name == missing));
    assert!(matches!(open("s3://bkt/m.csv"), Err(InputError::Remote(_))));
}

#[test]
fn bytes_put_back_come_first() {
    let mut input = open_reader("m", None, Cursor::new(b"abcdef".to_vec())).unwrap();
    assert_eq!(input.peek(2).unwrap(), b"ab");
    input.consume(1);
    input.unread(vec![b"xy".to_vec(), vec![], b"z".to_vec()]);
    assert_eq!(input.peek(4).unwrap(), b"xyzb");
    let mut out = Vec::new();
    input.copy_to(&mut out).unwrap().unwrap();
    assert_eq!(out, b"xyzbcdef");
}
