//! Fields and resources of the pod as text: the downward API, for environment and files alike.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, Pod, ResourceFieldSelector},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{Machine, SpecError};
use crate::{pod, quantity};

/// The value of a field path such as `metadata.labels['app']`. `ips` are the pod's addresses, `host_ips` the node's.
///
/// # Errors
/// There is no such field.
pub(crate) fn field(pod: &Pod, path: &str, ips: &[String], host_ips: &[String]) -> Result<String, SpecError> {
    let meta = &pod.metadata;
    if let Some((map, key)) = subscript(path) {
        let map = match map {
            "metadata.labels" => &meta.labels,
            "metadata.annotations" => &meta.annotations,
            _ => return Err(unknown(path)),
        };
        return Ok(map.as_ref().and_then(|m| m.get(key)).cloned().unwrap_or_default());
    }
    let spec = pod::spec(pod);
    let first = |ips: &[String]| ips.first().cloned().unwrap_or_default();
    Ok(match path {
        "metadata.name" => pod::name(pod).to_owned(),
        "metadata.namespace" => pod::namespace(pod).to_owned(),
        "metadata.uid" => pod::uid(pod).to_owned(),
        "metadata.labels" => lines(meta.labels.as_ref()),
        "metadata.annotations" => lines(meta.annotations.as_ref()),
        "spec.nodeName" => spec.node_name.clone().unwrap_or_default(),
        "spec.serviceAccountName" => spec.service_account_name.clone().unwrap_or_default(),
        "status.hostIP" => first(host_ips),
        "status.hostIPs" => host_ips.join(","),
        "status.podIP" => first(ips),
        "status.podIPs" => ips.join(","),
        _ => return Err(unknown(path)),
    })
}

fn unknown(path: &str) -> SpecError {
    SpecError(format!("unsupported fieldPath: {path}"))
}

/// `map['key']` in its parts.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once('[')?;
    let key = rest.strip_suffix(']')?;
    let key = key
        .strip_prefix('\'')
        .and_then(|k| k.strip_suffix('\''))
        .or_else(|| key.strip_prefix('"').and_then(|k| k.strip_suffix('"')))?;
    Some((map, key))
}

/// `key="value"` lines, sorted; values quoted as Go's `%q` does.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map.into_iter().flatten().map(|(k, v)| format!("{k}={}", go_quote(v))).collect();
    lines.join("\n")
}

fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A request or limit of a container divided by the divisor, rounded up. A limit that is not set is what the node has.
///
/// # Errors
/// There is no such resource.
pub(crate) fn resource(
    container: &Container,
    selector: &ResourceFieldSelector,
    machine: &Machine,
) -> Result<String, SpecError> {
    let path = &selector.resource;
    let (list, name) = path.split_once('.').ok_or_else(|| unknown_resource(path))?;
    let resources = container.resources.as_ref();
    let set = match list {
        "limits" => resources.and_then(|r| r.limits.as_ref()),
        "requests" => resources.and_then(|r| r.requests.as_ref()),
        _ => return Err(unknown_resource(path)),
    };
    let amount = set.and_then(|l| l.get(name));
    let millis = match (amount, list) {
        (Some(q), _) => i128::from(quantity::milli(q)),
        (None, "limits") => i128::from(machine.milli(name)),
        (None, _) => 0,
    };
    let divisor = selector.divisor.as_ref().filter(|q| quantity::milli(q) > 0);
    let divisor = i128::from(quantity::milli(divisor.unwrap_or(&Quantity("1".into()))));
    if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !name.starts_with("hugepages-") {
        return Err(unknown_resource(path));
    }
    Ok(((millis + divisor - 1) / divisor).to_string())
}

fn unknown_resource(path: &str) -> SpecError {
    SpecError(format!("unsupported container resource : {path}"))
}
