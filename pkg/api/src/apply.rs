//! Server-side apply and the ownership that every write leaves behind.
//!
//! `metadata.managedFields` says which manager set which field. [`update`] keeps it true for writes of whole objects
//! (create, update, patch): what a write adds or changes becomes the writer's, what it removes becomes nobody's.
//! [`apply()`] merges a configuration into an object: the fields in it become the applier's, the fields it had applied
//! before and left out now are removed, and a field that another manager holds with another value is a conflict.
//!
//! Both are one comparison of two trees followed by arithmetic on small sets; a write that changes nothing ends after
//! the comparison and leaves the entries, with their times, as they are.

mod check;
mod compare;
mod conflict;
mod last_applied;
mod managers;
mod merge;
mod prune;

use std::sync::LazyLock;

use crate::{
    Reason, Status, Value,
    fields::{Set, same, shape::Shape, to_set},
    schema::Type,
};

pub use conflict::Conflict;
pub use managers::validate;

use compare::{Change, compare};
use managers::{Entry, Managed, Views};

/// How many updating managers an object remembers one by one.
const MAX_UPDATERS: usize = 10;
/// Holds what older updaters set.
const ANCIENT: &str = "ancient-changes";
/// Holds what an object had before anybody tracked it.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Translates a set of fields between API versions of a resource; `None` where the target is no longer served.
pub type Convert<'a> = &'a dyn Fn(&str, &str, Set) -> Option<Set>;

/// Who writes what, when.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    /// Type of the object at `api_version`.
    pub ty: Type<'a>,
    /// `fieldManager`.
    pub manager: &'a str,
    /// The version the request speaks.
    pub api_version: &'a str,
    /// The subresource written to, empty for the object itself.
    pub subresource: &'a str,
    /// Now, RFC 3339 to the second, in UTC.
    pub time: &'a str,
    /// Fields that this write cannot set (an object's status in a write of the object).
    pub reset: &'a Set,
    /// Translates sets of managers at other versions.
    pub convert: Convert<'a>,
}

/// Why an apply failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// Other managers hold these fields with other values; `force` takes them.
    #[error("{}", conflict::message(.0))]
    Conflict(Vec<Conflict>),
    /// The configuration is not acceptable.
    #[error(transparent)]
    Refused(#[from] Status),
}

impl From<ApplyError> for Status {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Conflict(conflicts) => conflict::status(&conflicts),
            ApplyError::Refused(status) => status,
        }
    }
}

/// Every version keeps its fields under their own names: the conversion of most resources.
pub fn same_fields(_from: &str, _to: &str, set: Set) -> Option<Set> {
    Some(set)
}

/// Fields that nobody owns: identity and bookkeeping.
static UNOWNED: LazyLock<Set> = LazyLock::new(|| {
    Set::of(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "clusterName"],
        &["metadata", "creationTimestamp"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "resourceVersion"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
    ])
});

/// Sets `new`'s `metadata.managedFields` for a write that turns `live` (`None` for a create) into `new`.
///
/// Entries the client sent replace the stored ones where it may write them: an empty list, or a list of one empty
/// entry, ends the tracking; entries that cannot be read are ignored (see [`validate`]).
pub fn update(write: &Write<'_>, live: Option<&Value>, new: &mut Value) {
    let supplied = managers::take(new);
    let mut managed = managers::choose(live, supplied, !write.subresource.is_empty());
    if managed.is_empty() && live.is_some() {
        return;
    }
    write.record(live, new, &mut managed, write.manager);
    managed.put(new);
}

/// Merges `config` into `live` (`None` for a create) on behalf of `write.manager`.
///
/// The result carries its new `managedFields`; it is neither defaulted nor validated.
///
/// # Errors
/// Conflicts, unless `force`; a configuration that does not fit the schema or names its own managed fields.
pub fn apply(write: &Write<'_>, live: Option<&Value>, config: &Value, force: bool) -> Result<Value, ApplyError> {
    write.admit(config)?;
    let mut base = live.cloned().unwrap_or_else(Value::object);
    let entries = managers::take(&mut base);
    let mut managed = Managed::decode(entries.unwrap_or_default())
        .map_err(|e| Status::new(Reason::Unknown, format!("failed to decode managed fields: {e}")).with_code(500))?;
    if managed.is_empty() && live.is_some() {
        write.record(None, &base, &mut managed, BEFORE_FIRST_APPLY);
    }
    let kubectl = write.manager == last_applied::MANAGER;
    let spare = kubectl.then(|| managed.clone());
    let (mut new, managed) = match (write.merge(&base, config, managed, force), spare) {
        (Err(ApplyError::Conflict(conflicts)), Some(managed)) => {
            let left = last_applied::excuse(write.ty, write.api_version, &base, conflicts);
            if !left.is_empty() {
                return Err(ApplyError::Conflict(left));
            }
            write.merge(&base, config, managed, true)?
        }
        (other, _) => other?,
    };
    if kubectl {
        last_applied::refresh(&mut new, config);
    }
    managed.put(&mut new);
    Ok(new)
}

