//! Volumes of pods: what lies under `<root>/pods/<uid>/volumes` and `<root>/memory/<uid>`, and what of it a container
//! sees.
//!
//! [`Volumes::setup`] is level-triggered: it makes what is missing and renews what changed, and is run before containers
//! start and whenever a ConfigMap, a Secret, the pod's metadata or a token changes. What files a volume has is decided in
//! `payload` (pure), how they change without a reader seeing halves is `atomic`'s.

mod atomic;
mod claims;
mod empty;
mod host;
mod memory;
mod mounter;
mod mounts;
mod owner;
mod payload;
mod subpath;
mod teardown;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Volume};
use knarr_client::Api;

use crate::{
    config::Config,
    making::Making,
    pod,
    translate::{Machine, Sources},
};

use memory::Memory;
pub(crate) use mounter::{Kernel, Mounter};
pub(crate) use mounts::container_mounts;
pub(crate) use payload::references;
pub(crate) use teardown::remove_tree;
pub(crate) use tokens::Tokens;

/// A volume that is not there (yet).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("MountVolume.SetUp failed for volume {volume:?} : {why}")]
pub(crate) struct VolumeError {
    /// Name in the pod.
    pub volume: String,
    /// The explanation.
    pub why: String,
}

/// Where a pod's volumes are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// Host path by volume name.
    pub paths: BTreeMap<String, PathBuf>,
    /// When a token must be renewed.
    pub refresh: Option<Timestamp>,
}

/// The volumes of this node's pods.
pub(crate) struct Volumes {
    config: Arc<Config>,
    mounter: Arc<dyn Mounter>,
    memory: Arc<Memory>,
    tokens: Tokens,
    api: Arc<dyn Api>,
}

/// What a pod's volumes are made of, beside the pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// ConfigMaps and Secrets.
    pub sources: &'a Sources,
    /// The pod's addresses.
    pub ips: &'a [String],
    /// The node's addresses.
    pub host_ips: &'a [String],
    /// The node's size.
    pub machine: &'a Machine,
}

impl Volumes {
    /// Volumes under `config.root`.
    pub(crate) fn new(config: Arc<Config>, api: Arc<dyn Api>, mounter: Arc<dyn Mounter>) -> Self {
        let memory = Arc::new(Memory::new(&config, mounter.clone()));
        Self { config, mounter, memory, tokens: Tokens::new(api.clone()), api }
    }

    /// Makes what all pods share. Blocks.
    ///
    /// # Errors
    /// The file system in memory cannot be mounted.
    pub(crate) fn prepare(&self) -> std::io::Result<()> {
        self.memory.ensure()
    }

    /// Makes and renews all volumes of a pod.
    ///
    /// # Errors
    /// The first volume that cannot be set up; try again when something it needs has changed, or later.
    pub(crate) async fn setup(
        &self,
        pod: &Pod,
        facts: Facts<'_>,
        now: Timestamp,
        making: &Making,
    ) -> Result<Mounted, VolumeError> {
        let mut out = Mounted::default();
        for volume in pod::spec(pod).volumes.iter().flatten() {
            let path = self.one(pod, volume, facts, now, making, &mut out.refresh).await;
            let path = path.map_err(|why| VolumeError { volume: volume.name.clone(), why })?;
            out.paths.insert(volume.name.clone(), path);
        }
        Ok(out)
    }

    async fn one(
        &self,
        pod: &Pod,
        volume: &Volume,
        facts: Facts<'_>,
        now: Timestamp,
        making: &Making,
        refresh: &mut Option<Timestamp>,
    ) -> Result<PathBuf, String> {
        let name = |plugin: &str| Path::new(&format!("kubernetes.io~{plugin}")).join(&volume.name);
        let on_disk = |plugin| self.config.pod_dir(pod::uid(pod)).join("volumes").join(name(plugin));
        let group = pod::spec(pod).security_context.as_ref().and_then(|s| s.fs_group);
        if let Some(source) = &volume.host_path {
            let (path, kind) = (source.path.clone(), source.type_.clone().unwrap_or_default());
            // The host's, not the pod's: nobody has to wait for it to take the pod away. It may hang with its file system.
            return knarr_daemon::blocking(move || host::check(Path::new(&path), &kind).map(|()| path.into())).await;
        }
        if let Some(source) = &volume.empty_dir {
            let (dir, mounter) = (on_disk("empty-dir"), self.mounter.clone());
            let memory = source.medium.as_deref() == Some("Memory");
            if !memory && source.medium.as_deref().is_some_and(|m| !m.is_empty()) {
                return Err(format!("unsupported medium {:?}", source.medium.as_deref().unwrap_or_default()));
            }
            let size = memory.then(|| empty::memory_size(pod, source, facts.machine));
            return making.blocking(move || empty::setup(&dir, size, group, &*mounter).map(|()| dir)).await;
        }
        if let Some(claim) = claims::claim_name(pod, volume) {
            let path = claims::resolve(&*self.api, pod::namespace(pod), &claim).await?;
            return knarr_daemon::blocking(move || host::check(&path, "Directory").map(|()| path)).await;
        }
        let Some(plugin) = payload::plugin(volume) else {
            return Err("the volume's type is not supported on this node".to_owned());
        };
        let mut tokens = BTreeMap::new();
        for request in payload::token_requests(volume) {
            let (token, renew) = self.tokens.get(pod, &request, now).await?;
            *refresh = Some(refresh.map_or(renew, |t: Timestamp| t.min(renew)));
            tokens.insert(request, token);
        }
        let files = payload::payload(pod, volume, facts, &tokens).map_err(|e| e.0)?;
        let memory = (plugin != "configmap").then(|| self.memory.clone());
        let dir = memory.as_ref().map_or_else(|| on_disk(plugin), |m| m.pod_dir(pod::uid(pod)).join(name(plugin)));
        let write = move || {
            memory.map_or(Ok(()), |memory| memory.ensure())?;
            std::fs::create_dir_all(&dir)?;
            atomic::write(&dir, &files, group)?;
            Ok(dir)
        };
        making.blocking(write).await.map_err(|e: std::io::Error| e.to_string())
    }

    /// The pods that have a directory here.
    pub(crate) fn pods(&self) -> BTreeSet<String> {
        let dirs = [self.config.root.join("pods"), self.config.memory_dir()];
        let entries = dirs.iter().filter_map(|dir| dir.read_dir().ok()).flatten().flatten();
        entries.filter_map(|e| e.file_name().into_string().ok()).collect()
    }

    /// Takes everything of a pod down and removes its directories.
    ///
    /// # Errors
    /// Something is still mounted; nothing below a mount is ever removed.
    pub(crate) async fn teardown(&self, uid: &str) -> std::io::Result<()> {
        self.tokens.forget(uid);
        let (dir, mounter) = (self.config.pod_dir(uid), self.mounter.clone());
        let in_memory = self.memory.pod_dir(uid);
        let remove = move || teardown::remove(&dir, &*mounter).and_then(|()| remove_tree(&in_memory));
        knarr_daemon::blocking(remove).await
    }

    /// The mounter, for subpaths.
    pub(crate) fn mounter(&self) -> &Arc<dyn Mounter> {
        &self.mounter
    }
}

#[cfg(test)]
mod tests;
