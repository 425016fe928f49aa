//! The lines of a stream, bounded.

use bytes::{Buf as _, Bytes, BytesMut};
use knarr_api::Status;

/// Cuts bytes into lines as they come.
pub(super) struct Lines {
    open: BytesMut,
    /// Bytes of `open` that are known to hold no end of a line.
    seen: usize,
    limit: usize,
    failed: Option<Status>,
}

impl Lines {
    /// Lines of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { open: BytesMut::new(), seen: 0, limit, failed: None }
    }

    /// No lines any more, only this.
    pub(super) fn failed(status: Status) -> Self {
        Self { failed: Some(status), ..Self::new(0) }
    }

    /// More bytes came.
    ///
    /// # Errors
    /// The line is too long, or reading has failed before.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Status> {
        if let Some(status) = self.failed.take() {
            return Err(status);
        }
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole line without its end; empty ones are left out.
    ///
    /// # Errors
    /// What is open is longer than a line may be.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        while let Some(at) = self.open[self.seen..].iter().position(|b| *b == b'\n') {
            let line = self.open.split_to(self.seen + at).freeze();
            self.open.advance(1);
            self.seen = 0;
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
        self.seen = self.open.len();
        match self.seen > self.limit {
            true => Err(Status::internal("an event of the watch is too long")),
            false => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&str]) -> Result<Vec<String>, String> {
        let (mut lines, mut out) = (Lines::new(8), Vec::new());
        for piece in pieces {
            lines.push(piece.as_bytes()).map_err(|e| e.to_string())?;
            while let Some(line) = lines.next().map_err(|e| e.to_string())? {
                out.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        Ok(out)
    }

    #[test]
    fn lines_come_whole_whatever_the_pieces() {
        assert_eq!(cut(&["ab", "c\nd", "\n\ne"]).unwrap(), ["abc", "d"]);
        assert_eq!(cut(&["a\nb\nc\n"]).unwrap(), ["a", "b", "c"]);
        assert_eq!(cut(&[]).unwrap(), [""; 0]);
        assert!(cut(&["12345", "6789"]).is_err());
    }
}
