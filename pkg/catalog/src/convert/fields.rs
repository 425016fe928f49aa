//! Field sets between the faces of a resource.

use knarr_api::{
    Str,
    fields::{Element, Set},
};

use crate::{Convert, Face, Resource};

/// A member that has another place in another face.
#[derive(Clone, Copy, Debug)]
pub struct Rename {
    /// Path in the storage face.
    pub storage: &'static [&'static str],
    /// Path in the other face.
    pub face: &'static [&'static str],
    /// The two differ inside: what is owned below one is ownership of the whole other.
    pub whole: bool,
}

impl Rename {
    /// Something that only has another name.
    pub(super) const fn name(storage: &'static [&'static str], face: &'static [&'static str]) -> Self {
        Self { storage, face, whole: false }
    }

    /// Something told otherwise.
    pub(super) const fn whole(storage: &'static [&'static str], face: &'static [&'static str]) -> Self {
        Self { storage, face, whole: true }
    }
}

impl Resource {
    /// Carries a field set from the face at `apiVersion` `from` to the one at `to`; `None` where one of them is not
    /// served.
    pub fn convert_fields(&self, from: &str, to: &str, set: Set) -> Option<Set> {
        let from = self.faces.iter().find(|f| serves(f, from))?;
        let to = self.faces.iter().find(|f| serves(f, to))?;
        let stored = rename(renames(from), set, |r| (r.face, r.storage));
        Some(rename(renames(to), stored, |r| (r.storage, r.face)))
    }
}

fn serves(face: &Face, api_version: &str) -> bool {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    face.group == group && face.version == version
}

fn renames(face: &Face) -> &'static [Rename] {
    match &face.convert {
        Convert::Identity => &[],
        Convert::Functions { fields, .. } => fields,
    }
}

type Paths = (&'static [&'static str], &'static [&'static str]);

fn rename(renames: &[Rename], set: Set, direction: impl Fn(&Rename) -> Paths) -> Set {
    if renames.is_empty() {
        return set;
    }
    let mut out = Set::new();
    set.each(&mut |path| match renames.iter().find(|r| starts(path, direction(r).0)) {
        None => out.insert(path),
        Some(rename) => {
            let (old, new) = direction(rename);
            let rest = if rename.whole { &[] } else { &path[old.len()..] };
            let new = new.iter().map(|name| Element::Field(Str::from(*name)));
            out.insert(&new.chain(rest.iter().cloned()).collect::<Vec<_>>());
        }
    });
    out
}

fn starts(path: &[Element], names: &[&str]) -> bool {
    let same = |(element, name): (&Element, &&str)| matches!(element, Element::Field(field) if field == *name);
    path.len() >= names.len() && path.iter().zip(names).all(same)
}
