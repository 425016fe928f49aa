//! Where a pod may run: affinity, tolerations, spreading.

use std::collections::HashMap;

use knarr_api::{field::Errors, names};

use super::selector;
use crate::kinds::spot::Spot;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn affinity(affinity: &Spot<'_, '_>, out: &mut Errors) {
    if !affinity.is_set() {
        return;
    }
    let node = affinity.at("nodeAffinity");
    let required = node.at(REQUIRED);
    if required.is_set() {
        node_selector(&required, out);
    }
    for term in node.at(PREFERRED).items() {
        weight(&term.at("weight"), out);
        node_term(&term.at("preference"), out);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.at(kind);
        for term in pods.at(REQUIRED).items() {
            pod_term(&term, out);
        }
        for weighted in pods.at(PREFERRED).items() {
            weight(&weighted.at("weight"), out);
            pod_term(&weighted.at("podAffinityTerm"), out);
        }
    }
}

fn weight(spot: &Spot<'_, '_>, out: &mut Errors) {
    let weight = spot.int().unwrap_or(0);
    if !(1..=100).contains(&weight) {
        out.push(spot.invalid_as(weight, "must be in the range 1-100"));
    }
}

/// A node selector: at least one term.
pub(in crate::kinds::validate) fn node_selector(selector: &Spot<'_, '_>, out: &mut Errors) {
    let terms = selector.at("nodeSelectorTerms");
    if terms.is_empty() {
        out.push(terms.required("must have at least one node selector term"));
    }
    for term in terms.items() {
        node_term(&term, out);
    }
}

fn node_term(term: &Spot<'_, '_>, out: &mut Errors) {
    for requirement in term.at("matchExpressions").items() {
        let (operator, values) = (requirement.at("operator"), requirement.at("values"));
        match operator.text() {
            "In" | "NotIn" if values.is_empty() => {
                out.push(values.required("must be specified when `operator` is 'In' or 'NotIn'"));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                out.push(values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
            }
            "Gt" | "Lt" if values.len() != 1 => {
                out.push(values.required("must be specified single value when `operator` is 'Lt' or 'Gt'"));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            _ => out.push(operator.invalid("not a valid selector operator")),
        }
        requirement.at("key").check(names::qualified_name, out);
        for value in values.items() {
            value.check(names::label_value, out);
        }
    }
    for requirement in term.at("matchFields").items() {
        let (operator, key, values) = (requirement.at("operator"), requirement.at("key"), requirement.at("values"));
        match operator.text() {
            "In" | "NotIn" if values.len() != 1 => {
                let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                out.push(values.required(why));
            }
            "In" | "NotIn" => {}
            _ => out.push(operator.invalid("not a valid selector operator")),
        }
        if key.text() != "metadata.name" {
            out.push(key.invalid("not a valid field selector key"));
            continue;
        }
        for value in values.items() {
            value.check(names::dns1123_subdomain, out);
        }
    }
}

fn pod_term(term: &Spot<'_, '_>, out: &mut Errors) {
    selector(&term.at("labelSelector"), out);
    selector(&term.at("namespaceSelector"), out);
    for namespace in term.at("namespaces").items() {
        let name = namespace.text();
        let at = term.at("namespace");
        out.extend(names::dns1123_label(name).into_iter().map(|m| at.invalid_as(name, m)));
    }
    label_keys(term, out);
    let key = term.at("topologyKey");
    if key.is_empty() {
        out.push(key.required("can not be empty"));
    }
    key.check_even_empty(names::qualified_name, out);
}

/// Keys whose values come from the pod.
fn label_keys(term: &Spot<'_, '_>, out: &mut Errors) {
    let lists = [term.at("matchLabelKeys"), term.at("mismatchLabelKeys")];
    for list in &lists {
        if !list.is_empty() && !term.at("labelSelector").is_set() {
            out.push(list.forbidden("must not be specified when labelSelector is not set"));
            continue;
        }
        for key in list.items() {
            key.check_even_empty(names::qualified_name, out);
            if term.value().at(&["labelSelector", "matchLabels", key.text()]).is_some() {
                out.push(key.invalid("exists in both matchLabelKeys and labelSelector"));
            }
        }
    }
    for key in lists[0].items().filter(|key| lists[1].items().any(|other| other.text() == key.text())) {
        out.push(key.invalid("exists in both matchLabelKeys and mismatchLabelKeys"));
    }
}

pub(super) fn tolerations(spot: &Spot<'_, '_>, out: &mut Errors) {
    for toleration in spot.items() {
        let (key, operator) = (toleration.at("key"), toleration.at("operator"));
        let (value, effect) = (toleration.at("value"), toleration.at("effect"));
        key.check(names::qualified_name, out);
        if key.is_empty() && operator.text() != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            out.push(operator.invalid_as(operator.text(), why));
        }
        if toleration.at("tolerationSeconds").is_set() && effect.text() != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            out.push(effect.invalid_as(effect.text(), why));
        }
        match operator.text() {
            "" | "Equal" => {
                let complaints = names::label_value(value.text());
                if !complaints.is_empty() {
                    out.push(operator.invalid_as(value.text(), complaints.join(";")));
                }
            }
            "Exists" if !value.is_empty() => {
                out.push(operator.invalid_as(value.text(), "value must be empty when `operator` is 'Exists'"));
            }
            // Other operators are none of the allowed ones, which the facts say.
            _ => {}
        }
    }
}

/// Topology spread constraints.
pub(super) fn spread(spot: &Spot<'_, '_>, out: &mut Errors) {
    // Each is blamed that has another like it after it.
    let mut left: HashMap<_, usize> = HashMap::new();
    for constraint in spot.items() {
        *left.entry((constraint.text_at("topologyKey"), constraint.text_at("whenUnsatisfiable"))).or_default() += 1;
    }
    for constraint in spot.items() {
        let skew = constraint.at("maxSkew");
        if skew.int().unwrap_or(0) <= 0 {
            out.push(skew.invalid_as(skew.int().unwrap_or(0), "must be greater than zero"));
        }
        let (key, when) = (constraint.text_at("topologyKey"), constraint.text_at("whenUnsatisfiable"));
        let others = left.entry((key, when)).or_default();
        *others = others.saturating_sub(1);
        if !key.is_empty() && !when.is_empty() && *others > 0 {
            let at = constraint.at("{topologyKey, whenUnsatisfiable}");
            out.push(at.duplicate_as(format!("{{{key}, {when}}}")));
        }
        let domains = constraint.at("minDomains");
        if let Some(least) = domains.int() {
            if least <= 0 {
                out.push(domains.invalid("must be greater than zero"));
            }
            if when != "DoNotSchedule" {
                let why = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}");
                out.push(domains.invalid(why));
            }
        }
        label_keys(&constraint, out);
        selector(&constraint.at("labelSelector"), out);
    }
}
