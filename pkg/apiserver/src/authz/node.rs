//! The Node authorizer: a node reads what the pods bound to it name, and touches itself.
//!
//! Which pods name what is counted per node by `references`, so a question is one look-up. Where a request could name
//! another node's object only in its body (creating a Lease, patching a pod's status), authorization lets it pass and
//! the NodeRestriction admission plugin looks into the body, as upstream divides the work.

use std::collections::HashMap;

use parking_lot::RwLock;

use super::{
    PolicyRule, defaults,
    references::{Link, PodLinks, Sort, Target, VolumeLinks},
};
use crate::{Attributes, Decision, User};

/// The type of Secrets that hold certificates of servers.
const TLS: &str = "kubernetes.io/tls";

/// The node a user is, if it is one. The name may be empty: then it is a node nobody can tell.
pub(super) fn name_of(user: &User) -> Option<&str> {
    if !user.is_in("system:nodes") {
        return None;
    }
    user.name.strip_prefix("system:node:")
}

#[derive(Default)]
struct State {
    /// Node → what its pods name, and how many of them do.
    nodes: HashMap<String, HashMap<Link, u32>>,
    /// PersistentVolume → its claim and secrets.
    volumes: HashMap<String, VolumeLinks>,
    /// VolumeAttachment → node.
    attachments: HashMap<String, String>,
}

/// See the module.
pub struct NodeGraph {
    state: RwLock<State>,
    rules: Vec<PolicyRule>,
}

impl Default for NodeGraph {
    fn default() -> Self {
        Self { state: RwLock::default(), rules: defaults::node_rules() }
    }
}

impl NodeGraph {
    /// What a node may do; no opinion on anybody else.
    pub fn authorize(&self, user: &User, request: &Attributes<'_>) -> Decision {
        let Some(node) = name_of(user) else { return Decision::Deny(String::new()) };
        if node.is_empty() {
            return Decision::Deny(format!("unknown node for user {:?}", user.name));
        }
        match self.check(node, request) {
            Ok(()) => Decision::Allow(String::new()),
            Err(why) => Decision::Deny(why),
        }
    }

    fn check(&self, node: &str, request: &Attributes<'_>) -> Result<(), String> {
        let Attributes { verb, group, resource, subresource, namespace, name, .. } = *request;
        match (group, resource) {
            ("", "secrets") => self.read(node, Sort::Secret, request),
            ("", "configmaps") => self.read(node, Sort::ConfigMap, request),
            ("", "persistentvolumeclaims") if subresource == "status" => match verb {
                "update" | "patch" => self.related(node, Sort::Claim, namespace, name),
                _ => no("can only get/update/patch this type"),
            },
            ("", "persistentvolumeclaims") => self.get(node, Sort::Claim, request),
            ("", "persistentvolumes") => self.get(node, Sort::Volume, request),
            ("resource.k8s.io", "resourceclaims") => self.get(node, Sort::ResourceClaim, request),
            ("storage.k8s.io", "volumeattachments") => self.get(node, Sort::Attachment, request),
            ("", "serviceaccounts") if verb == "get" && subresource.is_empty() => {
                self.read(node, Sort::ServiceAccount, request)
            }
            ("", "serviceaccounts") => match (verb, subresource) {
                ("create", "token") if !name.is_empty() => self.related(node, Sort::ServiceAccount, namespace, name),
                ("create", _) if !name.is_empty() => no("can only create token subresource of serviceaccount"),
                _ => no("can only create tokens for individual service accounts"),
            },
            ("coordination.k8s.io", "leases") => lease(node, request),
            ("storage.k8s.io", "csinodes") => csi_node(node, request),
            ("", "nodes") => own_node(node, request),
            ("", "pods") => self.pod(node, request),
            _ if self.rules.iter().any(|rule| rule.allows(request)) => Ok(()),
            _ => no(""),
        }
    }

    fn read(&self, node: &str, sort: Sort, request: &Attributes<'_>) -> Result<(), String> {
        match request {
            r if !matches!(r.verb, "get" | "list" | "watch") => no("can only read resources of this type"),
            r if !r.subresource.is_empty() => no("cannot read subresource"),
            // Every node serves the ingress, and with it every certificate that an Ingress may name.
            r if sort == Sort::Secret && r.verb != "get" && selects(r.field_selector, "type", TLS) => Ok(()),
            r if r.namespace.is_empty() => no("can only read namespaced object of this type"),
            r => self.related(node, sort, r.namespace, r.name),
        }
    }

    fn get(&self, node: &str, sort: Sort, request: &Attributes<'_>) -> Result<(), String> {
        match request {
            r if r.verb != "get" => no("can only get individual resources of this type"),
            r if !r.subresource.is_empty() => no("cannot get subresource"),
            r => self.related(node, sort, r.namespace, r.name),
        }
    }

