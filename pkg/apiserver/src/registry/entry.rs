//! What is served, and what a request is about.

use std::{collections::HashMap, sync::Arc};

use knarr_api::{Reason, Status, Str, status::Details};
use knarr_catalog::{Face, Resource, Subresource, Verbs};
use knarr_client::{Request, Verb};

use super::{
    rules::Special,
    storage::{Collection, Storage},
};

/// A served resource with what the registry needs beside it.
pub struct Entry {
    /// Its description.
    pub resource: Resource,
    pub(super) collection: Collection,
    /// How the canonical JSON of an object begins, by face: `{"kind":"Pod","apiVersion":"v1"`.
    pub(super) heads: Vec<String>,
    pub(super) special: Special,
}

/// Everything served at one moment. Immutable: a change makes a new one.
pub struct ResourceSet {
    builtin: Vec<Resource>,
    entries: Vec<Arc<Entry>>,
    /// (group, version, plural) → entry and face.
    index: HashMap<(Str, Str, Str), (usize, usize)>,
}

/// What a request is about.
#[derive(Clone)]
pub struct Target {
    /// The resource.
    pub entry: Arc<Entry>,
    /// Index of the face asked for.
    pub face: usize,
    /// Index of the subresource, if one is meant.
    pub sub: Option<usize>,
}

impl Entry {
    fn new(storage: &Storage, resource: Resource) -> Self {
        let face = &resource.faces[resource.storage];
        let collection = storage.collection(&face.group, &resource.plural);
        let heads = resource
            .faces
            .iter()
            .map(|f| format!(r#"{{"kind":"{}","apiVersion":"{}""#, resource.kind, api_version(f)))
            .collect();
        Self { collection, heads, special: Special::of(&face.group, &resource.plural), resource }
    }

    /// The group of the storage face.
    pub fn group(&self) -> &str {
        &self.resource.faces[self.resource.storage].group
    }

    /// The face that is stored.
    pub fn storage_face(&self) -> &Face {
        &self.resource.faces[self.resource.storage]
    }

    /// Reviews: answered, never stored.
    pub fn is_virtual(&self) -> bool {
        !self.resource.stored
    }

    /// Whether this is the resource `plural` of `group`.
    pub fn is(&self, group: &str, plural: &str) -> bool {
        self.group() == group && self.resource.plural == plural
    }
}

/// `apps/v1`, or `v1` for core.
pub(super) fn api_version(face: &Face) -> String {
    if face.group.is_empty() { face.version.to_string() } else { format!("{}/{}", face.group, face.version) }
}

impl ResourceSet {
    pub(super) fn new(storage: &Storage, builtin: Vec<Resource>, custom: Vec<Resource>) -> Self {
        let entries: Vec<_> = builtin.iter().cloned().chain(custom).map(|r| Arc::new(Entry::new(storage, r))).collect();
        let mut index = HashMap::new();
        for (i, entry) in entries.iter().enumerate() {
            for (j, face) in entry.resource.faces.iter().enumerate() {
                let key = (face.group.clone(), face.version.clone(), entry.resource.plural.clone());
                index.entry(key).or_insert((i, j)); // built-in ones come first and win
            }
        }
        Self { builtin, entries, index }
    }

    /// All resources, built-in ones first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Resource> {
        self.entries.iter().map(|e| &e.resource)
    }

    pub(super) fn builtin(&self) -> &[Resource] {
        &self.builtin
    }

    /// The resource and face under (group, version, plural).
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<(&Arc<Entry>, usize)> {
        let (entry, face) = *self.index.get(&(group.into(), version.into(), plural.into()))?;
        Some((&self.entries[entry], face))
    }

    /// The resource `plural` of a group, whatever its version.
    pub fn named(&self, group: &str, plural: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|e| e.is(group, plural))
    }

    pub(super) fn target(&self, request: &Request) -> Result<Target, Status> {
        let r = &request.resource;
        let (entry, face) = self.find(&r.group, &r.version, &r.plural).ok_or_else(unknown)?;
        let sub = match request.subresource.as_str() {
            "" => None,
            name => Some(entry.resource.subresources.iter().position(|s| s.name == name).ok_or_else(unknown)?),
        };
        Ok(Target { entry: entry.clone(), face, sub })
    }
}

/// The answer to a path nobody serves.
fn unknown() -> Status {
    Status::new(Reason::NotFound, "the server could not find the requested resource").with_details(Details::default())
}

/// The bit of a verb in [`Verbs`].
pub(super) fn verb_fact(verb: Verb) -> Verbs {
    match verb {
        Verb::Get => Verbs::GET,
        Verb::List => Verbs::LIST,
        Verb::Watch => Verbs::WATCH,
        Verb::Create => Verbs::CREATE,
        Verb::Update => Verbs::UPDATE,
        Verb::Patch(_) => Verbs::PATCH,
        Verb::Delete => Verbs::DELETE,
        Verb::DeleteCollection => Verbs::DELETE_COLLECTION,
    }
}

impl Target {
    /// The face asked for.
    pub fn served(&self) -> &Face {
        &self.entry.resource.faces[self.face]
    }

    /// The subresource asked for.
    pub fn subresource(&self) -> Option<&Subresource> {
        Some(&self.entry.resource.subresources[self.sub?])
    }

    /// Its name, empty for the object itself.
    pub fn sub_name(&self) -> &str {
        self.subresource().map_or("", |s| &s.name)
    }

    pub(super) fn verbs(&self) -> Verbs {
        self.subresource().map_or(self.entry.resource.verbs, |s| s.verbs)
    }

    pub(super) fn plural(&self) -> &str {
        &self.entry.resource.plural
    }

    pub(super) fn group(&self) -> &str {
        &self.served().group
    }

    pub(super) fn not_allowed(&self, verb: Verb) -> Status {
        Status::method_not_allowed(self.group(), self.plural(), verb.word())
    }

    pub(super) fn not_found(&self, name: &str) -> Status {
        Status::not_found(self.group(), self.plural(), name)
    }

    pub(super) fn conflict(&self, name: &str, why: &str) -> Status {
        Status::conflict(self.group(), self.plural(), name, why)
    }

    /// 409 for a change made to an object that is no longer what the client saw.
    pub(super) fn stale(&self, name: &str) -> Status {
        self.conflict(
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 403 as admission words it.
    pub fn forbidden(&self, name: &str, why: &str) -> Status {
        Status::forbidden(self.group(), self.plural(), name, why)
    }

    pub(super) fn invalid(&self, name: &str, errors: &[knarr_api::field::Error]) -> Status {
        Status::invalid(self.group(), &self.entry.resource.kind, name, errors)
    }
}
