//! Who holds a node's name: Secret `kube-system/<node>.node-password.knarr`.
//!
//! A machine that wants to become node `n` shows a password it keeps for itself; the first one holds the name for as long
//! as the Node exists. Beside the hash of the password stands the hash of the key the machine asked a certificate for,
//! so that a request for another key, made by somebody else who has a join token, is not approved.

use jiff::{SignedDuration, Timestamp};
use knarr_api::{Object, Value, value};
use knarr_client::Key;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Where the Secrets are.
pub const NAMESPACE: &str = "kube-system";
const SUFFIX: &str = ".node-password.knarr";
const HASH: &str = "knarr.io/password-hash";
const KEY_HASH: &str = "knarr.io/key-hash";
const SINCE: &str = "knarr.io/claimed";

/// How long a name is held before its Node is there.
const JOINING: SignedDuration = SignedDuration::from_mins(2);

/// What the approver needs of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) node: String,
    pub(super) key_hash: String,
}

impl Claim {
    pub(super) fn of(object: &Object) -> Option<Self> {
        let node = object.name().strip_suffix(SUFFIX)?.to_owned();
        Some(Self { node, key_hash: Record::of(object).key_hash })
    }
}

/// The key of the Secret of a node.
pub(super) fn key(node: &str) -> Key {
    Key::new(NAMESPACE, &secret_name(node))
}

/// The Secret's name.
pub fn secret_name(node: &str) -> String {
    format!("{node}{SUFFIX}")
}

/// What a Secret says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Record {
    password_hash: String,
    key_hash: String,
    since: Option<Timestamp>,
}

impl Record {
    fn of(object: &Object) -> Self {
        #[derive(Deserialize)]
        struct Wire {
            metadata: Meta,
        }
        #[derive(Deserialize)]
        struct Meta {
            #[serde(default)]
            annotations: std::collections::BTreeMap<String, String>,
        }
        let Ok(Wire { metadata: Meta { mut annotations } }) = object.decode() else { return Self::default() };
        let mut take = |key: &str| annotations.remove(key).unwrap_or_default();
        Self { password_hash: take(HASH), key_hash: take(KEY_HASH), since: take(SINCE).parse().ok() }
    }
}

/// The name is somebody else's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("another machine is node {node}")]
pub struct Taken {
    /// The name.
    pub node: String,
}

/// The body of the Secret that gives `node` to whoever has `password`, for a key.
///
/// # Errors
/// Somebody else holds the name: `held` is the Secret as it is, `registered` whether the Node exists.
pub fn claim(
    node: &str,
    password: &str,
    key_hash: &str,
    held: Option<&Object>,
    registered: bool,
    now: Timestamp,
) -> Result<Value, Taken> {
    let password_hash: String = Sha256::digest(password.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    let held = held.map(Record::of).unwrap_or_default();
    let fresh = held.since.is_some_and(|since| now.duration_since(since) < JOINING);
    let is_other = !held.password_hash.is_empty() && held.password_hash != password_hash;
    if is_other && (registered || fresh) {
        return Err(Taken { node: node.to_owned() });
    }
    let annotations = value!({ HASH: password_hash, KEY_HASH: key_hash, SINCE: crate::context::rfc3339(now) });
    Ok(value!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": secret_name(node), "namespace": NAMESPACE, "annotations": annotations },
        "type": "Opaque",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_first_holders_until_the_node_is_deleted() {
        let t0: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let later = t0 + SignedDuration::from_hours(1);
        let object = |tree: &Value| {
            let mut out = Vec::new();
            knarr_api::json::write(tree, &mut out);
            Object::from_json(out.into()).unwrap()
        };
        let first = object(&claim("n", "secret", "k1", None, false, t0).unwrap());
        assert_eq!(Claim::of(&first), Some(Claim { node: "n".into(), key_hash: "k1".into() }));
        let again = claim("n", "secret", "k2", Some(&first), true, later).unwrap();
        assert_eq!(Claim::of(&object(&again)).unwrap().key_hash, "k2");
        assert!(claim("n", "other", "k3", Some(&first), true, later).is_err());
        assert!(claim("n", "other", "k3", Some(&first), false, t0).is_err(), "it is about to register");
        assert!(claim("n", "other", "k3", Some(&first), false, later).is_ok(), "the Node was deleted");
    }
}
