//! NodeRestriction: a node touches only what belongs to it. NodeTaints: a new node starts out not ready.
//!
//! Authorization has already refused whole resources to nodes; here the *contents* of what they may write are
//! checked against the node's name. The name comes from the identity (`system:node:<name>` in `system:nodes`), never
//! from the object.

use knarr_api::{Status, Value, value};

use super::{Attributes, Operation, Plugin};
use crate::User;

/// See the module.
pub struct NodeRestriction;

/// See the module.
pub struct NodeTaints;

const MIRROR: &str = "kubernetes.io/config.mirror";

/// The node a user is: `None` for users that are no nodes, `""` for one in the group without a node's name.
pub(crate) fn identity(user: &User) -> Option<&str> {
    user.is_in("system:nodes").then(|| user.name.strip_prefix("system:node:").unwrap_or_default())
}

impl Plugin for NodeRestriction {
    fn name(&self) -> &'static str {
        "NodeRestriction"
    }

    fn mutate(&self, a: &Attributes<'_>, object: &mut Value) -> Result<(), Status> {
        restrict(a, Some(object))
    }

    fn validate(&self, a: &Attributes<'_>, object: Option<&Value>) -> Result<(), Status> {
        if a.operation == Operation::Delete { restrict(a, object) } else { Ok(()) }
    }
}

fn restrict(a: &Attributes<'_>, object: Option<&Value>) -> Result<(), Status> {
    let Some(node) = identity(&a.caller.user) else { return Ok(()) };
    if node.is_empty() {
        return Err(a.forbid(&format!("could not determine node from user {:?}", a.caller.user.name)));
    }
    let entry = &a.target.entry;
    match (entry.group(), entry.resource.plural.as_str(), a.target.sub_name()) {
        ("", "pods", sub) => pod(a, node, sub, object),
        ("", "nodes", _) => own_node(a, node, object),
        ("", "persistentvolumeclaims", "status") => Ok(()),
        ("", "persistentvolumeclaims", _) => Err(a.forbid("may only update PVC status")),
        ("", "serviceaccounts", "token") => token(a, node, object),
        ("coordination.k8s.io", "leases", _) => lease(a, node),
        ("discovery.k8s.io", "endpointslices", _) => own_slice(a, node, object),
        ("storage.k8s.io", "csinodes", _) if a.name != node => {
            Err(a.forbid(&format!("node {node:?} is not allowed to modify CSINode {:?}", a.name)))
        }
        _ => Ok(()),
    }
}

fn pod(a: &Attributes<'_>, node: &str, sub: &str, object: Option<&Value>) -> Result<(), Status> {
    let bound_to = |pod: Option<&Value>| pod.map_or("", |p| p.str_at(&["spec", "nodeName"])) == node;
    match (sub, a.operation) {
        ("", Operation::Create) => object.map_or(Ok(()), |pod| mirror_pod(a, node, pod)),
        ("", Operation::Delete) if bound_to(a.old) => Ok(()),
        ("", Operation::Delete) => {
            Err(a.forbid(&format!("node {node:?} can only delete pods with spec.nodeName set to itself")))
        }
        ("", Operation::Update) => Err(
            a.forbid(&format!("unexpected operation \"UPDATE\", node {node:?} can only create and delete mirror pods"))
        ),
        ("status", _) if !bound_to(a.old) => {
            Err(a
                .forbid(&format!("node {node:?} can only update pod status for pods with spec.nodeName set to itself")))
        }
        ("status", _) => {
            let labels = |pod: Option<&Value>| {
                let labels = pod.and_then(|p| p.at(&["metadata", "labels"])).and_then(Value::as_object);
                labels.filter(|m| !m.is_empty()).cloned()
            };
            if labels(a.old) == labels(object) {
                return Ok(());
            }
            Err(a.forbid(&format!("node {node:?} cannot update labels through pod status")))
        }
        ("eviction", _) if bound_to(a.old) => Ok(()),
        ("eviction", _) => Err(a.forbid(&format!("node {node} can only evict pods with spec.nodeName set to itself"))),
        (sub, _) => {
            Err(a.forbid(&format!("unexpected pod subresource {sub:?}, only 'status' and 'eviction' are allowed")))
        }
    }
}

