//! Sets of fields: who owns what, and what a write changed.
//!
//! A [`Set`] is a tree of path [`Element`]s, each of which may itself be in the set. `metadata.managedFields` stores
//! such sets as `FieldsV1`; field ownership ([`crate::apply`]) is arithmetic on them. One sorted list per level holds
//! both the membership and the branch below, so every operation is a single merge of two lists, and a set that shares
//! nothing with another is told apart at the first level.

mod codec;
mod element;
mod of;
pub(crate) mod shape;

use std::{cmp::Ordering, fmt};

pub use codec::Error;
pub use element::{Element, Path};
pub(crate) use element::{Ranked, same};
pub use of::to_set;

use crate::{Value, schema::Type};
use shape::Shape;

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Set(Vec<Node>);

/// One step below a [`Set`]. Never hollow: it is a member, or something below it is.
#[derive(Clone, Debug, PartialEq)]
struct Node {
    element: Element,
    member: bool,
    below: Set,
}

impl Node {
    fn hollow(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl Set {
    /// The empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A set of paths of plain field names: `Set::of(&[&["spec", "replicas"], &["status"]])`.
    pub fn of(paths: &[&[&str]]) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(&path.iter().map(|name| Element::field(name)).collect::<Vec<_>>());
        }
        set
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many fields are in it.
    pub fn len(&self) -> usize {
        self.0.iter().map(|n| usize::from(n.member) + n.below.len()).sum()
    }

    fn find(&self, element: &Element) -> Result<usize, usize> {
        match self.0.last() {
            Some(last) if last.element < *element => Err(self.0.len()),
            _ => self.0.binary_search_by(|n| n.element.cmp(element)),
        }
    }

    fn node(&mut self, element: Element) -> &mut Node {
        let at = self.find(&element).unwrap_or_else(|at| {
            self.0.insert(at, Node { element, member: false, below: Self::new() });
            at
        });
        &mut self.0[at]
    }

    /// Adds the field at `path`. The fields on the way are not added; the empty path names nothing.
    pub fn insert(&mut self, path: &[Element]) {
        if let Some((first, rest)) = path.split_first() {
            let node = self.node(first.clone());
            if rest.is_empty() {
                node.member = true;
            } else {
                node.below.insert(rest);
            }
        }
    }

    /// Adds `element` and what is `below` it, if there is anything to add.
    pub(crate) fn attach(&mut self, element: impl FnOnce() -> Element, member: bool, below: Self) {
        if !member && below.is_empty() {
            return;
        }
        let node = self.node(element());
        node.member |= member;
        let had = std::mem::take(&mut node.below);
        node.below = had.union(below);
    }

    /// Whether the field at `path` is in it.
    pub fn has(&self, path: &[Element]) -> bool {
        match path.split_first() {
            None => false,
            Some((first, rest)) => self.find(first).is_ok_and(|at| match rest {
                [] => self.0[at].member,
                rest => self.0[at].below.has(rest),
            }),
        }
    }

    /// Whether `element` itself is in it, and what is below it.
    pub(crate) fn step(&self, element: &Element) -> Option<(bool, &Self)> {
        self.find(element).ok().map(|at| (self.0[at].member, &self.0[at].below))
    }

    /// Whether the tree form of a set, spelled by us, may have something in common with this one: cheaper than
    /// reading it.
    pub(crate) fn meets(&self, stored: &Value) -> bool {
        let Value::Object(map) = stored else { return false };
        self.0.iter().any(|n| map.get(&codec::step(&n.element)).is_some_and(|inner| n.member || n.below.meets(inner)))
    }

    /// What is below `element`, with that step left out.
    pub fn with_prefix(&self, element: &Element) -> Option<&Self> {
        self.step(element).map(|(_, below)| below).filter(|below| !below.is_empty())
    }

    /// Everything in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let mut out = Vec::with_capacity(self.0.len().max(other.0.len()));
        let (mut left, mut right) = (self.0.into_iter().peekable(), other.0.into_iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) => l.element.cmp(&r.element),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return Self(out),
            };
            match order {
                Ordering::Less => out.extend(left.next()),
                Ordering::Greater => out.extend(right.next()),
                Ordering::Equal => {
                    if let (Some(l), Some(r)) = (left.next(), right.next()) {
                        let below = l.below.union(r.below);
                        out.push(Node { element: l.element, member: l.member | r.member, below });
                    }
                }
            }
        }
    }

    /// Everything in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        let mut right = other.0.iter().peekable();
        for l in &self.0 {
            while right.next_if(|r| r.element < l.element).is_some() {}
            if let Some(r) = right.next_if(|r| r.element == l.element) {
                let (member, below) = (l.member && r.member, l.below.intersection(&r.below));
                if member || !below.is_empty() {
                    out.push(Node { element: l.element.clone(), member, below });
                }
            }
        }
        Self(out)
    }

    /// Everything in this and not in `other`. Each field stands for itself: what is below a field of `other` stays.
    #[must_use]
    pub fn difference(mut self, other: &Self) -> Self {
        self.subtract(other, false);
        self
    }

    /// Everything in this that is neither in `other` nor below a field of `other`.
    #[must_use]
    pub fn without(mut self, other: &Self) -> Self {
        self.subtract(other, true);
        self
    }

    fn subtract(&mut self, other: &Self, deep: bool) {
        if other.is_empty() {
            return;
        }
        let mut right = other.0.iter().peekable();
        self.0.retain_mut(|l| {
            while right.next_if(|r| r.element < l.element).is_some() {}
            if let Some(r) = right.next_if(|r| r.element == l.element) {
                if r.member {
                    l.member = false;
                    if deep {
                        return false;
                    }
                }
                l.below.subtract(&r.below, deep);
            }
            !l.hollow()
        });
    }

    /// The fields that have no other field of the set below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        Self(
            self.0
                .iter()
                .map(|n| Node {
                    element: n.element.clone(),
                    member: n.member && n.below.is_empty(),
                    below: n.below.leaves(),
                })
                .collect(),
        )
    }

    /// Calls `visit` with every path in the set, members of a level before what is below them.
    pub fn each(&self, visit: &mut impl FnMut(&[Element])) {
        self.each_under(&mut Vec::new(), visit);
    }

    fn each_under(&self, path: &mut Vec<Element>, visit: &mut impl FnMut(&[Element])) {
        for node in self.0.iter().filter(|n| n.member) {
            path.push(node.element.clone());
            visit(path);
            path.pop();
        }
        for node in self.0.iter().filter(|n| !n.below.is_empty()) {
            path.push(node.element.clone());
            node.below.each_under(path, visit);
            path.pop();
        }
    }

    /// Adds every struct member on the way to a field of the set, as pruning needs them; entries of maps and lists
    /// stay as they are.
    pub(crate) fn with_named(mut self, shape: Shape<'_>) -> Self {
        for node in &mut self.0 {
            let (inner, named) = shape.below(&node.element);
            node.member |= named && !node.below.is_empty();
            node.below = std::mem::take(&mut node.below).with_named(inner);
        }
        self
    }

    /// Follows a type that has become atomic since the set was written: fields below it become the field itself.
    /// Answers whether anything changed.
    pub(crate) fn fold_atomic(&mut self, shape: Shape<'_>) -> bool {
        let mut changed = false;
        for node in &mut self.0 {
            if node.below.is_empty() {
                continue;
            }
            let (inner, _) = shape.below(&node.element);
            if inner.is_atomic() {
                (node.member, node.below) = (true, Self::new());
                changed = true;
            } else {
                changed |= node.below.fold_atomic(inner);
            }
        }
        changed
    }

    /// As [`Set::fold_atomic`] for a whole object of type `ty`.
    pub fn reconcile(&mut self, ty: Type<'_>) -> bool {
        self.fold_atomic(Shape::Typed(ty))
    }
}

/// One path per line.
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Ok(());
        let mut first = true;
        self.each(&mut |path| {
            if out.is_ok() {
                out = write!(f, "{}{}", if first { "" } else { "\n" }, Path(path));
                first = false;
            }
        });
        out
    }
}

#[cfg(test)]
mod tests;
