//! Removes what an applier has applied before and leaves out now, unless somebody else holds it.

use crate::{
    Value,
    fields::to_set,
    fields::{
        Element, Set,
        shape::{Class, Shape, member, name_item},
    },
    schema::Type,
};

/// Prunes `merged` (live object and new configuration together): `last` is what the applier held until now, `held`
/// what all managers hold from now on, the applier's new fields included.
///
/// Three removals, each from the whole merged object: all of `last`; then only what of that nobody holds; then of
/// those only what the applier did hold, so that fields without an owner below a removed one keep it alive.
pub(super) fn prune(ty: Type<'_>, merged: &mut Value, last: &Set, held: Set) {
    let shape = Shape::Typed(ty);
    let last = last.clone().with_named(shape);
    let all = to_set(ty, merged).with_named(shape);

    let left_after = |gone: &Set| {
        let mut copy = merged.clone();
        cut(&mut copy, shape, gone);
        to_set(ty, &copy).with_named(shape)
    };
    let kept = left_after(&last).union(held.with_named(shape));
    let kept = left_after(&all.clone().difference(&kept));
    let gone = all.difference(&kept).intersection(&last);
    cut(merged, shape, &gone);
}

/// Removes the fields of `gone`.
fn cut(value: &mut Value, shape: Shape<'_>, gone: &Set) {
    match (shape.class(value), value) {
        (Class::Struct(ty), Value::Object(map)) => {
            map.retain(|name, inner| step(&Element::field(name), member(ty, name).0, inner, gone));
        }
        (Class::Map(shape), Value::Object(map)) => {
            map.retain(|name, inner| step(&Element::field(name), shape, inner, gone));
        }
        (Class::List(list), Value::Array(items)) => {
            let shape = list.item().map_or(Shape::Free, Shape::Typed);
            items.retain_mut(|item| name_item(list, item).map_or(true, |name| step(&name, shape, item, gone)));
        }
        _ => {}
    }
}

/// Whether the value under `element` stays. One that has lost everything stays as what it is, but empty: it is still
/// there for the comparison with the live object, and its owners keep it.
fn step(element: &Element, shape: Shape<'_>, value: &mut Value, gone: &Set) -> bool {
    match gone.step(element) {
        Some((true, _)) => false,
        Some((false, below)) => {
            cut(value, shape, below);
            true
        }
        None => true,
    }
}
