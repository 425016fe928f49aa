//! Making a pod's volumes, one after another.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, HostPathVolumeSource, Pod, Volume};

use super::{Facts, Mounted, VolumeError, Volumes, atomic, claims, empty, host, payload};
use crate::{making::Making, pod};

impl Volumes {
    /// Makes and renews all volumes of a pod.
    ///
    /// # Errors
    /// The first volume that cannot be set up; try again when something it needs has changed, or later.
    pub(crate) async fn setup(&self, pod: &Pod, facts: Facts<'_>, making: &Making) -> Result<Mounted, VolumeError> {
        let mut setup = Setup { node: self, pod, facts, making, refresh: None };
        let mut paths = BTreeMap::new();
        for volume in pod::spec(pod).volumes.iter().flatten() {
            let name = volume.name.clone();
            match setup.one(volume).await {
                Ok(path) => drop(paths.insert(name, path)),
                Err(why) => return Err(VolumeError { volume: name, why }),
            }
        }
        Ok(Mounted { paths, refresh: setup.refresh })
    }
}

struct Setup<'a> {
    node: &'a Volumes,
    pod: &'a Pod,
    facts: Facts<'a>,
    making: &'a Making,
    /// When the first token must be renewed.
    refresh: Option<Timestamp>,
}

impl Setup<'_> {
    /// Where the volume is on the host.
    async fn one(&mut self, volume: &Volume) -> Result<PathBuf, String> {
        if let Some(source) = &volume.host_path {
            return self.host_path(source).await;
        }
        if let Some(source) = &volume.empty_dir {
            return self.empty_dir(volume, source).await;
        }
        if let Some(claim) = claims::claim_name(self.pod, volume) {
            let path = claims::resolve(&*self.node.api, pod::namespace(self.pod), &claim).await?;
            return knarr_daemon::blocking(move || host::check(&path, "Directory").map(|()| path)).await;
        }
        match payload::plugin(volume) {
            Some(plugin) => self.files(volume, plugin).await,
            None => Err("the volume's type is not supported on this node".to_owned()),
        }
    }

    /// The host's, not the pod's: nobody has to wait for it to take the pod away. It may hang with its file system.
    async fn host_path(&self, source: &HostPathVolumeSource) -> Result<PathBuf, String> {
        let (path, kind) = (source.path.clone(), source.type_.clone().unwrap_or_default());
        knarr_daemon::blocking(move || host::check(Path::new(&path), &kind).map(|()| path.into())).await
    }

    async fn empty_dir(&self, volume: &Volume, source: &EmptyDirVolumeSource) -> Result<PathBuf, String> {
        let size = match source.medium.as_deref().unwrap_or_default() {
            "" => None,
            "Memory" => Some(empty::memory_size(self.pod, source, self.facts.machine)),
            medium => return Err(format!("unsupported medium {medium:?}")),
        };
        let (dir, mounter, group) = (self.on_disk(volume, "empty-dir"), self.node.mounter.clone(), self.group());
        self.making.blocking(move || empty::setup(&dir, size, group, &*mounter).map(|()| dir)).await
    }

    /// A volume whose files come from the API.
    async fn files(&mut self, volume: &Volume, plugin: &str) -> Result<PathBuf, String> {
        let mut tokens = BTreeMap::new();
        for request in payload::token_requests(volume) {
            let (token, renew) = self.node.tokens.get(self.pod, &request, self.facts.now).await?;
            self.refresh = Some(self.refresh.map_or(renew, |t| t.min(renew)));
            tokens.insert(request, token);
        }
        let files = payload::payload(self.pod, volume, self.facts, &tokens).map_err(|e| e.0)?;
        // Only what is no secret may reach a disk.
        let memory = (plugin != "configmap").then(|| self.node.memory.clone());
        let dir = match &memory {
            Some(memory) => memory.pod_dir(pod::uid(self.pod)).join(below(volume, plugin)),
            None => self.on_disk(volume, plugin),
        };
        let group = self.group();
        let write = move || {
            memory.map_or(Ok(()), |memory| memory.ensure())?;
            std::fs::create_dir_all(&dir)?;
            atomic::write(&dir, &files, group)?;
            Ok(dir)
        };
        self.making.blocking(write).await.map_err(|e: io::Error| e.to_string())
    }

    fn on_disk(&self, volume: &Volume, plugin: &str) -> PathBuf {
        self.node.config.pod_dir(pod::uid(self.pod)).join("volumes").join(below(volume, plugin))
    }

    /// Whom the files belong to.
    fn group(&self) -> Option<i64> {
        pod::spec(self.pod).security_context.as_ref()?.fs_group
    }
}

/// Where upstream puts it, for those who look.
fn below(volume: &Volume, plugin: &str) -> PathBuf {
    Path::new(&format!("kubernetes.io~{plugin}")).join(&volume.name)
}
