//! How an object lies in its row: as its JSON, or, if that is long, as a zlib stream (RFC 1950) of it.
//!
//! Pods with their managed fields are longer than a page of the database, and each step of a pod's life writes its row.
//! A row that fits into its page costs one page in the log; one that does not costs several for each write, since pages
//! are given back and taken, which is written down in pages of its own. JSON begins with a brace and a zlib stream never
//! does, so rows need no mark.

use std::io::{self, Read as _};

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status, read::ZlibDecoder};

/// What is shorter stays as it is: several fit into a page, and small objects are written without delay.
const SHORT: usize = 2048;
/// Of a pod of 8 KB it leaves 1.9 KB in 35 µs; level 1 leaves 2.5 KB in 27 µs, level 3 takes six times as long.
const LEVEL: u32 = 2;
/// No object is longer: the API takes requests of 3 MiB.
const LONGEST: u64 = 64 << 20;
/// Room that is kept for the next body, in bytes.
const ROOM: usize = 64 << 10;

/// Packs bodies. It keeps its working memory, a quarter of a MiB: pieces of that size, taken and given back with each
/// write, tear holes into the heap.
pub(super) struct Packer {
    stream: Compress,
    room: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Self {
        Self { stream: Compress::new(Compression::new(LEVEL), true), room: Vec::new() }
    }

    /// What is written.
    pub(super) fn pack<'a>(&'a mut self, json: &'a [u8]) -> &'a [u8] {
        if json.len() < SHORT {
            return json;
        }
        self.stream.reset();
        self.room.clear();
        self.room.shrink_to(ROOM);
        self.room.reserve(json.len());
        // What does not end within the room is not worth it.
        match self.stream.compress_vec(json, &mut self.room, FlushCompress::Finish) {
            Ok(Status::StreamEnd) if self.room.len() < json.len() => &self.room,
            _ => json,
        }
    }
}

/// The JSON of a row. `room` is for working in, and kept from row to row.
///
/// # Errors
/// The stream is damaged.
pub(super) fn unpack(row: &[u8], room: &mut Vec<u8>) -> io::Result<Bytes> {
    if row.first() == Some(&b'{') {
        return Ok(Bytes::copy_from_slice(row));
    }
    room.clear();
    let length = ZlibDecoder::new(row).take(LONGEST).read_to_end(room)?;
    match u64::try_from(length) {
        Ok(length) if length < LONGEST => Ok(Bytes::copy_from_slice(room)),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_body_is_packed_by_itself() {
        let bodies = ["ab", "ba", "abc"].map(|part| format!("{{{}}}", part.repeat(3 * ROOM)));
        let mut packer = Packer::new();
        for json in bodies.iter().chain(&bodies) {
            let packed = packer.pack(json.as_bytes()).to_vec();
            assert!(packed.len() < json.len() / 100);
            assert_eq!(unpack(&packed, &mut Vec::new()).unwrap(), json.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(text in "[ab\"é]{0,9000}") {
            let json = format!("{{{text}}}");
            let mut packer = Packer::new();
            let packed = packer.pack(json.as_bytes());
            prop_assert!(packed.len() <= json.len());
            prop_assert_eq!(&unpack(packed, &mut Vec::new()).unwrap()[..], json.as_bytes());
        }

        #[test]
        fn damage_is_noticed(at in 0..1000usize, flip in 1..=255u8) {
            let json = format!("{{{}}}", (0..2000).map(|n| n.to_string()).collect::<String>());
            let mut packed = Packer::new().pack(json.as_bytes()).to_vec();
            packed[at] ^= flip;
            prop_assume!(packed[0] != b'{'); // whoever parses it as JSON sees that it is none
            let whole = unpack(&packed, &mut Vec::new()).is_ok_and(|read| read != json);
            prop_assert!(!whole);
        }
    }

    #[test]
    fn short_and_dense_bodies_stay_as_they_are() {
        let short = format!("{{{}}}", "a".repeat(SHORT - 3));
        assert_eq!(Packer::new().pack(short.as_bytes()), short.as_bytes());
        let mut seed = 36u32;
        let dense = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        });
        let dense: Vec<u8> = dense.take(2 * SHORT).collect();
        assert_eq!(Packer::new().pack(&dense), dense);
    }

    #[test]
    fn a_stream_that_ends_early_is_damaged() {
        let json = format!("{{{}}}", "ab".repeat(3000));
        let mut packer = Packer::new();
        let packed = packer.pack(json.as_bytes());
        for length in 0..packed.len() {
            assert!(unpack(&packed[..length], &mut Vec::new()).is_err(), "{length}");
        }
    }
}
