//! Frames on the wire. Pure: bytes in, frames out, and back.
//!
//! ```text
//! control  |1| version 15 | type 16 | flags 8 | length 24 | …
//! data     |0| stream 31            | flags 8 | length 24 | …
//! ```
//!
//! Data is handed on as it comes, so a frame that claims 16 MiB costs nothing; control frames are collected and bounded.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    SpdyError,
    headers::{Headers, Packer, Unpacker},
};

/// More than any control frame needs.
const CONTROL: usize = 64 << 10;
const VERSION: u16 = 3;
const FIN: u8 = 1;

/// A frame, or a piece of a data frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Opens a stream.
    SynStream {
        /// The stream.
        id: u32,
        /// What it is for.
        headers: Headers,
        /// Whether its opener will send nothing.
        fin: bool,
    },
    /// Accepts a stream.
    SynReply {
        /// The stream.
        id: u32,
        /// Whether the accepting side will send nothing.
        fin: bool,
    },
    /// Ends a stream at once.
    Reset {
        /// The stream.
        id: u32,
        /// Why.
        code: u32,
    },
    /// To be sent back, if it is of the other side.
    Ping(u32),
    /// No new streams any more.
    GoAway,
    /// More headers; only their end matters to us.
    Headers {
        /// The stream.
        id: u32,
        /// Whether the sender will send nothing more.
        fin: bool,
    },
    /// Bytes.
    Data {
        /// The stream.
        id: u32,
        /// The bytes, perhaps not all of their frame.
        bytes: Bytes,
        /// Whether these were the last.
        fin: bool,
    },
    /// Settings, windows, credentials: nothing that we act on.
    Other,
}

/// Bytes → frames.
#[derive(Default)]
pub struct Decoder {
    buffer: BytesMut,
    unpacker: Unpacker,
    data: Option<DataFrame>,
}

struct DataFrame {
    id: u32,
    fin: bool,
    left: usize,
}

impl Decoder {
    /// More bytes from the wire.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, or nothing until more is fed. After an error the connection is lost.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, SpdyError> {
        if let Some(data) = &mut self.data {
            if self.buffer.is_empty() && data.left > 0 {
                return Ok(None);
            }
            let n = data.left.min(self.buffer.len());
            data.left -= n;
            let bytes = self.buffer.split_to(n).freeze();
            let last = data.left == 0;
            let frame = Frame::Data { id: data.id, bytes, fin: data.fin && last };
            if last {
                self.data = None;
            }
            return Ok(Some(frame));
        }
        let Some(head) = self.buffer.first_chunk::<8>() else { return Ok(None) };
        let first = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let flags = head[4];
        let length = u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize;
        if first >> 31 == 0 {
            self.buffer.advance(8);
            self.data = Some(DataFrame { id: first, fin: flags & FIN != 0, left: length });
            return self.next_frame();
        }
        let version = u16::from_be_bytes([head[0], head[1]]) & 0x7fff;
        let kind = u16::from_be_bytes([head[2], head[3]]);
        if version != VERSION {
            return Err(SpdyError::Version(version));
        }
        if length > CONTROL {
            return Err(SpdyError::TooLarge(length));
        }
        if self.buffer.len() < 8 + length {
            return Ok(None);
        }
        self.buffer.advance(8);
        let body = self.buffer.split_to(length).freeze();
        self.control(kind, flags & FIN != 0, body).map(Some)
    }

    fn control(&mut self, kind: u16, fin: bool, mut body: Bytes) -> Result<Frame, SpdyError> {
        let mut word = || body.try_get_u32().map_err(|_| SpdyError::Short);
        let id = |word: u32| word & 0x7fff_ffff;
        Ok(match kind {
            1 => {
                let id = id(word()?);
                let _associated = word()?;
                let _priority_and_slot = body.try_get_u16().map_err(|_| SpdyError::Short)?;
                Frame::SynStream { id, headers: self.unpacker.unpack(&body)?, fin }
            }
            // Blocks that nobody reads are unpacked all the same: all blocks of a direction are one stream.
            2 => {
                let id = id(word()?);
                self.unpacker.unpack(&body)?;
                Frame::SynReply { id, fin }
            }
            3 => Frame::Reset { id: id(word()?), code: word()? },
            6 => Frame::Ping(word()?),
            7 => Frame::GoAway,
            8 => {
                let id = id(word()?);
                self.unpacker.unpack(&body)?;
                Frame::Headers { id, fin }
            }
            _ => Frame::Other,
        })
    }
}

/// Frames → bytes.
#[derive(Default)]
pub struct Encoder {
    packer: Packer,
}

