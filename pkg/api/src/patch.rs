//! The three patches of the API: JSON patch, merge patch, strategic merge patch.
//!
//! All change a tree in place and may leave it half changed when they fail: the caller works on its own copy, which it
//! needs anyway to compare with the stored object. Messages and codes are upstream's.

mod json_patch;
mod merge;
mod strategic;

use crate::{Reason, Status, Value, status::Details};

pub use json_patch::json_patch;
pub use merge::merge;
pub use strategic::strategic;

/// Why a patch was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 400: not a patch of its kind.
    #[error("{0}")]
    Malformed(String),
    /// 413: more than one request may ask for.
    #[error("{0}")]
    TooLarge(String),
    /// 422: the patch does not fit the object. The answer does not say why, as upstream's does not.
    #[error("{0}")]
    Unprocessable(String),
    /// 500: a strategic merge patch that does not fit the type.
    #[error("{0}")]
    Failed(String),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Malformed(why) => Self::bad_request(why),
            Error::TooLarge(why) => {
                Self::new(Reason::RequestEntityTooLarge, format!("Request entity too large: {why}"))
            }
            Error::Unprocessable(_) => {
                Self::new(Reason::Invalid, "the server rejected our request due to an error in our request")
                    .with_details(Details::default())
            }
            Error::Failed(why) => Self::new(Reason::Unknown, why).with_code(500),
        }
    }
}

/// A value as Go's `%v` prints it.
pub(crate) fn go_words(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(" ");
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        Value::String(s) => s.to_string(),
        Value::Array(items) => format!("[{}]", list(items.iter().map(go_words).collect())),
        Value::Object(map) => {
            format!("map[{}]", list(map.iter().map(|(k, v)| format!("{k}:{}", go_words(v))).collect()))
        }
    }
}
