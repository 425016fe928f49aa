//! Containers, init containers, ephemeral containers.

use std::collections::HashSet;

use knarr_api::{field::Errors, names};

use super::{Around, env, handlers, mounts, security};
use crate::kinds::{
    spot::Spot,
    validate::{
        common::port,
        resources::{self, Of},
    },
};

/// The three lists of a pod.
pub(super) fn containers(spec: &Spot<'_, '_>, around: &Around<'_>, out: &mut Errors) {
    let (main, init, ephemeral) = (spec.at("containers"), spec.at("initContainers"), spec.at("ephemeralContainers"));
    if main.is_empty() {
        out.push(main.required(""));
    }
    let mut names = HashSet::new();
    let mut ports = HashSet::new();
    for container in main.items() {
        common(&container, around, out);
        unique(&container, &mut names, out);
        handlers::of_running(&container, around, out);
        restart_rules(&container, out);
    }
    for container in main.items() {
        host_ports(&container, &mut ports, out);
    }
    for container in init.items() {
        common(&container, around, out);
        unique(&container, &mut names, out);
        host_ports(&container, &mut HashSet::new(), out);
        init_container(&container, around, out);
    }
    let others = names.clone();
    for container in ephemeral.items() {
        common(&container, around, out);
        unique(&container, &mut names, out);
        ephemeral_container(&container, &others, out);
    }
}

fn unique<'v>(container: &Spot<'v, '_>, names: &mut HashSet<&'v str>, out: &mut Errors) {
    let name = container.at("name");
    if !names.insert(name.text()) && !name.is_empty() {
        out.push(name.duplicate());
    }
}

/// What holds for containers of all lists.
fn common(container: &Spot<'_, '_>, around: &Around<'_>, out: &mut Errors) {
    container.at("name").check(names::dns1123_label, out);
    let image = container.at("image");
    if image.is_empty() {
        out.push(image.required(""));
    } else if around.is_pod && image.text().trim() != image.text() {
        out.push(image.invalid("must not have leading or trailing whitespace"));
    }
    ports(&container.at("ports"), out);
    env::variables(&container.at("env"), out);
    env::sources(&container.at("envFrom"), out);
    mounts::mounts(container, &around.volumes, out);
    mounts::devices(container, &around.volumes, out);
    resources::requirements(&container.at("resources"), Of::Container, &around.claims, out);
    resize_policy(&container.at("resizePolicy"), around, out);
    security::container(&container.at("securityContext"), around.host_users, out);
}

fn ports(spot: &Spot<'_, '_>, out: &mut Errors) {
    let mut seen = HashSet::new();
    for item in spot.items() {
        let name = item.at("name");
        if !name.is_empty() {
            let complaints = names::port_name(name.text());
            if complaints.is_empty() && !seen.insert(name.text()) {
                out.push(name.duplicate());
            }
            out.extend(complaints.into_iter().map(|m| name.invalid(m)));
        }
        let number = item.at("containerPort");
        match number.int().unwrap_or(0) {
            0 => out.push(number.required("")),
            _ => port(&number, out),
        }
        let host = item.at("hostPort");
        if host.int().unwrap_or(0) != 0 {
            port(&host, out);
        }
    }
}

fn host_ports<'v>(container: &Spot<'v, '_>, seen: &mut HashSet<(&'v str, &'v str, i64)>, out: &mut Errors) {
    let ports = container.at("ports");
    for item in ports.items() {
        let host = item.at("hostPort");
        let Some(number) = host.int().filter(|n| *n != 0) else { continue };
        let (protocol, address) = (item.text_at("protocol"), item.text_at("hostIP"));
        if !seen.insert((protocol, address, number)) {
            out.push(host.duplicate_as(format!("{protocol}/{address}/{number}")));
        }
    }
}

fn resize_policy(spot: &Spot<'_, '_>, around: &Around<'_>, out: &mut Errors) {
    let mut seen = HashSet::new();
    for policy in spot.items() {
        let (name, restart) = (policy.text_at("resourceName"), policy.text_at("restartPolicy"));
        if !seen.insert(name) {
            out.push(policy.duplicate_as(name));
        }
        if !matches!(name, "" | "cpu" | "memory") {
            out.push(knarr_api::field::Error::not_supported(&spot.path(), name, ["cpu", "memory"]));
        }
        if !matches!(restart, "" | "NotRequired" | "RestartContainer") {
            let allowed = ["NotRequired", "RestartContainer"];
            out.push(knarr_api::field::Error::not_supported(&spot.path(), restart, allowed));
        }
        if around.restart == "Never" && restart != "NotRequired" {
            let why = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            out.push(spot.invalid_as(restart, why));
        }
    }
}

const RULES: usize = 20;

fn restart_rules(container: &Spot<'_, '_>, out: &mut Errors) {
    let (policy, rules) = (container.at("restartPolicy"), container.at("restartPolicyRules"));
    if !policy.is_set() && !rules.is_empty() {
        out.push(policy.required("must specify restartPolicy when restart rules are used"));
    }
    if policy.is_set() && !matches!(policy.text(), "Always" | "OnFailure" | "Never") {
        out.push(policy.not_supported(&["Always", "Never", "OnFailure"]));
    }
    if rules.len() > RULES {
        out.push(knarr_api::field::Error::too_many(&rules.path(), rules.len(), RULES));
    }
}

fn init_container(container: &Spot<'_, '_>, around: &Around<'_>, out: &mut Errors) {
    restart_rules(container, out);
    if container.text_at("restartPolicy") == "Always" {
        return handlers::of_running(container, around, out);
    }
    for handler in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        let handler = container.at(handler);
        if handler.is_set() {
            out.push(handler.forbidden("may not be set for init containers without restartPolicy=Always"));
        }
    }
    let policies = container.at("resizePolicy");
    for policy in policies.items() {
        let restart = policy.at("restartPolicy");
        if restart.text() == "RestartContainer" {
            let why = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            out.push(restart.invalid(why));
        }
    }
}

fn ephemeral_container(container: &Spot<'_, '_>, others: &HashSet<&str>, out: &mut Errors) {
    const WHY: &str = "cannot be set for an Ephemeral Container";
    const ALLOWED: [&str; 18] = [
        "name",
        "image",
        "command",
        "args",
        "workingDir",
        "envFrom",
        "env",
        "volumeMounts",
        "volumeDevices",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "imagePullPolicy",
        "securityContext",
        "stdin",
        "stdinOnce",
        "tty",
        "targetContainerName",
        "resizePolicy",
    ];
    let target = container.at("targetContainerName");
    if !target.is_empty() && !others.contains(target.text()) {
        out.push(target.not_found());
    }
    for (member, _) in container.entries() {
        let spot = container.at(member);
        if !ALLOWED.contains(&member) && !spot.is_empty() {
            out.push(spot.forbidden(WHY));
        }
    }
    let mounts = container.at("volumeMounts");
    for mount in mounts.items() {
        for key in ["subPath", "subPathExpr"] {
            let path = mount.at(key);
            if !path.is_empty() {
                out.push(path.forbidden(WHY));
            }
        }
    }
}
