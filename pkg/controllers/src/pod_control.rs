//! Pods made, deleted, adopted and released on behalf of an owner: what every controller that owns pods shares.
//!
//! Creations and deletions that the informer has not shown yet are *expected* and counted, so that a second run does
//! not repeat them. What is done is told in events about the owner; what went wrong is told and returned.

mod expect;

use std::sync::Arc;

use knarr_api::{Meta, Object, Reason, Status, Value, value::to_value};
use knarr_client::{
    ApiExt as _, Change, Key, Resource,
    events::{ObjectRef, Type},
    resources::PODS,
};

use crate::{
    Context,
    claims::{Claims, Dependent, Owner},
    context::{Again, reference},
    pod::Pod,
    steps::controlled_by,
};
use expect::Expectations;

impl Dependent for Pod {
    fn key(&self) -> &Key {
        &self.key
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

/// The hands of one controller.
pub(crate) struct PodControl {
    claims: Claims,
    expected: Expectations,
}

impl PodControl {
    /// For owners of one kind.
    pub(crate) fn new(cx: &Context, kind: &Resource) -> Arc<Self> {
        Arc::new(Self { claims: Claims::new(cx, kind, &PODS), expected: Expectations::default() })
    }

    /// For owners whose pods carry a finalizer: it comes with adoption and goes with release.
    pub(crate) fn with_finalizer(cx: &Context, kind: &Resource, finalizer: &'static str) -> Arc<Self> {
        let claims = Claims { finalizer: Some(finalizer), ..Claims::new(cx, kind, &PODS) };
        Arc::new(Self { claims, expected: Expectations::default() })
    }

    /// Notes what a pod's change answers and wakes its owners; `orphan` is told of pods that belong to nobody.
    pub(crate) fn observe<P: Dependent>(
        &self,
        change: &Change<'_, P>,
        mut wake: impl FnMut(Key),
        mut orphan: impl FnMut(&P),
    ) {
        for pod in [change.old, change.new].into_iter().flatten() {
            match pod.meta().controller() {
                Some(owner) if *owner.kind == *self.claims.kind.kind => {
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
        let live = self.claims.cx.api.get(&self.claims.kind, &owner.key.namespace, &owner.key.name).await?;
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
        pod.set(&["metadata", "ownerReferences"], controlled_by(&self.claims.kind, &owner.key.name, &owner.meta.uid));
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
        let pod = self.claims.cx.api.create(&PODS, &owner.key.namespace, body).await?;
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
        match self.claims.cx.delete(&PODS, key, uid).await {
            Ok(()) => Ok(true),
            Err(e) => {
                self.expected.deleted(owner.key, &key.name);
                if e.is(Reason::NotFound) || e.is(Reason::Conflict) { Ok(false) } else { Err(e) }
            }
        }
    }

    /// Of `pods` those that are `owner`'s (see [`Claims::claim`]).
    pub(crate) async fn claim<P: Dependent>(
        &self,
        owner: Owner<'_>,
        pods: impl IntoIterator<Item = Arc<P>>,
        matches: impl Fn(&P) -> bool,
    ) -> Result<Vec<Arc<P>>, Status> {
        self.claims.claim(owner, pods, matches).await
    }

    /// Tells something about the owner.
    pub(crate) fn tell(&self, owner: Owner<'_>, kind: Type, reason: &str, message: String) {
        self.claims.cx.recorder.event(&self.about(owner), kind, reason, message);
    }

    fn about(&self, owner: Owner<'_>) -> ObjectRef {
        reference(&self.claims.kind, owner.key, &owner.meta.uid)
    }
}

/// Whether a create failed because its namespace is being deleted.
pub(crate) fn namespace_terminates(e: &Status) -> bool {
    e.details().is_some_and(|d| d.causes.iter().any(|c| c.reason == "NamespaceTerminating"))
}

#[cfg(test)]
mod tests;
