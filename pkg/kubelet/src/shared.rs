//! What all parts of the agent share: the doors to the outside and the checked configuration.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use knarr_client::{Api, Cache, events::Recorder};
use knarr_cri::Runtime;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};

use crate::{
    cgroups::Cgroups,
    config::Config,
    objects::Objects,
    pressure::Conditions,
    probes::{Checker, Prober},
    status_writer::StatusWriter,
    translate::{Machine, ResolvConf, Service},
    volumes::Volumes,
};

/// Shared by all workers.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) api: Arc<dyn Api>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) recorder: Recorder,
    pub(crate) volumes: Volumes,
    pub(crate) objects: Objects,
    pub(crate) services: Arc<Cache<Service>>,
    pub(crate) cgroups: Option<Cgroups>,
    pub(crate) machine: Machine,
    pub(crate) prober: Arc<Prober>,
    pub(crate) checker: Checker,
    pub(crate) writer: Arc<StatusWriter>,
    /// Pod UID by container id, for the runtime's events. Registered before a container starts, so none is missed.
    pub(crate) ids: Mutex<HashMap<String, String>>,
    /// The runtime was found again (or for the first time): what it forgot is to be cleared up.
    pub(crate) runtime_found: Notify,
    /// Images came or went: the Node says which there are.
    pub(crate) images_changed: Arc<Notify>,
    /// Places for starts.
    pub(crate) starts: Arc<Semaphore>,
    /// Places for pulls.
    pub(crate) pulls: Semaphore,
    /// What the node is short of.
    pub(crate) conditions: watch::Receiver<Conditions>,
    /// Where the runtime keeps images, once it told.
    pub(crate) image_place: OnceLock<PathBuf>,
}

impl Shared {
    /// The node's addresses as pods see them.
    pub(crate) fn host_ips(&self) -> Vec<String> {
        self.config.node_ips.iter().map(ToString::to_string).collect()
    }

    /// The node's own resolver configuration, read anew for each sandbox.
    pub(crate) fn resolv_conf(&self) -> ResolvConf {
        let text = std::fs::read_to_string(&self.config.resolv_conf).unwrap_or_default();
        ResolvConf::parse(&text)
    }

    /// Where seccomp profiles of the node lie.
    pub(crate) fn seccomp_root(&self) -> String {
        self.config.root.join("seccomp").to_string_lossy().into_owned()
    }
}
