//! When an image is pulled, if nobody says.

use knarr_api::Value;

use crate::kinds::tree::fill_text;

/// Fills `policy` from the image named by `reference`.
pub(super) fn pull_policy(object: &mut Value, reference: &str, policy: &str) {
    if object.str_at(&[policy]).is_empty() {
        let when = if is_latest(object.str_at(&[reference])) { "Always" } else { "IfNotPresent" };
        fill_text(object, policy, when);
    }
}

/// Whether an image reference means the moving tag: it says so, or says neither tag nor digest.
fn is_latest(reference: &str) -> bool {
    let (name, digest) = match reference.split_once('@') {
        Some((name, _)) => (name, true),
        None => (reference, false),
    };
    let after_registry = name.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = match name[after_registry..].rsplit_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (&name[after_registry..], None),
    };
    // What is no reference at all has no tag.
    let well_formed = !path.is_empty() && !path.bytes().any(|b| b.is_ascii_uppercase() || b.is_ascii_whitespace());
    well_formed && tag.map_or(!digest, |tag| tag == "latest")
}

#[cfg(test)]
mod tests {
    use super::is_latest;

    #[test]
    fn the_moving_tag() {
        for image in ["nginx", "nginx:latest", "host:5000/a/b", "a/b:latest", "b:latest@sha256:00"] {
            assert!(is_latest(image), "{image}");
        }
        for image in ["", "nginx:1", "host:5000/a/b:v2", "b@sha256:00", "NotAReference"] {
            assert!(!is_latest(image), "{image}");
        }
    }
}
