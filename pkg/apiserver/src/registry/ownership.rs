//! Field ownership: the step of a write that keeps `metadata.managedFields` true.
//!
//! Sets of fields are named in the version the request speaks, so the step looks at both trees under the face of the
//! request, whatever is stored.

use knarr_api::{Status, Value, apply, fields::Set};

use super::{
    document::{to_face, to_storage},
    entry::api_version,
    metadata, rules,
    write::Write,
};

/// How a new object came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// As a whole: what it says belongs to the writer.
    Update,
    /// By an apply that has already recorded its owner.
    Apply,
}

/// Records the owner of a new object's fields.
pub(super) fn created(write: &Write<'_>, new: &mut Value, by: By) -> Result<(), Status> {
    if by == By::Update {
        record(write, None, new);
    }
    Ok(())
}

/// Records the owner of what an update changes.
pub(super) fn updated(write: &Write<'_>, old: &Value, new: &mut Value, by: By) {
    if by == By::Update {
        record(write, Some(old), new);
    }
}

/// Merges an applied configuration (under the face of the request) into an object (of the storage face). The result
/// is of the storage face.
pub(super) fn applied(write: &Write<'_>, old: Option<&Value>, config: &Value) -> Result<Value, Status> {
    let live = old.map(|old| {
        let mut live = old.clone();
        to_face(write.target, &mut live);
        live
    });
    let force = write.request.options.force;
    let mut new = with(write, |w| apply::apply(w, live.as_ref(), config, force))?;
    to_storage(write.target, &mut new);
    Ok(new)
}

fn record(write: &Write<'_>, old: Option<&Value>, new: &mut Value) {
    if write.target.face == write.target.entry.resource.storage {
        return with(write, |w| apply::update(w, old, new));
    }
    let face = |tree: &Value| {
        let mut tree = tree.clone();
        to_face(write.target, &mut tree);
        tree
    };
    let mut served = face(new);
    with(write, |w| apply::update(w, old.map(face).as_ref(), &mut served));
    metadata::set(new, "managedFields", served.remove(&["metadata", "managedFields"]));
}

fn with<T>(write: &Write<'_>, run: impl FnOnce(&apply::Write<'_>) -> T) -> T {
    let target = write.target;
    let resets = target.subresource().map_or(&target.entry.resource.resets, |s| &s.resets);
    let paths: Vec<Vec<&str>> = resets.iter().map(|path| path.split('.').collect()).collect();
    let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
    run(&apply::Write {
        ty: target.served().schema.ty(),
        manager: write.manager(),
        api_version: &api_version(target.served()),
        subresource: target.sub_name(),
        time: &write.time(),
        reset: &Set::of(&paths),
        convert: &|from, to, set| target.entry.resource.convert_fields(from, to, set),
    })
}

/// A write that changed nothing but the times in `managedFields` changed nothing.
pub(super) fn only_times_differ(new: &Value, old: &Value) -> bool {
    let strip = |tree: &Value| {
        let mut entries = tree.list_at(&["metadata", "managedFields"]).to_vec();
        for entry in &mut entries {
            entry.remove(&["time"]);
        }
        entries
    };
    let entries = |tree: &Value| Value::Array(strip(tree));
    rules::equal(Some(&entries(new)), Some(&entries(old)))
}