/// Nodes create pods only to show what they run from manifests of their own.
fn mirror_pod(a: &Attributes<'_>, node: &str, pod: &Value) -> Result<(), Status> {
    if pod.at(&["metadata", "annotations", MIRROR]).is_none() {
        return Err(
            a.forbid(&format!("pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"))
        );
    }
    if pod.str_at(&["spec", "nodeName"]) != node {
        return Err(a.forbid(&format!("node {node:?} can only create pods with spec.nodeName set to itself")));
    }
    let [owner] = pod.list_at(&["metadata", "ownerReferences"]) else {
        return Err(a.forbid(&format!("node {node:?} can only create pods with an owner reference set to itself")));
    };
    if (owner.str_at(&["apiVersion"]), owner.str_at(&["kind"]), owner.str_at(&["name"])) != ("v1", "Node", node) {
        return Err(a.forbid(&format!("node {node:?} can only create pods with an owner reference set to itself")));
    }
    if owner.get("controller").and_then(Value::as_bool) != Some(true) {
        let why = format!("node {node:?} can only create pods with a controller owner reference set to itself");
        return Err(a.forbid(&why));
    }
    if owner.get("blockOwnerDeletion").and_then(Value::as_bool) == Some(true) {
        return Err(a.forbid(&format!("node {node:?} must not set blockOwnerDeletion on an owner reference")));
    }
    let Some(own) = a.view.get("", "nodes", "", node) else { return Err(Status::not_found("", "nodes", node)) };
    let (given, uid) = (owner.str_at(&["uid"]), &*own.meta().uid);
    if given != uid {
        return Err(a.forbid(&format!("node {node} UID mismatch: expected {given} got {uid}")));
    }
    for volume in pod.list_at(&["spec", "volumes"]) {
        for (kind, plural) in
            [("secret", "secrets"), ("configMap", "configmaps"), ("persistentVolumeClaim", "persistentvolumeclaims")]
        {
            if volume.get(kind).is_some() {
                return Err(a.forbid(&format!("node {node:?} can not create pods that reference {plural}")));
            }
        }
    }
    Ok(())
}

fn own_node(a: &Attributes<'_>, node: &str, object: Option<&Value>) -> Result<(), Status> {
    let name = if a.name.is_empty() { object.map_or("", |o| o.str_at(&["metadata", "name"])) } else { a.name };
    if name != node {
        return Err(a.forbid(&format!("node {node:?} is not allowed to modify node {name:?}")));
    }
    let (Some(new), old) = (object, a.old) else { return Ok(()) };
    let changed = |path: &[&str]| old.is_some_and(|old| old.at(path) != new.at(path));
    if a.operation == Operation::Update && changed(&["spec", "taints"]) {
        return Err(a.forbid(&format!("node {node:?} is not allowed to modify taints")));
    }
    if a.operation == Operation::Update && changed(&["metadata", "ownerReferences"]) {
        return Err(a.forbid(&format!("node {node:?} is not allowed to modify ownerReferences")));
    }
    let labels = new.at(&["metadata", "labels"]).and_then(Value::as_object);
    let before = |key: &str| old.and_then(|o| o.at(&["metadata", "labels", key]));
    let mut forbidden: Vec<&str> = labels
        .into_iter()
        .flat_map(|m| m.iter())
        .filter(|(key, value)| !may_label(key) && before(key) != Some(value))
        .map(|(key, _)| key)
        .collect();
    let gone = old.and_then(|o| o.at(&["metadata", "labels"])).and_then(Value::as_object);
    let gone = gone.into_iter().flat_map(|m| m.keys());
    forbidden.extend(gone.filter(|key| !may_label(key) && labels.is_none_or(|m| !m.contains(key))));
    forbidden.sort_unstable();
    match (forbidden.is_empty(), a.operation) {
        (true, _) => Ok(()),
        (false, Operation::Create) => {
            Err(a
                .forbid(&format!("node {node:?} is not allowed to set the following labels: {}", forbidden.join(", "))))
        }
        (false, _) => Err(a.forbid(&format!("is not allowed to modify labels: {}", forbidden.join(", ")))),
    }
}

