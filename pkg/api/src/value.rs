//! The object tree: what a Kubernetes object is between decoding and encoding.
//!
//! A tree lives for one request. Objects at rest are encoded bytes (see [`crate::Object`]); a tree is made from
//! them when an algorithm needs one. It is therefore tuned for being built, searched and dropped quickly: maps are
//! sorted vectors (the order Go prints string maps in), short strings are stored in place.
//!
//! Times, quantities and byte strings are strings here, in their canonical JSON form; which is which is the
//! schema's knowledge, not the tree's.

use std::fmt;

mod de;
mod ser;

pub use de::from_value;
pub use ser::to_value;

/// Why a tree and a Rust type do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConvertError(Box<str>);

/// A short string stored in place (up to 24 bytes), longer ones on the heap.
pub type Str = compact_str::CompactString;

/// A node of the object tree.
///
/// Numbers follow Go's decoder for unstructured JSON: integers that fit are `Int`, all others `Float`.
/// `Float` never holds NaN or an infinity: the decoders refuse them, JSON cannot print them.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// JSON `null`.
    #[default]
    Null,
    /// JSON `true` or `false`.
    Bool(bool),
    /// A number without fraction that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string of any scalar kind (see the module doc).
    String(Str),
    /// A list.
    Array(Vec<Value>),
    /// An object or a string map.
    Object(Map),
}

impl Value {
    /// An empty object.
    pub const fn object() -> Self {
        Self::Object(Map::new())
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(s) = self { Some(s) } else { None }
    }

    /// The integer, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Int(n) = self { Some(*n) } else { None }
    }

    /// The number as a double, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(n) => Some(*n as f64),
            Self::Float(n) => Some(*n),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(b) = self { Some(*b) } else { None }
    }

    /// The elements, if it is a list.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The elements for change, if it is a list.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Value>> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The entries, if it is an object.
    pub fn as_object(&self) -> Option<&Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    /// The entries for change, if it is an object.
    pub fn as_object_mut(&mut self) -> Option<&mut Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    /// The entry under `key`, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.get(key)
    }

    /// The entry under `key` for change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.as_object_mut()?.get_mut(key)
    }

    /// The value at a path of object keys: `pod.at(&["spec", "nodeName"])`.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self, |v, key| v.get(key))
    }

    /// The value at a path of object keys, for change.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Value> {
        path.iter().try_fold(self, |v, key| v.get_mut(key))
    }

    /// The string at a path, or `""` where there is none: Go's view of an absent string.
    pub fn str_at(&self, path: &[&str]) -> &str {
        self.at(path).and_then(Value::as_str).unwrap_or_default()
    }

    /// The list at a path, or an empty one.
    pub fn list_at(&self, path: &[&str]) -> &[Value] {
        self.at(path).and_then(Value::as_array).unwrap_or_default()
    }

    /// Sets the value at a path, making objects on the way. Anything on the way that is not an object is replaced.
    pub fn set(&mut self, path: &[&str], value: impl Into<Value>) {
        let mut here = self;
        for key in path {
            if !matches!(here, Self::Object(_)) {
                *here = Self::object();
            }
            let Self::Object(map) = here else { unreachable!("made an object above") };
            here = map.entry(key);
        }
        *here = value.into();
    }

    /// Removes and returns the value at a path.
    pub fn remove(&mut self, path: &[&str]) -> Option<Value> {
        let (last, way) = path.split_last()?;
        self.at_mut(way)?.as_object_mut()?.remove(last)
    }

    /// The name of the JSON type, as Go's decoder words it in errors.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Float(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

/// Entries of an object or string map, sorted by key, keys unique.
#[derive(Clone, Default, PartialEq)]
pub struct Map(Vec<(Str, Value)>);

impl Map {
    /// An empty map; allocates nothing.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty map with room for `n` entries.
    pub fn with_capacity(n: usize) -> Self {
        Self(Vec::with_capacity(n))
    }

