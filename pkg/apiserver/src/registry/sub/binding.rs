//! `pods/binding`: the scheduler's word for "this pod runs there".

use knarr_api::{
    Status, Value,
    field::{Error, Path},
    status::Details,
};
use knarr_store::{Class, Op};

use crate::registry::{
    Answer, Body, Registry,
    document::{decode, draft},
    metadata, rules,
    write::{ATTEMPTS, Failure, Write},
};

impl Registry {
    /// Sets the node of a pod that has none. `write.target` is the pod or the binding.
    pub(in crate::registry) async fn bind(
        &self,
        write: &Write<'_>,
        name: &str,
        binding: &Value,
    ) -> Result<Answer, Status> {
        let given = metadata::name(binding);
        if !given.is_empty() && given != name {
            return Err(Status::bad_request("name in URL does not match name in Binding object"));
        }
        check(name, binding)?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match self.bind_once(write, name, binding).await {
                Ok(()) => return Ok(Answer::made(Body::Success(Details::default()))),
                Err(Failure::Raced(status)) => last = Some(status),
                Err(Failure::Refused(status)) => return Err(status),
            }
        }
        Err(last.unwrap_or_else(|| write.target.stale(name)))
    }

    async fn bind_once(&self, write: &Write<'_>, name: &str, binding: &Value) -> Result<(), Failure> {
        let resources = self.resources();
        let missing = || Status::not_found("", "pods", name);
        let entry = resources.named("", "pods").ok_or_else(missing)?;
        let object = self.storage.get(entry.collection, &write.request.namespace, name).ok_or_else(missing)?;
        let mut pod = decode(&object)?;
        let conflict = |why: String| Status::conflict("", "pods/binding", name, &why);
        let uid = binding.str_at(&["metadata", "uid"]);
        if !uid.is_empty() && uid != &*object.meta().uid {
            let have = &object.meta().uid;
            return Err(conflict(format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {have}"
            ))
            .into());
        }
        if object.meta().deleted.is_some() {
            return Err(conflict(format!("pod {name} is being deleted, cannot be assigned to a host")).into());
        }
        let node = pod.str_at(&["spec", "nodeName"]);
        if !node.is_empty() {
            return Err(conflict(format!("pod {name} is already assigned to node {node:?}")).into());
        }
        if !pod.list_at(&["spec", "schedulingGates"]).is_empty() {
            return Err(conflict(format!("pod {name} has non-empty .spec.schedulingGates")).into());
        }
        pod.set(&["spec", "nodeName"], binding.str_at(&["target", "name"]));
        pod.remove(&["status", "nominatedNodeName"]);
        for map in ["annotations", "labels"] {
            for (key, value) in
                binding.at(&["metadata", map]).and_then(Value::as_object).into_iter().flat_map(|m| m.iter())
            {
                pod.set(&["metadata", map, key], value.clone());
            }
        }
        let mut conditions = pod.list_at(&["status", "conditions"]).to_vec();
        conditions.retain(|c| c.str_at(&["type"]) != "PodScheduled");
        conditions.push(rules::scheduled(&write.time()));
        pod.set(&["status", "conditions"], conditions);
        if write.dry_run() {
            return Ok(());
        }
        let op = Op::Update { collection: entry.collection, expect: object.revision(), draft: draft(entry, &pod)? };
        self.commit(write.target, name, vec![op], Class::Durable).await?;
        Ok(())
    }
}

fn check(name: &str, binding: &Value) -> Result<(), Status> {
    let target = Path::new("target");
    let mut errors = Vec::new();
    let kind = binding.str_at(&["target", "kind"]);
    if !matches!(kind, "" | "Node") {
        errors.push(Error::not_supported(&target.child("kind"), kind, ["Node", "<empty>"]));
    }
    if binding.str_at(&["target", "name"]).is_empty() {
        errors.push(Error::required(&target.child("name"), ""));
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("", "Binding", name, &errors)) }
}
