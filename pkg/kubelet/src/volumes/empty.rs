//! `emptyDir`.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Pod};

use super::{Mounter, owner};
use crate::{
    quantity,
    translate::{Machine, pod_resources},
};

/// How large a memory-backed directory may grow: its limit, the pod's memory limit, what the node has for pods.
pub(super) fn memory_size(pod: &Pod, source: &EmptyDirVolumeSource, machine: &Machine) -> u64 {
    let own = source.size_limit.as_ref().map(quantity::value).filter(|n| *n > 0);
    let pods = Some(pod_resources(pod).memory_limit_in_bytes).filter(|n| *n > 0);
    let node = Some(machine.allocatable_memory).filter(|n| *n > 0);
    let least = [own, pods, node].into_iter().flatten().min().unwrap_or(0);
    u64::try_from(least).unwrap_or(0)
}

/// Makes the directory once; what is in it later is the pod's.
pub(super) fn setup(dir: &Path, memory: Option<u64>, group: Option<i64>, mounter: &dyn Mounter) -> Result<(), String> {
    let marker = dir.with_file_name(format!(".{}.ready", dir.file_name().unwrap_or_default().to_string_lossy()));
    if marker.exists() && dir.exists() && (memory.is_none() || mounter.begins_at(dir)) {
        return Ok(());
    }
    make(dir, memory, group, mounter).and_then(|()| fs::write(&marker, "")).map_err(|e| e.to_string())
}

fn make(dir: &Path, memory: Option<u64>, group: Option<i64>, mounter: &dyn Mounter) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    if let Some(size) = memory
        && !mounter.begins_at(dir)
    {
        mounter.tmpfs(dir, (size > 0).then_some(size))?;
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777))?;
    match group {
        Some(group) => owner::give(dir, group, false),
        None => Ok(()),
    }
}
