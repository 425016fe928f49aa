//! Resources whose objects are computed for every answer: nothing is stored, nothing can be watched.
//!
//! Such a resource is a row of the catalogue like any other (names, schema, columns, verbs `get` and `list`), so that
//! discovery, OpenAPI, tables, selectors and encodings know it; only its objects come from a [`Source`].

use async_trait::async_trait;
use bytes::Bytes;
use knarr_api::{Object, Status, Value};
use knarr_client::{Request, Verb};

use super::{Answer, Body, Listing, Registry, document, entry::Target, selection::Selection, write::required_name};

/// Where the objects of a resource come from.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// One object, under the storage face.
    ///
    /// # Errors
    /// What the API answers instead; `NotFound` where there is none.
    async fn get(&self, namespace: &str, name: &str) -> Result<Value, Status>;

    /// The objects of a namespace (empty: of all) that `wanted` takes, by namespace and name. `wanted` looks at name,
    /// namespace and labels: a source that measures asks it about what is to be measured first.
    ///
    /// # Errors
    /// What the API answers instead.
    async fn list(&self, namespace: &str, wanted: Wanted<'_>) -> Result<Vec<Value>, Status>;
}

/// Whether an object of these names and labels is asked for.
pub type Wanted<'a> = &'a (dyn Fn(&Object) -> bool + Send + Sync);

impl Registry {
    /// Says where the objects of a resource come from, for the time this registry lives.
    pub fn compute(&self, group: &str, plural: &str, source: std::sync::Arc<dyn Source>) {
        self.sources.write().insert((group.into(), plural.into()), source);
    }

    pub(super) fn source(&self, target: &Target) -> Option<std::sync::Arc<dyn Source>> {
        let key = (target.entry.group().into(), target.plural().into());
        self.sources.read().get(&key).cloned()
    }

    pub(super) async fn computed(
        &self,
        source: &dyn Source,
        target: &Target,
        request: &Request,
    ) -> Result<Answer, Status> {
        let namespace = if target.entry.resource.namespaced { request.namespace.as_str() } else { "" };
        if request.verb == Verb::Get {
            let tree = source.get(namespace, required_name(request)?).await?;
            return Ok(Answer::of(Body::Object(present(target, tree)?)));
        }
        let selection = Selection::parse(&target.entry, &request.options)?;
        let trees = source.list(namespace, &|object| selection.matches(object)).await?;
        let items = trees.into_iter().map(|tree| present(target, tree)).collect::<Result<_, _>>()?;
        Ok(Answer::of(Body::List(Listing { items, revision: self.storage.revision(), ..Listing::default() })))
    }
}

fn present(target: &Target, mut tree: Value) -> Result<Object, Status> {
    document::to_face(target, &mut tree);
    let json: Bytes = document::encode(target.served(), &tree);
    Object::from_json(json).map_err(Status::internal)
}
