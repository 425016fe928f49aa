//! As much of DER as a certificate needs to be written.

/// One element.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.push(short as u8),
        long => {
            let bytes = long.to_be_bytes();
            let bytes = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
            out.push(0x80 | bytes.len() as u8);
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

/// A SEQUENCE of elements.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// An OBJECT IDENTIFIER from its dotted form.
pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let numbers: Vec<u64> = dotted.split('.').filter_map(|n| n.parse().ok()).collect();
    let mut content = Vec::new();
    let first = numbers.first().copied().unwrap_or(0) * 40 + numbers.get(1).copied().unwrap_or(0);
    for n in std::iter::once(first).chain(numbers.iter().skip(2).copied()) {
        let groups: Vec<u8> = (0..10).map(|i| (n >> (7 * i)) as u8 & 0x7f).collect();
        let used = groups.iter().rposition(|g| *g != 0).unwrap_or(0);
        content.extend((0..=used).rev().map(|i| groups[i] | if i > 0 { 0x80 } else { 0 }));
    }
    element(0x06, &content)
}

/// A BIT STRING of whole bytes.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], bytes].concat())
}

/// A BIT STRING of named bits; trailing zero bits are left out, as DER wants it.
pub(crate) fn named_bits(flags: u16) -> Vec<u8> {
    let mut bytes = vec![0u8; 2];
    (0..16).filter(|bit| flags >> bit & 1 == 1).for_each(|bit| bytes[bit / 8] |= 0x80 >> (bit % 8));
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    let unused = bytes.last().map_or(0, |b| b.trailing_zeros() as u8);
    element(0x03, &[&[unused], bytes.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements() {
        assert_eq!(element(0x04, b"ab"), [4, 2, b'a', b'b']);
        assert_eq!(element(0x04, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(element(0x04, &[0; 300])[..4], [4, 0x82, 1, 44]);
        assert_eq!(oid("1.2.840.113549"), [6, 6, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]);
        assert_eq!(oid("2.5.29.15"), [6, 3, 0x55, 0x1d, 0x0f]);
        assert_eq!(named_bits(1), [3, 2, 7, 0x80]);
        assert_eq!(named_bits(0b101), [3, 2, 5, 0xa0]);
        assert_eq!(named_bits(1 << 8), [3, 3, 7, 0, 0x80]);
    }
}
