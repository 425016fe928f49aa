//! Header blocks: name/value pairs in one zlib stream per direction, flushed at each block. Pure.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{SpdyError, dictionary::dictionary};

/// Uncompressed bytes of a block: a compressed block may claim anything.
const BLOCK: usize = 64 << 10;
/// Pairs in a block.
const PAIRS: usize = 128;

/// Header names (lower case) and values, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// From pairs; names are lower-cased.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).collect())
    }

    /// The value of a name, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |bytes: &[u8]| {
            out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend(bytes);
        };
        for (name, value) in &self.0 {
            put(name.as_bytes());
            put(value.as_bytes());
        }
        let mut block = u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        block.append(&mut out);
        block
    }

    fn decode(mut block: &[u8]) -> Result<Self, SpdyError> {
        let count = take_u32(&mut block)? as usize;
        if count > PAIRS {
            return Err(SpdyError::Headers);
        }
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let name = take_text(&mut block)?;
            let value = take_text(&mut block)?;
            pairs.push((name.to_ascii_lowercase(), value));
        }
        Ok(Self(pairs))
    }
}

fn take_u32(block: &mut &[u8]) -> Result<u32, SpdyError> {
    let (head, rest) = block.split_first_chunk::<4>().ok_or(SpdyError::Headers)?;
    *block = rest;
    Ok(u32::from_be_bytes(*head))
}

fn take_text(block: &mut &[u8]) -> Result<String, SpdyError> {
    let n = take_u32(block)? as usize;
    let (text, rest) = block.split_at_checked(n).ok_or(SpdyError::Headers)?;
    *block = rest;
    String::from_utf8(text.to_vec()).map_err(|_| SpdyError::Headers)
}

/// Compresses the blocks of one direction.
pub struct Packer(Compress);

impl Default for Packer {
    fn default() -> Self {
        let mut zlib = Compress::new(Compression::fast(), true);
        zlib.set_dictionary(&dictionary()).expect("a new stream takes a dictionary");
        Self(zlib)
    }
}

impl Packer {
    /// One block.
    pub fn pack(&mut self, headers: &Headers) -> Result<Vec<u8>, SpdyError> {
        let block = headers.encode();
        let mut out = Vec::with_capacity(block.len() + 64);
        let mut rest = block.as_slice();
        loop {
            let (before_in, before_out) = (self.0.total_in(), self.0.total_out());
            let space = out.capacity() - out.len();
            self.0.compress_vec(rest, &mut out, FlushCompress::Sync).map_err(|_| SpdyError::Compression)?;
            let taken = usize::try_from(self.0.total_in() - before_in).map_err(|_| SpdyError::Compression)?;
            let written = usize::try_from(self.0.total_out() - before_out).map_err(|_| SpdyError::Compression)?;
            rest = &rest[taken..];
            // Room left over means that everything is out.
            if rest.is_empty() && written < space {
                return Ok(out);
            }
            out.reserve(1024);
        }
    }
}

/// Uncompresses the blocks of one direction.
pub struct Unpacker(Decompress);

impl Default for Unpacker {
    fn default() -> Self {
        Self(Decompress::new(true))
    }
}

impl Unpacker {
    /// One block.
    pub fn unpack(&mut self, mut packed: &[u8]) -> Result<Headers, SpdyError> {
        let mut out = Vec::with_capacity(1024);
        loop {
            let before = self.0.total_in();
            let space = out.capacity() - out.len();
            let length = out.len();
            let result = self.0.decompress_vec(packed, &mut out, FlushDecompress::Sync);
            let taken = usize::try_from(self.0.total_in() - before).map_err(|_| SpdyError::Compression)?;
            packed = packed.get(taken..).ok_or(SpdyError::Compression)?;
            match result {
                Ok(Status::StreamEnd) => return Err(SpdyError::Compression),
                Ok(_) => {}
                Err(e) if e.needs_dictionary().is_some() => {
                    self.0.set_dictionary(&dictionary()).map_err(|_| SpdyError::Compression)?;
                    continue;
                }
                Err(_) => return Err(SpdyError::Compression),
            }
            if out.len() > BLOCK {
                return Err(SpdyError::Headers);
            }
            if out.len() - length < space {
                return if packed.is_empty() { Headers::decode(&out) } else { Err(SpdyError::Compression) };
            }
            out.reserve(4096);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_share_one_stream() {
        let (mut packer, mut unpacker) = (Packer::default(), Unpacker::default());
        let mut sizes = Vec::new();
        for n in 0..20 {
            let id = n.to_string();
            let headers = Headers::new([("streamType", "error"), ("port", "8080"), ("requestID", &id)]);
            let packed = packer.pack(&headers).unwrap();
            sizes.push(packed.len());
            let back = unpacker.unpack(&packed).unwrap();
            assert_eq!(back, headers);
            assert_eq!(back.get("StreamType"), Some("error"));
        }
        assert!(sizes[19] < sizes[0], "{sizes:?}");
    }

    #[test]
    fn large_blocks_pass_and_larger_do_not() {
        let text = |n: usize| "0123456789abcdef".repeat(n / 16);
        let pass = Headers::new([("a", text(BLOCK - 1024).as_str())]);
        let fail = Headers::new([("a", text(4 * BLOCK).as_str())]);
        let mut packer = Packer::default();
        let mut unpacker = Unpacker::default();
        assert_eq!(unpacker.unpack(&packer.pack(&pass).unwrap()), Ok(pass));
        assert_eq!(unpacker.unpack(&packer.pack(&fail).unwrap()), Err(SpdyError::Headers));
        assert_eq!(Unpacker::default().unpack(b"\x78\x00nonsense"), Err(SpdyError::Compression));
    }
}
