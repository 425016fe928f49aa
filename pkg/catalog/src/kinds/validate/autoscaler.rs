//! HorizontalPodAutoscalers (v2).

use knarr_api::{Value, field::Errors, names, quantity::Quantity};

use super::common::{amount, amount_not_negative};
use crate::kinds::spot::Spot;

/// A HorizontalPodAutoscaler.
pub(in crate::kinds) fn autoscaler(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    let (least, most) = (spec.at("minReplicas"), spec.at("maxReplicas"));
    if least.int().is_some_and(|n| n < 1) {
        out.push(least.invalid("must be greater than or equal to 1"));
    }
    match most.int().unwrap_or(0) {
        0 => out.push(most.required("must be set and greater than 0")),
        ..0 => out.push(most.invalid("must be greater than or equal to 1")),
        _ => {}
    }
    if least.int().is_some_and(|n| most.int().unwrap_or(0) < n) {
        out.push(most.invalid_as(most.int().unwrap_or(0), "must be greater than or equal to `minReplicas`"));
    }
    let target = spec.at("scaleTargetRef");
    // The one kind of the core group that has a size.
    reference(&target, target.text_at("kind") == "ReplicationController", &mut out);
    let metrics = spec.at("metrics");
    for one in metrics.items() {
        metric(&one, &mut out);
    }
    if least.int() == Some(0) && !metrics.items().any(|m| matches!(m.text_at("type"), "Object" | "External")) {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        out.push(metrics.forbidden(why));
    }
    for direction in ["scaleUp", "scaleDown"] {
        let behavior = spec.at("behavior");
        let rules = behavior.at(direction);
        if rules.is_set() {
            scaling_rules(&rules, &mut out);
        }
    }
    out
}

/// The counters of a status are not negative.
pub(in crate::kinds) fn autoscaler_update(object: &Value, _old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if sub == "status" {
        let root = Spot::root(object);
        let status = root.at("status");
        status.at("currentReplicas").not_negative(&mut out);
        status.at("desiredReplicas").not_negative(&mut out);
    }
    out
}

/// An object of any kind; only the core group goes without a group, where that is allowed.
fn reference(target: &Spot<'_, '_>, core: bool, out: &mut Errors) {
    target.at("kind").check(names::path_segment_name, out);
    target.at("name").check(names::path_segment_name, out);
    let version = target.at("apiVersion");
    match version.text().matches('/').count() {
        0 if core => {}
        0 => out.push(version.invalid_as(version.text(), "apiVersion must specify API group")),
        1 => {}
        _ => out.push(version.invalid(format!("unexpected GroupVersion string: {}", version.text()))),
    }
}

fn scaling_rules(rules: &Spot<'_, '_>, out: &mut Errors) {
    let window = rules.at("stabilizationWindowSeconds");
    match window.int() {
        Some(..0) => out.push(window.invalid("must be greater than or equal to zero")),
        Some(3601..) => out.push(window.invalid("must be less than or equal to 3600")),
        _ => {}
    }
    one_of(&rules.at("selectPolicy"), &["Disabled", "Max", "Min"], out);
    let policies = rules.at("policies");
    if policies.is_empty() {
        out.push(policies.required("must specify at least one Policy"));
    }
    for policy in policies.items() {
        one_of(&policy.at("type"), &["Percent", "Pods"], out);
        let (value, period) = (policy.at("value"), policy.at("periodSeconds"));
        if value.int().unwrap_or(0) <= 0 {
            out.push(value.invalid_as(value.int().unwrap_or(0), "must be greater than zero"));
        }
        match period.int().unwrap_or(0) {
            ..=0 => out.push(period.invalid_as(period.int().unwrap_or(0), "must be greater than zero")),
            1801.. => out.push(period.invalid("must be less than or equal to 1800")),
            _ => {}
        }
    }
    amount_not_negative(&rules.at("tolerance"), out);
}

fn one_of(spot: &Spot<'_, '_>, allowed: &[&str], out: &mut Errors) {
    if !spot.is_empty() && !allowed.contains(&spot.text()) {
        out.push(spot.not_supported(allowed));
    }
}

/// The kinds of metrics and the members that describe them.
const SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

fn metric(metric: &Spot<'_, '_>, out: &mut Errors) {
    let kind = metric.at("type");
    let Some((_, wanted)) = SOURCES.iter().find(|(name, _)| *name == kind.text()) else {
        if !kind.is_empty() {
            out.push(kind.not_supported(&SOURCES.map(|(name, _)| name)));
        }
        return;
    };
    let source = metric.at(wanted);
    match source.is_set() {
        true => source_of(&source, wanted, out),
        false => out.push(source.required("must populate information for the given metric source")),
    }
    for (_, other) in SOURCES.iter().filter(|(_, other)| other != wanted) {
        if metric.at(other).is_set() {
            out.push(metric.at(other).forbidden("must populate the given metric source only"));
        }
    }
}

fn source_of(source: &Spot<'_, '_>, kind: &str, out: &mut Errors) {
    let target = source.at("target");
    let (value, average, utilization) =
        (target.at("value"), target.at("averageValue"), target.at("averageUtilization"));
    match kind {
        "object" => reference(&source.at("describedObject"), true, out),
        "containerResource" => source.at("container").check(names::dns1123_label, out),
        _ => {}
    }
    source.at("metric").at("name").check(names::path_segment_name, out);
    goal(&target, out);
    match kind {
        "resource" | "containerResource" => match (utilization.is_set(), average.is_set()) {
            (false, false) => {
                out.push(utilization.required("must set either a target raw value or a target utilization"));
            }
            (true, true) => {
                out.push(average.forbidden("may not set both a target raw value and a target utilization"));
            }
            _ => {}
        },
        "pods" if !average.is_set() => out.push(average.required("must specify a positive target averageValue")),
        "object" if !value.is_set() && !average.is_set() => {
            out.push(average.required("must set either a target value or averageValue"));
        }
        "external" => match (value.is_set(), average.is_set()) {
            (false, false) => {
                out.push(average.required("must set either a target value for metric or a per-pod target"));
            }
            (true, true) => {
                out.push(value.forbidden("may not set both a target value for metric and a per-pod target"));
            }
            _ => {}
        },
        _ => {}
    }
}

/// A target of any kind of metric.
fn goal(target: &Spot<'_, '_>, out: &mut Errors) {
    let kind = target.at("type");
    if !matches!(kind.text(), "" | "Utilization" | "Value" | "AverageValue") {
        out.push(kind.invalid("must be either Utilization, Value, or AverageValue"));
    }
    for key in ["value", "averageValue"] {
        let spot = target.at(key);
        if amount(&spot).is_some_and(|a| a <= Quantity::ZERO) {
            out.push(spot.invalid("must be positive"));
        }
    }
    let utilization = target.at("averageUtilization");
    if utilization.int().is_some_and(|n| n < 1) {
        out.push(utilization.invalid("must be greater than 0"));
    }
}
