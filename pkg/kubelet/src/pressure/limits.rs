//! What pods take of the disk, and what they may.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::api::resource::Quantity};

use crate::{
    pod, quantity,
    shared::Shared,
    stats::{self, Look, Size},
};

/// What a pod takes of the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Disks {
    /// All of it.
    pub(super) whole: Size,
    /// Logs and written layers, by container.
    pub(super) containers: BTreeMap<String, Size>,
    /// Its own volumes, by name.
    pub(super) volumes: BTreeMap<String, Size>,
}

/// Measures all pods, by UID.
pub(super) async fn disks(shared: &Arc<Shared>, look: &Look) -> HashMap<String, Disks> {
    let layers = stats::writable_layers(shared).await;
    let (root, logs) = (&shared.config.root, &shared.config.pod_logs);
    type Places = Vec<(String, PathBuf)>;
    let places: Vec<(String, Places, Places)> = look
        .pods
        .iter()
        .map(|p| (pod::uid(&p.pod).to_owned(), stats::log_places(logs, p), stats::volume_places(root, p)))
        .collect();
    let measured = knarr_daemon::blocking(move || {
        let all = |places: Places| -> BTreeMap<String, Size> {
            places.into_iter().map(|(name, path)| (name, stats::size_of(&path))).collect()
        };
        places.into_iter().map(|(uid, logs, volumes)| (uid, all(logs), all(volumes))).collect::<Vec<_>>()
    })
    .await;
    let mut out = HashMap::new();
    for (p, (uid, mut containers, volumes)) in look.pods.iter().zip(measured) {
        for c in &p.containers {
            let size = containers.entry(c.name.clone()).or_default();
            *size = *size + layers.get(&c.id).copied().unwrap_or_default();
        }
        let in_memory = |name: &str| {
            let named = pod::spec(&p.pod).volumes.iter().flatten().find(|v| v.name == name);
            named.and_then(|v| v.empty_dir.as_ref()?.medium.as_deref()) == Some("Memory")
        };
        let on_disk = volumes.iter().filter(|(name, _)| !in_memory(name)).map(|(_, size)| *size);
        let whole = containers.values().copied().chain(on_disk).fold(Size::default(), |a, b| a + b);
        out.insert(uid, Disks { whole, containers, volumes });
    }
    out
}

/// Whether anything of the pod is bounded.
pub(super) fn has_any(p: &Pod) -> bool {
    let spec = pod::spec(p);
    let sized = spec.volumes.iter().flatten().any(|v| v.empty_dir.as_ref().is_some_and(|e| e.size_limit.is_some()));
    sized || spec.containers.iter().any(|c| limit(c).is_some())
}

fn limit(c: &k8s_openapi::api::core::v1::Container) -> Option<&Quantity> {
    c.resources.as_ref()?.limits.as_ref()?.get("ephemeral-storage")
}

/// Which bound the pod exceeds, in upstream's words.
pub(super) fn exceeded(p: &Pod, disks: &Disks) -> Option<String> {
    let bytes = |q: &Quantity| u64::try_from(quantity::value(q)).unwrap_or(0);
    let spec = pod::spec(p);
    for volume in spec.volumes.iter().flatten() {
        let Some(most) = volume.empty_dir.as_ref().and_then(|e| e.size_limit.as_ref()) else { continue };
        let used = disks.volumes.get(&volume.name).map_or(0, |size| size.bytes);
        if bytes(most) > 0 && used > bytes(most) {
            return Some(format!("Usage of EmptyDir volume {:?} exceeds the limit {:?}. ", volume.name, most.0));
        }
    }
    let limits: Vec<&Quantity> = spec.containers.iter().filter_map(limit).collect();
    if limits.len() == spec.containers.len() {
        let sum: u64 = limits.iter().map(|q| bytes(q)).sum();
        if disks.whole.bytes > sum {
            let shown = super::Signal::NodeDisk.show(sum);
            return Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {shown}. "));
        }
    }
    spec.containers.iter().find_map(|c| {
        let most = limit(c)?;
        let used = disks.containers.get(&c.name).map_or(0, |size| size.bytes);
        (used > bytes(most))
            .then(|| format!("Container {} exceeded its local ephemeral storage limit {:?}. ", c.name, most.0))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pod::testutil::pod;

    #[test]
    fn bounds() {
        let p = pod(json!({ "spec": {
            "containers": [
                { "name": "a", "resources": { "limits": { "ephemeral-storage": "10Mi" } } },
                { "name": "b", "resources": { "limits": { "ephemeral-storage": "1Mi" } } },
            ],
            "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": "5Mi" } }],
        } }));
        assert!(has_any(&p) && !has_any(&pod(json!({}))));
        let disks = |a: u64, b: u64, v: u64| {
            let size = |mib: u64| Size { bytes: mib << 20, inodes: 1 };
            Disks {
                whole: size(a + b + v),
                containers: [("a".to_owned(), size(a)), ("b".to_owned(), size(b))].into(),
                volumes: [("v".to_owned(), size(v))].into(),
            }
        };
        let of = |a, b, v| exceeded(&p, &disks(a, b, v)).unwrap_or_default();
        assert_eq!(of(1, 1, 1), "");
        assert_eq!(of(0, 0, 6), "Usage of EmptyDir volume \"v\" exceeds the limit \"5Mi\". ");
        assert_eq!(of(9, 0, 4), "Pod ephemeral local storage usage exceeds the total limit of containers 11Mi. ");
        assert_eq!(of(1, 2, 0), "Container b exceeded its local ephemeral storage limit \"1Mi\". ");
    }
}
