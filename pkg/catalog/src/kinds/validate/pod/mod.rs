//! Pods and pod templates.

mod containers;
mod env;
mod handlers;
mod mounts;
mod placement;
mod projected;
mod security;
mod update;
mod volumes;

use std::collections::{HashMap, HashSet};

use knarr_api::{Value, field::Errors, names};

use super::{
    common::{ip, label_selector, labels},
    resources::{self, Of},
};
use crate::kinds::{
    spot::Spot,
    tree::{flag, is_empty},
};

pub(in crate::kinds) use update::pod_update;
pub(in crate::kinds::validate) use {placement::node_selector, volumes::driver_name};

/// A pod.
pub(in crate::kinds) fn pod(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    annotations(&root, &mut out);
    pod_spec(&spec, true, &mut out);
    if spec.text_at("serviceAccountName").is_empty() {
        for volume in spec.at("volumes").items() {
            let projected = volume.at("projected");
            for source in projected.at("sources").items() {
                let token = source.at("serviceAccountToken");
                if token.is_set() {
                    out.push(token.forbidden("must not be specified when serviceAccountName is not set"));
                }
            }
        }
    }
    // A pod that has no state yet is being created.
    if is_empty(object, &["metadata", "resourceVersion"]) {
        create(&spec, &mut out);
    }
    out
}

fn create(spec: &Spot<'_, '_>, out: &mut Errors) {
    let ephemeral = spec.at("ephemeralContainers");
    if !ephemeral.is_empty() {
        out.push(ephemeral.forbidden("cannot be set on create"));
    }
    let node = spec.at("nodeName");
    if !node.is_empty() && !spec.at("schedulingGates").is_empty() {
        out.push(node.forbidden("cannot be set until all schedulingGates have been cleared"));
    }
}

fn annotations(root: &Spot<'_, '_>, out: &mut Errors) {
    const MIRROR: &str = "kubernetes.io/config.mirror";
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    let metadata = root.at("metadata");
    let annotations = metadata.at("annotations");
    let mirror = annotations.key(MIRROR);
    if mirror.is_set() && root.value().str_at(&["spec", "nodeName"]).is_empty() {
        out.push(mirror.invalid("must set spec.nodeName if mirror pod annotation is set"));
    }
    let cost = annotations.key(COST);
    let is_number = |text: &str| text.parse::<i32>().is_ok() && (text == "0" || !text.starts_with(['+', '0']));
    if cost.is_set() && !is_number(cost.text()) {
        out.push(cost.invalid("must be a 32bit integer"));
    }
}

/// A pod template: its labels and what its pods are.
pub(in crate::kinds) fn template(template: &Spot<'_, '_>, out: &mut Errors) {
    let metadata = template.at("metadata");
    labels(&metadata.at("labels"), out);
    let annotations = metadata.at("annotations");
    for (key, _) in annotations.entries() {
        out.extend(names::qualified_name(&key.to_lowercase()).into_iter().map(|m| annotations.invalid_as(key, m)));
    }
    let spec = template.at("spec");
    pod_spec(&spec, false, out);
    let ephemeral = spec.at("ephemeralContainers");
    if !ephemeral.is_empty() {
        out.push(ephemeral.forbidden("ephemeral containers not allowed in pod template"));
    }
}

/// A PodTemplate.
pub(in crate::kinds) fn pod_template(object: &Value) -> Errors {
    let mut out = Errors::new();
    template(&Spot::root(object).at("template"), &mut out);
    out
}

/// What containers need to know of their pod.
struct Around<'v> {
    /// Volumes by name; a name the pod does not have is an error where it is used.
    volumes: HashMap<&'v str, &'v Value>,
    claims: Vec<&'v str>,
    grace: Option<i64>,
    restart: &'v str,
    os: &'v str,
    host_users: bool,
    /// Whether this is a pod rather than a template: images may not be padded then.
    is_pod: bool,
}

fn pod_spec(spec: &Spot<'_, '_>, is_pod: bool, out: &mut Errors) {
    let value = spec.value();
    let volumes = volumes::volumes(&spec.at("volumes"), out);
    let around = Around {
        volumes,
        claims: claims(&spec.at("resourceClaims"), out),
        grace: spec.at("terminationGracePeriodSeconds").int(),
        restart: spec.text_at("restartPolicy"),
        os: value.str_at(&["os", "name"]),
        host_users: value.get("hostUsers").and_then(Value::as_bool).unwrap_or(true),
        is_pod,
    };
    containers::containers(spec, &around, out);
    if spec.at("resources").is_set() {
        resources::requirements(&spec.at("resources"), Of::Pod, &[], out);
    }
    host_network(spec, out);
    labels(&spec.at("nodeSelector"), out);
    security::pod(spec, out);
    placement::affinity(&spec.at("affinity"), out);
    dns(spec, out);
    for gate in spec.at("readinessGates").items() {
        gate.at("conditionType").check(names::qualified_name, out);
    }
    gates(&spec.at("schedulingGates"), out);
    placement::spread(&spec.at("topologySpreadConstraints"), out);
    names(spec, out);
    placement::tolerations(&spec.at("tolerations"), out);
    for alias in spec.at("hostAliases").items() {
        ip(&alias.at("ip"), out);
        for host in alias.at("hostnames").items() {
            host.check_even_empty(names::dns1123_subdomain, out);
        }
    }
    resources::amounts(&spec.at("overhead"), out);
    let os = spec.at("os");
    let name = os.at("name");
    if !matches!(name.text(), "" | "linux" | "windows") {
        out.push(knarr_api::field::Error::not_supported(&os.path(), name.text(), ["linux", "windows"]));
    }
}

