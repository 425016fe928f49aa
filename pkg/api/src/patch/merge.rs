//! Merge patch, RFC 7386.

use super::Error;
use crate::{Map, Value};

/// Merges `patch` into `doc`: members of objects one by one, null removes, all else replaces.
///
/// # Errors
/// The patch is not an object.
pub fn merge(doc: &mut Value, patch: &Value) -> Result<(), Error> {
    let Value::Object(patch) = patch else { return Err(Error::Malformed("Invalid JSON Patch".into())) };
    match doc {
        Value::Object(doc) => members(doc, patch),
        other => *other = without_nulls(&Value::Object(patch.clone())),
    }
    Ok(())
}

fn members(doc: &mut Map, patch: &Map) {
    for (name, value) in patch.iter() {
        match (doc.get_mut(name), value) {
            (_, Value::Null) => {
                doc.remove(name);
            }
            (Some(Value::Object(there)), Value::Object(value)) => members(there, value),
            // Over an object a list is taken as it is, nulls inside its objects included.
            (Some(there @ Value::Object(_)), value) => *there = value.clone(),
            (_, value) => {
                doc.insert(name, without_nulls(value));
            }
        }
    }
}

/// A copy without null members, at any depth. Null elements of lists stay.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect::<Map>().into()
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::{patch::merge, value};

    #[test]
    fn members_are_merged_and_nulls_remove() {
        let table = [
            (value!({"a": "b"}), value!({"a": "c"}), value!({"a": "c"})),
            (value!({"a": "b"}), value!({"b": "c"}), value!({"a": "b", "b": "c"})),
            (value!({"a": "b", "b": "c"}), value!({"a": null}), value!({"b": "c"})),
            (value!({"a": ["b"]}), value!({"a": "c"}), value!({"a": "c"})),
            (value!({"a": {"b": "c"}}), value!({"a": {"b": "d", "c": null}}), value!({"a": {"b": "d"}})),
            (value!({"a": {"b": "c"}}), value!({"a": [1]}), value!({"a": [1]})),
            (value!({}), value!({"a": {"bb": {"ccc": null}}}), value!({"a": {"bb": {}}})),
            (value!({"a": [1]}), value!({"a": [null, 2]}), value!({"a": [null, 2]})),
            (value!({"e": null}), value!({"a": 1}), value!({"e": null, "a": 1})),
        ];
        for (mut doc, patch, expected) in table {
            merge(&mut doc, &patch).unwrap();
            assert_eq!(doc, expected, "{patch:?}");
        }
        assert!(merge(&mut value!({}), &value!([1])).is_err());
    }
}
