//! A place in an object: a value and the way to it.
//!
//! Validation walks the tree with these. The way is a chain of steps on the stack, spelled out only for an error: an
//! object without faults costs no allocation.

use knarr_api::{
    Map, Value,
    field::{Error, Errors, Path},
};

/// A value and the way to it.
#[derive(Clone, Copy)]
pub(super) struct Spot<'v, 'p> {
    value: &'v Value,
    up: Option<&'p Spot<'v, 'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Name(&'p str),
    Index(usize),
    Key(&'p str),
}

impl<'v, 'p> Spot<'v, 'p> {
    /// The object itself.
    pub(super) fn root(value: &'v Value) -> Self {
        Self { value, up: None, step: Step::Root }
    }

    /// The member `name`, which may be absent.
    pub(super) fn at<'c>(&'c self, name: &'c str) -> Spot<'v, 'c> {
        Spot { value: self.value.get(name).unwrap_or(&Value::Null), up: Some(self), step: Step::Name(name) }
    }

    /// The entry `key` of a string map.
    pub(super) fn key<'c>(&'c self, key: &'c str) -> Spot<'v, 'c> {
        Spot { step: Step::Key(key), ..self.at(key) }
    }

    /// The place `index` of a list.
    pub(super) fn index<'c>(&'c self, index: usize) -> Spot<'v, 'c> {
        let value = self.value.as_array().and_then(|items| items.get(index)).unwrap_or(&Value::Null);
        Spot { value, up: Some(self), step: Step::Index(index) }
    }

    /// The elements of a list.
    pub(super) fn items<'c>(&'c self) -> impl Iterator<Item = Spot<'v, 'c>> {
        let items = self.value.as_array().unwrap_or_default().iter().enumerate();
        items.map(move |(index, value)| Spot { value, up: Some(self), step: Step::Index(index) })
    }

    /// The entries of a map.
    pub(super) fn entries<'c>(&'c self) -> impl Iterator<Item = (&'v str, Spot<'v, 'c>)>
    where
        'v: 'c,
    {
        let map: Option<&'v Map> = self.value.as_object();
        let entries = map.into_iter().flat_map(|map| map.iter());
        entries.map(move |(key, value)| (key, Spot { value, up: Some(self), step: Step::Key(key) }))
    }

    /// The value; null where there is none.
    pub(super) fn value(&self) -> &'v Value {
        self.value
    }

    /// Whether there is a value.
    pub(super) fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// Whether there is nothing: no value, an empty text, list or map.
    pub(super) fn is_empty(&self) -> bool {
        match self.value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        }
    }

    /// The text; absent is empty.
    pub(super) fn text(&self) -> &'v str {
        self.value.as_str().unwrap_or_default()
    }

    /// The text of the member `name`.
    pub(super) fn text_at(&self, name: &str) -> &'v str {
        self.value.str_at(&[name])
    }

    /// The integer, if there is one.
    pub(super) fn int(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// The flag; absent is false.
    pub(super) fn flag(&self) -> bool {
        self.value.as_bool().unwrap_or(false)
    }

    /// The number of elements or entries.
    pub(super) fn len(&self) -> usize {
        match self.value {
            Value::Array(items) => items.len(),
            Value::Object(map) => map.len(),
            _ => 0,
        }
    }

    /// The way, spelled out.
    pub(super) fn path(&self) -> Path {
        let up = self.up.map_or_else(Path::root, Spot::path);
        match self.step {
            Step::Root => up,
            Step::Name(name) => up.child(name),
            Step::Index(index) => up.index(index),
            Step::Key(key) => up.key(key),
        }
    }

    /// A needed value is missing here.
    pub(super) fn required(&self, detail: &str) -> Error {
        Error::required(&self.path(), detail)
    }

    /// The value breaks a rule.
    pub(super) fn invalid(&self, detail: impl Into<String>) -> Error {
        Error::invalid(&self.path(), self.value.clone(), detail)
    }

    /// The value, shown as another one, breaks a rule.
    pub(super) fn invalid_as(&self, shown: impl Into<Value>, detail: impl Into<String>) -> Error {
        Error::invalid(&self.path(), shown, detail)
    }

    /// Nothing may be set here.
    pub(super) fn forbidden(&self, detail: impl Into<String>) -> Error {
        Error::forbidden(&self.path(), detail)
    }

    /// The value stands twice.
    pub(super) fn duplicate(&self) -> Error {
        Error::duplicate(&self.path(), self.value.clone())
    }

    /// The value, shown as another one, stands twice.
    pub(super) fn duplicate_as(&self, shown: impl Into<Value>) -> Error {
        Error::duplicate(&self.path(), shown)
    }

    /// What the value names does not exist.
    pub(super) fn not_found(&self) -> Error {
        Error::not_found(&self.path(), self.value.clone())
    }

    /// The value is none of the allowed ones.
    pub(super) fn not_supported(&self, allowed: &[&str]) -> Error {
        Error::not_supported(&self.path(), self.value.clone(), allowed.iter().copied())
    }

    /// Passes a non-empty text through a check of names.
    pub(super) fn check(&self, rule: fn(&str) -> Vec<String>, out: &mut Errors) {
        if !self.text().is_empty() {
            self.check_even_empty(rule, out);
        }
    }

    /// Passes the text through a check of names.
    pub(super) fn check_even_empty(&self, rule: fn(&str) -> Vec<String>, out: &mut Errors) {
        out.extend(rule(self.text()).into_iter().map(|complaint| self.invalid(complaint)));
    }

    /// A number that may not be negative.
    pub(super) fn not_negative(&self, out: &mut Errors) {
        if self.int().is_some_and(|n| n < 0) {
            out.push(self.invalid(NEGATIVE));
        }
    }

    /// A value that may not differ from the one at the same place of the old object.
    pub(super) fn unchanged(&self, old: &Value, out: &mut Errors) {
        if !super::same::equal(Some(self.value), Some(old)) {
            out.push(self.invalid(IMMUTABLE));
        }
    }
}

/// Why a number is refused.
pub(super) const NEGATIVE: &str = "must be greater than or equal to 0";
/// Why a change is refused.
pub(super) const IMMUTABLE: &str = "field is immutable";