    /// Takes entries in any order; sorts them unless they already are. Of equal keys the last wins, as in Go's
    /// decoder; `twice` hears of each such key. One sort instead of many insertions: input with many unsorted keys
    /// must not cost quadratic time.
    pub(crate) fn from_entries(mut entries: Vec<(Str, Value)>, mut twice: impl FnMut(&str)) -> Self {
        if entries.windows(2).all(|w| w[0].0 < w[1].0) {
            return Self(entries);
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                twice(&later.0);
                std::mem::swap(later, earlier);
            }
            same
        });
        Self(entries)
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        // Decoders of sorted input append: look at the end first.
        match self.0.last() {
            Some((last, _)) if last.as_str() < key => return Err(self.0.len()),
            _ => {}
        }
        self.0.binary_search_by(|(k, _)| k.as_str().cmp(key))
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.find(key).ok().map(|i| &self.0[i].1)
    }

    /// The value under `key`, for change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.find(key).ok().map(|i| &mut self.0[i].1)
    }

    /// Whether `key` is present.
    pub fn contains(&self, key: &str) -> bool {
        self.find(key).is_ok()
    }

    /// Sets `key`, returning what was there.
    pub fn insert(&mut self, key: impl Into<Str>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.find(&key) {
            Ok(i) => Some(std::mem::replace(&mut self.0[i].1, value)),
            Err(i) => {
                self.0.insert(i, (key, value));
                None
            }
        }
    }

    /// The value under `key`, inserting `null` where there is none.
    pub fn entry(&mut self, key: &str) -> &mut Value {
        let i = self.find(key).unwrap_or_else(|i| {
            self.0.insert(i, (Str::from(key), Value::Null));
            i
        });
        &mut self.0[i].1
    }

    /// Removes `key`, returning its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.find(key).ok().map(|i| self.0.remove(i).1)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Entries in key order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> + DoubleEndedIterator {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// Entries in key order, values for change.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Value)> {
        self.0.iter_mut().map(|(k, v)| (k.as_str(), v))
    }

    /// Keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|(k, _)| k.as_str())
    }

    /// Keeps the entries for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.0.retain_mut(|(k, v)| keep(k, v));
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl IntoIterator for Map {
    type Item = (Str, Value);
    type IntoIter = std::vec::IntoIter<(Str, Value)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Later duplicates of a key win, as in Go's decoder.
impl<K: Into<Str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        Self::from_entries(entries.into_iter().map(|(k, v)| (k.into(), v)).collect(), |_| {})
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Self::Bool(v)
    }
}
impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Self::Int(v)
    }
}
impl From<i32> for Value {
    fn from(v: i32) -> Self {
        Self::Int(v.into())
    }
}
impl From<u32> for Value {
    fn from(v: u32) -> Self {
        Self::Int(v.into())
    }
}
impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Self::Float(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::String(Str::from(v))
    }
}
impl From<String> for Value {
    fn from(v: String) -> Self {
        Self::String(Str::from(v))
    }
}
impl From<Str> for Value {
    fn from(v: Str) -> Self {
        Self::String(v)
    }
}
impl From<Map> for Value {
    fn from(v: Map) -> Self {
        Self::Object(v)
    }
}
impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(v: [T; N]) -> Self {
        Self::Array(v.into_iter().map(Into::into).collect())
    }
}
impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(v: Vec<T>) -> Self {
        Self::Array(v.into_iter().map(Into::into).collect())
    }
}

/// Writes a tree in JSON's own notation: `value!({ "spec": { "replicas": n, "paused": false } })`.
///
/// Values are expressions with `Into<Value>`; nested literals are objects and lists.
#[macro_export]
macro_rules! value {
    (null) => { $crate::Value::Null };
    ([ $($item:tt),* $(,)? ]) => { $crate::Value::Array(vec![ $( $crate::value!($item) ),* ]) };
    ({ $($rest:tt)* }) => {{
        #[allow(unused_mut)]
        let mut map = $crate::Map::new();
        $crate::value!(@entries map $($rest)*);
        $crate::Value::Object(map)
    }};
    (@entries $map:ident) => {};
    (@entries $map:ident $key:tt : null $(, $($rest:tt)*)?) => {
        $map.insert($key, $crate::Value::Null);
        $( $crate::value!(@entries $map $($rest)*); )?
    };
    (@entries $map:ident $key:tt : { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $map.insert($key, $crate::value!({ $($inner)* }));
        $( $crate::value!(@entries $map $($rest)*); )?
    };
    (@entries $map:ident $key:tt : [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $map.insert($key, $crate::value!([ $($inner)* ]));
        $( $crate::value!(@entries $map $($rest)*); )?
    };
    (@entries $map:ident $key:tt : $value:expr $(, $($rest:tt)*)?) => {
        $map.insert($key, $value);
        $( $crate::value!(@entries $map $($rest)*); )?
    };
    ($other:expr) => { $crate::Value::from($other) };
}

#[cfg(test)]
mod tests;
