//! Lists, labels and selectors in one cell.

use knarr_api::{Value, selector::Labels};

use crate::kinds::tree::entries;

/// What stands for nothing.
pub(super) const NONE: &str = "<none>";

/// The number of elements or entries at a path.
pub(super) fn len(object: &Value, path: &[&str]) -> usize {
    match object.at(path) {
        Some(Value::Array(items)) => items.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    }
}

/// Texts joined by commas.
pub(super) fn joined<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().collect::<Vec<_>>().join(",")
}

/// A text or the word for nothing.
pub(super) fn or_none(text: &str) -> String {
    if text.is_empty() { NONE.to_owned() } else { text.to_owned() }
}

/// At most `max` texts, then how many there are besides.
pub(super) fn first_few(mut texts: Vec<String>, max: usize, separator: &str) -> String {
    let more = texts.len().saturating_sub(max);
    texts.truncate(max);
    let shown = texts.join(separator);
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}

/// `a=1,b=2` of the string map at a path.
pub(super) fn labels(object: &Value, path: &[&str]) -> String {
    let pairs: Vec<String> =
        entries(object, path).map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    or_none(&pairs.join(","))
}

/// The label selector at a path.
pub(super) fn selector(object: &Value, path: &[&str]) -> String {
    match Labels::from_selector(object.at(path)) {
        Ok(selector) => or_none(&selector.to_string()),
        Err(_) => "<error>".to_owned(),
    }
}

/// The texts under `key` of the objects in the list at a path.
pub(super) fn each<'v>(object: &'v Value, path: &[&str], key: &'static str) -> impl Iterator<Item = &'v str> {
    object.list_at(path).iter().map(move |item| item.str_at(&[key]))
}

/// The condition of a type.
pub(super) fn condition<'v>(object: &'v Value, kind: &str) -> Option<&'v Value> {
    object.list_at(&["status", "conditions"]).iter().find(|c| c.str_at(&["type"]) == kind)
}

/// Whether the condition of a type holds.
pub(super) fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|c| c.str_at(&["status"]) == "True")
}

/// Whether someone has asked for the object's deletion.
pub(super) fn is_deleting(object: &Value) -> bool {
    !object.str_at(&["metadata", "deletionTimestamp"]).is_empty()
}

/// An integer or text at a path, as text.
pub(super) fn scalar(object: &Value, path: &[&str]) -> Option<String> {
    match object.at(path)? {
        Value::Int(n) => Some(n.to_string()),
        Value::String(s) => Some(s.to_string()),
        _ => None,
    }
}
