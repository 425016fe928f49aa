//! Kinds of the remaining groups, mostly cluster-wide.

use knarr_api::Value;

use super::{age, ages, cell, count, flag, name, number, text, text_or, words};
use crate::{Column, kinds::tree::int};

pub(super) fn columns(plural: &str) -> Vec<Column> {
    match plural {
        "leases" => vec![name(), text("Holder", &["spec", "holderIdentity"]), age()],
        "runtimeclasses" => vec![name(), text("Handler", &["handler"]), age()],
        "priorityclasses" => vec![
            name(),
            number("Value", &["value"]),
            flag("Global-Default", &["globalDefault"], false),
            age(),
            text("PreemptionPolicy", &["preemptionPolicy"]),
        ],
        "certificatesigningrequests" => vec![
            name(),
            age(),
            text_or("SignerName", &["spec", "signerName"], words::NONE),
            text("Requestor", &["spec", "username"]),
            cell("RequestedDuration", |r| {
                int(r, &["spec", "expirationSeconds"]).map_or(words::NONE.to_owned(), ages::span)
            }),
            cell("Condition", request_condition),
        ],
        "apiservices" => vec![name(), cell("Service", service), cell("Available", available), age()],
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => {
            vec![name(), count("Webhooks", &["webhooks"]), age()]
        }
        "validatingadmissionpolicies" => {
            vec![name(), count("Validations", &["spec", "validations"]), cell("ParamKind", param_kind), age()]
        }
        "mutatingadmissionpolicies" => {
            vec![name(), count("Mutations", &["spec", "mutations"]), cell("ParamKind", param_kind), age()]
        }
        "validatingadmissionpolicybindings" | "mutatingadmissionpolicybindings" => {
            vec![name(), text("PolicyName", &["spec", "policyName"]), cell("ParamRef", param_ref), age()]
        }
        _ => Vec::new(),
    }
}

fn request_condition(request: &Value) -> String {
    let has = |kind| words::condition(request, kind).is_some();
    let decision = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (_, true) => "Approved",
        _ => "Pending",
    };
    let issued = !request.str_at(&["status", "certificate"]).is_empty();
    let words = [(decision, true), ("Failed", has("Failed")), ("Issued", issued)];
    words::joined(words.into_iter().filter(|(_, is)| *is).map(|(word, _)| word))
}

fn service(api: &Value) -> String {
    match api.at(&["spec", "service"]).filter(|s| !s.is_null()) {
        Some(service) => format!("{}/{}", service.str_at(&["namespace"]), service.str_at(&["name"])),
        None => "Local".to_owned(),
    }
}

fn available(api: &Value) -> String {
    let Some(condition) = words::condition(api, "Available") else { return "Unknown".to_owned() };
    match (condition.str_at(&["status"]), condition.str_at(&["reason"])) {
        (status @ "True", _) | (status, "") => status.to_owned(),
        (status, reason) => format!("{status} ({reason})"),
    }
}

fn param_kind(policy: &Value) -> String {
    match policy.at(&["spec", "paramKind"]).filter(|k| !k.is_null()) {
        Some(kind) => format!("{}/{}", kind.str_at(&["apiVersion"]), kind.str_at(&["kind"])),
        None => "<unset>".to_owned(),
    }
}

fn param_ref(binding: &Value) -> String {
    let Some(param) = binding.at(&["spec", "paramRef"]).filter(|p| !p.is_null()) else { return "<unset>".to_owned() };
    match (param.str_at(&["namespace"]), param.str_at(&["name"])) {
        (_, "") if param.get("selector").is_some() => words::selector(param, &["selector"]),
        (_, "") => "<unset>".to_owned(),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}
