//! Small steps on object trees that hooks take all the time.

use knarr_api::Value;

/// Sets a member that is absent or null.
pub(super) fn fill(object: &mut Value, key: &str, value: impl Into<Value>) {
    if object.get(key).is_none_or(Value::is_null) {
        object.set(&[key], value);
    }
}

/// Sets a text that is absent or empty.
pub(super) fn fill_text(object: &mut Value, key: &str, text: &str) {
    if object.str_at(&[key]).is_empty() {
        object.set(&[key], text);
    }
}

/// The member of an object that is one, for change.
pub(super) fn inner<'v>(object: &'v mut Value, path: &[&str]) -> Option<&'v mut Value> {
    object.at_mut(path).filter(|v| v.as_object().is_some())
}

/// The elements of a list at a path, for change.
pub(super) fn each<'v>(object: &'v mut Value, path: &[&str]) -> impl Iterator<Item = &'v mut Value> {
    object.at_mut(path).and_then(Value::as_array_mut).into_iter().flatten()
}

/// The integer at a path.
pub(super) fn int(object: &Value, path: &[&str]) -> Option<i64> {
    object.at(path).and_then(Value::as_i64)
}

/// The flag at a path; absent is false.
pub(super) fn flag(object: &Value, path: &[&str]) -> bool {
    object.at(path).and_then(Value::as_bool).unwrap_or(false)
}

/// The entries of the object or string map at a path.
pub(super) fn entries<'v>(object: &'v Value, path: &[&str]) -> impl Iterator<Item = (&'v str, &'v Value)> {
    object.at(path).and_then(Value::as_object).into_iter().flat_map(|map| map.iter())
}

/// The texts of the list at a path.
pub(super) fn texts<'v>(object: &'v Value, path: &[&str]) -> impl Iterator<Item = &'v str> {
    object.list_at(path).iter().map(|v| v.as_str().unwrap_or_default())
}

/// Whether there is nothing at a path: no member, null, or an empty list, map or text.
pub(super) fn is_empty(object: &Value, path: &[&str]) -> bool {
    match object.at(path) {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    }
}

/// Copies the member at a path from one object to another, or takes it away there if the first has none.
pub(super) fn copy(from: &Value, to: &mut Value, path: &[&str]) {
    match from.at(path) {
        Some(value) => to.set(path, value.clone()),
        None => drop(to.remove(path)),
    }
}
