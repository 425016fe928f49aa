//! `metadata.managedFields`: reading, writing, and the arithmetic on its entries.

use super::{Conflict, Write, compare::Change};
use crate::{
    Map, Str, Value,
    field::{self, Path},
    fields::{self, Set},
};

/// One manager's fields.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) manager: Str,
    /// Operation `Apply`, else `Update`.
    pub(super) apply: bool,
    pub(super) api_version: Str,
    pub(super) subresource: Str,
    pub(super) time: Option<Str>,
    fields: Fields,
}

/// What entries call a manager.
fn named(manager: &str) -> &str {
    if manager.is_empty() { "unknown" } else { manager }
}

/// The fields of an entry. Most writes touch one entry of several: the others are never taken apart.
#[derive(Clone, Debug)]
enum Fields {
    /// As they are stored.
    Stored(Value),
    /// Taken apart.
    Read(Set),
}

impl Entry {
    /// Whether both stand for one manager: an applier is the same at every version.
    fn is(&self, other: &Self) -> bool {
        self.apply == other.apply
            && self.manager == other.manager
            && self.subresource == other.subresource
            && (self.apply || self.api_version == other.api_version)
    }

    pub(super) fn new(write: &Write<'_>, manager: &str, apply: bool, fields: Set) -> Self {
        Self {
            manager: Str::from(named(manager)),
            apply,
            api_version: Str::from(write.api_version),
            subresource: Str::from(write.subresource),
            time: Some(Str::from(write.time)),
            fields: Fields::Read(fields),
        }
    }

    /// The fields, taken apart, following types that have become atomic.
    fn fields(&mut self, write: &Write<'_>) -> &mut Set {
        if let Fields::Stored(stored) = &self.fields {
            self.fields = Fields::Read(Set::from_value(stored).unwrap_or_default());
            if self.api_version == write.api_version
                && let Fields::Read(set) = &mut self.fields
            {
                set.reconcile(write.ty);
            }
        }
        match &mut self.fields {
            Fields::Read(set) => set,
            Fields::Stored(_) => unreachable!("read above"),
        }
    }

    /// Whether `set` may have something in common with the fields.
    fn meets(&self, set: &Set) -> bool {
        match &self.fields {
            Fields::Stored(stored) => set.meets(stored),
            Fields::Read(fields) => !fields.is_empty(),
        }
    }

    pub(super) fn take_fields(&mut self, write: &Write<'_>) -> Set {
        std::mem::take(self.fields(write))
    }

    fn age(&self) -> (&str, &str, &str, &str) {
        (self.time.as_deref().unwrap_or_default(), &self.manager, &self.api_version, &self.subresource)
    }
}

/// Why entries cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    #[error("apiVersion must not be empty")]
    ApiVersion,
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    #[error("invalid fieldsType {1:?} in managed fields entry {0}")]
    FieldsType(usize, String),
    #[error("{0} managed fields entries are more than a client may send")]
    TooMany(usize),
    #[error("error decoding versioned set: error decoding set: {0}")]
    Fields(#[from] fields::Error),
}

/// All entries of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Managed(Vec<Entry>);

/// Takes the entries out of an object.
pub(super) fn take(object: &mut Value) -> Option<Value> {
    object.remove(&["metadata", "managedFields"])
}

/// The entries a write starts from: the client's where it may and did send some, else those of the stored object.
pub(super) fn choose(live: Option<&Value>, supplied: Option<Value>, subresource: bool) -> Managed {
    let stored = live.and_then(|l| l.at(&["metadata", "managedFields"]));
    let supplied = supplied.filter(|s| !s.is_null());
    match supplied {
        // Most writes carry back what they have read: no need to copy it.
        Some(s) if Some(&s) == stored => Managed::decode(s).unwrap_or_default(),
        Some(s) if !subresource => {
            if is_reset(&s) {
                return Managed::default();
            }
            match Managed::decode_foreign(s) {
                Ok(managed) if !managed.is_empty() => managed,
                _ => Managed::decode(stored.cloned().unwrap_or_default()).unwrap_or_default(),
            }
        }
        _ => Managed::decode(stored.cloned().unwrap_or_default()).unwrap_or_default(),
    }
}

fn is_reset(supplied: &Value) -> bool {
    match supplied.as_array() {
        Some([]) => true,
        Some([Value::Object(only)]) => only.iter().all(|(_, v)| matches!(v, Value::Null) || v.as_str() == Some("")),
        _ => false,
    }
}

