//! Claims bound to volumes that are directories of this node (`hostPath`, `local`), as local provisioners make them.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, Volume};
use knarr_client::{
    Api, ApiExt,
    resources::{PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES},
};

use crate::pod;

/// The claim behind a volume, for ephemeral ones the pod's own.
pub(super) fn claim_name(pod: &Pod, volume: &Volume) -> Option<String> {
    if let Some(claim) = &volume.persistent_volume_claim {
        return Some(claim.claim_name.clone());
    }
    volume.ephemeral.as_ref().map(|_| format!("{}-{}", pod::name(pod), volume.name))
}

/// The directory the claim's volume is.
pub(super) async fn resolve(api: &dyn Api, namespace: &str, name: &str) -> Result<PathBuf, String> {
    let failed = |e: &dyn std::fmt::Display| format!("claim {name:?}: {e}");
    let claim = api.get(&PERSISTENT_VOLUME_CLAIMS, namespace, name).await.map_err(|e| failed(&e))?;
    let claim: PersistentVolumeClaim = claim.decode().map_err(|e| failed(&e))?;
    let bound = claim.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Bound");
    let volume = claim.spec.and_then(|s| s.volume_name).filter(|v| bound && !v.is_empty());
    let volume = volume.ok_or_else(|| format!("PVC {name:?} is not bound"))?;
    let found = api.get(&PERSISTENT_VOLUMES, "", &volume).await.map_err(|e| failed(&e))?;
    let found: PersistentVolume = found.decode().map_err(|e| failed(&e))?;
    let spec = found.spec.unwrap_or_default();
    match (spec.host_path, spec.local) {
        (Some(host), _) => Ok(host.path.into()),
        (None, Some(local)) => Ok(local.path.into()),
        (None, None) => Err(format!("persistent volume {volume:?}: its type is not supported on this node")),
    }
}
