//! Small parts that drivers share.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{PIECE, Size};

/// The next piece of a stream; nothing at its end (a failed read is an end).
pub(crate) async fn next_piece(from: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Option<Bytes> {
    buffer.reserve(PIECE);
    let n = from.take(PIECE as u64).read_buf(buffer).await.ok()?;
    (n > 0).then(|| buffer.split().freeze())
}

/// Terminal sizes as they come: JSON objects, one after the other, cut anywhere. Pure.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    buffer: Vec<u8>,
}

/// More than this is no size.
const SIZE_TEXT: usize = 1024;

impl Sizes {
    /// Takes bytes, gives the newest whole size among them.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<Size> {
        let mut newest = None;
        for piece in bytes.chunks(SIZE_TEXT) {
            self.buffer.extend_from_slice(piece);
            while let Some(end) = self.buffer.iter().position(|b| *b == b'}') {
                newest = serde_json::from_slice(&self.buffer[..=end]).ok().or(newest);
                self.buffer.drain(..=end);
            }
            if self.buffer.len() > SIZE_TEXT {
                self.buffer.clear();
            }
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_may_be_cut_anywhere() {
        let text = br#"{"Width":80,"Height":24}
            {"Width":100,"Height":30}"#;
        let mut sizes = Sizes::default();
        let all: Vec<_> = text.iter().filter_map(|b| sizes.feed(&[*b])).collect();
        assert_eq!(all, [Size { width: 80, height: 24 }, Size { width: 100, height: 30 }]);
        assert_eq!(Sizes::default().feed(text), Some(Size { width: 100, height: 30 }));
        let mut sizes = Sizes::default();
        assert_eq!(sizes.feed(&[b'x'; 1 << 20]), None);
        assert!(sizes.buffer.capacity() < 8 * SIZE_TEXT);
    }
}
