//! Volumes and what provides them.

use knarr_api::Value;

use super::{age, cell, count, flag, name, named, network::default_marked, text, text_or, wide, words};
use crate::{Column, kinds::tree::texts};

pub(super) fn columns(plural: &str) -> Vec<Column> {
    match plural {
        "persistentvolumes" => vec![
            name(),
            cell("Capacity", |pv| amount(pv, &["spec", "capacity", "storage"])),
            cell("Access Modes", |pv| access_modes(pv, &["spec", "accessModes"])),
            text("Reclaim Policy", &["spec", "persistentVolumeReclaimPolicy"]),
            cell("Status", phase),
            cell("Claim", |pv| match pv.at(&["spec", "claimRef"]) {
                Some(claim) => format!("{}/{}", claim.str_at(&["namespace"]), claim.str_at(&["name"])),
                None => String::new(),
            }),
            cell("StorageClass", storage_class),
            text_or("VolumeAttributesClass", &["spec", "volumeAttributesClassName"], "<unset>"),
            text("Reason", &["status", "reason"]),
            age(),
            wide(text_or("VolumeMode", &["spec", "volumeMode"], "<unset>")),
        ],
        "persistentvolumeclaims" => vec![
            name(),
            cell("Status", phase),
            text("Volume", &["spec", "volumeName"]),
            cell("Capacity", |c| bound(c, |c| amount(c, &["status", "capacity", "storage"]))),
            cell("Access Modes", |c| bound(c, |c| access_modes(c, &["status", "accessModes"]))),
            cell("StorageClass", storage_class),
            text_or("VolumeAttributesClass", &["spec", "volumeAttributesClassName"], "<unset>"),
            age(),
            wide(text_or("VolumeMode", &["spec", "volumeMode"], "<unset>")),
        ],
        "storageclasses" => vec![
            named(|class| {
                let annotations =
                    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
                default_marked(class, &annotations)
            }),
            text("Provisioner", &["provisioner"]),
            text_or("ReclaimPolicy", &["reclaimPolicy"], "Delete"),
            text_or("VolumeBindingMode", &["volumeBindingMode"], "Immediate"),
            Column { kind: "string".into(), ..flag("AllowVolumeExpansion", &["allowVolumeExpansion"], false) },
            age(),
        ],
        "csinodes" => vec![name(), count("Drivers", &["spec", "drivers"]), age()],
        "csidrivers" => vec![
            name(),
            flag("AttachRequired", &["spec", "attachRequired"], true),
            flag("PodInfoOnMount", &["spec", "podInfoOnMount"], false),
            flag("StorageCapacity", &["spec", "storageCapacity"], false),
            cell("TokenRequests", |d| match d.at(&["spec", "tokenRequests"]) {
                Some(Value::Array(_)) => words::joined(words::each(d, &["spec", "tokenRequests"], "audience")),
                _ => "<unset>".to_owned(),
            }),
            flag("RequiresRepublish", &["spec", "requiresRepublish"], false),
            cell("Modes", |d| words::or_none(&words::joined(texts(d, &["spec", "volumeLifecycleModes"])))),
            age(),
        ],
        "csistoragecapacities" => {
            vec![name(), text("StorageClassName", &["storageClassName"]), text_or("Capacity", &["capacity"], "<unset>")]
        }
        "volumeattachments" => vec![
            name(),
            Column { format: "name".into(), ..text("Attacher", &["spec", "attacher"]) },
            text("PV", &["spec", "source", "persistentVolumeName"]),
            text("Node", &["spec", "nodeName"]),
            flag("Attached", &["status", "attached"], false),
            age(),
        ],
        "volumeattributesclasses" => vec![name(), text("DriverName", &["driverName"]), age()],
        _ => Vec::new(),
    }
}

fn amount(object: &Value, path: &[&str]) -> String {
    words::scalar(object, path).unwrap_or("0".to_owned())
}

fn phase(object: &Value) -> String {
    if words::is_deleting(object) { "Terminating" } else { object.str_at(&["status", "phase"]) }.to_owned()
}

fn storage_class(object: &Value) -> String {
    let annotation = object.at(&["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"]);
    annotation.and_then(Value::as_str).unwrap_or(object.str_at(&["spec", "storageClassName"])).to_owned()
}

/// A cell that says something only once a claim has its volume.
fn bound(claim: &Value, print: fn(&Value) -> String) -> String {
    if claim.str_at(&["spec", "volumeName"]).is_empty() { String::new() } else { print(claim) }
}

fn access_modes(object: &Value, path: &[&str]) -> String {
    const MODES: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    words::joined(MODES.into_iter().filter(|(mode, _)| texts(object, path).any(|m| m == *mode)).map(|(_, short)| short))
}
