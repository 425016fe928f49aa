//! Merging lists, and the order of what comes out.
//!
//! Elements the patch (or `$setElementOrder`) names stand in its order, the others in the order they had; where both
//! kinds meet, an element goes before another if it did so in the stored list, and else after those the patch names.

use std::collections::{BTreeMap, BTreeSet};

use super::{DIRECTIVE, Error, OBJECT, bad_directive, bad_order, clean, merges, no_merge_key, objects, wrong_kind};
use crate::{Value, fields::Ranked, patch::go_words, schema::Field};

/// What identifies an element: its merge key, or itself.
#[derive(Clone, Copy)]
struct Identity<'a>(Option<&'a str>);

impl Identity<'_> {
    fn of(self, item: &Value) -> Option<&Value> {
        match (self.0, item) {
            (Some(key), Value::Object(map)) => map.get(key),
            (Some(_), _) => None,
            (None, item) => Some(item),
        }
    }

    /// As [`Identity::of`] where there must be one.
    fn need(self, item: &Value) -> Result<&Value, Error> {
        match (self.0, item) {
            (None, item) => Ok(item),
            (Some(key), Value::Object(map)) => map.get(key).ok_or_else(|| no_merge_key(item, key)),
            (Some(_), other) => Err(wrong_kind(OBJECT, other)),
        }
    }

    /// First positions. Lists come from outside and may be long: every search goes through an index.
    fn index<'v>(self, list: impl IntoIterator<Item = &'v Value>) -> BTreeMap<Ranked<'v>, usize> {
        let mut out = BTreeMap::new();
        for (at, item) in list.into_iter().enumerate() {
            if let Some(id) = self.of(item) {
                out.entry(Ranked(id)).or_insert(at);
            }
        }
        out
    }

    fn position(self, index: &BTreeMap<Ranked<'_>, usize>, item: &Value) -> Option<usize> {
        self.of(item).and_then(|id| index.get(&Ranked(id)).copied())
    }
}

/// Merges the patch of a list into the list.
pub(super) fn merge(field: Field<'_>, original: Vec<Value>, patch: Vec<Value>) -> Result<Vec<Value>, Error> {
    if !merges(field) {
        return Ok(patch);
    }
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    if !of_objects(&original, &patch)? {
        let mut seen = BTreeSet::new();
        let both = original.iter().chain(&patch).filter(|item| seen.insert(Ranked(item))).cloned().collect();
        return sort(both, &patch, &original, Identity(None));
    }
    let Some(key) = field.merge_key() else {
        return Err(Error::Failed("cannot merge lists without merge key for struct".into()));
    };
    let (original, patch) = directives(original, patch, key)?;
    let before: Vec<Value> = original.clone();
    let merged = elements(field, original, &patch, key)?;
    sort(merged, &patch, &before, Identity(Some(key)))
}

/// Merges a list under `$setElementOrder`. `None` where neither side has the list.
pub(super) fn ordered(
    field: Field<'_>,
    original: Option<Vec<Value>>,
    patch: Option<Vec<Value>>,
    order: &[Value],
) -> Result<Option<Vec<Value>>, Error> {
    let identity = Identity(field.merge_key());
    check_order(patch.as_deref().unwrap_or_default(), order, identity)?;
    let before = places(original.as_deref().unwrap_or_default(), patch.as_deref().unwrap_or_default(), identity);
    let merged = match (original, patch) {
        (None, None) => return Ok(None),
        (Some(original), None) => original,
        (None, Some(patch)) => patch.into_iter().filter_map(clean).collect(),
        (Some(original), Some(patch)) => merge(field, original, patch)?,
    };
    if merged.is_empty() {
        return Ok(Some(merged));
    }
    of_objects(&merged, &[])?;
    sort(merged, order, &before, identity).map(Some)
}

/// Where elements stood before the patch. New ones take the places of deleted ones at the end, as they do upstream.
fn places(original: &[Value], patch: &[Value], identity: Identity<'_>) -> Vec<Value> {
    let (deleted, new): (Vec<&Value>, Vec<&Value>) = patch.iter().partition(|i| i.get(DIRECTIVE).is_some());
    let deleted = identity.index(deleted);
    let mut out: Vec<Value> =
        original.iter().filter(|item| identity.position(&deleted, item).is_none()).cloned().collect();
    let free = original.len() - out.len();
    let kept = identity.index(&out);
    let new = new.into_iter().filter(|item| identity.position(&kept, item).is_none()).take(free).cloned();
    let new: Vec<Value> = new.collect();
    out.extend(new);
    out
}

