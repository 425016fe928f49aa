//! Pods and pod templates.

use knarr_api::Value;

use super::{amounts, image, pod_amounts};
use crate::kinds::tree::{each, fill, fill_text, flag, inner, int};

/// The lists of containers in a pod's spec.
pub(super) const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// A Pod: what every pod spec gets, and what only those that run get.
pub(in crate::kinds) fn pod(pod: &mut Value) {
    if let Some(spec) = inner(pod, &["spec"]) {
        pod_spec(spec);
        for list in ["containers", "initContainers"] {
            each(spec, &[list]).for_each(requests_from_limits);
        }
        pod_amounts::whole_pod(spec);
        fill(spec, "enableServiceLinks", true);
        if flag(spec, &["hostNetwork"]) {
            for list in ["containers", "initContainers"] {
                each(spec, &[list]).for_each(host_ports);
            }
        }
    }
    if let Some(status) = inner(pod, &["status"]) {
        addresses(status);
    }
}

/// The pod template at a path of a workload.
pub(in crate::kinds) fn template(object: &mut Value, path: &[&str]) {
    if let Some(spec) = object.at_mut(path).and_then(|template| inner(template, &["spec"])) {
        pod_spec(spec);
    }
}

/// A PodTemplate.
pub(in crate::kinds) fn pod_template(object: &mut Value) {
    template(object, &["template"]);
}

fn pod_spec(spec: &mut Value) {
    service_account(spec);
    fill(spec, "securityContext", Value::object());
    each(spec, &["volumes"]).for_each(volume);
    for list in CONTAINERS {
        each(spec, &[list]).for_each(container);
    }
    amounts::round(spec, &["overhead"]);
    if let Some(resources) = inner(spec, &["resources"]) {
        amounts::requirements(resources);
    }
}

/// `serviceAccount` is the old name of `serviceAccountName`: both are always the same, the new one decides.
fn service_account(spec: &mut Value) {
    let name = match spec.str_at(&["serviceAccountName"]) {
        "" => spec.str_at(&["serviceAccount"]),
        name => name,
    };
    if !name.is_empty() {
        let name = Value::from(name);
        spec.set(&["serviceAccount"], name.clone());
        spec.set(&["serviceAccountName"], name);
    }
}

fn volume(volume: &mut Value) {
    let has_source = volume.as_object().is_some_and(|v| v.iter().any(|(key, value)| key != "name" && !value.is_null()));
    if !has_source {
        volume.set(&["emptyDir"], Value::object());
    }
    if let Some(path) = inner(volume, &["hostPath"]) {
        fill(path, "type", "");
    }
    if let Some(source) = inner(volume, &["image"]) {
        image::pull_policy(source, "reference", "pullPolicy");
    }
    each(volume, &["downwardAPI", "items"]).for_each(field_ref);
    for source in each(volume, &["projected", "sources"]) {
        each(source, &["downwardAPI", "items"]).for_each(field_ref);
    }
    if let Some(claim) = inner(volume, &["ephemeral", "volumeClaimTemplate", "spec"]) {
        super::core::claim_spec(claim);
    }
}

/// `fieldRef.apiVersion` of an environment variable's source or of a file.
fn field_ref(from: &mut Value) {
    if let Some(field) = inner(from, &["fieldRef"]) {
        fill_text(field, "apiVersion", "v1");
    }
}

fn container(container: &mut Value) {
    image::pull_policy(container, "image", "imagePullPolicy");
    for variable in each(container, &["env"]) {
        if let Some(from) = inner(variable, &["valueFrom"]) {
            field_ref(from);
        }
    }
    if let Some(resources) = inner(container, &["resources"]) {
        amounts::requirements(resources);
    }
}

fn requests_from_limits(container: &mut Value) {
    let Some(Value::Object(limits)) = container.at(&["resources", "limits"]).cloned() else { return };
    for (name, amount) in limits {
        if container.at(&["resources", "requests", &name]).is_none() {
            container.set(&["resources", "requests", &name], amount);
        }
    }
}

fn host_ports(container: &mut Value) {
    for port in each(container, &["ports"]) {
        if int(port, &["hostPort"]).unwrap_or(0) == 0
            && let Some(number) = int(port, &["containerPort"]).filter(|number| *number != 0)
        {
            port.set(&["hostPort"], number);
        }
    }
}

/// `podIP` is the first of `podIPs`; where they differ, the single one decides.
fn addresses(status: &mut Value) {
    let first = status.list_at(&["podIPs"]).first().map(|ip| ip.str_at(&["ip"]).to_owned());
    let one = status.str_at(&["podIP"]).to_owned();
    match (one.is_empty(), first) {
        (true, Some(first)) => status.set(&["podIP"], first),
        (false, first) if first.as_deref() != Some(&one) => {
            let mut ip = Value::object();
            ip.set(&["ip"], one);
            status.set(&["podIPs"], vec![ip]);
        }
        _ => {}
    }
}
