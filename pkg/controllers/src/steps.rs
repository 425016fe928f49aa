//! Small pure pieces that several controllers share.

use knarr_api::{Value, value};
use knarr_client::Resource;

/// A controlling owner reference.
pub(crate) fn controlled_by(r: &Resource, name: &str, uid: &str) -> Value {
    value!([{
        "apiVersion": r.api_version(),
        "kind": &*r.kind,
        "name": name,
        "uid": uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}

/// A 32-bit FNV-1a hash of some text in the consonants and digits that generated names use: no words come of it.
pub(crate) fn short_hash(text: &[u8]) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut n = text.iter().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193));
    let mut out = String::new();
    while n > 0 || out.is_empty() {
        out.push(char::from(LETTERS[(n % 27) as usize]));
        n /= 27;
    }
    out
}

/// What tells one tree from another, whatever the order of its members.
pub(crate) fn fingerprint(tree: &serde_json::Value) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(tree.to_string().as_bytes());
    digest[..12].iter().map(|b| format!("{b:02x}")).collect()
}

/// A number or a percentage of `total` (`intstr`), percentages rounded up or down.
pub(crate) fn scaled(value: &serde_json::Value, total: i32, up: bool) -> i32 {
    if let Some(n) = value.as_i64() {
        return i32::try_from(n).unwrap_or(i32::MAX).max(0);
    }
    let percent = value.as_str().and_then(|s| s.strip_suffix('%')).and_then(|s| s.parse::<i64>().ok()).unwrap_or(0);
    let hundredths = percent.max(0) * i64::from(total.max(0));
    let n = if up { (hundredths + 99) / 100 } else { hundredths / 100 };
    i32::try_from(n).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn percentages_round_as_told() {
        for (value, up, want) in
            [(json!(2), true, 2), (json!("25%"), true, 3), (json!("25%"), false, 2), (json!("x"), true, 0)]
        {
            assert_eq!(scaled(&value, 10, up), want, "{value}");
        }
    }

    #[test]
    fn hashes_are_stable_and_name_like() {
        assert_eq!(short_hash(b"a"), short_hash(b"a"));
        assert_ne!(short_hash(b"a"), short_hash(b"b"));
        assert!(short_hash(b"template").bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    }
}
