//! Probes and lifecycle handlers.

use knarr_api::{field::Errors, names};

use super::Around;
use crate::kinds::{
    spot::Spot,
    validate::common::{port, port_or_name},
};

/// Handlers of a container that runs until the pod ends.
pub(super) fn of_running(container: &Spot<'_, '_>, around: &Around<'_>, out: &mut Errors) {
    let lifecycle = container.at("lifecycle");
    for hook in ["postStart", "preStop"] {
        let hook = lifecycle.at(hook);
        if hook.is_set() {
            handler(&hook, around, out);
        }
    }
    let signal = lifecycle.at("stopSignal");
    if signal.is_set() && around.os.is_empty() {
        out.push(signal.forbidden("may not be set for containers with empty `spec.os.name`"));
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe_at = container.at(name);
        if !probe_at.is_set() {
            continue;
        }
        probe(&probe_at, around, out);
        let (threshold, grace) = (probe_at.at("successThreshold"), probe_at.at("terminationGracePeriodSeconds"));
        if name == "readinessProbe" {
            if grace.is_set() {
                out.push(grace.invalid("must not be set for readinessProbes"));
            }
        } else if threshold.int().is_some_and(|n| n != 1) {
            out.push(threshold.invalid("must be 1"));
        }
    }
}

fn probe(probe: &Spot<'_, '_>, around: &Around<'_>, out: &mut Errors) {
    handler(probe, around, out);
    let numbers = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
    for number in numbers {
        probe.at(number).not_negative(out);
    }
    let grace = probe.at("terminationGracePeriodSeconds");
    if grace.int().is_some_and(|n| n <= 0) {
        out.push(grace.invalid("must be greater than 0"));
    }
}

/// Exactly one way to ask the container, and that well-formed.
fn handler(spot: &Spot<'_, '_>, around: &Around<'_>, out: &mut Errors) {
    let mut found = false;
    for kind in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let action = spot.at(kind);
        if !action.is_set() {
            continue;
        }
        if found {
            out.push(action.forbidden("may not specify more than 1 handler type"));
            continue;
        }
        found = true;
        match kind {
            "exec" if action.at("command").is_empty() => out.push(action.at("command").required("")),
            "httpGet" => http_get(&action, out),
            "tcpSocket" => port_or_name(&action.at("port"), out),
            "grpc" => port(&action.at("port"), out),
            "sleep" => sleep(&action, around, out),
            _ => {}
        }
    }
    if !found {
        out.push(spot.required("must specify a handler type"));
    }
}

fn http_get(action: &Spot<'_, '_>, out: &mut Errors) {
    if action.at("path").is_empty() {
        out.push(action.at("path").required(""));
    }
    port_or_name(&action.at("port"), out);
    let headers = action.at("httpHeaders");
    for header in headers.items() {
        let name = header.text_at("name");
        out.extend(names::http_header_name(name).into_iter().map(|m| headers.invalid_as(name, m)));
    }
}

fn sleep(action: &Spot<'_, '_>, around: &Around<'_>, out: &mut Errors) {
    let seconds = action.at("seconds").int().unwrap_or(0);
    if let Some(grace) = around.grace
        && !(0..=grace).contains(&seconds)
    {
        let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        out.push(action.invalid_as(seconds, why));
    }
}
