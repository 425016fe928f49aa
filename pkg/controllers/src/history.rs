//! ControllerRevisions: the pod templates an owner had, for rollbacks and for telling its pods apart.
//!
//! StatefulSets and DaemonSets keep their history the same way: one revision for each template, named by a hash of it,
//! numbered in the order in which the templates were the present one. A template that comes back takes up its old
//! revision under a new number, which is all a rollback is.

mod model;
mod plan;

use std::sync::Arc;

use knarr_api::{Object, Reason, Status, Value, value, value::to_value};
use knarr_client::{ApiExt as _, Cache, Key, Resource, WorkQueue, resources::CONTROLLER_REVISIONS};
use knarr_daemon::Tasks;

use crate::{
    Context,
    claims::{Claims, Owner},
    pod::LabelSelector,
    steps::{controlled_by, fingerprint, short_hash},
};
pub(crate) use model::Revision;
use plan::{Next, next};
pub(crate) use plan::{duplicates, oldest};

/// The label that says which revision a pod was made from.
pub(crate) const HASH_LABEL: &str = "controller-revision-hash";
/// Names tried before a revision is given up for now.
const TRIES: i32 = 16;
/// An owner's name is cut to this length in the names of its revisions.
const PREFIX: usize = 223;

/// The history of all owners of one kind.
#[derive(Clone)]
pub(crate) struct History {
    claims: Claims,
    revisions: Arc<Cache<Revision>>,
}

/// The revision of the present template.
pub(crate) struct Present {
    pub(crate) revision: Arc<Revision>,
    /// Names that were taken, so far: part of the hash of new ones.
    pub(crate) collisions: i32,
}

impl History {
    /// Follows the revisions of owners of `kind`, and wakes the owners.
    pub(crate) fn start(
        cx: &Context,
        tasks: &Tasks,
        controller: &str,
        kind: &Resource,
        queue: &Arc<WorkQueue<Key>>,
    ) -> Self {
        let me = Self { claims: Claims::new(cx, kind, &CONTROLLER_REVISIONS), revisions: Cache::new() };
        let (owners, wake) = (kind.kind.clone(), queue.clone());
        let project = move |object: &Object| {
            let owner = object.meta().controller();
            owner.is_none_or(|o| *o.kind == *owners).then(|| Revision::project(object)).flatten()
        };
        cx.follow(tasks, controller, &CONTROLLER_REVISIONS, &me.revisions, project, move |change| {
            for revision in [change.old, change.new].into_iter().flatten() {
                if let Some(owner) = revision.meta.controller() {
                    wake.add(Key::new(&change.key.namespace, &owner.name));
                }
            }
        });
        me
    }

    /// Waits until the present state has been read.
    pub(crate) async fn synced(&self) {
        self.revisions.synced().await;
    }

    /// The revisions of `owner`, oldest first; orphans that it selects are adopted, those it no longer selects released.
    pub(crate) async fn of(&self, owner: Owner<'_>, selector: &LabelSelector) -> Result<Vec<Arc<Revision>>, Status> {
        let all = self.revisions.in_namespace(&owner.key.namespace);
        let mut out = self.claims.claim(owner, all, |r: &Revision| selector.matches(&r.meta)).await?;
        out.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(out)
    }

    /// Makes the revision with the fingerprint `template` the newest of `revisions`.
    pub(crate) async fn settle(
        &self,
        owner: Owner<'_>,
        revisions: &[Arc<Revision>],
        template: &str,
        collisions: i32,
    ) -> Result<Present, Status> {
        let revision = match next(revisions, template) {
            Next::Keep(revision) => revision.clone(),
            Next::Renumber(revision, number) => {
                let body = value!({ "metadata": { "uid": &*revision.meta.uid }, "revision": number });
                let Key { namespace, name } = &revision.key;
                let object = self.claims.cx.api.merge(&CONTROLLER_REVISIONS, namespace, name, "", body).await?;
                projected(&object)?
            }
            Next::Create(number) => return self.create(owner, template, number, collisions).await,
        };
        Ok(Present { revision, collisions })
    }

    async fn create(
        &self,
        owner: Owner<'_>,
        template: &str,
        number: i64,
        mut collisions: i32,
    ) -> Result<Present, Status> {
        let Key { namespace, name } = owner.key;
        let live = self.claims.cx.api.get(&self.claims.kind, namespace, name).await?;
        let tree: serde_json::Value = live.decode().map_err(Status::internal)?;
        if live.meta().uid != owner.meta.uid || fingerprint(&tree["spec"]["template"]) != template {
            return Err(Status::conflict(
                &self.claims.kind.group,
                &self.claims.kind.plural,
                name,
                "the template has changed",
            ));
        }
        let tree = to_value(&tree).map_err(Status::internal)?;
        let prefix = name.get(..PREFIX).unwrap_or(name);
        let owners = controlled_by(&self.claims.kind, name, &owner.meta.uid);
        for _ in 0..TRIES {
            let hash = short_hash(format!("{template}/{collisions}").as_bytes());
            let name = format!("{prefix}-{hash}");
            let body = document(&tree, (&name, &hash), number, owners.clone());
            match self.claims.cx.api.create(&CONTROLLER_REVISIONS, namespace, body).await {
                Ok(made) => return Ok(Present { revision: projected(&made)?, collisions }),
                Err(e) if e.is(Reason::AlreadyExists) => {
                    let there = self.claims.cx.api.get(&CONTROLLER_REVISIONS, namespace, &name).await?;
                    let revision = projected(&there)?;
                    if *revision.template == *template {
                        return Ok(Present { revision, collisions });
                    }
                    collisions += 1;
                }
                Err(e) => return Err(e),
            }
        }
        Err(Status::internal(format!("every name for a revision of {} is taken", owner.key)))
    }

    /// The pod template a revision keeps.
    pub(crate) async fn template(&self, revision: &Key) -> Result<serde_json::Value, Status> {
        let live = self.claims.cx.api.get(&CONTROLLER_REVISIONS, &revision.namespace, &revision.name).await?;
        model::template(&live).ok_or_else(|| Status::internal(format!("revision {revision} has no pod template")))
    }

    /// Deletes revisions.
    pub(crate) async fn forget(&self, revisions: &[Arc<Revision>]) -> Result<(), Status> {
        for revision in revisions {
            match self.claims.cx.delete(&CONTROLLER_REVISIONS, &revision.key, &revision.meta.uid).await {
                Err(e) if !e.is(Reason::NotFound) && !e.is(Reason::Conflict) => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}

fn projected(object: &Object) -> Result<Arc<Revision>, Status> {
    let revision = Revision::project(object).ok_or_else(|| Status::internal("a revision without a template"))?;
    Ok(Arc::new(revision))
}

/// The revision of `owner`'s template: a patch that puts the template back, under the owner's annotations (its change
/// cause among them).
fn document(owner: &Value, (name, hash): (&str, &str), number: i64, owners: Value) -> Value {
    let at = |path: &[&str]| owner.at(path).cloned().unwrap_or_else(Value::object);
    let mut labels = at(&["spec", "template", "metadata", "labels"]);
    labels.set(&[HASH_LABEL], hash);
    let mut template = at(&["spec", "template"]);
    template.set(&["$patch"], "replace");
    value!({
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": at(&["metadata", "annotations"]),
            "ownerReferences": owners,
        },
        "data": { "spec": { "template": template } },
        "revision": number,
    })
}

#[cfg(test)]
mod tests;
