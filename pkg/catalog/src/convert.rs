//! Conversions of resources that are served in more than one shape.
//!
//! A conversion is a pair of functions on trees, and a list of the members that change their name, which carries the
//! field sets of `metadata.managedFields` over. The trees come out canonical for the other face; `apiVersion` and
//! `kind` are the caller's.

mod autoscaler;
mod event;
mod fields;
mod metric;

use crate::Convert;

pub use fields::Rename;

/// The faces of a resource beside the stored one: (group, version, conversion).
pub(crate) fn other_faces(group: &str, plural: &str) -> impl Iterator<Item = (&'static str, &'static str, Convert)> {
    let face = match (group, plural) {
        ("", "events") => Some(("events.k8s.io", "v1", event::CONVERT)),
        ("autoscaling", "horizontalpodautoscalers") => Some(("autoscaling", "v1", autoscaler::CONVERT)),
        _ => None,
    };
    face.into_iter()
}

#[cfg(test)]
mod tests;
