//! Conflicts and their words.

use std::collections::BTreeMap;

use super::managers::Entry;
use crate::{
    Reason, Status, Str,
    fields::{Element, Path},
    status::Cause,
};

/// A field that another manager holds with another value.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The manager, as messages name it: `"kubectl" using apps/v1`.
    pub manager: Str,
    /// The field.
    pub path: Box<[Element]>,
}

impl Conflict {
    pub(super) fn new(entry: &Entry, path: &[Element]) -> Self {
        let mut manager = format!("{:?}", entry.manager.as_str());
        if !entry.subresource.is_empty() {
            manager += &format!(" with subresource {:?}", entry.subresource.as_str());
        }
        if !entry.apply {
            manager += &format!(" using {}", entry.api_version);
        }
        Self { manager: manager.into(), path: path.into() }
    }
}

pub(super) fn message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", only.manager, Path(&only.path));
    }
    let mut by_manager: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for c in conflicts {
        by_manager.entry(&c.manager).or_default().push(format!("- {}", Path(&c.path)));
    }
    let lines: Vec<String> = by_manager
        .into_iter()
        .flat_map(|(manager, paths)| std::iter::once(format!("conflicts with {manager}:")).chain(paths))
        .collect();
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

pub(super) fn status(conflicts: &[Conflict]) -> Status {
    Status::new(Reason::Conflict, message(conflicts)).with_causes(conflicts.iter().map(|c| Cause {
        reason: "FieldManagerConflict".into(),
        message: format!("conflict with {}", c.manager),
        field: Path(&c.path).to_string(),
    }))
}
