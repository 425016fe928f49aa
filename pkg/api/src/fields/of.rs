//! Which fields an object has.

use std::collections::BTreeMap;

use super::{
    Element, Set,
    shape::{Class, Shape, member, name_item},
};
use crate::{Value, schema::Type};

/// The set of all fields `value` has: scalars and atomic values, entries of maps and elements of lists, and what is
/// null or an empty object. Members of structs are in it only as one of these.
///
/// List elements that cannot be named (an element without its keys) are left out: writes refuse them elsewhere.
pub fn to_set(ty: Type<'_>, value: &Value) -> Set {
    below(Shape::Typed(ty), value).0
}

/// The fields below a value, and whether its own path is a field.
fn below(shape: Shape<'_>, value: &Value) -> (Set, bool) {
    let mut set = Set::new();
    match (shape.class(value), value) {
        (Class::Leaf, _) | (_, Value::Null) => return (set, true),
        (Class::Struct(ty), Value::Object(map)) => {
            for (name, inner) in map.iter() {
                let (shape, declared) = member(ty, name);
                entry(&mut set, name, shape, inner, declared);
            }
        }
        (Class::Map(shape), Value::Object(map)) => {
            for (name, inner) in map.iter() {
                entry(&mut set, name, shape, inner, false);
            }
        }
        (Class::List(list), Value::Array(items)) => elements(&mut set, list, items),
        // A value of the wrong kind has no fields; decoding refuses it.
        _ => {}
    }
    (set, false)
}

fn entry(set: &mut Set, name: &str, shape: Shape<'_>, value: &Value, declared: bool) {
    let (inner, leaf) = below(shape, value);
    let empty = matches!(value, Value::Object(map) if map.is_empty());
    set.attach(|| Element::field(name), leaf || empty || !declared, inner);
}

fn elements(set: &mut Set, list: Type<'_>, items: &[Value]) {
    let shape = list.item().map_or(Shape::Free, Shape::Typed);
    let mut seen: BTreeMap<Element, Option<&Value>> = BTreeMap::new();
    for item in items {
        // A name that stands twice is one field without anything below: nobody can say which element is meant.
        if let Ok(name) = name_item(list, item) {
            seen.entry(name).and_modify(|v| *v = None).or_insert(Some(item));
        }
    }
    for (name, item) in seen {
        let inner = item.map(|item| below(shape, item).0).unwrap_or_default();
        set.attach(|| name, true, inner);
    }
}
