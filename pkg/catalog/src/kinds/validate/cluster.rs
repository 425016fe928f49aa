//! Nodes, leases, priorities, budgets, revisions.

use std::collections::HashSet;

use knarr_api::{
    Value,
    field::{Error, Errors, Path},
    names,
};

use super::{
    common::{cidr, label_selector},
    conditions::conditions,
    resources,
    workloads::{at_most_all, int_or_percent},
};
use crate::kinds::{same::equal, spot::Spot};

/// A Node.
pub(in crate::kinds) fn node(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    taints(&spec.at("taints"), &mut out);
    for list in ["capacity", "allocatable"] {
        let list_at = status.at(list);
        for (name, amount) in list_at.entries() {
            let mut errors = Errors::new();
            resources::value(&amount, name, &mut errors);
            // The path has dots here, not brackets.
            out.extend(errors.into_iter().map(|e| Error { path: Path::new("status").child(list).child(name), ..e }));
        }
    }
    let ranges = spec.at("podCIDRs");
    let parsed: Vec<_> = ranges.items().filter_map(|range| cidr(&range, &mut out)).collect();
    if parsed.len() > 2 || parsed.len() == 2 && parsed[0].addr().is_ipv4() == parsed[1].addr().is_ipv4() {
        out.push(ranges.invalid("may specify no more than one CIDR for each IP family"));
    }
    out
}

fn taints(taints: &Spot<'_, '_>, out: &mut Errors) {
    let mut seen = HashSet::new();
    // Upstream says "metadata" for taints, and people search for that.
    let at = Path::new("metadata").child("taints");
    for (i, taint) in taints.items().enumerate() {
        let path = at.index(i);
        let (key, value, effect) = (taint.text_at("key"), taint.text_at("value"), taint.text_at("effect"));
        out.extend(names::qualified_name(key).into_iter().map(|m| Error::invalid(&path.child("key"), key, m)));
        let complaints = names::label_value(value);
        if !complaints.is_empty() {
            out.push(Error::invalid(&path.child("value"), value, complaints.join(";")));
        }
        if !key.is_empty() && !effect.is_empty() && !seen.insert((key, effect)) {
            let mut error = Error::duplicate(&path, taint.value().clone());
            error.detail = "taints must be unique by key and effect pair".to_owned();
            out.push(error);
        }
    }
}

/// What was given to a Node stays given.
pub(in crate::kinds) fn node_update(object: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let mut seen = Vec::new();
    for address in root.at("status").at("addresses").items() {
        if seen.contains(&address.value()) {
            out.push(address.duplicate());
        }
        seen.push(address.value());
    }
    if !sub.is_empty() {
        return out;
    }
    let spec = root.at("spec");
    let before = old.list_at(&["spec", "podCIDRs"]);
    let ranges = spec.at("podCIDRs");
    if !before.is_empty() && ranges.value().as_array() != Some(before) {
        out.push(ranges.forbidden("node updates may not change podCIDR except from \"\" to valid"));
    }
    let provider = spec.at("providerID");
    let was = old.str_at(&["spec", "providerID"]);
    if !was.is_empty() && provider.text() != was {
        out.push(provider.forbidden("node updates may not change providerID except from \"\" to valid"));
    }
    out
}

/// A Lease.
pub(in crate::kinds) fn lease(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    let seconds = spec.at("leaseDurationSeconds");
    if seconds.int().is_some_and(|n| n <= 0) {
        out.push(seconds.invalid("must be greater than 0"));
    }
    spec.at("leaseTransitions").not_negative(&mut out);
    let holder = spec.at("preferredHolder");
    if !holder.is_empty() && spec.at("strategy").is_empty() {
        out.push(holder.forbidden("may only be specified if `strategy` is defined"));
    }
    out
}

/// The highest priority people may define.
const HIGHEST: i64 = 1_000_000_000;

/// A PriorityClass.
pub(in crate::kinds) fn priority_class(object: &Value) -> Errors {
    const SYSTEM: [(&str, i64); 2] =
        [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
    let mut out = Errors::new();
    let name = object.str_at(&["metadata", "name"]);
    let root = Spot::root(object);
    let value = root.at("value");
    if name.starts_with("system-") {
        let known = SYSTEM.iter().find(|(known, _)| *known == name);
        let why = match known {
            None => Some(format!("{name} is not a known system priority class")),
            Some((_, number)) if value.int() != Some(*number) => {
                Some(format!("value of {name} PriorityClass must be {number}"))
            }
            Some(_) if root.at("globalDefault").flag() => {
                Some(format!("globalDefault of {name} PriorityClass must be false"))
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            let path = Path::new("metadata").child("name");
            let words = "priority class names with 'system-' prefix are reserved for system use only. error: ";
            out.push(Error::forbidden(&path, format!("{words}{why}")));
        }
    } else if value.int().is_some_and(|n| n > HIGHEST) {
        out.push(value.forbidden(format!("maximum allowed value of a user defined priority is {HIGHEST}")));
    }
    out
}

/// A class keeps its value and whether it preempts.
pub(in crate::kinds) fn priority_class_update(object: &Value, old: &Value, _sub: &str) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let number = |v: &Value| v.get("value").and_then(Value::as_i64).unwrap_or(0);
    if number(object) != number(old) {
        out.push(root.at("value").forbidden("may not be changed in an update."));
    }
    root.at("preemptionPolicy").unchanged(old.get("preemptionPolicy").unwrap_or(&Value::Null), &mut out);
    out
}

/// A PodDisruptionBudget.
pub(in crate::kinds) fn disruption_budget(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    let (least, most) = (spec.at("minAvailable"), spec.at("maxUnavailable"));
    if least.is_set() && most.is_set() {
        out.push(spec.invalid("minAvailable and maxUnavailable cannot be both set"));
    }
    for bound in [&least, &most] {
        if bound.is_set() {
            int_or_percent(bound, &mut out);
            at_most_all(bound, &mut out);
        }
    }
    label_selector(&spec.at("selector"), &mut out);
    out
}

/// What is counted for a budget is not negative, and its conditions are complete.
pub(in crate::kinds) fn disruption_budget_update(object: &Value, _old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if sub == "status" {
        let root = Spot::root(object);
        let status = root.at("status");
        conditions(&status.at("conditions"), &mut out);
        for key in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            status.at(key).not_negative(&mut out);
        }
    }
    out
}

/// A ControllerRevision has data, and a number that is none below nothing.
pub(in crate::kinds) fn revision(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    root.at("revision").not_negative(&mut out);
    let data = root.at("data");
    match data.value() {
        Value::Object(_) => {}
        Value::Null => out.push(data.required("data is mandatory")),
        _ => out.push(data.required("data must be a valid JSON object")),
    }
    out
}

/// A ControllerRevision keeps its data.
pub(in crate::kinds) fn revision_update(object: &Value, old: &Value, _sub: &str) -> Errors {
    if equal(object.get("data"), old.get("data")) {
        return Errors::new();
    }
    let data = object.get("data").cloned().unwrap_or_default();
    vec![Error::invalid(&Path::new("data"), data, "field is immutable")]
}
