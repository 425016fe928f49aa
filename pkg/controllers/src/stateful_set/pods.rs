//! Carrying out the steps of a plan: claims, members, and what is told of them.

use std::fmt::Display;

use knarr_api::{Reason, Status, Value, value, value::to_value};
use knarr_client::{
    ApiExt as _, Key, PatchKind, Request, Verb,
    events::Type,
    resources::{PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS},
};

use super::{Controller, claims::Owners, member::identity, model::StatefulSet, plan::Step};
use crate::{history::HASH_LABEL, pod_control::namespace_terminates};

impl Controller {
    pub(super) async fn apply(&self, set: &StatefulSet, steps: Vec<Step>) -> Result<(), Status> {
        let ns = &set.key.namespace;
        for step in steps {
            match step {
                Step::Claim { ordinal, claim } => self.make_claim(set, ordinal, &claim).await?,
                Step::Own(owners) => self.own(set, owners).await?,
                Step::Create { ordinal, revision } => {
                    let name = set.pod_name(ordinal);
                    let made = self.make(set, ordinal, &revision).await;
                    self.tell(set, "Create", format_args!("Pod {name}"), "successful", made)?;
                }
                Step::Identify { ordinal, key } => {
                    let mut labels = Value::object();
                    identity(&key.name, ordinal).into_iter().for_each(|(k, v)| labels.set(&[k], v));
                    let body = value!({ "metadata": { "labels": labels } });
                    let done = self.cx.api.merge(&PODS, ns, &key.name, "", body).await.map(drop);
                    self.tell(set, "Update", format_args!("Pod {}", key.name), "successful", done)?;
                }
                Step::Delete { key, uid } => {
                    let done = self.control.remove(set.owner(), &key, &uid).await.map(drop);
                    self.tell(set, "Delete", format_args!("Pod {}", key.name), "successful", done)?;
                }
            }
        }
        Ok(())
    }

    /// Makes a member from its revision.
    async fn make(&self, set: &StatefulSet, ordinal: u32, revision: &str) -> Result<(), Status> {
        let template = self.history.template(&Key::new(&set.key.namespace, revision)).await?;
        let live = self.live(set).await?;
        let name = set.pod_name(ordinal);
        let mut pod = self.control.pod(set.owner(), &template)?;
        pod.set(&["metadata", "name"], name.as_str());
        identity(&name, ordinal).into_iter().for_each(|(k, v)| pod.set(&["metadata", "labels", k], v));
        pod.set(&["metadata", "labels", HASH_LABEL], revision);
        pod.set(&["spec", "hostname"], name.as_str());
        let service = live.str_at(&["spec", "serviceName"]);
        if !service.is_empty() {
            pod.set(&["spec", "subdomain"], service);
        }
        let volumes = volumes(set, ordinal, pod.list_at(&["spec", "volumes"]));
        if !volumes.is_empty() {
            pod.set(&["spec", "volumes"], volumes);
        }
        // The informer may still show an earlier pod of that name: then it is not this one that is seen.
        self.control.make(set.owner(), pod, |key| self.members.get(key).is_some_and(|m| !m.is_terminating())).await?;
        Ok(())
    }

    async fn make_claim(&self, set: &StatefulSet, ordinal: u32, claim: &Key) -> Result<(), Status> {
        let live = self.live(set).await?;
        let templates = live.list_at(&["spec", "volumeClaimTemplates"]);
        let named =
            |t: &&Value| format!("{}-{}", t.str_at(&["metadata", "name"]), set.pod_name(ordinal)) == *claim.name;
        let Some(template) = templates.iter().find(named) else { return Ok(()) };
        let mut body = template.clone();
        body.remove(&["status"]);
        body.set(&["metadata", "name"], claim.name.as_str());
        let labels = live.at(&["spec", "selector", "matchLabels"]).and_then(Value::as_object);
        for (key, value) in labels.into_iter().flat_map(|l| l.iter()) {
            body.set(&["metadata", "labels", key], value.clone());
        }
        let made = self.cx.api.create(&PERSISTENT_VOLUME_CLAIMS, &claim.namespace, body).await.map(drop);
        if made.as_ref().is_err_and(|e| e.is(Reason::AlreadyExists)) {
            return Ok(());
        }
        let what = format!("Claim {} Pod {}", claim.name, set.pod_name(ordinal));
        self.tell(set, "Create", what, "success", made)
    }

    async fn own(&self, set: &StatefulSet, change: Owners) -> Result<(), Status> {
        let Key { namespace, name } = &change.claim;
        if change.conflict {
            let text = format!(
                "PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a managing controller, the \
                 retention policy is ignored for this claim"
            );
            self.control.tell(set.owner(), Type::Warning, "ConflictingController", text);
        }
        let owners = change.owners.iter().map(|o| {
            value!({
                "apiVersion": &*o.api_version,
                "kind": &*o.kind,
                "name": &*o.name,
                "uid": &*o.uid,
                "controller": o.controller,
                "blockOwnerDeletion": o.block_owner_deletion,
            })
        });
        let owners = Value::Array(owners.collect());
        let body = value!({ "metadata": { "uid": &*change.uid, "ownerReferences": owners } });
        let request = Request::new(Verb::Patch(PatchKind::Merge), &PERSISTENT_VOLUME_CLAIMS)
            .namespace(namespace)
            .name(name)
            .body(body);
        self.cx.attempt(request).await.map(drop)
    }

    /// The set as it is now: projections keep neither templates of claims nor the service's name.
    async fn live(&self, set: &StatefulSet) -> Result<Value, Status> {
        let object = self.cx.api.get(&STATEFUL_SETS, &set.key.namespace, &set.key.name).await?;
        if object.meta().uid != set.meta.uid {
            return Err(Status::not_found("apps", "statefulsets", &set.key.name));
        }
        to_value(&object.decode::<serde_json::Value>().map_err(Status::internal)?).map_err(Status::internal)
    }

    /// Tells how something went, and hands its error on.
    fn tell(
        &self,
        set: &StatefulSet,
        verb: &str,
        what: impl Display,
        done: &str,
        result: Result<(), Status>,
    ) -> Result<(), Status> {
        let name = &set.key.name;
        match &result {
            Ok(()) => {
                let text = format!("{verb} {what} in StatefulSet {name} {done}");
                self.control.tell(set.owner(), Type::Normal, &format!("Successful{verb}"), text);
            }
            // An earlier pod is not quite gone, or the namespace is going with all that is in it.
            Err(e) if e.is(Reason::AlreadyExists) || namespace_terminates(e) => {}
            Err(e) => {
                let text = format!("{verb} {what} in StatefulSet {name} failed error: {e}");
                self.control.tell(set.owner(), Type::Warning, &format!("Failed{verb}"), text);
            }
        }
        result
    }
}

/// The volumes of a member: its claims, in place of whatever else has their names, and those of the template.
fn volumes(set: &StatefulSet, ordinal: u32, template: &[Value]) -> Vec<Value> {
    let claims = set.claims.iter().zip(set.claim_keys(ordinal)).map(
        |(volume, claim)| value!({ "name": &**volume, "persistentVolumeClaim": { "claimName": claim.name.as_str() } }),
    );
    let others = template.iter().filter(|v| set.claims.iter().all(|c| **c != *v.str_at(&["name"])));
    claims.chain(others.cloned()).collect()
}
