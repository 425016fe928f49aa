//! Where a pod's own files are, and what its containers have written over their images.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{PodLook, disk::Size};
use crate::{pod, shared::Shared, translate::log_directory};

/// Directories of the logs of a pod's running containers, by container.
pub(crate) fn log_places(root: &Path, p: &PodLook) -> Vec<(String, PathBuf)> {
    let logs = PathBuf::from(log_directory(&root.to_string_lossy(), &p.pod));
    p.containers.iter().map(|c| (c.name.clone(), logs.join(&c.name))).collect()
}

/// Directories of a pod's scratch volumes, by volume.
pub(crate) fn volume_places(root: &Path, p: &PodLook) -> Vec<(String, PathBuf)> {
    let dir = root.join("pods").join(pod::uid(&p.pod)).join("volumes/kubernetes.io~empty-dir");
    let empty = pod::spec(&p.pod).volumes.iter().flatten().filter(|v| v.empty_dir.is_some());
    empty.map(|v| (v.name.clone(), dir.join(&v.name))).collect()
}

/// What containers have written over their images, by container id.
pub(crate) async fn writable_layers(shared: &Shared) -> HashMap<String, Size> {
    let stats = shared.runtime.list_container_stats(None).await.unwrap_or_default();
    let layers = stats.into_iter().filter_map(|s| {
        let layer = s.writable_layer?;
        let value = |v: Option<knarr_cri::v1::UInt64Value>| v.map_or(0, |v| v.value);
        Some((s.attributes?.id, Size { bytes: value(layer.used_bytes), inodes: value(layer.inodes_used) }))
    });
    layers.collect()
}
