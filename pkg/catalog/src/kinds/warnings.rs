//! What is allowed but hardly meant.

use std::collections::HashSet;

use knarr_api::{Value, names};

use super::tree::is_empty;

/// Warnings for a pod that is created.
pub(super) fn pod(pod: &Value) -> Vec<String> {
    if !is_empty(pod, &["metadata", "resourceVersion"]) {
        return Vec::new();
    }
    let mut out = Vec::new();
    let name = pod.str_at(&["metadata", "name"]);
    let complaints = if name.is_empty() { Vec::new() } else { names::dns1123_label(name) };
    if !complaints.is_empty() {
        out.push(format!(
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [{}]",
            complaints.join(" ")
        ));
    }
    if let Some(spec) = pod.get("spec") {
        pod_spec(spec, "spec", &mut out);
    }
    out
}

/// Warnings for the pod template of a workload.
pub(super) fn template(object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(spec) = object.at(&["spec", "template", "spec"]) {
        pod_spec(spec, "spec.template.spec", &mut out);
    }
    out
}

fn pod_spec(spec: &Value, path: &str, out: &mut Vec<String>) {
    for (list, containers) in ["containers", "initContainers"].map(|list| (list, spec.list_at(&[list]))) {
        for (i, container) in containers.iter().enumerate() {
            let mut seen = HashSet::new();
            for (j, variable) in container.list_at(&["env"]).iter().enumerate() {
                let name = variable.str_at(&["name"]);
                if !seen.insert(name) {
                    out.push(format!(
                        "{path}.{list}[{i}].env[{j}]: hides previous definition of {name:?}, which may be dropped when using apply"
                    ));
                }
            }
        }
    }
    let gone = [
        ("gitRepo", "deprecated in v1.11"),
        ("glusterfs", "deprecated in v1.25, this feature will be removed soon after in a subsequent release"),
    ];
    for (i, volume) in spec.list_at(&["volumes"]).iter().enumerate() {
        for (kind, since) in gone.iter().filter(|(kind, _)| volume.get(kind).is_some()) {
            out.push(format!("{path}.volumes[{i}].{kind}: {since}"));
        }
    }
}
