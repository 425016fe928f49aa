//! Volumes, claims, storage classes.

use knarr_api::{
    Value,
    field::{Error, Errors, Path},
    names,
    quantity::Quantity,
};

use super::common::{amount, label_selector};
use crate::kinds::{
    same::equal,
    spot::Spot,
    tree::{copy, is_empty},
};

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

fn access_modes(spot: &Spot<'_, '_>, missing: &str, out: &mut Errors) {
    if spot.is_empty() {
        out.push(spot.required(missing));
    }
    for mode in spot.items().filter(|m| !MODES.contains(&m.text())) {
        out.push(Error::not_supported(&spot.path(), mode.text(), MODES));
    }
    if spot.len() > 1 && spot.items().any(|m| m.text() == "ReadWriteOncePod") {
        out.push(spot.forbidden("may not use ReadWriteOncePod with other access modes"));
    }
}

fn positive(spot: &Spot<'_, '_>, out: &mut Errors) {
    if amount(spot).is_some_and(|a| a <= Quantity::ZERO) {
        out.push(spot.invalid("must be greater than zero"));
    }
}

/// The spec of a claim.
pub(super) fn claim_spec(spec: &Spot<'_, '_>, out: &mut Errors) {
    access_modes(&spec.at("accessModes"), "at least 1 access mode is required", out);
    let selector = spec.at("selector");
    if selector.is_set() {
        label_selector(&selector, out);
    }
    let resources = spec.at("resources");
    let requests = resources.at("requests");
    let storage = requests.key("storage");
    match storage.is_set() {
        false => out.push(resources.key("storage").required("")),
        true => positive(&storage, out),
    }
    spec.at("storageClassName").check(names::dns1123_subdomain, out);
    for key in ["dataSource", "dataSourceRef"] {
        source(&spec.at(key), out);
    }
    let same = |key| spec.value().at(&["dataSource", key]) == spec.value().at(&["dataSourceRef", key]);
    let (old_name, new_name) = (spec.at("dataSource"), spec.at("dataSourceRef"));
    if new_name.at("namespace").text() != "" {
        if old_name.is_set() {
            let why = "may not be specified when dataSourceRef.namespace is specified";
            out.push(spec.invalid_as("spec.dataSource", why));
        }
    } else if old_name.is_set() && new_name.is_set() && !["apiGroup", "kind", "name"].into_iter().all(same) {
        out.push(spec.invalid_as("spec.dataSource", "must match dataSourceRef"));
    }
    spec.at("volumeAttributesClassName").check(names::dns1123_subdomain, out);
}

fn source(source: &Spot<'_, '_>, out: &mut Errors) {
    if !source.is_set() {
        return;
    }
    let (group, kind) = (source.at("apiGroup"), source.at("kind"));
    if group.is_empty() && !kind.is_empty() && kind.text() != "PersistentVolumeClaim" {
        let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        out.push(source.invalid_as(kind.text(), why));
    }
    group.check(names::dns1123_subdomain, out);
    source.at("namespace").check(names::dns1123_label, out);
}

/// A PersistentVolumeClaim.
pub(in crate::kinds) fn claim(object: &Value) -> Errors {
    let mut out = Errors::new();
    claim_spec(&Spot::root(object).at("spec"), &mut out);
    out
}

/// A claim may ask for more once it is bound; little else changes.
pub(in crate::kinds) fn claim_update(object: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if !sub.is_empty() {
        return out;
    }
    let path = Path::new("spec");
    let mut munged = object.get("spec").cloned().unwrap_or_default();
    let before = old.get("spec").cloned().unwrap_or_default();
    let was_bound = !before.str_at(&["volumeName"]).is_empty();
    if !was_bound && !is_empty(&munged, &["volumeName"]) {
        copy(&before, &mut munged, &["volumeName"]);
    }
    copy(&before, &mut munged, &["volumeAttributesClassName"]);
    if is_empty(&before, &["storageClassName"]) && before.get("storageClassName").is_none() {
        copy(&before, &mut munged, &["storageClassName"]);
    }
    const REQUEST: [&str; 3] = ["resources", "requests", "storage"];
    let size = |spec: &Value| spec.str_at(&REQUEST).parse::<Quantity>().ok();
    let (now, was) = (size(&munged), size(&before));
    if old.str_at(&["status", "phase"]) == "Bound" {
        copy(&before, &mut munged, &REQUEST);
    }
    if !equal(Some(&munged), Some(&before)) {
        let why =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        out.push(Error::forbidden(&path, format!("{why}\n")));
    }
    if let (Some(now), Some(was)) = (now, was)
        && now < was
    {
        let capacity = old.str_at(&["status", "capacity", "storage"]).parse::<Quantity>().ok();
        let at = path.child("resources").child("requests").child("storage");
        if capacity.is_none_or(|have| now < have) {
            let what = if capacity.is_some() { "status.capacity" } else { "previous value" };
            out.push(Error::forbidden(&at, format!("field can not be less than {what}")));
        }
    }
    out
}