    fn pod(&self, node: &str, request: &Attributes<'_>) -> Result<(), String> {
        match (request.subresource, request.verb) {
            ("", "get") => self.related(node, Sort::Pod, request.namespace, request.name),
            ("", "list" | "watch") if selects(request.field_selector, "spec.nodeName", node) => Ok(()),
            ("", "list" | "watch") if !request.name.is_empty() => {
                self.related(node, Sort::Pod, request.namespace, request.name)
            }
            ("", "list" | "watch") => no("can only list/watch pods with spec.nodeName field selector"),
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Ok(()),
            _ => no(""),
        }
    }

    fn related(&self, node: &str, sort: Sort, namespace: &str, name: &str) -> Result<(), String> {
        if name.is_empty() {
            return no("No Object name found");
        }
        let state = self.state.read();
        let links = state.nodes.get(node);
        let named = |sort, namespace: &str, name: &str| {
            links.is_some_and(|l| l.contains_key(&Link::new(sort, namespace, name)))
        };
        let claimed = |volume: &VolumeLinks| named(Sort::Claim, &volume.claim.namespace, &volume.claim.name);
        let found = match sort {
            Sort::Volume => state.volumes.get(name).is_some_and(claimed),
            Sort::Attachment => state.attachments.get(name).is_some_and(|n| n == node),
            Sort::Secret => {
                let wanted = Target { namespace: namespace.to_owned(), name: name.to_owned() };
                named(sort, namespace, name)
                    || state.volumes.values().any(|volume| volume.secrets.contains(&wanted) && claimed(volume))
            }
            sort => named(sort, namespace, name),
        };
        if found { Ok(()) } else { Err(format!("no relationship found between node '{node}' and this object")) }
    }

    /// A pod came, changed or went.
    pub(super) fn pod_changed(&self, old: Option<&PodLinks>, new: Option<&PodLinks>) {
        let mut state = self.state.write();
        if let Some(new) = new {
            let links = state.nodes.entry(new.node.clone()).or_default();
            new.links.iter().for_each(|link| *links.entry(link.clone()).or_default() += 1);
        }
        if let Some(old) = old
            && let Some(links) = state.nodes.get_mut(&old.node)
        {
            for link in &old.links {
                if let Some(count) = links.get_mut(link) {
                    *count -= 1;
                    if *count == 0 {
                        links.remove(link);
                    }
                }
            }
            if links.is_empty() {
                state.nodes.remove(&old.node);
            }
        }
    }

    /// A PersistentVolume came, changed or went.
    pub(super) fn volume_changed(&self, name: &str, new: Option<&VolumeLinks>) {
        let mut state = self.state.write();
        match new {
            Some(new) => state.volumes.insert(name.to_owned(), new.clone()),
            None => state.volumes.remove(name),
        };
    }

    /// A VolumeAttachment came, changed or went.
    pub(super) fn attachment_changed(&self, name: &str, node: Option<&String>) {
        let mut state = self.state.write();
        match node {
            Some(node) => state.attachments.insert(name.to_owned(), node.clone()),
            None => state.attachments.remove(name),
        };
    }
}

fn no(why: &str) -> Result<(), String> {
    Err(why.to_owned())
}

/// Whether every object a field selector selects has `field` equal to `value`.
fn selects(selector: &str, field: &str, value: &str) -> bool {
    selector
        .split(',')
        .filter_map(|term| term.split_once('='))
        .any(|(key, wanted)| key == field && wanted.strip_prefix('=').unwrap_or(wanted) == value)
}