impl Encoder {
    /// Appends a frame to `out`. [`Frame::Headers`] and [`Frame::Other`] are never sent.
    pub fn encode(&mut self, frame: &Frame, out: &mut Vec<u8>) -> Result<(), SpdyError> {
        match frame {
            Frame::SynStream { id, headers, fin } => {
                let mut body = id.to_be_bytes().to_vec();
                body.extend([0; 6]);
                body.extend(self.packer.pack(headers)?);
                control(out, 1, *fin, &body);
            }
            Frame::SynReply { id, fin } => {
                let mut body = id.to_be_bytes().to_vec();
                body.extend(self.packer.pack(&Headers::default())?);
                control(out, 2, *fin, &body);
            }
            Frame::Reset { id, code } => control(out, 3, false, &[id.to_be_bytes(), code.to_be_bytes()].concat()),
            Frame::Ping(id) => control(out, 6, false, &id.to_be_bytes()),
            Frame::GoAway => control(out, 7, false, &[0; 8]),
            Frame::Data { id, bytes, fin } => {
                out.extend((id & 0x7fff_ffff).to_be_bytes());
                tail(out, *fin, bytes);
            }
            Frame::Headers { .. } | Frame::Other => {}
        }
        Ok(())
    }
}

fn control(out: &mut Vec<u8>, kind: u16, fin: bool, body: &[u8]) {
    out.extend((0x8000 | VERSION).to_be_bytes());
    out.extend(kind.to_be_bytes());
    tail(out, fin, body);
}

fn tail(out: &mut Vec<u8>, fin: bool, body: &[u8]) {
    let length = u32::try_from(body.len()).expect("frames are cut to pieces of a few KiB").to_be_bytes();
    out.push(if fin { FIN } else { 0 });
    out.extend(&length[1..]);
    out.extend(body);
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn encoded(frames: &[Frame]) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        frames.iter().for_each(|f| encoder.encode(f, &mut out).unwrap());
        out
    }

    /// All frames of bytes fed in pieces.
    fn decoded(bytes: &[u8], piece: usize) -> Result<Vec<Frame>, SpdyError> {
        let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
        for piece in bytes.chunks(piece.max(1)) {
            decoder.feed(piece);
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[track_caller]
    fn check(frame: Frame, expected: Expect) {
        let hex: Vec<_> = encoded(&[frame]).iter().map(|b| format!("{b:02x}")).collect();
        expected.assert_eq(&hex.join(" "));
    }

    #[test]
    fn golden() {
        check(Frame::Ping(1), expect!["80 03 00 06 00 00 00 04 00 00 00 01"]);
        check(Frame::Reset { id: 3, code: 5 }, expect!["80 03 00 03 00 00 00 08 00 00 00 03 00 00 00 05"]);
        check(Frame::GoAway, expect!["80 03 00 07 00 00 00 08 00 00 00 00 00 00 00 00"]);
        let data = Frame::Data { id: 1, bytes: Bytes::from_static(b"hi"), fin: true };
        check(data, expect!["00 00 00 01 01 00 00 02 68 69"]);
    }

    fn frames() -> Vec<Frame> {
        vec![
            Frame::SynStream { id: 1, headers: Headers::new([("streamType", "error")]), fin: true },
            Frame::SynStream { id: 3, headers: Headers::new([("streamType", "stdin")]), fin: false },
            Frame::SynReply { id: 1, fin: false },
            Frame::Data { id: 3, bytes: Bytes::from_static(b"x"), fin: false },
            Frame::Data { id: 3, bytes: Bytes::new(), fin: true },
            Frame::Reset { id: 3, code: 5 },
            Frame::Ping(2),
            Frame::GoAway,
        ]
    }

    #[test]
    fn frames_round_trip_in_pieces_of_any_size() {
        let bytes = encoded(&frames());
        for piece in [1, 2, 7, 8, 9, bytes.len()] {
            assert_eq!(decoded(&bytes, piece), Ok(frames()), "pieces of {piece}");
        }
    }

    #[test]
    fn oversized_and_foreign_frames_are_refused() {
        assert_eq!(decoded(&[0x80, 3, 0, 1, 0, 1, 0, 1], 8), Err(SpdyError::TooLarge(0x1_0001)));
        assert_eq!(decoded(&[0x80, 2, 0, 1, 0, 0, 0, 0], 8), Err(SpdyError::Version(2)));
        assert_eq!(decoded(&[0x80, 3, 0, 1, 0, 0, 0, 2, 0, 0], 10), Err(SpdyError::Short));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, piece in 1usize..64) {
            let _ = decoded(&bytes, piece);
        }

        #[test]
        fn any_damage_is_survived(at in 0usize..200, value: u8) {
            let mut bytes = encoded(&frames());
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = decoded(&bytes, 16);
        }
    }
}
