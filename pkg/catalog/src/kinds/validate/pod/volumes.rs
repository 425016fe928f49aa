//! Volumes: one source each, and that well-formed.

use std::collections::{HashMap, HashSet};

use knarr_api::{Value, field::Errors, names, quantity::Quantity};

use super::{env, projected};
use crate::kinds::{
    spot::Spot,
    validate::common::{amount, descending_path, file_mode, no_backsteps, volume_path},
};

/// Checks the volumes and answers those without fault, by name.
pub(super) fn volumes<'v>(spot: &Spot<'v, '_>, out: &mut Errors) -> HashMap<&'v str, &'v Value> {
    let mut good = HashMap::new();
    for volume in spot.items() {
        let before = out.len();
        source(&volume, out);
        let name = volume.at("name");
        name.check(names::dns1123_label, out);
        if good.contains_key(name.text()) {
            out.push(name.duplicate());
        }
        if out.len() == before && !name.is_empty() {
            good.insert(name.text(), volume.value());
        }
    }
    good
}

/// Sources in the order in which the first one counts.
const SOURCES: [&str; 30] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

fn source(volume: &Spot<'_, '_>, out: &mut Errors) {
    let mut found = false;
    for kind in SOURCES {
        let source = volume.at(kind);
        if !source.is_set() {
            continue;
        }
        if found {
            out.push(source.forbidden("may not specify more than 1 volume type"));
            continue;
        }
        found = true;
        check(kind, &source, out);
    }
    if !found {
        out.push(volume.required("must specify a volume type"));
    }
}

fn check(kind: &str, source: &Spot<'_, '_>, out: &mut Errors) {
    match kind {
        "emptyDir" => {
            let limit = source.at("sizeLimit");
            if amount(&limit).is_some_and(|a| a < Quantity::ZERO) {
                out.push(limit.forbidden("SizeLimit field must be a valid resource quantity"));
            }
        }
        "hostPath" => no_backsteps(&source.at("path"), out),
        "gitRepo" => descending_path(&source.at("directory"), out),
        "secret" => {
            required(source, "secretName", out);
            keys(source, out);
        }
        "configMap" => {
            required(source, "name", out);
            keys(source, out);
        }
        "nfs" => {
            let path = source.at("path");
            if !path.is_empty() && !path.text().starts_with('/') {
                out.push(path.invalid("must be an absolute path"));
            }
        }
        "iscsi" => {
            let lun = source.at("lun");
            if let Some(number) = lun.int() {
                out.extend(names::in_range(number, 0, 255).into_iter().map(|m| lun.invalid(m)));
            }
        }
        "downwardAPI" => {
            file_mode(&source.at("defaultMode"), out);
            for file in source.at("items").items() {
                downward_file(&file, out);
            }
        }
        "projected" => projected::sources(source, out),
        "csi" => csi(source, out),
        "ephemeral" => {
            let template = source.at("volumeClaimTemplate");
            match template.is_set() {
                true => crate::kinds::validate::storage::claim_spec(&template.at("spec"), out),
                false => out.push(template.required("")),
            }
        }
        "image" => required(source, "reference", out),
        _ => {}
    }
}

fn required(source: &Spot<'_, '_>, key: &str, out: &mut Errors) {
    let spot = source.at(key);
    if spot.is_empty() {
        out.push(spot.required(""));
    }
}

fn keys(source: &Spot<'_, '_>, out: &mut Errors) {
    file_mode(&source.at("defaultMode"), out);
    for item in source.at("items").items() {
        key_to_path(&item, out);
    }
}

/// A key that becomes a file.
pub(super) fn key_to_path(item: &Spot<'_, '_>, out: &mut Errors) {
    volume_path(&item.at("path"), out);
    file_mode(&item.at("mode"), out);
}

/// A field of the pod that becomes a file.
pub(super) fn downward_file(file: &Spot<'_, '_>, out: &mut Errors) {
    volume_path(&file.at("path"), out);
    let (field, resource) = (file.at("fieldRef"), file.at("resourceFieldRef"));
    if field.is_set() {
        env::field_ref(&field, env::FILE_FIELDS, out);
        if resource.is_set() {
            let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
            out.push(file.invalid_as("resource", why));
        }
    } else if resource.is_set() {
        env::resource_ref(&resource, true, out);
    } else {
        out.push(file.required("one of fieldRef and resourceFieldRef is required"));
    }
    file_mode(&file.at("mode"), out);
}

fn csi(source: &Spot<'_, '_>, out: &mut Errors) {
    driver_name(&source.at("driver"), out);
    let secret = source.at("nodePublishSecretRef");
    if secret.is_set() {
        let name = secret.at("name");
        match name.is_empty() {
            true => out.push(name.required("")),
            false => {
                let shown = source.at("name");
                let complaints = names::dns1123_subdomain(name.text()).into_iter();
                out.extend(complaints.map(|m| shown.invalid_as(name.text(), m)));
            }
        }
    }
}

/// The name of a CSI driver.
pub(in crate::kinds::validate) fn driver_name(driver: &Spot<'_, '_>, out: &mut Errors) {
    let text = driver.text();
    if text.len() > 63 {
        out.push(knarr_api::field::Error::too_long(&driver.path(), 63));
    }
    if !text.is_empty() {
        out.extend(names::dns1123_subdomain(&text.to_lowercase()).into_iter().map(|m| driver.invalid(m)));
    }
}

/// Paths that may not stand twice in one volume.
pub(super) type Paths<'v> = HashSet<&'v str>;