fn lease(node: &str, request: &Attributes<'_>) -> Result<(), String> {
    match request {
        r if !matches!(r.verb, "get" | "create" | "update" | "patch" | "delete") => {
            no("can only get, create, update, patch, or delete a node lease")
        }
        r if r.namespace != "kube-node-lease" => {
            no(r#"can only access leases in the "kube-node-lease" system namespace"#)
        }
        r if r.verb != "create" && r.name != node => {
            no("can only access node lease with the same name as the requesting node")
        }
        _ => Ok(()),
    }
}

fn csi_node(node: &str, request: &Attributes<'_>) -> Result<(), String> {
    match request {
        r if !matches!(r.verb, "get" | "create" | "update" | "patch" | "delete") => {
            no("can only get, create, update, patch, or delete a CSINode")
        }
        r if !r.subresource.is_empty() => no("cannot authorize CSINode subresources"),
        r if r.verb != "create" && r.name != node => {
            no("can only access CSINode with the same name as the requesting node")
        }
        _ => Ok(()),
    }
}

fn own_node(node: &str, request: &Attributes<'_>) -> Result<(), String> {
    match (request.subresource, request.verb, request.name) {
        ("", "create" | "update" | "patch", _) | ("status", "update" | "patch", _) => Ok(()),
        ("", "get" | "list" | "watch", name) if name == node => Ok(()),
        ("", "get" | "list" | "watch", "") => {
            Err(format!("node '{node}' cannot read all nodes, only its own Node object"))
        }
        ("", "get" | "list" | "watch", name) => {
            Err(format!("node '{node}' cannot read '{name}', only its own Node object"))
        }
        _ => no(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> NodeGraph {
        let graph = NodeGraph::default();
        let pod = r#"{"metadata":{"name":"p","namespace":"a"},"spec":{"nodeName":"n1","serviceAccountName":"sa",
            "imagePullSecrets":[{"name":"pull"}],
            "containers":[{"env":[{"valueFrom":{"secretKeyRef":{"name":"env"}}}],"envFrom":[{"configMapRef":{"name":"all"}}]}],
            "volumes":[{"name":"t","projected":{"sources":[{"configMap":{"name":"ca"}},{"secret":{"name":"pr"}}]}},
                       {"name":"d","persistentVolumeClaim":{"claimName":"c"}},{"name":"e","ephemeral":{}}]}}"#;
        graph.pod_changed(None, Some(&PodLinks::read(pod.as_bytes()).unwrap()));
        let volume = r#"{"spec":{"claimRef":{"namespace":"a","name":"c"},"csi":{"nodeStageSecretRef":{"namespace":"s","name":"stage"}}}}"#;
        graph.volume_changed("v", Some(&VolumeLinks::read(volume.as_bytes()).unwrap()));
        graph.attachment_changed("va", Some(&"n1".to_owned()));
        graph
    }

    #[test]
    fn a_node_reads_what_its_pods_name_and_nothing_else() {
        let graph = graph();
        let (n1, n2) = (User::new("system:node:n1", &["system:nodes"]), User::new("system:node:n2", &["system:nodes"]));
        let mut table = Vec::new();
        for name in ["pull", "env", "pr"] {
            table.push(("get", "", "secrets", "a", name, true));
        }
        for (group, resource, namespace, name) in [
            ("", "configmaps", "a", "all"),
            ("", "configmaps", "a", "ca"),
            ("", "secrets", "s", "stage"),
            ("", "persistentvolumeclaims", "a", "c"),
            ("", "persistentvolumeclaims", "a", "p-e"),
            ("", "persistentvolumes", "", "v"),
            ("storage.k8s.io", "volumeattachments", "", "va"),
            ("", "serviceaccounts", "a", "sa"),
            ("", "pods", "a", "p"),
            ("", "nodes", "", "n1"),
            ("coordination.k8s.io", "leases", "kube-node-lease", "n1"),
        ] {
            table.push(("get", group, resource, namespace, name, true));
        }
        for (verb, group, resource, namespace, name) in [
            ("get", "", "secrets", "a", "other"),
            ("get", "", "secrets", "b", "env"),
            ("list", "", "secrets", "a", ""),
            ("update", "", "secrets", "a", "env"),
            ("get", "", "nodes", "", "n9"),
            ("list", "", "pods", "", ""),
            ("get", "", "pods", "a", "q"),
            ("get", "coordination.k8s.io", "leases", "default", "n1"),
            ("delete", "", "nodes", "", "n1"),
        ] {
            table.push((verb, group, resource, namespace, name, false));
        }
        for (verb, group, resource, namespace, name, want) in table {
            let request = Attributes { verb, group, resource, namespace, name, ..Attributes::default() };
            let allowed = |user| matches!(graph.authorize(user, &request), Decision::Allow(_));
            assert_eq!(allowed(&n1), want, "{verb} {resource} {namespace}/{name}");
            assert!(!allowed(&n2), "the other node: {verb} {resource} {namespace}/{name}");
        }
    }

    #[test]
    fn a_pod_that_goes_takes_its_links_along() {
        let graph = NodeGraph::default();
        let pod = |name: &str| {
            let json = format!(
                r#"{{"metadata":{{"name":"{name}","namespace":"a"}},"spec":{{"nodeName":"n","serviceAccountName":"sa"}}}}"#
            );
            PodLinks::read(json.as_bytes()).unwrap()
        };
        graph.pod_changed(None, Some(&pod("p")));
        graph.pod_changed(None, Some(&pod("q")));
        graph.pod_changed(Some(&pod("p")), None);
        assert_eq!(graph.related("n", Sort::ServiceAccount, "a", "sa"), Ok(()));
        graph.pod_changed(Some(&pod("q")), None);
        assert!(graph.related("n", Sort::ServiceAccount, "a", "sa").is_err());
        assert!(graph.state.read().nodes.is_empty());
    }

    #[test]
    fn lists_of_pods_need_the_node_in_the_selector() {
        assert!(selects("spec.nodeName=n", "spec.nodeName", "n"));
        assert!(selects("a=b,spec.nodeName==n", "spec.nodeName", "n"));
        assert!(!selects("spec.nodeName!=n", "spec.nodeName", "n"));
        assert!(!selects("", "spec.nodeName", "n"));
    }
}
