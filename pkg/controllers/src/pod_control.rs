//! Pods made, deleted, adopted and released on behalf of an owner: what every controller that owns pods shares.
//!
//! Creations and deletions that the informer has not shown yet are *expected* and counted, so that a second run does
//! not repeat them. What is done is told in events about the owner; what went wrong is told and returned.

mod expect;

use std::sync::Arc;

use knarr_api::{Meta, Object, Reason, Status, Value, value, value::to_value};
use knarr_client::{
    ApiExt as _, Change, Key, PatchKind, Request, Resource, Verb,
    events::{ObjectRef, Type},
    resources::PODS,
};

use crate::{
    Context,
    context::{Again, reference},
    pod::Pod,
    steps::controlled_by,
};
use expect::Expectations;

/// The owner in whose name something is done.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) key: &'a Key,
    pub(crate) meta: &'a Meta,
}

/// A projection of a pod: controllers that need more than [`Pod`] have their own.
pub(crate) trait OwnedPod: Send + Sync + 'static {
    /// Namespace and name.
    fn key(&self) -> &Key;
    /// Its metadata.
    fn meta(&self) -> &Meta;
}

impl OwnedPod for Pod {
    fn key(&self) -> &Key {
        &self.key
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

/// The hands of one controller.
pub(crate) struct PodControl {
    cx: Context,
    /// The kind of the owners.
    kind: Resource,
    /// A finalizer that the owner's pods carry while it has them.
    finalizer: Option<&'static str>,
    expected: Expectations,
}

impl PodControl {
    /// For owners of one kind.
    pub(crate) fn new(cx: &Context, kind: &Resource) -> Arc<Self> {
        Arc::new(Self { cx: cx.clone(), kind: kind.clone(), finalizer: None, expected: Expectations::default() })
    }

    /// For owners whose pods carry a finalizer: it comes with adoption and goes with release.
    pub(crate) fn with_finalizer(cx: &Context, kind: &Resource, finalizer: &'static str) -> Arc<Self> {
        let expected = Expectations::default();
        Arc::new(Self { cx: cx.clone(), kind: kind.clone(), finalizer: Some(finalizer), expected })
    }

    /// Notes what a pod's change answers and wakes its owners; `orphan` is told of pods that belong to nobody.
    pub(crate) fn observe<P: OwnedPod>(
        &self,
        change: &Change<'_, P>,
        mut wake: impl FnMut(Key),
        mut orphan: impl FnMut(&P),
    ) {
        for pod in [change.old, change.new].into_iter().flatten() {
            match pod.meta().controller() {
                Some(owner) if *owner.kind == *self.kind.kind => {
                    let key = Key::new(&change.key.namespace, &owner.name);
                    if change.old.is_none() {
                        self.expected.created(&key, &change.key.name);
                    }
                    if change.new.is_none_or(|p| p.meta().deleted.is_some()) {
                        self.expected.deleted(&key, &change.key.name);
                    }
                    wake(key);
                }
                Some(_) => {}
                None => orphan(pod),
            }
        }
    }

    /// Whether the informer has shown all that was done for `owner`.
    pub(crate) fn is_settled(&self, owner: &Key) -> bool {
        self.expected.are_met(owner)
    }

    /// When to look again at an owner that is not settled, should the informer never answer.
    pub(crate) fn patience(&self, owner: &Key) -> Again {
        self.expected.patience(owner)
    }

    /// The owner is gone.
    pub(crate) fn forget(&self, owner: &Key) {
        self.expected.forget(owner);
    }

    /// The owner's present pod template as a pod without a name. Read when needed: projections do not keep templates.
    pub(crate) async fn template(&self, owner: Owner<'_>) -> Result<Value, Status> {
        let live = self.cx.api.get(&self.kind, &owner.key.namespace, &owner.key.name).await?;
        let tree: serde_json::Value = live.decode().map_err(Status::internal)?;
        self.pod(owner, &tree["spec"]["template"])
    }

    /// A pod of `owner` as a template describes it. Names in the template count for nothing.
    pub(crate) fn pod(&self, owner: Owner<'_>, template: &serde_json::Value) -> Result<Value, Status> {
        let mut pod = to_value(template).map_err(Status::internal)?;
        for field in ["name", "generateName", "namespace", "creationTimestamp"] {
            pod.remove(&["metadata", field]);
        }
        pod.set(&["apiVersion"], "v1");
        pod.set(&["kind"], "Pod");
        pod.set(&["metadata", "ownerReferences"], controlled_by(&self.kind, &owner.key.name, &owner.meta.uid));
        Ok(pod)
    }

    /// Creates a pod; `seen` says whether the informer shows it.
    pub(crate) async fn create(
        &self,
        owner: Owner<'_>,
        body: Value,
        seen: impl Fn(&Key) -> bool,
    ) -> Result<Object, Status> {
        match self.make(owner, body, seen).await {
            Ok(pod) => {
                self.tell(owner, Type::Normal, "SuccessfulCreate", format!("Created pod: {}", pod.name()));
                Ok(pod)
            }
            Err(e) => {
                // A namespace on its way out takes its owner along: nobody needs to hear of it.
                if !namespace_terminates(&e) {
                    self.tell(owner, Type::Warning, "FailedCreate", format!("Error creating: {e}"));
                }
                Err(e)
            }
        }
    }

    /// Creates a pod without a word: for owners that have words of their own.
    pub(crate) async fn make(
        &self,
        owner: Owner<'_>,
        body: Value,
        seen: impl Fn(&Key) -> bool,
    ) -> Result<Object, Status> {
        let pod = self.cx.api.create(&PODS, &owner.key.namespace, body).await?;
        self.expected.creation(owner.key, pod.name(), seen);
        Ok(pod)
    }

    /// Deletes a pod if it is still the one meant. That it is gone already is no error.
    pub(crate) async fn delete(&self, owner: Owner<'_>, key: &Key, uid: &str) -> Result<(), Status> {
        match self.remove(owner, key, uid).await {
            Ok(true) => self.tell(owner, Type::Normal, "SuccessfulDelete", format!("Deleted pod: {}", key.name)),
            Ok(false) => {}
            Err(e) => {
                self.tell(owner, Type::Warning, "FailedDelete", format!("Error deleting: {e}"));
                return Err(e);
            }
        }
        Ok(())
    }

    /// Deletes a pod without a word; whether it was still there.
    pub(crate) async fn remove(&self, owner: Owner<'_>, key: &Key, uid: &str) -> Result<bool, Status> {
        self.expected.deletion(owner.key, &key.name);
        match self.cx.delete(&PODS, key, uid).await {
            Ok(()) => Ok(true),
            Err(e) => {
                self.expected.deleted(owner.key, &key.name);
                if e.is(Reason::NotFound) || e.is(Reason::Conflict) { Ok(false) } else { Err(e) }
            }
        }
    }

    /// Of `pods` those that are `owner`'s: orphans that `matches` selects are adopted, its own that it no longer
    /// selects are released. An owner that is being deleted keeps what it has and takes nothing more.
    pub(crate) async fn claim<P: OwnedPod>(
        &self,
        owner: Owner<'_>,
        pods: impl IntoIterator<Item = Arc<P>>,
        matches: impl Fn(&P) -> bool,
    ) -> Result<Vec<Arc<P>>, Status> {
        let going = owner.meta.deleted.is_some();
        let mut confirmed = false;
        let mut out = Vec::new();
        for pod in pods {
            match pod.meta().controller() {
                Some(controller) if controller.uid != owner.meta.uid => {}
                Some(_) if matches(&pod) => out.push(pod),
                Some(_) if going => {}
                Some(_) => self.release(owner, &*pod).await?,
                None if going || pod.meta().deleted.is_some() || !matches(&pod) => {}
                None => {
                    if !confirmed {
                        self.confirm(owner).await?;
                        confirmed = true;
                    }
                    if self.adopt(owner, &*pod).await? {
                        out.push(pod);
                    }
                }
            }
        }
        Ok(out)
    }

    /// Before the first adoption the owner is read from the API: an informer that lags must not make pods the
    /// property of an owner that is gone.
    async fn confirm(&self, owner: Owner<'_>) -> Result<(), Status> {
        let live = self.cx.api.get(&self.kind, &owner.key.namespace, &owner.key.name).await?;
        if live.meta().uid != owner.meta.uid || live.meta().deleted.is_some() {
            return Err(Status::conflict(&self.kind.group, &self.kind.plural, &owner.key.name, "the owner is gone"));
        }
        Ok(())
    }

    async fn adopt<P: OwnedPod>(&self, owner: Owner<'_>, pod: &P) -> Result<bool, Status> {
        let mut metadata = value!({
            "uid": &*pod.meta().uid,
            "ownerReferences": controlled_by(&self.kind, &owner.key.name, &owner.meta.uid),
        });
        if let Some(finalizer) = self.finalizer {
            metadata.set(&["finalizers"], [Value::from(finalizer)]);
        }
        self.change(pod, metadata).await
    }

    async fn release<P: OwnedPod>(&self, owner: Owner<'_>, pod: &P) -> Result<(), Status> {
        let mut metadata = value!({
            "uid": &*pod.meta().uid,
            "ownerReferences": [{ "$patch": "delete", "uid": &*owner.meta.uid }],
        });
        if let Some(finalizer) = self.finalizer {
            metadata.set(&["$deleteFromPrimitiveList/finalizers"], [Value::from(finalizer)]);
        }
        self.change(pod, metadata).await.map(drop)
    }

    /// Changes the metadata of a pod that is still the one meant; whether it was.
    async fn change<P: OwnedPod>(&self, pod: &P, metadata: Value) -> Result<bool, Status> {
        let request = Request::new(Verb::Patch(PatchKind::Strategic), &PODS)
            .namespace(&pod.key().namespace)
            .name(&pod.key().name)
            .body(value!({ "metadata": metadata }));
        match self.cx.api.call(request).await {
            Ok(_) => Ok(true),
            Err(e) if e.is(Reason::NotFound) || e.is(Reason::Conflict) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Tells something about the owner.
    pub(crate) fn tell(&self, owner: Owner<'_>, kind: Type, reason: &str, message: String) {
        self.cx.recorder.event(&self.about(owner), kind, reason, message);
    }

    fn about(&self, owner: Owner<'_>) -> ObjectRef {
        reference(&self.kind, owner.key, &owner.meta.uid)
    }
}

/// Whether a create failed because its namespace is being deleted.
pub(crate) fn namespace_terminates(e: &Status) -> bool {
    e.details().is_some_and(|d| d.causes.iter().any(|c| c.reason == "NamespaceTerminating"))
}

#[cfg(test)]
mod tests;