/// Refuses `metadata.managedFields` that a client may not send.
pub fn validate(entries: &Value, path: &Path) -> field::Errors {
    let mut errors = field::Errors::new();
    for (i, entry) in entries.as_array().unwrap_or_default().iter().enumerate() {
        let path = path.index(i);
        let operation = entry.str_at(&["operation"]);
        if !matches!(operation, "Apply" | "Update") {
            errors.push(field::Error::invalid(&path.child("operation"), operation, "must be `Apply` or `Update`"));
        }
        let fields_type = entry.str_at(&["fieldsType"]);
        if !matches!(fields_type, "" | "FieldsV1") {
            errors.push(field::Error::invalid(&path.child("fieldsType"), fields_type, "must be `FieldsV1`"));
        }
        let manager = entry.str_at(&["manager"]);
        if manager.len() > MAX_MANAGER {
            errors.push(field::Error::too_long(&path.child("manager"), MAX_MANAGER));
        }
        for (at, c) in manager.char_indices().filter(|(_, c)| c.is_control() || (c.is_whitespace() && *c != ' ')) {
            let why = format!("invalid character U+{:04X} (at position {at})", u32::from(c));
            errors.push(field::Error::invalid(&path.child("manager"), manager, why));
        }
        let subresource = entry.str_at(&["subresource"]);
        if subresource.len() > MAX_SUBRESOURCE {
            errors.push(field::Error::too_long(&path.child("subresource"), MAX_SUBRESOURCE));
        }
    }
    errors
}

/// Far more than an object ever has; the arithmetic on entries is not meant for long lists.
const MAX_FOREIGN: usize = 1000;
const MAX_MANAGER: usize = 128;
const MAX_SUBRESOURCE: usize = 256;

impl Managed {
    /// Entries from a client: read at once, and written back in our spelling.
    fn decode_foreign(entries: Value) -> Result<Self, Error> {
        if let Some(sent) = entries.as_array().map(<[Value]>::len).filter(|n| *n > MAX_FOREIGN) {
            return Err(Error::TooMany(sent));
        }
        let mut managed = Self::decode(entries)?;
        for entry in &mut managed.0 {
            if let Fields::Stored(stored) = &entry.fields {
                entry.fields = Fields::Read(Set::from_value(stored)?);
            }
        }
        Ok(managed)
    }

