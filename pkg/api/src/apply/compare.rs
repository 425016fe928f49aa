//! Which fields differ between two objects of a type.
//!
//! Go prints some members of a struct even when nothing was said about them (structs by value, zero times, members
//! without `omitempty`), and ownership upstream is computed on what Go prints. A tree may or may not spell such members
//! out; here they count as present either way.

use std::collections::BTreeMap;

use crate::{
    Map, Value,
    fields::{
        Element, Set, same,
        shape::{Class, Shape, name_item},
    },
    schema::{Field, Node, Print, Scalar, Type},
};

/// Difference between two objects. No field is in more than one of the sets.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) added: Set,
    pub(super) modified: Set,
    pub(super) removed: Set,
}

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    fn attach(&mut self, element: &Element, mark: Mark, below: Self) {
        self.added.attach(|| element.clone(), mark == Mark::Added, below.added);
        self.modified.attach(|| element.clone(), mark == Mark::Modified, below.modified);
        self.removed.attach(|| element.clone(), mark == Mark::Removed, below.removed);
    }
}

/// What happened to a path itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Same,
    Added,
    Modified,
    Removed,
}

type Side<'a> = Option<&'a Value>;

/// An object nobody has said anything about.
pub(super) static EMPTY: Value = Value::object();

/// Compares two objects.
pub(super) fn compare(ty: Type<'_>, old: &Value, new: &Value) -> Change {
    let mut change = Change::default();
    walk(Shape::Typed(ty), Some(old), Some(new), &mut change);
    change
}

fn walk(shape: Shape<'_>, old: Side<'_>, new: Side<'_>, out: &mut Change) -> Mark {
    if let (Some(old), Some(new)) = (old, new)
        && old == new
    {
        return Mark::Same;
    }
    let Some(probe) = [new, old].into_iter().flatten().find(|v| !v.is_null()) else { return leaf(old, new) };
    match shape.class(probe) {
        Class::Leaf if matches!((shape, old), (Shape::Free, Some(Value::Object(_)))) => {
            // Without a schema an object may turn into something else: all its members go.
            walk(shape, old, None, out);
            leaf(old, new)
        }
        Class::Leaf => leaf(old, new),
        Class::List(list) => {
            let (o, n) = (elements(old), elements(new));
            if o.is_empty() && n.is_empty() {
                return leaf(old, new);
            }
            items(list, o, n, out);
            presence(old, new)
        }
        Class::Struct(ty) => {
            let (o, n) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            if is_empty(o) && is_empty(n) && (o.is_some() == n.is_some() || !ty.fields().any(|f| printed(f).is_some()))
            {
                return leaf(old, new);
            }
            members(ty, o, n, out);
            presence(old, new)
        }
        Class::Map(shape) => {
            let (o, n) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            if is_empty(o) && is_empty(n) {
                return leaf(old, new);
            }
            zip(o, n, |name, o, n| step(&Element::field(name), shape, o, n, out));
            match presence(old, new) {
                Mark::Same if o.is_none() && !old.is_some_and(Value::is_null) => Mark::Modified,
                mark => mark,
            }
        }
    }
}

fn step(element: &Element, shape: Shape<'_>, old: Side<'_>, new: Side<'_>, out: &mut Change) {
    let mut below = Change::default();
    let mark = walk(shape, old, new, &mut below);
    if mark != Mark::Same || !below.is_empty() {
        out.attach(element, mark, below);
    }
}

fn members(ty: Type<'_>, old: Option<&Map>, new: Option<&Map>, out: &mut Change) {
    zip(old, new, |name, o, n| {
        let field = ty.field(name);
        let shape = field.map_or(Shape::Free, |f| Shape::Typed(f.ty()));
        let unsaid = field.and_then(printed);
        let o = o.or(unsaid.filter(|_| old.is_some()));
        let n = n.or(unsaid.filter(|_| new.is_some()));
        step(&Element::field(name), shape, o, n, out);
    });
    // Members neither object spells out differ only where one of the objects is not there at all.
    if old.is_some() == new.is_some() {
        return;
    }
    ty.each_field(&mut |field| {
        let there = |map: Option<&Map>| map.is_some_and(|m| m.contains(field.name()));
        if let Some(unsaid) = printed(field)
            && !there(old)
            && !there(new)
        {
            let side = |map: Option<&Map>| map.map(|_| unsaid);
            step(&Element::field(field.name()), Shape::Typed(field.ty()), side(old), side(new), out);
        }
    });
}

