//! The mounts of one container.

use std::path::Path;

use k8s_openapi::api::core::v1::{Container, Pod, VolumeMount};
use knarr_cri::v1;

use super::{Mounted, Mounter, payload, subpath};
use crate::{
    config::Config,
    pod,
    translate::{SpecError, expand},
};

/// The volumes `container` mounts. Blocks: subpaths are bound on the way.
///
/// # Errors
/// A volume or a subpath is not there.
pub(crate) fn container_mounts(
    config: &Config,
    pod: &Pod,
    container: &Container,
    mounted: &Mounted,
    env: &[(String, String)],
    mounter: &dyn Mounter,
) -> Result<Vec<v1::Mount>, SpecError> {
    let mut out = Vec::new();
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let Some(path) = mounted.paths.get(&mount.name) else {
            return Err(SpecError(format!(
                "cannot find volume {:?} to mount into container {:?}",
                mount.name, container.name
            )));
        };
        let sub = sub_path(mount, env)?;
        let host_path = if sub.is_empty() {
            path.clone()
        } else {
            let place = config
                .pod_dir(pod::uid(pod))
                .join("volume-subpaths")
                .join(&mount.name)
                .join(&container.name)
                .join(index.to_string());
            subpath::bind(path, &sub, &place, mounter).map_err(|e| {
                SpecError(format!(
                    "failed to prepare subPath for volumeMount {:?} of container {:?}: {e}",
                    mount.name, container.name
                ))
            })?
        };
        if mount.recursive_read_only.as_deref() == Some("Enabled") {
            return Err(SpecError("recursive read-only mounts are not supported by the runtime".to_owned()));
        }
        out.push(v1::Mount {
            container_path: absolute(&mount.mount_path),
            host_path: host_path.to_string_lossy().into_owned(),
            readonly: mount.read_only.unwrap_or(false) || is_ours(pod, &mount.name),
            propagation: propagation(mount.mount_propagation.as_deref()),
            ..v1::Mount::default()
        });
    }
    Ok(out)
}

/// Whether we alone write in a volume, however it is mounted: what is in it mirrors the API.
fn is_ours(pod: &Pod, volume: &str) -> bool {
    let mut volumes = pod::spec(pod).volumes.iter().flatten();
    volumes.any(|v| v.name == volume && payload::plugin(v).is_some())
}

fn sub_path(mount: &VolumeMount, env: &[(String, String)]) -> Result<String, SpecError> {
    let Some(text) = mount.sub_path_expr.as_deref().filter(|t| !t.is_empty()) else {
        return Ok(mount.sub_path.clone().unwrap_or_default());
    };
    let missing = std::cell::Cell::new(false);
    let out = expand(text, |name| {
        let found = env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        missing.set(missing.get() || found.is_none());
        found
    });
    if missing.get() {
        return Err(SpecError(format!("missing value for {text:?}")));
    }
    if Path::new(&out).is_absolute() || out.split('/').any(|p| p == "..") {
        return Err(SpecError(format!("unable to use subPath {out:?}: must be a relative path inside the volume")));
    }
    Ok(out)
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn propagation(mode: Option<&str>) -> i32 {
    let mode = match mode {
        Some("HostToContainer") => v1::MountPropagation::PropagationHostToContainer,
        Some("Bidirectional") => v1::MountPropagation::PropagationBidirectional,
        _ => v1::MountPropagation::PropagationPrivate,
    };
    mode as i32
}
