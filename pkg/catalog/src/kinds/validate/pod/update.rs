//! What of a pod may change, through which door.

use knarr_api::{
    Value,
    field::{Error, Errors, Path},
    json, names,
};

use crate::kinds::{
    same::equal,
    spot::Spot,
    tree::{copy, each, int},
    validate::common::ip,
};

/// Validation of a pod against what it was. `sub` is the subresource written through.
pub(in crate::kinds) fn pod_update(pod: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    annotations(pod, old, &mut out);
    match sub {
        "status" => status(pod, old, &mut out),
        "ephemeralcontainers" => ephemeral(pod, old, &mut out),
        "resize" => resize(pod, old, &mut out),
        _ => spec(pod, old, &mut out),
    }
    out
}

/// Annotations that say where a pod came from stay.
fn annotations(pod: &Value, old: &Value, out: &mut Errors) {
    const MIRROR: &str = "kubernetes.io/config.mirror";
    let at = |v: &Value| v.at(&["metadata", "annotations", MIRROR]).cloned();
    let path = Path::new("metadata").child("annotations").key(MIRROR);
    match (at(old), at(pod)) {
        (Some(before), now) if now.as_ref() != Some(&before) => {
            out.push(Error::forbidden(&path, "may not remove or update mirror pod annotation"));
        }
        (None, Some(_)) => out.push(Error::forbidden(&path, "may not add mirror pod annotation")),
        _ => {}
    }
}

const CHANGEABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
    `spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

fn spec(pod: &Value, old: &Value, out: &mut Errors) {
    let root = Spot::root(pod);
    let new = root.at("spec");
    let (Some(before), Some(now)) = (old.get("spec"), pod.get("spec")) else { return };
    if equal(Some(before), Some(now)) {
        return;
    }
    for list in ["containers", "initContainers"] {
        if before.list_at(&[list]).len() != now.list_at(&[list]).len() {
            return out.push(new.at(list).forbidden("pod updates may not add or remove containers"));
        }
    }
    if !deadline(&new, before, out) {
        return;
    }
    tolerations(&new, before, out);
    gates(&new, before, out);

    // What may change is set back; the rest must be equal.
    let mut munged = now.clone();
    for list in ["containers", "initContainers"] {
        for (container, old) in each(&mut munged, &[list]).zip(before.list_at(&[list])) {
            copy(old, container, &["image"]);
        }
    }
    for key in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        copy(before, &mut munged, &[key]);
    }
    let grace = |spec: &Value| int(spec, &["terminationGracePeriodSeconds"]);
    if grace(before).is_some_and(|n| n < 0) && grace(now) == Some(1) {
        copy(before, &mut munged, &["terminationGracePeriodSeconds"]);
    }
    if !before.list_at(&["schedulingGates"]).is_empty() {
        while_gated(&new, before, &mut munged, out);
    }
    if !equal(Some(&munged), Some(before)) {
        let diff = difference(before, &munged);
        out.push(new.forbidden(format!("pod updates may not change fields other than {CHANGEABLE}\n{diff}")));
    }
}

/// A deadline can be set, and moved nearer. Answers whether to go on.
fn deadline(new: &Spot<'_, '_>, before: &Value, out: &mut Errors) -> bool {
    let at = new.at("activeDeadlineSeconds");
    match (at.int(), int(before, &["activeDeadlineSeconds"])) {
        (Some(n), _) if !(0..=i64::from(i32::MAX)).contains(&n) => {
            out.extend(names::in_range(n, 0, i32::MAX.into()).into_iter().map(|m| at.invalid(m)));
            false
        }
        (Some(n), Some(was)) if was < n => {
            out.push(at.invalid("must be less than or equal to previous value"));
            false
        }
        (None, Some(_)) => {
            out.push(at.invalid("must not update from a positive integer to nil value"));
            true
        }
        _ => true,
    }
}

/// Tolerations are only added, or last longer.
fn tolerations(new: &Spot<'_, '_>, before: &Value, out: &mut Errors) {
    let strip = |toleration: &Value| {
        let mut toleration = toleration.clone();
        toleration.remove(&["tolerationSeconds"]);
        toleration
    };
    let at = new.at("tolerations");
    let now: Vec<Value> = at.items().map(|t| strip(t.value())).collect();
    if before.list_at(&["tolerations"]).iter().any(|old| !now.contains(&strip(old))) {
        out.push(at.forbidden("existing toleration can not be modified except its tolerationSeconds"));
    }
}

/// Gates are only opened.
fn gates(new: &Spot<'_, '_>, before: &Value, out: &mut Errors) {
    let at = new.at("schedulingGates");
    let known = before.list_at(&["schedulingGates"]);
    for gate in at.items().filter(|gate| !known.contains(gate.value())) {
        let name = gate.text_at("name");
        let why = format!("only deletion is allowed, but found new scheduling gate '{{{name}}}'");
        out.push(gate.at("name").forbidden(why));
    }
}

/// While it waits at a gate, a pod's choice of nodes may become narrower.
fn while_gated(new: &Spot<'_, '_>, before: &Value, munged: &mut Value, out: &mut Errors) {
    let selector = new.at("nodeSelector");
    let kept = |(key, value): (&str, &Value)| selector.value().get(key) == Some(value);
    if !before.get("nodeSelector").and_then(Value::as_object).is_none_or(|map| map.iter().all(kept)) {
        out.push(selector.invalid("only additions to spec.nodeSelector are allowed (no mutations or deletions)"));
    }
    copy(before, munged, &["nodeSelector"]);
    const TERMS: [&str; 4] =
        ["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];
    let old = before.list_at(&TERMS);
    let now = new.value().list_at(&TERMS);
    let path = TERMS.iter().fold(new.path(), |path, name| path.child(name));
    if !old.is_empty() && old.len() != now.len() {
        let why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        out.push(Error::invalid(&path, now.to_vec(), why));
    } else {
        for (i, (now, old)) in now.iter().zip(old).enumerate() {
            let grows = |list: &str| now.list_at(&[list]).starts_with(old.list_at(&[list]));
            if !grows("matchExpressions") || !grows("matchFields") {
                let why = "only additions are allowed (no mutations or deletions)";
                out.push(Error::invalid(&path.index(i), now.clone(), why));
            }
        }
    }
    match before.at(&["affinity", "nodeAffinity"]) {
        Some(affinity) => munged.set(&["affinity", "nodeAffinity"], affinity.clone()),
        None => drop(munged.remove(&["affinity", "nodeAffinity"])),
    }
}

/// The members that differ, one line each for before and after.
fn difference(before: &Value, now: &Value) -> String {
    let mut keys: Vec<&str> = [before, now].iter().filter_map(|v| v.as_object()).flat_map(|m| m.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut out = String::new();
    for key in keys.into_iter().filter(|key| !equal(before.get(key), now.get(key))) {
        for (sign, value) in [('-', before.get(key)), ('+', now.get(key))] {
            let mut text = Vec::new();
            value.into_iter().for_each(|v| json::write(v, &mut text));
            out.push_str(&format!("{sign} {key}: {}\n", String::from_utf8_lossy(&text)));
        }
    }
    out
}

fn ephemeral(pod: &Value, old: &Value, out: &mut Errors) {
    let path = Path::new("spec").child("ephemeralContainers");
    let now = pod.list_at(&["spec", "ephemeralContainers"]);
    for container in old.list_at(&["spec", "ephemeralContainers"]) {
        let name = container.str_at(&["name"]);
        match now.iter().find(|c| c.str_at(&["name"]) == name) {
            None => out
                .push(Error::forbidden(&path, format!("existing ephemeral containers {name:?} may not be removed\n"))),
            Some(new) if !equal(Some(new), Some(container)) => {
                let diff = difference(container, new);
                let why = format!("existing ephemeral containers {name:?} may not be changed\n{diff}");
                out.push(Error::forbidden(&path, why));
            }
            Some(_) => {}
        }
    }
}

fn resize(pod: &Value, old: &Value, out: &mut Errors) {
    let spec = Path::new("spec");
    for list in ["containers", "initContainers"] {
        let (now, before) = (pod.list_at(&["spec", list]), old.list_at(&["spec", list]));
        if now.len() != before.len() {
            let why = format!("{list} may not be added or removed on resize");
            out.push(Error::forbidden(&spec.child(list), why));
            continue;
        }
        for (i, (now, before)) in now.iter().zip(before).enumerate() {
            let path = spec.child(list).index(i);
            if now.str_at(&["name"]) != before.str_at(&["name"]) {
                let why = format!("{list} may not be renamed or reordered on resize");
                out.push(Error::forbidden(&path.child("name"), why));
            }
            for amounts in ["requests", "limits"] {
                let was = before.at(&["resources", amounts]).and_then(Value::as_object);
                let gone = was.is_some_and(|m| m.keys().any(|k| now.at(&["resources", amounts, k]).is_none()));
                if gone {
                    let path = path.child("resources").child(amounts);
                    out.push(Error::forbidden(&path, format!("resource {amounts} cannot be removed")));
                }
            }
            if !equal(Some(&without_compute(now)), Some(&without_compute(before))) {
                out.push(Error::forbidden(&spec, "only cpu and memory resources are mutable"));
            }
        }
    }
}

fn without_compute(container: &Value) -> Value {
    let mut container = container.clone();
    container.remove(&["resizePolicy"]);
    for list in ["requests", "limits"] {
        for name in ["cpu", "memory"] {
            container.remove(&["resources", list, name]);
        }
    }
    container
}

fn status(pod: &Value, old: &Value, out: &mut Errors) {
    let root = Spot::root(pod);
    let status = root.at("status");
    let nominated = status.at("nominatedNodeName");
    if !nominated.is_empty() && nominated.text() != old.str_at(&["status", "nominatedNodeName"]) {
        nominated.check(names::dns1123_subdomain, out);
        if !old.str_at(&["spec", "nodeName"]).is_empty() {
            out.push(nominated.forbidden("may not be set on pods that are already bound to a node"));
        }
    }
    status.at("qosClass").unchanged(old.at(&["status", "qosClass"]).unwrap_or(&Value::Null), out);
    for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        transitions(&status.at(list), old, list, out);
    }
    let addresses = status.at("podIPs");
    for address in addresses.items() {
        ip(&address.at("ip"), out);
    }
    let families: Vec<bool> = texts_of(addresses.value()).map(|ip| ip.contains(':')).collect();
    if families.len() > 2 || families.len() == 2 && families[0] == families[1] {
        out.push(addresses.invalid("may specify no more than one IP for each IP family"));
    }
}

fn texts_of(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap_or_default().iter().map(|ip| ip.str_at(&["ip"]))
}

/// A container that ended for good does not start again.
fn transitions(statuses: &Spot<'_, '_>, old: &Value, list: &str, out: &mut Errors) {
    let policy = old.str_at(&["spec", "restartPolicy"]);
    let specs = match list {
        "containerStatuses" => old.list_at(&["spec", "containers"]),
        "initContainerStatuses" => old.list_at(&["spec", "initContainers"]),
        _ => return,
    };
    if policy == "Always" {
        return;
    }
    for (i, before) in old.list_at(&["status", list]).iter().enumerate() {
        let Some(ended) = before.at(&["state", "terminated"]) else { continue };
        let name = before.str_at(&["name"]);
        let own_policy = specs.iter().any(|c| c.str_at(&["name"]) == name && c.get("restartPolicy").is_some());
        let failed = int(ended, &["exitCode"]).unwrap_or(0) != 0;
        if own_policy || failed && policy == "OnFailure" {
            continue;
        }
        let now = statuses.items().find(|s| s.text_at("name") == name);
        if now.is_some_and(|s| s.value().at(&["state", "terminated"]).is_none()) {
            let at = statuses.index(i);
            out.push(at.at("state").forbidden("may not be transitioned to non-terminated state"));
        }
    }
}
