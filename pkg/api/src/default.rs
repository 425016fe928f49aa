//! Static defaults of a schema.
//!
//! A default fills a member that is absent at every level whose parent is there; members it brings get theirs in turn.
//! Go's defaulting functions see no difference between an absent plain member and its zero value, so a member that is
//! no pointer is also filled when it is zero. Defaults across fields are the business of the catalogue's hooks.

use crate::{
    Map, Value,
    decode::canon,
    json::{self, Limits},
    schema::{Field, Node, Type},
};

/// Fills in the static defaults.
pub fn apply(ty: Type<'_>, value: &mut Value) {
    match (ty.node(), value) {
        (Node::Struct(_), Value::Object(map)) => structure(ty, map),
        (Node::List { .. }, Value::Array(items)) => {
            let Some(item) = ty.item() else { return };
            items.iter_mut().for_each(|v| apply(item, v));
        }
        (Node::Map { .. }, Value::Object(map)) => {
            let Some(item) = ty.item() else { return };
            map.iter_mut().for_each(|(_, v)| apply(item, v));
        }
        _ => {}
    }
}

fn structure(ty: Type<'_>, map: &mut Map) {
    ty.each_field(&mut |field| {
        if let Some(text) = field.default()
            && is_unset(field, map.get(field.name()))
            && let Ok(parsed) = json::parse(text.as_bytes(), &Limits::default())
            && says_something(field, &parsed.value)
        {
            map.insert(field.name(), parsed.value);
        }
        if let Some(value) = map.get_mut(field.name()) {
            apply(field.ty(), value);
        }
    });
}

fn is_unset(field: Field<'_>, value: Option<&Value>) -> bool {
    match value {
        None => true,
        // Nullable: somebody said null and meant it.
        Some(Value::Null) => !field.row.nullable,
        Some(value) => !field.row.pointer && *value == canon::zero(field.ty()),
    }
}

/// A zero default of a plain member (`LocalObjectReference.name`) is there for list keys: in the object it is the same
/// as nothing, and canonical trees leave it out.
fn says_something(field: Field<'_>, default: &Value) -> bool {
    field.row.pointer || *default != canon::zero(field.ty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing, value};

    #[test]
    fn fills_what_is_absent_where_the_parent_is() {
        let schema = testing::schema("Spec");
        let table = [
            (value!({}), value!({ "count": 1, "name": "unnamed" })),
            (value!({ "count": 0, "name": "" }), value!({ "count": 0, "name": "unnamed" })),
            (
                value!({ "count": 2, "name": "n", "list": [{ "key": "k" }], "map": { "m": { "value": "x" } } }),
                value!({ "count": 2, "name": "n", "list": [{ "key": "k", "value": "v" }],
                    "map": { "m": { "value": "x" } } }),
            ),
            (
                value!({ "name": "n", "nested": {}, "count": null }),
                value!({ "name": "n", "count": 1, "nested": { "count": 1, "name": "unnamed" } }),
            ),
        ];
        for (mut given, want) in table {
            apply(schema.ty(), &mut given);
            assert_eq!(given, want);
        }
    }
}