/// Labels of Kubernetes' own domains are the administrator's, except those a node describes itself with.
fn may_label(key: &str) -> bool {
    let Some((domain, _)) = key.split_once('/') else { return true };
    let within = |suffix: &str| domain == suffix || domain.ends_with(&format!(".{suffix}"));
    if within("node-restriction.kubernetes.io") {
        return false;
    }
    if !within("kubernetes.io") && !within("k8s.io") {
        return true;
    }
    const OWN: [&str; 11] = [
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    ];
    OWN.contains(&key) || within("kubelet.kubernetes.io") || within("node.kubernetes.io")
}

fn lease(a: &Attributes<'_>, node: &str) -> Result<(), Status> {
    if a.namespace != "kube-node-lease" {
        return Err(a.forbid("can only access leases in the \"kube-node-lease\" system namespace"));
    }
    if a.name != node {
        return Err(a.forbid(&format!(
            "can only access node lease with the same name as the requesting node (lease name: {:?}, node name: {node:?})",
            a.name
        )));
    }
    Ok(())
}

/// A node tells where its own DNS is, and nothing about anybody else's endpoints.
fn own_slice(a: &Attributes<'_>, node: &str, object: Option<&Value>) -> Result<(), Status> {
    let own = |slice: &Value| {
        slice
            .list_at(&["metadata", "ownerReferences"])
            .iter()
            .any(|o| o.str_at(&["kind"]) == "Node" && o.str_at(&["name"]) == node)
            && slice.list_at(&["endpoints"]).iter().all(|e| e.str_at(&["nodeName"]) == node)
    };
    match a.old.into_iter().chain(object).all(own) {
        true => Ok(()),
        false => Err(a.forbid(&format!("node {node:?} may only write EndpointSlices of its own endpoints"))),
    }
}

/// A node asks for tokens on behalf of pods it runs.
fn token(a: &Attributes<'_>, node: &str, request: Option<&Value>) -> Result<(), Status> {
    let bound = request.and_then(|r| r.at(&["spec", "boundObjectRef"]));
    let Some(bound) = bound.filter(|b| b.str_at(&["kind"]) == "Pod") else {
        return Err(a.forbid("node requested token not bound to a pod"));
    };
    let uid = bound.str_at(&["uid"]);
    if uid.is_empty() {
        return Err(a.forbid("node requested token with a pod binding without a uid"));
    }
    let name = bound.str_at(&["name"]);
    let Some(pod) = a.view.get("", "pods", a.namespace, name) else {
        return Err(Status::not_found("", "pods", name));
    };
    if *pod.meta().uid != *uid {
        return Err(a.forbid(&format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have \
             been deleted and then recreated"
        )));
    }
    let pod: Value = pod.decode().map_err(Status::internal)?;
    if pod.str_at(&["spec", "nodeName"]) != node {
        return Err(a.forbid("node requested token bound to a pod scheduled on a different node"));
    }
    Ok(())
}

impl Plugin for NodeTaints {
    fn name(&self) -> &'static str {
        "TaintNodesByCondition"
    }

    fn mutate(&self, a: &Attributes<'_>, node: &mut Value) -> Result<(), Status> {
        if a.operation != Operation::Create || !a.is("", "nodes") {
            return Ok(());
        }
        let taint = value!({ "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" });
        let have = node.list_at(&["spec", "taints"]);
        let same = |t: &Value| ["key", "effect"].into_iter().all(|k| t.str_at(&[k]) == taint.str_at(&[k]));
        if !have.iter().any(same) {
            let all = [have, &[taint]].concat();
            node.set(&["spec", "taints"], all);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_node() {
        let table = [
            ("a", true),
            ("example.com/a", true),
            ("kubernetes.io/hostname", true),
            ("x.kubelet.kubernetes.io/a", true),
            ("node.kubernetes.io/a", true),
            ("kubernetes.io/a", false),
            ("node-role.kubernetes.io/control-plane", false),
            ("x.node-restriction.kubernetes.io/a", false),
        ];
        for (key, may) in table {
            assert_eq!(may_label(key), may, "{key}");
        }
    }

    #[test]
    fn who_is_a_node() {
        assert_eq!(identity(&User::new("system:node:a", &["system:nodes"])), Some("a"));
        assert_eq!(identity(&User::new("eve", &["system:nodes"])), Some(""));
        assert_eq!(identity(&User::new("system:node:a", &[])), None);
    }
}