impl Write<'_> {
    /// What a whole-object write by `manager` means for the entries.
    fn record(&self, live: Option<&Value>, new: &Value, managed: &mut Managed, manager: &str) {
        let change = self.change(live, new);
        if change.is_empty() {
            return;
        }
        let mut views = Views::new(self, change);
        managed.lose(&mut views);
        let fields = views.touched().difference(&UNOWNED);
        if !fields.is_empty() {
            managed.join(self, Entry::new(self, manager, false, fields));
            managed.cap(self, MAX_UPDATERS, ANCIENT);
        }
    }

    /// Added, modified and removed fields, without those this write cannot set.
    fn change(&self, live: Option<&Value>, new: &Value) -> Change {
        let change = compare(self.ty, live.unwrap_or(&compare::EMPTY), new);
        Change {
            added: change.added.without(self.reset),
            modified: change.modified.without(self.reset),
            removed: change.removed.without(self.reset),
        }
    }

    /// Refuses configurations that cannot be applied.
    fn admit(&self, config: &Value) -> Result<(), Status> {
        let version = config.str_at(&["apiVersion"]);
        if version != self.api_version {
            return Err(Status::bad_request(format!(
                "Incorrect version specified in apply patch. Specified patch version: {version}, expected: {}",
                self.api_version
            )));
        }
        if config.at(&["metadata", "managedFields"]).is_some_and(|v| !v.is_null()) {
            return Err(Status::bad_request("metadata.managedFields must be nil"));
        }
        check::check(self.ty, config).map_err(|errors| {
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            let or_unknown = |path: &[&str]| config.str_at(path).to_owned();
            let (namespace, name) = (or_unknown(&["metadata", "namespace"]), or_unknown(&["metadata", "name"]));
            let kind = config.str_at(&["kind"]);
            Status::new(
                Reason::Unknown,
                format!(
                    "failed to create typed patch object ({namespace}/{name}; {group}/{version}, Kind={kind}): {errors}"
                ),
            )
            .with_code(500)
        })
    }

    /// The merged object without `managedFields`, and the entries it has from now on.
    fn merge(
        &self,
        live: &Value,
        config: &Value,
        mut managed: Managed,
        force: bool,
    ) -> Result<(Value, Managed), ApplyError> {
        let set = to_set(self.ty, config).without(self.reset);
        let mut previous = managed.remove_applied(self);
        let before = previous.as_mut().map(|e| e.take_fields(self)).unwrap_or_default();
        let last = previous.as_ref().and_then(|e| self.here(&e.api_version, before.clone())).unwrap_or_default();

        let mut new = live.clone();
        merge::merge(Shape::Typed(self.ty), &mut new, config);
        if !last.clone().difference(&set).is_empty() {
            let managed = managed.everything(self).union(set.clone());
            prune::prune(self.ty, &mut new, &last, managed);
        }

        let change = self.change(Some(live), &new);
        let changed = !same(live, &new);
        if !change.is_empty() {
            let mut views = Views::new(self, change);
            if !force {
                let conflicts = managed.conflicts(&mut views);
                if !conflicts.is_empty() {
                    return Err(ApplyError::Conflict(conflicts));
                }
            }
            managed.lose(&mut views);
        }
        let fields = set.difference(&UNOWNED);
        if !fields.is_empty() {
            let repeated = !changed && before == fields;
            let mut entry = Entry::new(self, self.manager, true, fields);
            if let Some(previous) = previous.filter(|e| repeated && e.api_version == self.api_version) {
                entry.time = previous.time;
            }
            managed.join(self, entry);
        }
        Ok((new, managed))
    }

    /// A set of version `from` in the request's version.
    fn here(&self, from: &str, set: Set) -> Option<Set> {
        if from == self.api_version { Some(set) } else { (self.convert)(from, self.api_version, set) }
    }

    /// A set of the request's version in version `to`.
    fn there(&self, to: &str, set: &Set) -> Option<Set> {
        (self.convert)(self.api_version, to, set.clone())
    }
}

#[cfg(test)]
mod tests;
