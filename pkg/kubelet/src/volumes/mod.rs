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
mod setup;
mod subpath;
mod teardown;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use jiff::Timestamp;
use knarr_client::Api;

use crate::{
    config::Config,
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
    /// The time: tokens end.
    pub now: Timestamp,
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