    /// Entries as they were stored.
    pub(super) fn decode(entries: Value) -> Result<Self, Error> {
        let Value::Array(entries) = entries else { return Ok(Self::default()) };
        let mut out = Self(Vec::with_capacity(entries.len() + 1));
        for (i, mut entry) in entries.into_iter().enumerate() {
            let text = |name: &str| Str::from(entry.str_at(&[name]));
            let apply = match entry.str_at(&["operation"]) {
                "Apply" => true,
                "Update" => false,
                _ => return Err(Error::Operation),
            };
            let (manager, api_version, subresource) = (text("manager"), text("apiVersion"), text("subresource"));
            if api_version.is_empty() {
                return Err(Error::ApiVersion);
            }
            match entry.str_at(&["fieldsType"]) {
                "FieldsV1" => {}
                "" => return Err(Error::NoFieldsType(i)),
                other => return Err(Error::FieldsType(i, other.to_owned())),
            }
            let time = entry.get("time").and_then(Value::as_str).filter(|t| !t.is_empty()).map(Str::from);
            let stored = entry.remove(&["fieldsV1"]).filter(|v| !v.is_null());
            let fields = stored.map_or(Fields::Read(Set::new()), Fields::Stored);
            let entry = Entry { manager, apply, api_version, subresource, time, fields };
            out.0.retain(|e| !e.is(&entry));
            out.0.push(entry);
        }
        Ok(out)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the entries into an object, in upstream's order.
    pub(super) fn put(mut self, object: &mut Value) {
        if self.0.is_empty() {
            take(object);
            return;
        }
        self.0.sort_by(|a, b| b.apply.cmp(&a.apply).then_with(|| a.age().cmp(&b.age())));
        let entries = self.0.into_iter().map(|e| {
            let mut map = Map::with_capacity(7);
            map.insert("apiVersion", e.api_version);
            map.insert("fieldsType", "FieldsV1");
            map.insert(
                "fieldsV1",
                match e.fields {
                    Fields::Stored(stored) => stored,
                    Fields::Read(set) => set.to_value(),
                },
            );
            map.insert("manager", e.manager);
            map.insert("operation", if e.apply { "Apply" } else { "Update" });
            if !e.subresource.is_empty() {
                map.insert("subresource", e.subresource);
            }
            if let Some(time) = e.time {
                map.insert("time", time);
            }
            Value::Object(map)
        });
        object.set(&["metadata", "managedFields"], Value::Array(entries.collect()));
    }

    /// The changed fields that somebody holds.
    pub(super) fn conflicts(&mut self, views: &mut Views<'_>) -> Vec<Conflict> {
        let (mut out, write) = (Vec::new(), views.write);
        for entry in &mut self.0 {
            if let Some(view) = views.at(&entry.api_version)
                && entry.meets(&view.touched)
            {
                let held = entry.fields(write).intersection(&view.touched);
                held.each(&mut |path| out.push(Conflict::new(entry, path)));
            }
        }
        out
    }

    /// Takes changed and removed fields from every entry, and drops entries that end up empty or whose version is no
    /// longer served.
    pub(super) fn lose(&mut self, views: &mut Views<'_>) {
        let write = views.write;
        self.0.retain_mut(|entry| {
            let Some(view) = views.at(&entry.api_version) else { return false };
            if !entry.meets(&view.touched) && !entry.meets(&view.removed) {
                return matches!(entry.fields, Fields::Stored(_));
            }
            let left = entry.take_fields(write).difference(&view.touched).difference(&view.removed);
            let any = !left.is_empty();
            entry.fields = Fields::Read(left);
            any
        });
    }

    /// Removes and answers the applier's own entry.
    pub(super) fn remove_applied(&mut self, write: &Write<'_>) -> Option<Entry> {
        let at = self
            .0
            .iter()
            .position(|e| e.apply && *e.manager == *named(write.manager) && *e.subresource == *write.subresource)?;
        Some(self.0.remove(at))
    }

    /// What all entries hold, in the request's version.
    pub(super) fn everything(&mut self, write: &Write<'_>) -> Set {
        let held = self.0.iter_mut().filter_map(|e| {
            let fields = e.fields(write).clone();
            write.here(&e.api_version, fields)
        });
        held.fold(Set::new(), Set::union)
    }

    /// Adds an entry, or its fields to the entry of the same manager.
    pub(super) fn join(&mut self, write: &Write<'_>, mut entry: Entry) {
        match self.0.iter_mut().find(|e| e.is(&entry)) {
            Some(there) => {
                let both = there.take_fields(write).union(entry.take_fields(write));
                there.fields = Fields::Read(both);
                there.time = entry.time;
            }
            None => self.0.push(entry),
        }
    }

    /// Lets the oldest updaters share one entry per version until no more than `max` updaters are left.
    pub(super) fn cap(&mut self, write: &Write<'_>, max: usize, bucket: &str) {
        let mut updaters: Vec<Entry> = self.0.extract_if(.., |e| !e.apply).collect();
        let mut over = updaters.len().saturating_sub(max);
        if over == 0 {
            self.0.append(&mut updaters);
            return;
        }
        updaters.sort_by(|a, b| a.age().cmp(&b.age()));
        let mut kept: Vec<Entry> = Vec::with_capacity(updaters.len());
        let mut looking = true;
        for mut entry in updaters {
            looking = looking && over > 0;
            let first = kept.iter_mut().find(|e| e.api_version == entry.api_version).filter(|_| looking);
            match first {
                Some(first) => {
                    // The bucket is as old as the newest change in it.
                    first.manager = Str::from(bucket);
                    first.subresource = Str::default();
                    first.time = entry.time.take();
                    let both = first.take_fields(write).union(entry.take_fields(write));
                    first.fields = Fields::Read(both);
                    over -= 1;
                }
                None => kept.push(entry),
            }
        }
        // The bucket may have been there already, younger than what has now become one.
        kept.into_iter().for_each(|entry| self.join(write, entry));
    }
}

/// A change as the versions of the managers see it, translated once per version.
pub(super) struct Views<'a> {
    write: &'a Write<'a>,
    here: View,
    elsewhere: Vec<(Str, Option<View>)>,
}

struct View {
    touched: Set,
    removed: Set,
}

impl<'a> Views<'a> {
    pub(super) fn new(write: &'a Write<'a>, change: Change) -> Self {
        let here = View { touched: change.modified.union(change.added), removed: change.removed };
        Self { write, here, elsewhere: Vec::new() }
    }

    /// Everything that was added or changed, at the request's version.
    pub(super) fn touched(self) -> Set {
        self.here.touched
    }

    /// `None` where the version is no longer served.
    fn at(&mut self, version: &str) -> Option<&View> {
        if version == self.write.api_version {
            return Some(&self.here);
        }
        let at = self.elsewhere.iter().position(|(v, _)| *v == version).unwrap_or_else(|| {
            let (touched, removed) =
                (self.write.there(version, &self.here.touched), self.write.there(version, &self.here.removed));
            let view = touched.zip(removed).map(|(touched, removed)| View { touched, removed });
            self.elsewhere.push((version.into(), view));
            self.elsewhere.len() - 1
        });
        self.elsewhere[at].1.as_ref()
    }
}
