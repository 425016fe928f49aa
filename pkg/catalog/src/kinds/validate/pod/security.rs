//! Security contexts of pods and containers.

use std::collections::HashSet;

use knarr_api::{Value, field::Errors, names};

use crate::kinds::{
    spot::Spot,
    tree::{flag, texts},
    validate::common::descending_path,
};

fn user(spot: &Spot<'_, '_>, out: &mut Errors) {
    if let Some(id) = spot.int() {
        out.extend(names::user_id(id).into_iter().map(|m| spot.invalid(m)));
    }
}

/// The security context of a pod, with the sharing of namespaces it is about.
pub(super) fn pod(spec: &Spot<'_, '_>, out: &mut Errors) {
    let context = spec.at("securityContext");
    for id in ["fsGroup", "runAsUser", "runAsGroup"] {
        user(&context.at(id), out);
    }
    for group in context.at("supplementalGroups").items() {
        user(&group, out);
    }
    if flag(spec.value(), &["shareProcessNamespace"]) && flag(spec.value(), &["hostPID"]) {
        let at = context.at("shareProcessNamespace");
        out.push(at.invalid_as(true, "ShareProcessNamespace and HostPID cannot both be enabled"));
    }
    sysctls(&context.at("sysctls"), spec.value(), out);
    seccomp(&context.at("seccompProfile"), out);
    app_armor(&context.at("appArmorProfile"), out);
    if spec.value().get("hostUsers").and_then(Value::as_bool) == Some(false) {
        for (key, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
            if flag(spec.value(), &[key]) {
                out.push(spec.at(shown).forbidden("when `hostUsers` is false"));
            }
        }
    }
}

const SYSCTL: &str = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
const SYSCTL_MAX: usize = 253;

fn sysctls(spot: &Spot<'_, '_>, spec: &Value, out: &mut Errors) {
    let mut seen = HashSet::new();
    for sysctl in spot.items() {
        let name = sysctl.at("name");
        if name.is_empty() {
            continue;
        }
        if !is_sysctl(name.text()) {
            out.push(name.invalid(format!("must have at most {SYSCTL_MAX} characters and match regex {SYSCTL}")));
        } else if !seen.insert(name.text()) {
            out.push(name.duplicate());
        }
        let dotted = name.text().replace('/', ".");
        if flag(spec, &["hostNetwork"]) && dotted.starts_with("net.") {
            out.push(name.invalid("may not be specified when 'hostNetwork' is true"));
        }
        let ipc = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."].iter().any(|p| dotted.starts_with(p));
        if flag(spec, &["hostIPC"]) && ipc {
            out.push(name.invalid("may not be specified when 'hostIPC' is true"));
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    name.len() <= SYSCTL_MAX
        && name.split(['.', '/']).map(str::as_bytes).all(|p| edge(p.first()) && edge(p.last()) && p.iter().all(inner))
}

fn seccomp(profile: &Spot<'_, '_>, out: &mut Errors) {
    let (kind, local) = (profile.at("type"), profile.at("localhostProfile"));
    if !profile.is_set() {
        return;
    }
    if kind.text() == "Localhost" {
        match local.is_set() {
            true => descending_path(&local, out),
            false => out.push(local.required("must be set when seccomp type is Localhost")),
        }
    } else if local.is_set() {
        out.push(local.invalid_as(profile.value().clone(), "can only be set when seccomp type is Localhost"));
    }
}

const PROFILE_MAX: usize = 4095;

fn app_armor(profile: &Spot<'_, '_>, out: &mut Errors) {
    let (kind, local) = (profile.at("type"), profile.at("localhostProfile"));
    if !profile.is_set() {
        return;
    }
    if kind.text() == "Localhost" {
        match local.text() {
            "" => out.push(local.required("must be set when AppArmor type is Localhost")),
            text if text.trim() != text => out.push(local.invalid("must not be padded with whitespace")),
            text if text.len() > PROFILE_MAX => {
                out.push(knarr_api::field::Error::too_long(&local.path(), PROFILE_MAX));
            }
            _ => {}
        }
    } else if local.is_set() {
        out.push(local.invalid("can only be set when AppArmor type is Localhost"));
    }
}

/// The security context of a container.
pub(super) fn container(context: &Spot<'_, '_>, host_users: bool, out: &mut Errors) {
    if !context.is_set() {
        return;
    }
    user(&context.at("runAsUser"), out);
    user(&context.at("runAsGroup"), out);
    let mount = context.at("procMount");
    if host_users && mount.text() == "Unmasked" {
        out.push(mount.invalid("`hostUsers` must be false to use `Unmasked`"));
    }
    seccomp(&context.at("seccompProfile"), out);
    let value = context.value();
    if value.get("allowPrivilegeEscalation").and_then(Value::as_bool) == Some(false) {
        if flag(value, &["privileged"]) {
            out.push(context.invalid("cannot set `allowPrivilegeEscalation` to false and `privileged` to true"));
        }
        if texts(value, &["capabilities", "add"]).any(|c| c == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            out.push(context.invalid(why));
        }
    }
    app_armor(&context.at("appArmorProfile"), out);
}
