//! The newest objects of one collection, ordered by namespace and name.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use knarr_api::Object;

use crate::Event;

/// A collection of one store; see [`crate::Store::collection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Collection(pub(crate) u32);

impl Collection {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An object and what the store knows about it beside its body.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) object: Object,
    /// Its row on disk: the revision of its creation.
    pub(crate) row: u64,
    pub(crate) node: Option<Arc<str>>,
}

/// The map. A set of entries that are looked up by the key inside their object, so that keys are not kept twice.
#[derive(Default)]
pub(crate) struct Objects(BTreeSet<Entry>);

pub(crate) type Key<'a> = (&'a str, &'a str);

/// A selection of neighbours in the order of the map.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Range<'a> {
    pub(crate) namespace: Option<&'a str>,
    /// Begin behind this key.
    pub(crate) after: Option<Key<'a>>,
    /// At most so many; 0: all.
    pub(crate) limit: usize,
}

impl Range<'_> {
    fn holds(&self, key: Key<'_>) -> bool {
        self.namespace.is_none_or(|ns| ns == key.0) && self.after.is_none_or(|after| key > after)
    }
}

impl Objects {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&Entry> {
        self.0.get(&(namespace, name) as &dyn Keyed)
    }

    pub(crate) fn put(&mut self, entry: Entry) -> Option<Entry> {
        self.0.replace(entry)
    }

    pub(crate) fn remove(&mut self, namespace: &str, name: &str) -> Option<Entry> {
        self.0.take(&(namespace, name) as &dyn Keyed)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    /// A page of the newest state and how many objects follow it.
    pub(crate) fn page(&self, range: Range<'_>) -> (Vec<Object>, usize) {
        page(self.range(range).map(|e| &e.object), range.limit)
    }

    /// A page of the state before `later`, the events since then, newest first.
    pub(crate) fn page_before<'a>(
        &'a self,
        range: Range<'a>,
        later: impl Iterator<Item = &'a Arc<Event>>,
    ) -> (Vec<Object>, usize) {
        let mut undone: BTreeMap<Key<'a>, Option<&'a Object>> = BTreeMap::new();
        for event in later {
            let key = (event.namespace(), event.name());
            if range.holds(key) {
                undone.insert(key, event.previous.as_ref()); // the oldest comes last and stays
            }
        }
        let kept = self.range(range).map(|e| &e.object).filter(|o| !undone.contains_key(&(o.namespace(), o.name())));
        page(merge(kept, undone.values().copied().flatten()), range.limit)
    }

    fn range<'a>(&'a self, range: Range<'a>) -> impl Iterator<Item = &'a Entry> {
        let first = (range.namespace.unwrap_or_default(), "");
        let start = match range.after {
            Some(after) if after >= first => Bound::Excluded(after),
            _ => Bound::Included(first),
        };
        let start: Bound<&dyn Keyed> = match &start {
            Bound::Excluded(key) => Bound::Excluded(key),
            Bound::Included(key) => Bound::Included(key),
            Bound::Unbounded => Bound::Unbounded,
        };
        let entries = self.0.range::<dyn Keyed, _>((start, Bound::Unbounded));
        entries.take_while(move |e| range.namespace.is_none_or(|ns| ns == e.object.namespace()))
    }
}

fn page<'a>(mut objects: impl Iterator<Item = &'a Object>, limit: usize) -> (Vec<Object>, usize) {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let items = objects.by_ref().take(limit).cloned().collect();
    (items, objects.count())
}

/// Two sorted sequences without common keys as one.
fn merge<'a>(
    left: impl Iterator<Item = &'a Object>,
    right: impl Iterator<Item = &'a Object>,
) -> impl Iterator<Item = &'a Object> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(l), Some(r)) if r.key() < l.key() => right.next(),
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    })
}

/// Whatever has a key: lets the set be searched by borrowed keys.
trait Keyed {
    fn key(&self) -> Key<'_>;
}

impl Keyed for Object {
    fn key(&self) -> Key<'_> {
        (self.namespace(), self.name())
    }
}

impl Keyed for Entry {
    fn key(&self) -> Key<'_> {
        self.object.key()
    }
}

impl Keyed for Key<'_> {
    fn key(&self) -> Key<'_> {
        *self
    }
}

impl<'a> Borrow<dyn Keyed + 'a> for Entry {
    fn borrow(&self) -> &(dyn Keyed + 'a) {
        self
    }
}

impl PartialEq for dyn Keyed + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for dyn Keyed + '_ {}

impl PartialOrd for dyn Keyed + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Keyed + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knarr_api::Meta;

    fn objects(keys: &[(&str, &str)]) -> Objects {
        let mut objects = Objects::default();
        for &(namespace, name) in keys {
            let meta = Meta { namespace: namespace.into(), name: name.into(), ..Meta::default() };
            objects.put(Entry { object: Object::new(meta, bytes::Bytes::new()), row: 0, node: None });
        }
        objects
    }

    #[track_caller]
    fn check(range: Range<'_>, expected: &str) {
        let objects = objects(&[("a", "x"), ("a", "y"), ("a-b", "x"), ("b", "x"), ("b", "z")]);
        let (items, rest) = objects.page(range);
        let names: Vec<_> = items.iter().map(|o| format!("{}/{}", o.namespace(), o.name())).collect();
        assert_eq!(format!("{} +{rest}", names.join(" ")), expected);
    }

    #[test]
    fn pages() {
        let all = Range::default();
        check(all, "a/x a/y a-b/x b/x b/z +0");
        check(Range { limit: 2, ..all }, "a/x a/y +3");
        check(Range { after: Some(("a", "y")), limit: 2, ..all }, "a-b/x b/x +1");
        check(Range { after: Some(("a", "xx")), limit: 1, ..all }, "a/y +3");
        check(Range { namespace: Some("a"), ..all }, "a/x a/y +0");
        check(Range { namespace: Some("b"), after: Some(("b", "x")), ..all }, "b/z +0");
        check(Range { namespace: Some("b"), after: Some(("a", "x")), limit: 1 }, "b/x +1");
        check(Range { namespace: Some("c"), ..all }, " +0");
    }
}
