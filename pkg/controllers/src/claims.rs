//! Whose is what: dependents found by their owner's selector become its own, and are let go where it no longer selects
//! them.
//!
//! Owners of pods, of ReplicaSets and of revisions claim what is theirs in the same way.

use std::sync::Arc;

use knarr_api::{Meta, Status, Value, value};
use knarr_client::{ApiExt as _, Key, PatchKind, Request, Resource, Verb};

use crate::{Context, steps::controlled_by};

/// The owner in whose name something is done.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) key: &'a Key,
    pub(crate) meta: &'a Meta,
}

/// A projection of something that may have an owner.
pub(crate) trait Dependent: Send + Sync + 'static {
    /// Namespace and name.
    fn key(&self) -> &Key;
    /// Its metadata.
    fn meta(&self) -> &Meta;
}

/// Claims of one kind of owners on one kind of dependents.
#[derive(Clone)]
pub(crate) struct Claims {
    pub(crate) cx: Context,
    /// The kind of the owners.
    pub(crate) kind: Resource,
    /// What they own.
    pub(crate) of: Resource,
    /// A finalizer that dependents carry while they have an owner: it comes with adoption and goes with release.
    pub(crate) finalizer: Option<&'static str>,
}

impl Claims {
    /// Of owners of `kind` on objects of `of`, without a finalizer.
    pub(crate) fn new(cx: &Context, kind: &Resource, of: &Resource) -> Self {
        Self { cx: cx.clone(), kind: kind.clone(), of: of.clone(), finalizer: None }
    }

    /// Of `all` those that are `owner`'s: orphans that `matches` selects are adopted, its own that it no longer selects
    /// are released. An owner that is being deleted keeps what it has and takes nothing more.
    pub(crate) async fn claim<P: Dependent>(
        &self,
        owner: Owner<'_>,
        all: impl IntoIterator<Item = Arc<P>>,
        matches: impl Fn(&P) -> bool,
    ) -> Result<Vec<Arc<P>>, Status> {
        let going = owner.meta.deleted.is_some();
        let mut confirmed = false;
        let mut out = Vec::new();
        for it in all {
            match it.meta().controller() {
                Some(controller) if controller.uid != owner.meta.uid => {}
                Some(_) if matches(&it) => out.push(it),
                Some(_) if going => {}
                Some(_) => self.release(owner, &*it).await?,
                None if going || it.meta().deleted.is_some() || !matches(&it) => {}
                None => {
                    if !confirmed {
                        self.confirm(owner).await?;
                        confirmed = true;
                    }
                    if self.adopt(owner, &*it).await? {
                        out.push(it);
                    }
                }
            }
        }
        Ok(out)
    }

    /// Before the first adoption the owner is read from the API: an informer that lags must not make dependents the
    /// property of an owner that is gone.
    async fn confirm(&self, owner: Owner<'_>) -> Result<(), Status> {
        let live = self.cx.api.get(&self.kind, &owner.key.namespace, &owner.key.name).await?;
        if live.meta().uid != owner.meta.uid || live.meta().deleted.is_some() {
            return Err(Status::conflict(&self.kind.group, &self.kind.plural, &owner.key.name, "the owner is gone"));
        }
        Ok(())
    }

    async fn adopt<P: Dependent>(&self, owner: Owner<'_>, it: &P) -> Result<bool, Status> {
        let mut metadata = value!({
            "uid": &*it.meta().uid,
            "ownerReferences": controlled_by(&self.kind, &owner.key.name, &owner.meta.uid),
        });
        if let Some(finalizer) = self.finalizer {
            metadata.set(&["finalizers"], [Value::from(finalizer)]);
        }
        self.change(it, metadata).await
    }

    async fn release<P: Dependent>(&self, owner: Owner<'_>, it: &P) -> Result<(), Status> {
        let mut metadata = value!({
            "uid": &*it.meta().uid,
            "ownerReferences": [{ "$patch": "delete", "uid": &*owner.meta.uid }],
        });
        if let Some(finalizer) = self.finalizer {
            metadata.set(&["$deleteFromPrimitiveList/finalizers"], [Value::from(finalizer)]);
        }
        self.change(it, metadata).await.map(drop)
    }

    /// Changes the metadata of a dependent that is still the one meant; whether it was.
    async fn change<P: Dependent>(&self, it: &P, metadata: Value) -> Result<bool, Status> {
        let request = Request::new(Verb::Patch(PatchKind::Strategic), &self.of)
            .namespace(&it.key().namespace)
            .name(&it.key().name)
            .body(value!({ "metadata": metadata }));
        self.cx.attempt(request).await
    }
}
