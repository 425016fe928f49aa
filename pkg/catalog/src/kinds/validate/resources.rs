//! Resource lists and requirements.

use knarr_api::{field::Errors, names, quantity::Quantity};

use super::common::{amount, amount_not_negative};
use crate::kinds::spot::Spot;

/// Which names a list may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Container,
    Pod,
}

/// `limits`, `requests` and `claims` of a container or of a whole pod.
pub(super) fn requirements(spot: &Spot<'_, '_>, of: Of, pod_claims: &[&str], out: &mut Errors) {
    if !spot.is_set() {
        return;
    }
    let (limits, requests) = (spot.at("limits"), spot.at("requests"));
    let (mut huge, mut computes) = (false, false);
    for list in [&limits, &requests] {
        for (name, entry) in list.entries() {
            resource_name(&entry, name, of, out);
            value(&entry, name, out);
            if is_huge(name) {
                huge = true;
                divisible(&entry, name, out);
            }
            computes |= matches!(name, "cpu" | "memory");
        }
    }
    for (name, request) in requests.entries() {
        let limit = limits.key(name);
        match (amount(&request), amount(&limit)) {
            (Some(_), None) if !may_overcommit(name) => {
                out.push(limits.required("Limit must be set for non overcommitable resources"));
            }
            (Some(have), Some(most)) if have != most && !may_overcommit(name) => {
                let why = format!("must be equal to {name} limit of {}", limit.text());
                out.push(requests.invalid_as(request.text(), why));
            }
            (Some(have), Some(most)) if have > most => {
                let why = format!("must be less than or equal to {name} limit of {}", limit.text());
                out.push(requests.invalid_as(request.text(), why));
            }
            _ => {}
        }
    }
    if huge && !computes {
        out.push(spot.forbidden("HugePages require cpu or memory"));
    }
    claims(&spot.at("claims"), pod_claims, out);
}

/// A list of amounts on its own: overhead of a pod, capacity of a node.
pub(super) fn amounts(spot: &Spot<'_, '_>, out: &mut Errors) {
    for (name, entry) in spot.entries() {
        value(&entry, name, out);
    }
}

/// Amounts are not negative; what is counted is whole.
pub(super) fn value(entry: &Spot<'_, '_>, name: &str, out: &mut Errors) {
    amount_not_negative(entry, out);
    if is_whole(name) && amount(entry).is_some_and(|a| a.milli_value() % 1000 != 0) {
        out.push(entry.invalid("must be an integer"));
    }
}

fn claims(spot: &Spot<'_, '_>, pod_claims: &[&str], out: &mut Errors) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for claim in spot.items() {
        let (name, request) = (claim.text_at("name"), claim.text_at("request"));
        if name.is_empty() {
            continue;
        }
        let covered = seen.iter().any(|(n, r)| *n == name && (*r == request || r.is_empty() || request.is_empty()));
        if covered {
            let shown = if request.is_empty() { name.to_owned() } else { format!("{name}/{request}") };
            out.push(claim.duplicate_as(shown));
        }
        seen.push((name, request));
        if !pod_claims.contains(&name) {
            out.push(knarr_api::field::Error::not_found(&claim.path(), name));
        }
    }
}

fn resource_name(entry: &Spot<'_, '_>, name: &str, of: Of, out: &mut Errors) {
    if of == Of::Pod {
        if !(matches!(name, "cpu" | "memory") || is_huge(name)) {
            out.push(knarr_api::field::Error::not_supported(&entry.path(), name, ["cpu", "hugepages-", "memory"]));
        }
        return;
    }
    let complaints = names::qualified_name(name);
    let bad = !complaints.is_empty();
    out.extend(complaints.into_iter().map(|m| entry.invalid_as(name, m)));
    if !name.contains('/') {
        if !bad && !is_standard(name) {
            out.push(entry.invalid_as(name, "must be a standard resource type or fully qualified"));
        }
        if !(matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge(name)) {
            out.push(entry.invalid_as(name, "must be a standard resource for containers"));
        }
    } else if !name.contains("kubernetes.io/") && !is_extended(name) {
        out.push(entry.invalid_as(name, "doesn't follow extended resource name standard"));
    }
}

/// Names without a domain that mean something somewhere, quotas included.
fn is_standard(name: &str) -> bool {
    const NAMES: [&str; 24] = [
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "storage",
        "requests.storage",
        "services.nodeports",
        "services.loadbalancers",
        "requests.hugepages-",
        "count/pods",
        "count/services",
        "count/secrets",
    ];
    NAMES.contains(&name) || is_huge(name) || name.strip_prefix("requests.").is_some_and(is_huge)
}

fn is_extended(name: &str) -> bool {
    !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// Huge pages of some size.
pub(super) fn is_huge(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn may_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge(name)
}

/// Resources that are counted.
fn is_whole(name: &str) -> bool {
    const COUNTED: [&str; 8] = [
        "pods",
        "services",
        "resourcequotas",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
    ];
    COUNTED.contains(&name) || name == "services.loadbalancers" || !is_native(name) && is_extended(name)
}

fn divisible(entry: &Spot<'_, '_>, name: &str, out: &mut Errors) {
    let size = name.strip_prefix("hugepages-").and_then(|size| size.parse::<Quantity>().ok());
    let (Some(size), Some(have)) = (size.map(Quantity::value), amount(entry).map(Quantity::value)) else { return };
    if size <= 0 || have <= 0 && have % size.max(1) != 0 || have % size != 0 {
        out.push(entry.invalid(format!("{} is not positive integer multiple of {name}", entry.text())));
    }
}
