//! The few forms of protobuf the document is written in.

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;

pub(super) fn number(tag: u16, n: u64, out: &mut Vec<u8>) {
    varint(u64::from(tag) << 3 | VARINT, out);
    varint(n, out);
}

pub(super) fn double(tag: u16, n: f64, out: &mut Vec<u8>) {
    varint(u64::from(tag) << 3 | FIXED64, out);
    out.extend(n.to_le_bytes());
}

pub(super) fn bytes(tag: u16, bytes: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(tag) << 3 | BYTES, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A message within: `body` appends it, then its length is put before it.
pub(super) fn message(tag: u16, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    varint(u64::from(tag) << 3 | BYTES, out);
    let at = out.len();
    body(out);
    let mut length = Vec::with_capacity(5);
    varint((out.len() - at) as u64, &mut length);
    out.splice(at..at, length);
}

fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push((n as u8) | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
