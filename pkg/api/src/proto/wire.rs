//! The wire: tags, varints, lengths.

use super::Error;

pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const BYTES: u8 = 2;
const GROUP_START: u8 = 3;
const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;

/// Reads fields from a message.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl Payload<'_> {
    pub(super) fn wire(self) -> u8 {
        match self {
            Self::Varint(_) => VARINT,
            Self::Fixed64(_) => FIXED64,
            Self::Bytes(_) => BYTES,
            Self::Fixed32(_) => FIXED32,
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    /// The next field: its tag and payload. Groups, which nothing here uses, are skipped.
    pub(super) fn field(&mut self) -> Result<Option<(u64, Payload<'a>)>, Error> {
        let mut groups = 0u32;
        while !self.rest.is_empty() {
            let key = self.varint()?;
            let (tag, wire) = (key >> 3, (key & 7) as u8);
            if tag == 0 || tag > 0x1fff_ffff {
                return Err(Error::Tag(tag));
            }
            let payload = match wire {
                VARINT => Payload::Varint(self.varint()?),
                FIXED64 => Payload::Fixed64(u64::from_le_bytes(self.array()?)),
                FIXED32 => Payload::Fixed32(u32::from_le_bytes(self.array()?)),
                BYTES => {
                    let len = usize::try_from(self.varint()?).map_err(|_| Error::Truncated)?;
                    Payload::Bytes(self.take(len)?)
                }
                GROUP_START => {
                    groups += 1;
                    continue;
                }
                GROUP_END => {
                    groups = groups.checked_sub(1).ok_or(Error::Tag(tag))?;
                    continue;
                }
                _ => return Err(Error::Tag(tag)),
            };
            if groups == 0 {
                return Ok(Some((tag, payload)));
            }
        }
        if groups == 0 { Ok(None) } else { Err(Error::Truncated) }
    }

    pub(super) fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0u64;
        for (n, &byte) in self.rest.iter().enumerate() {
            let part = u64::from(byte & 0x7f);
            if n == 9 && byte > 1 {
                return Err(Error::Overflow);
            }
            value |= part << (7 * n);
            if byte < 0x80 {
                self.rest = &self.rest[n + 1..];
                return Ok(value);
            }
        }
        Err(Error::Truncated)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }
}

pub(super) fn put_varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push((n as u8) | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub(super) fn put_tag(tag: u16, wire: u8, out: &mut Vec<u8>) {
    put_varint(u64::from(tag) << 3 | u64::from(wire), out);
}

pub(super) fn put_bytes(tag: u16, bytes: &[u8], out: &mut Vec<u8>) {
    put_tag(tag, BYTES, out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

pub(super) fn put_number(tag: u16, n: u64, out: &mut Vec<u8>) {
    put_tag(tag, VARINT, out);
    put_varint(n, out);
}

/// A nested message: `body` appends it, its length is put before it afterwards.
///
/// Most messages are shorter than 128 bytes, so one byte is kept for the length and longer ones are moved. That is
/// cheaper than measuring every subtree first.
pub(super) fn put_message<E>(
    tag: u16,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    put_tag(tag, BYTES, out);
    let at = out.len();
    out.push(0);
    body(out)?;
    let len = out.len() - at - 1;
    if len < 0x80 {
        out[at] = len as u8;
    } else {
        let mut prefix = Vec::with_capacity(10);
        put_varint(len as u64, &mut prefix);
        out.splice(at..=at, prefix);
    }
    Ok(())
}
