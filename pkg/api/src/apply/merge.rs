//! Merges an applied configuration into an object. Nothing is removed here.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    Value,
    fields::{
        Element,
        shape::{Class, Shape, member, name_item},
    },
    schema::Type,
};

/// Makes `live` carry what `config` says.
pub(super) fn merge(shape: Shape<'_>, live: &mut Value, config: &Value) {
    match (shape.class(if config.is_null() { live } else { config }), &mut *live, config) {
        // Saying null about something with fields below says nothing.
        (Class::Struct(_) | Class::Map(_), Value::Object(had), Value::Null) if !had.is_empty() => {}
        (Class::List(_), Value::Array(had), Value::Null) if !had.is_empty() => {}
        (Class::Struct(ty), Value::Object(had), Value::Object(says)) => {
            for (name, value) in says.iter() {
                match had.get_mut(name) {
                    Some(there) => merge(member(ty, name).0, there, value),
                    None => {
                        had.insert(name, value.clone());
                    }
                }
            }
        }
        (Class::Map(shape), Value::Object(had), Value::Object(says)) => {
            for (name, value) in says.iter() {
                match had.get_mut(name) {
                    Some(there) => merge(shape, there, value),
                    None => {
                        had.insert(name, value.clone());
                    }
                }
            }
        }
        (Class::List(list), Value::Array(had), Value::Array(says)) if !had.is_empty() => {
            if !says.is_empty() {
                *had = lists(list, std::mem::take(had), says);
            }
        }
        _ => *live = config.clone(),
    }
}

/// Merges lists whose elements have names. What is in both stands in the order of `config`; what is only in `live`
/// keeps its place relative to its neighbours.
fn lists(list: Type<'_>, live: Vec<Value>, config: &[Value]) -> Vec<Value> {
    let shape = list.item().map_or(Shape::Free, Shape::Typed);
    let right: Vec<Option<Element>> = config.iter().map(|item| name_item(list, item).ok()).collect();
    let left: Vec<Option<Element>> = live.iter().map(|item| name_item(list, item).ok()).collect();
    let wanted: BTreeMap<&Element, ()> = right.iter().flatten().map(|name| (name, ())).collect();
    // Of elements that share a name none can be merged with: `None`.
    let mut had: BTreeMap<&Element, Option<usize>> = BTreeMap::new();
    for (i, name) in left.iter().enumerate() {
        if let Some(name) = name {
            had.entry(name).and_modify(|at| *at = None).or_insert(Some(i));
        }
    }
    let mut shared: VecDeque<&Element> = right.iter().flatten().filter(|name| had.contains_key(name)).collect();
    let mut live: Vec<Option<Value>> = live.into_iter().map(Some).collect();
    let mut merged: BTreeMap<&Element, ()> = BTreeMap::new();
    let mut out = Vec::with_capacity(left.len().max(right.len()));

    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if let Some(name) = left.get(l) {
            let is_wanted = name.as_ref().is_some_and(|n| wanted.contains_key(n));
            if !is_wanted {
                out.extend(live[l].take());
                l += 1;
                continue;
            }
            let name = name.as_ref().expect("only elements with a name are wanted");
            let here = right.get(r).is_some_and(|n| n.as_ref() == Some(name));
            let another_first = r < right.len() && shared.front().is_some_and(|next| *next != name);
            if !here && (another_first || merged.contains_key(name)) {
                // It stands elsewhere in the new order.
                l += 1;
                continue;
            }
            if here {
                l += 1;
            }
        }
        if let Some(name) = right.get(r) {
            let there = name.as_ref().and_then(|n| had.get(n).copied().flatten()).and_then(|at| live[at].take());
            out.push(match there {
                Some(mut item) => {
                    merge(shape, &mut item, &config[r]);
                    item
                }
                None => config[r].clone(),
            });
            if let Some(name) = name {
                merged.insert(name, ());
                if shared.front() == Some(&name) {
                    shared.pop_front();
                }
            }
            r += 1;
        }
    }
    out
}