/// Whether the elements are objects; they must all be of one kind.
fn of_objects(a: &[Value], b: &[Value]) -> Result<bool, Error> {
    let mut items = a.iter().chain(b);
    let Some(first) = items.next() else { return Ok(false) };
    if matches!(first, Value::Array(_)) {
        return Err(Error::Unprocessable("lists of lists are not supported".into()));
    }
    if items.any(|i| std::mem::discriminant(i) != std::mem::discriminant(first)) {
        let lists = [a, b].map(|l| go_words(&Value::Array(l.to_vec())));
        return Err(Error::Failed(format!("list element types are not identical: [{}]", lists.join(" "))));
    }
    Ok(matches!(first, Value::Object(_)))
}

/// Carries out the directives among the elements of a patch and leaves the rest.
fn directives(mut original: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut gone = Vec::new();
    let mut replace = false;
    for item in patch {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                gone.push(item.get(key).ok_or_else(|| no_merge_key(&item, key))?.clone());
            }
            Some("replace") => replace = true,
            Some("merge") => return Err(Error::Failed("merging lists cannot yet be specified in the patch".into())),
            _ => return Err(bad_directive(directive, &item)),
        }
    }
    let gone: BTreeSet<Ranked<'_>> = gone.iter().map(Ranked).collect();
    original.retain(|item| item.get(key).is_none_or(|id| !gone.contains(&Ranked(id))));
    Ok(if replace { (plain, Vec::new()) } else { (original, plain) })
}

/// Merges elements that the list has, appends those it has not.
fn elements(field: Field<'_>, mut original: Vec<Value>, patch: &[Value], key: &str) -> Result<Vec<Value>, Error> {
    let mut index = Identity(Some(key)).index(&original);
    let mut targets = Vec::with_capacity(patch.len());
    let mut next = original.len();
    for item in patch {
        let id = item.get(key).ok_or_else(|| no_merge_key(item, key))?;
        let at = *index.entry(Ranked(id)).or_insert(next);
        next += usize::from(at == next);
        targets.push(at);
    }
    drop(index);
    for (item, at) in patch.iter().zip(targets) {
        match (original.get_mut(at), field.ty().item(), item) {
            (Some(there), Some(ty), Value::Object(says)) => {
                if let Value::Object(had) = std::mem::take(there) {
                    *there = objects(ty, had, says.clone())?.into();
                }
            }
            (Some(_), ..) => {}
            (None, ..) => original.push(clean(item.clone()).unwrap_or_else(Value::object)),
        }
    }
    Ok(original)
}

/// The elements of the patch must stand in the order that it asks for.
fn check_order(patch: &[Value], order: &[Value], identity: Identity<'_>) -> Result<(), Error> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut rest = order.iter();
    for item in patch.iter().filter(|i| i.get(DIRECTIVE).is_none()) {
        let wanted = identity.need(item)?;
        loop {
            match rest.next() {
                Some(next) if identity.need(next)? == wanted => break,
                Some(_) => {}
                None => {
                    let [patch, order] = [patch, order].map(|l| go_words(&Value::Array(l.to_vec())));
                    return Err(Error::Failed(format!(
                        "The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Orders a merged list: what `order` names by it, the rest as `before`.
fn sort(merged: Vec<Value>, order: &[Value], before: &[Value], identity: Identity<'_>) -> Result<Vec<Value>, Error> {
    for item in order {
        identity.need(item).map_err(|e| if identity.0.is_some() { e } else { bad_order() })?;
    }
    let (places, wanted) = (identity.index(before), identity.index(order));
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        identity.need(&item)?;
        let was = identity.position(&places, &item);
        match identity.position(&wanted, &item) {
            Some(at) => named.push((at, was, item)),
            None => others.push((was, item)),
        }
    }
    named.sort_by_key(|(at, ..)| *at);
    others.sort_by_key(|(was, _)| was.unwrap_or(usize::MAX));

    let mut out = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (_, was, item) in named {
        while let Some((_, other)) = others.next_if(|(other, _)| other.zip(was).is_some_and(|(o, w)| o < w)) {
            out.push(other);
        }
        out.push(item);
    }
    out.extend(others.map(|(_, item)| item));
    Ok(out)
}
