//! Namespaces, ConfigMaps, Secrets, ServiceAccounts, quotas, events.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use knarr_api::{
    Value,
    field::{Error, Errors, Path},
    json::{self, Limits},
    names,
};

use super::resources::value as amount_of;
use crate::kinds::{same::equal, spot::Spot, tree::flag};

/// What a ConfigMap or Secret may hold.
const MAX: usize = 1024 * 1024;

/// A Namespace.
pub(in crate::kinds) fn namespace(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    for finalizer in spec.at("finalizers").items() {
        finalizer.check_even_empty(names::qualified_name, &mut out);
        if !finalizer.text().contains('/')
            && !matches!(finalizer.text(), "kubernetes" | "orphan" | "foregroundDeletion")
        {
            out.push(finalizer.invalid("name is neither a standard finalizer name nor is it fully qualified"));
        }
    }
    out
}

/// A Namespace is terminating exactly from the time its deletion was asked for.
pub(in crate::kinds) fn namespace_update(object: &Value, _old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if sub == "status" {
        let (phase, deleted) = (object.str_at(&["status", "phase"]), object.str_at(&["metadata", "deletionTimestamp"]));
        let path = Path::new("status").child("Phase");
        if deleted.is_empty() && phase != "Active" {
            out.push(Error::invalid(&path, phase, "may only be 'Active' if `deletionTimestamp` is empty"));
        } else if !deleted.is_empty() && phase != "Terminating" {
            out.push(Error::invalid(&path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty"));
        }
    }
    out
}

/// The bytes behind base64 text.
fn decoded_len(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|b| *b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// A ConfigMap.
pub(in crate::kinds) fn config_map(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let (texts, bytes) = (root.at("data"), root.at("binaryData"));
    let mut size = 0;
    for (key, entry) in texts.entries() {
        out.extend(names::config_map_key(key).into_iter().map(|m| entry.invalid_as(key, m)));
        if bytes.value().get(key).is_some() {
            out.push(entry.invalid_as(key, "duplicate of key present in binaryData"));
        }
        size += entry.text().len();
    }
    for (key, entry) in bytes.entries() {
        out.extend(names::config_map_key(key).into_iter().map(|m| entry.invalid_as(key, m)));
        size += decoded_len(entry.text());
    }
    if size > MAX {
        // The whole object is meant; its path has always been printed like this.
        out.push(Error::too_long(&Path::new("[]"), MAX));
    }
    out
}

/// An immutable ConfigMap.
pub(in crate::kinds) fn config_map_update(object: &Value, old: &Value, _sub: &str) -> Errors {
    immutable(object, old, &["data", "binaryData"])
}

fn immutable(object: &Value, old: &Value, keys: &[&str]) -> Errors {
    const WHY: &str = "field is immutable when `immutable` is set";
    let mut out = Errors::new();
    if flag(old, &["immutable"]) {
        if !flag(object, &["immutable"]) {
            out.push(Error::forbidden(&Path::new("immutable"), WHY));
        }
        for key in keys.iter().filter(|key| !equal(object.get(key), old.get(key))) {
            out.push(Error::forbidden(&Path::new(key), WHY));
        }
    }
    out
}

/// A Secret: keys, size, and what its type asks for.
pub(in crate::kinds) fn secret(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let data = root.at("data");
    let mut size = 0;
    for (key, entry) in data.entries() {
        out.extend(names::config_map_key(key).into_iter().map(|m| entry.invalid_as(key, m)));
        size += decoded_len(entry.text());
    }
    if size > MAX {
        out.push(Error::too_long(&data.path(), MAX));
    }
    let need = |key: &str, out: &mut Errors| {
        if data.key(key).value().is_null() {
            out.push(data.key(key).required(""));
        }
    };
    match root.text_at("type") {
        "kubernetes.io/service-account-token" => {
            const ACCOUNT: &str = "kubernetes.io/service-account.name";
            if object.str_at(&["metadata", "annotations", ACCOUNT]).is_empty() {
                out.push(Error::required(&Path::new("metadata").child("annotations").key(ACCOUNT), ""));
            }
        }
        "kubernetes.io/dockercfg" => docker(&data.key(".dockercfg"), &mut out),
        "kubernetes.io/dockerconfigjson" => docker(&data.key(".dockerconfigjson"), &mut out),
        "kubernetes.io/basic-auth" if ["username", "password"].iter().all(|key| data.value().get(key).is_none()) => {
            need("username", &mut out);
            need("password", &mut out);
        }
        "kubernetes.io/ssh-auth" if data.key("ssh-privatekey").is_empty() => {
            out.push(data.key("ssh-privatekey").required(""));
        }
        "kubernetes.io/tls" => {
            need("tls.crt", &mut out);
            need("tls.key", &mut out);
        }
        _ => {}
    }
    out
}

fn docker(entry: &Spot<'_, '_>, out: &mut Errors) {
    if !entry.is_set() {
        return out.push(entry.required(""));
    }
    let bytes = STANDARD.decode(entry.text()).unwrap_or_default();
    let why = match bytes.is_empty() {
        true => Some("unexpected end of JSON input".to_owned()),
        false => json::parse(&bytes, &Limits::default()).err().map(|error| error.to_string()),
    };
    if let Some(why) = why {
        out.push(entry.invalid_as("<secret contents redacted>", why));
    }
}

/// A Secret keeps its type; an immutable one everything.
pub(in crate::kinds) fn secret_update(object: &Value, old: &Value, _sub: &str) -> Errors {
    let mut out = Errors::new();
    Spot::root(object).at("type").unchanged(old.get("type").unwrap_or(&Value::Null), &mut out);
    out.extend(immutable(object, old, &["data"]));
    out
}

/// A ResourceQuota.
pub(in crate::kinds) fn resource_quota(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    let hard = spec.at("hard");
    for (name, entry) in hard.entries() {
        out.extend(names::qualified_name(name).into_iter().map(|m| entry.invalid_as(name, m)));
        amount_of(&entry, name, &mut out);
    }
    let scopes = spec.at("scopes");
    const SCOPES: [&str; 7] = [
        "Terminating",
        "NotTerminating",
        "BestEffort",
        "NotBestEffort",
        "PriorityClass",
        "CrossNamespacePodAffinity",
        "VolumeAttributesClass",
    ];
    let has = |scope: &str| scopes.items().any(|s| s.text() == scope);
    if scopes.items().any(|s| !SCOPES.contains(&s.text())) {
        out.push(scopes.invalid("unsupported scope"));
    }
    if has("BestEffort") && has("NotBestEffort") || has("Terminating") && has("NotTerminating") {
        out.push(scopes.invalid("conflicting scopes"));
    }
    out
}

/// The scopes of a quota stay.
pub(in crate::kinds) fn resource_quota_update(object: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if sub.is_empty() {
        let root = Spot::root(object);
        root.at("spec").at("scopes").unchanged(old.at(&["spec", "scopes"]).unwrap_or(&Value::Null), &mut out);
    }
    out
}

/// A LimitRange.
pub(in crate::kinds) fn limit_range(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    let limits = spec.at("limits");
    for (i, limit) in limits.items().enumerate() {
        let kind = limit.at("type");
        kind.check(names::qualified_name, &mut out);
        if limits.items().take(i).any(|other| other.text_at("type") == kind.text()) {
            out.push(kind.duplicate());
        }
        if kind.text() == "Pod" {
            for key in ["default", "defaultRequest"] {
                let list = limit.at(key);
                if !list.is_empty() {
                    out.push(list.forbidden("may not be specified when `type` is 'Pod'"));
                }
            }
        }
        if kind.text() == "PersistentVolumeClaim"
            && limit.value().at(&["min", "storage"]).is_none()
            && limit.value().at(&["max", "storage"]).is_none()
        {
            let why = "either minimum or maximum storage value is required, but neither was provided";
            out.push(limit.at("limits").required(why));
        }
        bounds(&limit, &mut out);
    }
    out
}

/// min ≤ defaultRequest ≤ default ≤ max.
fn bounds(limit: &Spot<'_, '_>, out: &mut Errors) {
    const ORDER: [(&str, &str, &str, &str, &str); 6] = [
        ("min", "max", "min", "min value", "max value"),
        ("min", "defaultRequest", "defaultRequest", "min value", "default request value"),
        ("defaultRequest", "max", "defaultRequest", "default request value", "max value"),
        ("defaultRequest", "default", "defaultRequest", "default request value", "default limit value"),
        ("min", "default", "default", "min value", "default value"),
        ("default", "max", "default", "default value", "max value"),
    ];
    for (low, high, blamed, low_words, high_words) in ORDER {
        for (name, entry) in limit.at(low).entries() {
            let list = limit.at(high);
            let other = list.key(name);
            if let (Some(a), Some(b)) = (super::common::amount(&entry), super::common::amount(&other))
                && a > b
            {
                let why = format!("{low_words} {} is greater than {high_words} {}", entry.text(), other.text());
                let at = limit.at(blamed);
                let shown = if blamed == low { entry.text() } else { at.key(name).text() };
                out.push(at.key(name).invalid_as(shown, why));
            }
        }
    }
}

/// Bytes of an Event's message.
const MESSAGE: usize = 1024;

/// An Event.
pub(in crate::kinds) fn event(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let (own, about) = (object.str_at(&["metadata", "namespace"]), object.str_at(&["involvedObject", "namespace"]));
    let is_new = !root.at("eventTime").is_empty();
    // Events about what lives in no namespace are kept in one of these.
    let fits = match (about, is_new) {
        ("", false) => matches!(own, "" | "default"),
        ("", true) => matches!(own, "default" | "kube-system"),
        (about, false) => own == about,
        (_, true) => true,
    };
    if !fits {
        let path = Path::new("involvedObject").child("namespace");
        out.push(Error::invalid(&path, about, "does not match event.namespace"));
    }
    if is_new {
        for (key, most) in [("reportingComponent", 0), ("reportingInstance", 128), ("action", 128), ("reason", 128)] {
            let text = root.at(key);
            if text.is_empty() {
                out.push(text.required(""));
            }
            if most > 0 && text.text().len() > most {
                out.push(text.invalid_as("", format!("can have at most {most} characters")));
            }
        }
        root.at("reportingComponent").check(names::qualified_name, &mut out);
        let message = root.at("message");
        if message.text().len() > MESSAGE {
            out.push(message.invalid_as("", format!("can have at most {MESSAGE} characters")));
        }
    }
    out
}
