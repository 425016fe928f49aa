//! `continue` tokens: where the next page starts and which revision it shows.
//!
//! The form is upstream's (base64 without padding around JSON), so that a client which looks into tokens, or carries
//! one over from another server, meets what it knows. Revision -1 stands for "whatever is there now": what a client
//! gets to go on with when the revision of its list is no longer known.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use knarr_api::Status;
use serde::{Deserialize, Serialize};

/// A decoded token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// The list's revision; `None` to go on with the present state.
    pub(super) revision: Option<u64>,
    /// Namespace of the last object sent; empty in lists of one namespace and of cluster-scoped objects.
    pub(super) namespace: String,
    /// Name of the last object sent.
    pub(super) name: String,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
}

const VERSION: &str = "meta.k8s.io/v1";

impl Token {
    pub(super) fn encode(&self) -> String {
        let Self { namespace, name, .. } = self;
        let start = if namespace.is_empty() { format!("{name}\0") } else { format!("{namespace}/{name}\0") };
        let rv = self.revision.map_or(-1, |r| i64::try_from(r).unwrap_or(i64::MAX));
        let json = serde_json::to_vec(&Wire { v: VERSION.to_owned(), rv, start }).expect("strings and a number encode");
        URL_SAFE_NO_PAD.encode(json)
    }

    pub(super) fn decode(text: &str) -> Result<Self, Status> {
        let bad = |why: String| Status::bad_request(format!("continue key is not valid{why}"));
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|e| bad(format!(": {e}")))?;
        let wire: Wire = serde_json::from_slice(&json).map_err(|e| bad(format!(": {e}")))?;
        if wire.v != VERSION {
            return Err(bad(format!(": server does not recognize this encoded version {}", wire.v)));
        }
        if wire.rv == 0 {
            return Err(bad(format!(": incorrect encoded start resourceVersion (version {VERSION})")));
        }
        if wire.start.is_empty() {
            return Err(bad(format!(": encoded start key empty (version {VERSION})")));
        }
        let key = wire.start.strip_suffix('\0').unwrap_or(&wire.start);
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        if [namespace, name].iter().any(|part| matches!(*part, "." | "..") || part.contains('/')) || name.is_empty() {
            return Err(bad(format!(": {}", wire.start)));
        }
        Ok(Self { revision: u64::try_from(wire.rv).ok(), namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for (revision, namespace) in [(Some(7), ""), (None, "default")] {
            let token = Token { revision, namespace: namespace.into(), name: "a".into() };
            assert_eq!(Token::decode(&token.encode()), Ok(token));
        }
    }

    #[test]
    fn refuses_what_it_did_not_make() {
        let table = [
            ("!", "continue key is not valid: Invalid symbol 33, offset 0."),
            (
                r#"{"v":"x","rv":1,"start":"a"}"#,
                "continue key is not valid: server does not recognize this encoded version x",
            ),
            (
                r#"{"v":"meta.k8s.io/v1","rv":0,"start":"a"}"#,
                "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            ),
            (
                r#"{"v":"meta.k8s.io/v1","rv":1}"#,
                "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)",
            ),
            (r#"{"v":"meta.k8s.io/v1","rv":1,"start":"../a"}"#, "continue key is not valid: ../a"),
        ];
        for (text, message) in table {
            let token = if text.starts_with('{') { URL_SAFE_NO_PAD.encode(text) } else { text.to_owned() };
            assert_eq!(Token::decode(&token).unwrap_err().message(), message);
        }
    }
}
