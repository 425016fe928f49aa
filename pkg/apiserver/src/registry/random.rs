//! Names and UIDs out of nothing.

use ring::rand::{SecureRandom, SystemRandom};

/// Letters without vowels and digits without those that look like letters: no bad words, no misreadings.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// How much of `generateName` is kept: with the suffix the name fits a DNS label.
const MAX_BASE: usize = 58;

fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    SystemRandom::new().fill(&mut out).expect("the kernel has randomness once it has booted");
    out
}

/// Five letters.
pub(crate) fn suffix() -> String {
    // 27 does not divide 2^64; the bias is far below what anyone could see in five letters.
    let mut n = u64::from_le_bytes(bytes());
    let mut out = String::with_capacity(5);
    for _ in 0..5 {
        out.push(LETTERS[(n % 27) as usize] as char);
        n /= 27;
    }
    out
}

/// A name made of `generateName`.
pub(super) fn name(base: &str) -> String {
    let mut end = base.len().min(MAX_BASE);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &base[..end], suffix())
}

/// A random UUID (RFC 9562, version 4).
pub(super) fn uid() -> String {
    let mut b: [u8; 16] = bytes();
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let n = u128::from_be_bytes(b);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        n >> 96,
        n >> 80 & 0xffff,
        n >> 64 & 0xffff,
        n >> 48 & 0xffff,
        n & 0xffff_ffff_ffff
    )
}

/// A number below `bound`.
pub(super) fn below(bound: u64) -> u64 {
    u64::from_le_bytes(bytes()) % bound.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        assert_eq!(suffix().len(), 5);
        assert_eq!(name(&"ä".repeat(40)).chars().count(), 29 + 5);
        let uid = uid();
        assert_eq!(uid.len(), 36);
        assert_eq!(&uid[14..15], "4");
        assert!("89ab".contains(&uid[19..20]));
        assert!(below(3) < 3);
    }
}
