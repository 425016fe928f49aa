//! Equality as Go sees it: absent, null, empty list and empty map are the same.

use crate::Value;

/// Whether two values mean the same.
pub fn equal(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.iter().all(|(key, value)| equal(Some(value), b.get(key)))
                && b.iter().all(|(key, value)| a.contains(key) || equal(None, Some(value)))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(Some(a), Some(b)))
        }
        (None, Some(v)) | (Some(v), None) => match v {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.iter().all(|(_, v)| equal(None, Some(v))),
            _ => false,
        },
        (None, None) => true,
        (Some(a), Some(b)) => a == b || (equal(None, Some(a)) && equal(None, Some(b))),
    }
}