/// Names of other things, and limits.
fn names(spec: &Spot<'_, '_>, out: &mut Errors) {
    spec.at("serviceAccountName").check(names::dns1123_subdomain, out);
    spec.at("nodeName").check(names::dns1123_subdomain, out);
    let deadline = spec.at("activeDeadlineSeconds");
    if let Some(seconds) = deadline.int() {
        out.extend(names::in_range(seconds, 1, i32::MAX.into()).into_iter().map(|m| deadline.invalid(m)));
    }
    spec.at("hostname").check(names::dns1123_label, out);
    spec.at("subdomain").check(names::dns1123_label, out);
    spec.at("priorityClassName").check(names::dns1123_subdomain, out);
    let runtime = spec.at("runtimeClassName");
    if runtime.is_set() {
        runtime.check_even_empty(names::dns1123_subdomain, out);
    }
    let name = spec.at("hostnameOverride");
    if name.is_set() {
        if flag(spec.value(), &["setHostnameAsFQDN"]) {
            out.push(name.forbidden("may not be specified when setHostnameAsFQDN is true"));
        }
        if flag(spec.value(), &["hostNetwork"]) {
            out.push(name.forbidden("may not be specified when hostNetwork is true"));
        }
        name.check_even_empty(names::dns1123_subdomain, out);
        if name.text().len() > 64 {
            out.push(knarr_api::field::Error::too_long(&name.path(), 64));
        }
    }
}

fn claims<'v>(spot: &Spot<'v, '_>, out: &mut Errors) -> Vec<&'v str> {
    let mut seen = Vec::new();
    for claim in spot.items() {
        let name = claim.at("name");
        name.check(names::dns1123_label, out);
        if !name.is_empty() && seen.contains(&name.text()) {
            out.push(name.duplicate());
        }
        let (direct, template) = (claim.at("resourceClaimName"), claim.at("resourceClaimTemplateName"));
        match (direct.is_set(), template.is_set()) {
            (true, true) => out.push(
                claim.invalid("at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"),
            ),
            (false, false) => {
                out.push(claim.invalid("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"));
            }
            _ => {}
        }
        direct.check(names::dns1123_subdomain, out);
        template.check(names::dns1123_subdomain, out);
        seen.push(name.text());
    }
    seen
}

fn gates(spot: &Spot<'_, '_>, out: &mut Errors) {
    let mut seen = HashSet::new();
    for gate in spot.items() {
        gate.at("name").check(names::qualified_name, out);
        if !seen.insert(gate.text_at("name")) {
            out.push(gate.duplicate_as(gate.text_at("name")));
        }
    }
}

/// On the host's network a container's ports are the host's.
fn host_network(spec: &Spot<'_, '_>, out: &mut Errors) {
    if !flag(spec.value(), &["hostNetwork"]) {
        return;
    }
    let containers = spec.at("containers");
    for container in containers.items() {
        let ports = container.at("ports");
        for port in ports.items() {
            let host = port.at("hostPort");
            if host.int().is_some_and(|n| n != port.at("containerPort").int().unwrap_or(0)) {
                out.push(host.invalid("must match `containerPort` when `hostNetwork` is true"));
            }
        }
    }
}

const NAMESERVERS: usize = 3;
const SEARCHES: usize = 32;
const SEARCH_CHARACTERS: usize = 2048;

fn dns(spec: &Spot<'_, '_>, out: &mut Errors) {
    let config = spec.at("dnsConfig");
    let servers = config.at("nameservers");
    if spec.text_at("dnsPolicy") == "None" {
        if !config.is_set() {
            return out.push(config.required("must provide `dnsConfig` when `dnsPolicy` is None"));
        }
        if servers.is_empty() {
            let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return out.push(servers.required(why));
        }
    }
    if servers.len() > NAMESERVERS {
        out.push(servers.invalid(format!("must not have more than {NAMESERVERS} nameservers")));
    }
    for server in servers.items() {
        ip(&server, out);
    }
    let searches = config.at("searches");
    if searches.len() > SEARCHES {
        out.push(searches.invalid(format!("must not have more than {SEARCHES} search paths")));
    }
    let characters: usize = searches.items().map(|s| s.text().len() + 1).sum();
    if characters > SEARCH_CHARACTERS + 1 {
        let why =
            format!("must not have more than {SEARCH_CHARACTERS} characters (including spaces) in the search list");
        out.push(searches.invalid(why));
    }
    for search in searches.items().filter(|s| s.text() != ".") {
        let name = search.text().strip_suffix('.').unwrap_or(search.text());
        out.extend(names::dns1123_subdomain_with_underscore(name).into_iter().map(|m| search.invalid_as(name, m)));
    }
    for option in config.at("options").items() {
        if option.text_at("name").is_empty() {
            out.push(option.required("must not be empty"));
        }
    }
}

/// A label selector that may be absent.
fn selector(spot: &Spot<'_, '_>, out: &mut Errors) {
    if spot.is_set() {
        label_selector(spot, out);
    }
}
