//! Pods with stable names.

use std::collections::BTreeMap;

use knarr_api::{Meta, Object};
use knarr_client::Key;

use super::model::StatefulSet;
use crate::{
    claims::Dependent,
    history::HASH_LABEL,
    pod::{Phase, Pod},
};

/// The label with a pod's own name, for Services of one pod.
const NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
/// The label with a pod's ordinal.
const INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";

/// A pod with a stable name.
#[derive(Debug, PartialEq)]
pub(super) struct Member {
    pub(super) pod: Pod,
    /// Its owner's name and its number, as its own name says. Pods called otherwise are nobody's members.
    set: Box<str>,
    pub(super) ordinal: u32,
}

impl Dependent for Member {
    fn key(&self) -> &Key {
        &self.pod.key
    }

    fn meta(&self) -> &Meta {
        &self.pod.meta
    }
}

impl Member {
    /// Projects a pod that belongs to a StatefulSet or to nobody.
    pub(super) fn project(object: &Object) -> Option<Self> {
        if object.meta().controller().is_some_and(|c| &*c.kind != "StatefulSet") {
            return None;
        }
        let (set, ordinal) = split(object.name())?;
        Some(Self { pod: Pod::project(object)?, set: set.into(), ordinal })
    }

    /// Whether the set selects it: by labels and by name.
    pub(super) fn belongs_to(&self, set: &StatefulSet) -> bool {
        *self.set == *set.key.name && set.selector.matches(&self.pod.meta)
    }

    /// The name of its revision.
    pub(super) fn revision(&self) -> &str {
        self.pod.meta.label(HASH_LABEL).unwrap_or_default()
    }

    pub(super) fn is_terminating(&self) -> bool {
        self.pod.meta.deleted.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.pod.phase == Phase::Running && self.pod.ready.is_some()
    }

    /// Whether the labels that make it one of its set's members are there.
    pub(super) fn has_identity(&self) -> bool {
        self.pod.meta.label(NAME_LABEL) == Some(&*self.pod.meta.name)
    }
}

/// The parts of `web-3`.
fn split(name: &str) -> Option<(&str, u32)> {
    let (set, ordinal) = name.rsplit_once('-')?;
    let plain = !ordinal.is_empty() && ordinal.bytes().all(|b| b.is_ascii_digit());
    let number: u32 = ordinal.parse().ok().filter(|n| i32::try_from(*n).is_ok())?;
    // `web-03` is not what the set calls its third pod.
    (plain && number.to_string() == ordinal).then_some((set, number))
}

/// The labels of a pod that say which member it is.
pub(super) fn identity(name: &str, ordinal: u32) -> BTreeMap<&'static str, String> {
    BTreeMap::from([(NAME_LABEL, name.to_owned()), (INDEX_LABEL, ordinal.to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ordinals() {
        for (name, want) in [
            ("web-0", Some(("web", 0))),
            ("web-tier-12", Some(("web-tier", 12))),
            ("web", None),
            ("web-", None),
            ("web-x", None),
            ("web-03", None),
            ("web-+3", None),
            ("web-99999999999", None),
        ] {
            assert_eq!(split(name), want, "{name}");
        }
    }
}
