//! Where volumes appear in a container: as directories or as devices.

use std::collections::{HashMap, HashSet};

use knarr_api::{Value, field::Errors};

use crate::kinds::{spot::Spot, tree::flag, validate::common::descending_path};

type Volumes<'v> = HashMap<&'v str, &'v Value>;

pub(super) fn mounts(container: &Spot<'_, '_>, volumes: &Volumes<'_>, out: &mut Errors) {
    let (mounts, devices) = (container.at("volumeMounts"), container.at("volumeDevices"));
    let mut paths = HashSet::new();
    for mount in mounts.items() {
        let (name, path) = (mount.at("name"), mount.at("mountPath"));
        if !name.is_empty() && !volumes.contains_key(name.text()) {
            out.push(name.not_found());
        }
        if !paths.insert(path.text()) && !path.is_empty() {
            out.push(path.invalid("must be unique"));
        }
        if !devices.is_empty() {
            if devices.items().any(|d| d.text_at("name") == name.text()) {
                out.push(name.invalid("must not already exist in volumeDevices"));
            }
            if devices.items().any(|d| d.text_at("devicePath") == path.text()) {
                out.push(path.invalid("must not already exist as a path in volumeDevices"));
            }
        }
        let (sub, expression) = (mount.at("subPath"), mount.at("subPathExpr"));
        descending_path(&sub, out);
        if !expression.is_empty() {
            if !sub.is_empty() {
                out.push(expression.invalid("subPathExpr and subPath are mutually exclusive"));
            }
            descending_path(&expression, out);
        }
        propagation(&mount, container, out);
    }
}

fn propagation(mount: &Spot<'_, '_>, container: &Spot<'_, '_>, out: &mut Errors) {
    let propagation = mount.at("mountPropagation");
    let mode = propagation.text();
    if !matches!(mode, "" | "None" | "HostToContainer" | "Bidirectional") {
        out.push(propagation.not_supported(&["Bidirectional", "HostToContainer", "None"]));
    }
    if mode == "Bidirectional" && !flag(container.value(), &["securityContext", "privileged"]) {
        out.push(propagation.forbidden("Bidirectional mount propagation is available only to privileged containers"));
    }
    let recursive = mount.at("recursiveReadOnly");
    match recursive.text() {
        "" | "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.at("readOnly").flag() {
                out.push(recursive.forbidden("may only be specified when readOnly is true"));
            }
            if !matches!(mode, "" | "None") {
                let why = "may only be specified when mountPropagation is None or not specified";
                out.push(recursive.forbidden(why));
            }
        }
        _ => out.push(recursive.not_supported(&["Disabled", "Enabled", "IfPossible"])),
    }
}

pub(super) fn devices(container: &Spot<'_, '_>, volumes: &Volumes<'_>, out: &mut Errors) {
    let (mounts, devices) = (container.at("volumeMounts"), container.at("volumeDevices"));
    let (mut names, mut paths) = (HashSet::new(), HashSet::new());
    for device in devices.items() {
        let (name, path) = (device.at("name"), device.at("devicePath"));
        if !names.insert(name.text()) {
            out.push(name.invalid("must be unique"));
        }
        match volumes.get(name.text()) {
            Some(volume) if volume.get("persistentVolumeClaim").is_none() && volume.get("ephemeral").is_none() => {
                let why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                out.push(name.invalid(why));
            }
            Some(_) => {}
            None if name.is_empty() => {}
            None => out.push(name.not_found()),
        }
        if !paths.insert(path.text()) && !path.is_empty() {
            out.push(path.invalid("must be unique"));
        }
        if path.text().split('/').any(|part| part == "..") {
            out.push(path.invalid("can not contain backsteps ('..')"));
        } else if mounts.items().any(|m| m.text_at("name") == name.text()) {
            out.push(name.invalid("must not already exist in volumeMounts"));
        }
        if mounts.items().any(|m| m.text_at("mountPath") == path.text()) {
            out.push(path.invalid("must not already exist as a path in volumeMounts"));
        }
    }
}
