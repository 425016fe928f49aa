//! Roles and bindings.

use knarr_api::{
    Value,
    field::{Error, Errors, Path},
    names,
};

use super::common::label_selector;
use crate::kinds::{same::equal, spot::Spot};

const GROUP: &str = "rbac.authorization.k8s.io";

/// A Role.
pub(in crate::kinds) fn role(object: &Value) -> Errors {
    rules(object, true)
}

/// A ClusterRole.
pub(in crate::kinds) fn cluster_role(object: &Value) -> Errors {
    let mut out = rules(object, false);
    let root = Spot::root(object);
    let aggregation = root.at("aggregationRule");
    if aggregation.is_set() {
        let selectors = aggregation.at("clusterRoleSelectors");
        if selectors.is_empty() {
            out.push(selectors.required("at least one clusterRoleSelector required if aggregationRule is non-nil"));
        }
        for selector in selectors.items() {
            label_selector(&selector, &mut out);
        }
    }
    out
}

fn rules(object: &Value, namespaced: bool) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    for rule in root.at("rules").items() {
        let verbs = rule.at("verbs");
        if verbs.is_empty() {
            out.push(verbs.required("verbs must contain at least one value"));
        }
        let (urls, groups, resources) = (rule.at("nonResourceURLs"), rule.at("apiGroups"), rule.at("resources"));
        if !urls.is_empty() {
            if namespaced {
                out.push(urls.invalid("namespaced rules cannot apply to non-resource URLs"));
            }
            if !groups.is_empty() || !resources.is_empty() || !rule.at("resourceNames").is_empty() {
                out.push(urls.invalid("rules cannot apply to both regular resources and non-resource URLs"));
            }
            continue;
        }
        if groups.is_empty() {
            out.push(groups.required("resource rules must supply at least one api group"));
        }
        if resources.is_empty() {
            out.push(resources.required("resource rules must supply at least one resource"));
        }
    }
    out
}

/// A RoleBinding.
pub(in crate::kinds) fn role_binding(object: &Value) -> Errors {
    binding(object, true)
}

/// A ClusterRoleBinding.
pub(in crate::kinds) fn cluster_role_binding(object: &Value) -> Errors {
    binding(object, false)
}

fn binding(object: &Value, namespaced: bool) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let role = root.at("roleRef");
    let (group, kind) = (role.at("apiGroup"), role.at("kind"));
    if group.text() != GROUP {
        out.push(Error::not_supported(&group.path(), group.text(), [GROUP]));
    }
    match kind.text() {
        "" | "ClusterRole" => {}
        "Role" if namespaced => {}
        _ if namespaced => out.push(kind.not_supported(&["Role", "ClusterRole"])),
        _ => out.push(kind.not_supported(&["ClusterRole"])),
    }
    role.at("name").check(names::path_segment_name, &mut out);
    for item in root.at("subjects").items() {
        subject(&item, namespaced, &mut out);
    }
    out
}

fn subject(subject: &Spot<'_, '_>, namespaced: bool, out: &mut Errors) {
    let (group, kind) = (subject.at("apiGroup"), subject.at("kind"));
    match kind.text() {
        "ServiceAccount" => {
            subject.at("name").check(names::dns1123_subdomain, out);
            if !group.is_empty() {
                out.push(group.not_supported(&[""]));
            }
            let namespace = subject.at("namespace");
            if !namespaced && namespace.is_empty() {
                out.push(namespace.required(""));
            }
        }
        "User" | "Group" => {
            if group.text() != GROUP {
                out.push(Error::not_supported(&group.path(), group.text(), [GROUP]));
            }
        }
        "" => {}
        _ => out.push(kind.not_supported(&["ServiceAccount", "User", "Group"])),
    }
}

/// A binding keeps its role.
pub(in crate::kinds) fn binding_update(object: &Value, old: &Value, _sub: &str) -> Errors {
    let role = object.get("roleRef").cloned().unwrap_or_default();
    if equal(Some(&role), old.get("roleRef")) {
        return Errors::new();
    }
    vec![Error::invalid(&Path::new("roleRef"), role, "cannot change roleRef")]
}