const SOURCES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

/// A PersistentVolume.
pub(in crate::kinds) fn volume(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    access_modes(&spec.at("accessModes"), "", &mut out);
    let capacity = spec.at("capacity");
    if capacity.is_empty() {
        out.push(capacity.required(""));
    } else if capacity.len() != 1 || capacity.value().get("storage").is_none() {
        out.push(capacity.not_supported(&["storage"]));
    }
    for (_, entry) in capacity.entries() {
        positive(&entry, &mut out);
    }
    let affinity = spec.at("nodeAffinity");
    if affinity.is_set() {
        let required = affinity.at("required");
        match required.is_set() {
            true => super::pod::node_selector(&required, &mut out),
            false => out.push(required.required("must specify required node constraints")),
        }
    }
    let mut found = false;
    for kind in SOURCES {
        let source = spec.at(kind);
        if !source.is_set() {
            continue;
        }
        match kind {
            _ if found => out.push(source.forbidden("may not specify more than 1 volume type")),
            "hostPath" | "local" => super::common::no_backsteps(&source.at("path"), &mut out),
            "csi" => super::pod::driver_name(&source.at("driver"), &mut out),
            "nfs" if !source.text_at("path").is_empty() && !source.text_at("path").starts_with('/') => {
                out.push(source.at("path").invalid("must be an absolute path"));
            }
            _ => {}
        }
        if kind == "local" && !affinity.is_set() {
            out.push(affinity.required("Local volume requires node affinity"));
        }
        found = true;
    }
    if !found {
        out.push(spec.required("must specify a volume type"));
    }
    let policy = spec.at("persistentVolumeReclaimPolicy");
    if policy.text() == "Recycle" && spec.value().str_at(&["hostPath", "path"]) == "/" {
        out.push(policy.forbidden("may not be 'recycle' for a hostPath mount of '/'"));
    }
    spec.at("storageClassName").check(names::dns1123_subdomain, &mut out);
    out
}

/// The source and the mode of a volume stay.
pub(in crate::kinds) fn volume_update(object: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if !sub.is_empty() {
        return out;
    }
    if SOURCES.iter().any(|kind| !equal(object.at(&["spec", kind]), old.at(&["spec", kind]))) {
        let path = Path::new("spec").child("persistentvolumesource");
        out.push(Error::forbidden(&path, "spec.persistentvolumesource is immutable after creation\n"));
    }
    let root = Spot::root(object);
    let spec = root.at("spec");
    spec.at("volumeMode").unchanged(old.at(&["spec", "volumeMode"]).unwrap_or(&Value::Null), &mut out);
    if let Some(affinity) = old.at(&["spec", "nodeAffinity"]).filter(|a| !a.is_null()) {
        spec.at("nodeAffinity").unchanged(affinity, &mut out);
    }
    out
}

/// A StorageClass.
pub(in crate::kinds) fn storage_class(object: &Value) -> Errors {
    const PARAMETERS: usize = 512;
    let mut out = Errors::new();
    let root = Spot::root(object);
    let provisioner = root.at("provisioner");
    if !provisioner.is_empty() {
        let complaints = names::qualified_name(&provisioner.text().to_lowercase());
        out.extend(complaints.into_iter().map(|m| provisioner.invalid(m)));
    }
    let parameters = root.at("parameters");
    if parameters.len() > PARAMETERS {
        let shown = "Provisioner Parameters exceeded max allowed";
        out.push(Error::too_long(&Path::new(shown), PARAMETERS));
    }
    if parameters.entries().any(|(key, _)| key.is_empty()) {
        out.push(parameters.invalid_as("", "field can not be empty."));
    }
    out
}

/// What a class once promised it keeps.
pub(in crate::kinds) fn storage_class_update(object: &Value, old: &Value, _sub: &str) -> Errors {
    let mut out = Errors::new();
    let changed = |key: &str| !equal(object.get(key), old.get(key));
    for (key, why) in [
        ("parameters", "updates to parameters are forbidden."),
        ("provisioner", "updates to provisioner are forbidden."),
        ("reclaimPolicy", "updates to reclaimPolicy are forbidden."),
    ] {
        if changed(key) {
            out.push(Error::forbidden(&Path::new(key), why));
        }
    }
    let root = Spot::root(object);
    root.at("volumeBindingMode").unchanged(old.get("volumeBindingMode").unwrap_or(&Value::Null), &mut out);
    out
}