fn items(list: Type<'_>, old: &[Value], new: &[Value], out: &mut Change) {
    let shape = list.item().map_or(Shape::Free, Shape::Typed);
    let mut by_name: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
    for item in old {
        if let Ok(name) = name_item(list, item) {
            by_name.entry(name).or_default().0.push(item);
        }
    }
    for item in new {
        if let Ok(name) = name_item(list, item) {
            by_name.entry(name).or_default().1.push(item);
        }
    }
    for (name, (old, new)) in by_name {
        match (&old[..], &new[..]) {
            (o @ ([] | [_]), n @ ([] | [_])) => step(&name, shape, o.first().copied(), n.first().copied(), out),
            // Elements under one name cannot be told apart: they are one field together.
            ([_, _, ..], [_, _, ..]) => {
                let equal = old.len() == new.len() && old.iter().zip(&new).all(|(o, n)| same(o, n));
                out.attach(&name, if equal { Mark::Same } else { Mark::Modified }, Change::default());
            }
            ([_, _, ..], n) => {
                if let Some(n) = n.first() {
                    step(&name, shape, None, Some(n), out);
                }
                out.attach(&name, Mark::Removed, Change::default());
            }
            (o, _) => {
                if let Some(o) = o.first() {
                    step(&name, shape, Some(o), None, out);
                }
                out.attach(&name, Mark::Added, Change::default());
            }
        }
    }
}

/// Visits the entries of two sorted maps side by side.
fn zip(old: Option<&Map>, new: Option<&Map>, mut visit: impl FnMut(&str, Side<'_>, Side<'_>)) {
    let empty = Map::new();
    let (mut old, mut new) = (old.unwrap_or(&empty).iter().peekable(), new.unwrap_or(&empty).iter().peekable());
    while let Some(name) = match (old.peek(), new.peek()) {
        (Some((o, _)), Some((n, _))) => Some((*o).min(*n)),
        (o, n) => o.or(n).map(|(name, _)| *name),
    } {
        let o = old.next_if(|(k, _)| *k == name).map(|(_, v)| v);
        let n = new.next_if(|(k, _)| *k == name).map(|(_, v)| v);
        visit(name, o, n);
    }
}

fn leaf(old: Side<'_>, new: Side<'_>) -> Mark {
    match (old, new) {
        (Some(old), Some(new)) if same(old, new) => Mark::Same,
        (Some(_), Some(_)) => Mark::Modified,
        (old, new) => presence(old, new),
    }
}

fn presence(old: Side<'_>, new: Side<'_>) -> Mark {
    match (old, new) {
        (None, Some(_)) => Mark::Added,
        (Some(_), None) => Mark::Removed,
        _ => Mark::Same,
    }
}

fn is_empty(map: Option<&Map>) -> bool {
    map.is_none_or(Map::is_empty)
}

fn elements<'a>(side: Side<'a>) -> &'a [Value] {
    side.and_then(Value::as_array).unwrap_or_default()
}

/// What Go prints for a member nobody has set; `None` where it prints nothing.
fn printed(field: Field<'_>) -> Option<&'static Value> {
    static NULL: Value = Value::Null;
    static FALSE: Value = Value::Bool(false);
    static ZERO: Value = Value::Int(0);
    static EMPTY_TEXT: Value = Value::String(crate::Str::const_new(""));
    static ZERO_TEXT: Value = Value::String(crate::Str::const_new("0"));
    static ZERO_SECONDS: Value = Value::String(crate::Str::const_new("0s"));
    let always = field.row.print == Print::Always;
    if field.row.pointer {
        return always.then_some(&NULL);
    }
    let by_value = field.row.print != Print::OmitZero;
    match field.ty().node() {
        Node::Struct(_) => by_value.then_some(&EMPTY),
        Node::List { .. } | Node::Map { .. } => always.then_some(&NULL),
        Node::Scalar(scalar) => match scalar {
            Scalar::Bool => always.then_some(&FALSE),
            Scalar::Int32 | Scalar::Int64 | Scalar::Double => always.then_some(&ZERO),
            Scalar::String => always.then_some(&EMPTY_TEXT),
            Scalar::Bytes => always.then_some(&NULL),
            Scalar::Quantity => by_value.then_some(&ZERO_TEXT),
            Scalar::Duration => by_value.then_some(&ZERO_SECONDS),
            Scalar::IntOrString => by_value.then_some(&ZERO),
            Scalar::Time | Scalar::MicroTime | Scalar::RawExtension | Scalar::Json | Scalar::FieldsV1 => {
                by_value.then_some(&NULL)
            }
        },
    }
}
