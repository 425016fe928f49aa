//! Environment variables and where they come from.

use knarr_api::{field::Errors, names};

use crate::kinds::{spot::Spot, validate::common::amount};

const VARIABLE_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of a pod that may become a file.
pub(super) const FILE_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

pub(super) fn variables(spot: &Spot<'_, '_>, out: &mut Errors) {
    for variable in spot.items() {
        variable.at("name").check(names::relaxed_env_var_name, out);
        let from = variable.at("valueFrom");
        if from.is_set() {
            source(&from, !variable.text_at("value").is_empty(), out);
        }
    }
}

fn source(from: &Spot<'_, '_>, has_value: bool, out: &mut Errors) {
    let (field, resource) = (from.at("fieldRef"), from.at("resourceFieldRef"));
    let (config, secret, file) = (from.at("configMapKeyRef"), from.at("secretKeyRef"), from.at("fileKeyRef"));
    if field.is_set() {
        field_ref(&field, VARIABLE_FIELDS, out);
    }
    if resource.is_set() {
        resource_ref(&resource, false, out);
    }
    for key in [&config, &secret] {
        key.at("name").check(names::dns1123_subdomain, out);
        key.at("key").check(names::config_map_key, out);
    }
    file.at("key").check(names::relaxed_env_var_name, out);
    let why = match [&field, &resource, &config, &secret, &file].iter().filter(|s| s.is_set()).count() {
        0 => "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        _ if has_value => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    out.push(from.invalid_as("", why));
}

/// A reference to a field of the pod.
pub(super) fn field_ref(spot: &Spot<'_, '_>, allowed: &[&str], out: &mut Errors) {
    let path = spot.at("fieldPath");
    let text = path.text();
    if text.is_empty() {
        return;
    }
    if let Some((field, key)) = text.strip_suffix("']").and_then(|text| text.split_once("['")) {
        match field {
            "metadata.annotations" => {
                out.extend(
                    names::qualified_name(&key.to_lowercase())
                        .into_iter()
                        .map(|m| spot.invalid_as(key.to_lowercase(), m)),
                );
            }
            "metadata.labels" => out.extend(names::qualified_name(key).into_iter().map(|m| spot.invalid_as(key, m))),
            "metadata.name" | "metadata.namespace" | "metadata.uid" => {
                out.push(spot.invalid_as(field, "does not support subscript"));
            }
            _ => out.push(unconvertible(&path)),
        }
    } else if !allowed.contains(&text) {
        let known = VARIABLE_FIELDS.contains(&text) || FILE_FIELDS.contains(&text);
        let known = known
            || matches!(
                text,
                "spec.restartPolicy" | "spec.schedulerName" | "status.phase" | "status.nominatedNodeName"
            );
        out.push(if known { path.not_supported(allowed) } else { unconvertible(&path) });
    }
}

fn unconvertible(path: &Spot<'_, '_>) -> knarr_api::field::Error {
    path.invalid(format!("error converting fieldPath: field label not supported: {}", path.text()))
}

/// A reference to what the containers of the pod may use. Files name the container.
pub(super) fn resource_ref(spot: &Spot<'_, '_>, is_file: bool, out: &mut Errors) {
    const RESOURCES: [&str; 6] = [
        "limits.cpu",
        "limits.ephemeral-storage",
        "limits.memory",
        "requests.cpu",
        "requests.ephemeral-storage",
        "requests.memory",
    ];
    let (container, resource) = (spot.at("containerName"), spot.at("resource"));
    let name = resource.text();
    let huge = name.starts_with("limits.hugepages-") || name.starts_with("requests.hugepages-");
    if is_file && container.is_empty() {
        out.push(container.required(""));
    } else if !name.is_empty() && !RESOURCES.contains(&name) && !huge {
        out.push(resource.not_supported(&RESOURCES));
    }
    let divisor = spot.at("divisor");
    if amount(&divisor).is_none_or(|d| d.is_zero()) {
        return;
    }
    const SIZES: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    let kind = match name.split_once('.').map_or("", |(_, kind)| kind) {
        "cpu" => {
            if !matches!(divisor.text(), "1m" | "1") {
                let why = "only divisor's values 1m and 1 are supported with the cpu resource";
                out.push(divisor.invalid_as(name, why));
            }
            return;
        }
        "memory" => "memory",
        "ephemeral-storage" => "local ephemeral storage",
        _ if huge => "hugepages",
        _ => return,
    };
    if !SIZES.contains(&divisor.text()) {
        let why = format!("only divisor's values {} are supported with the {kind} resource", SIZES.join(", "));
        out.push(divisor.invalid_as(name, why));
    }
}

pub(super) fn sources(spot: &Spot<'_, '_>, out: &mut Errors) {
    for from in spot.items() {
        from.at("prefix").check(names::relaxed_env_var_name, out);
        let sources = [from.at("configMapRef"), from.at("secretRef")];
        for source in sources.iter().filter(|s| s.is_set()) {
            let name = source.at("name");
            if name.is_empty() {
                out.push(name.required(""));
            }
            name.check(names::dns1123_subdomain, out);
        }
        match sources.iter().filter(|s| s.is_set()).count() {
            0 => out.push(spot.invalid_as("", "must specify one of: `configMapRef` or `secretRef`")),
            1 => {}
            _ => out.push(spot.invalid_as("", "may not have more than one field specified at a time")),
        }
    }
}
