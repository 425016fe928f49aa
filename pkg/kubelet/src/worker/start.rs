//! Starting one container.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Container;
use knarr_client::events::Type;
use knarr_cri::v1;

use super::{
    handle::Made,
    job::{Job, JobError, Stage, rpc_error},
};
use crate::{
    pod::{self, Kind, Part},
    sync::{Container as Seen, Health, StartError, State},
    translate::{ContainerInput, Image, SpecError, container_config, environment, hosts_file},
    volumes::container_mounts,
};

/// Retry of what may be cured by a change elsewhere, or by time.
const LATER: SignedDuration = SignedDuration::from_secs(10);

impl Job {
    /// Image, configuration, create, start, hook. What goes wrong is told and remembered, not returned.
    pub(super) async fn start(&self, stage: &Stage, name: &str, restarts: u32) -> Result<(), JobError> {
        let Some(part) = pod::part(&self.pod, name) else { return Ok(()) };
        let now = Timestamp::now();
        {
            let mut memory = self.handle.memory.lock();
            if let Some(ended) = self.seen.latest(name).filter(|c| c.state == State::Exited) {
                memory.crashes.entry(name.to_owned()).or_default().next(ended.finished.unwrap_or(now), now);
            }
        }
        let result = self.try_start(stage, &part, restarts).await;
        self.place.leave();
        let mut memory = self.handle.memory.lock();
        match result {
            Ok(()) => drop(memory.start_errors.remove(name)),
            Err(e) => drop(memory.start_errors.insert(name.to_owned(), e)),
        }
        drop(memory);
        self.handle.wake();
        Ok(())
    }

    async fn try_start(&self, stage: &Stage, part: &Part<'_>, restarts: u32) -> Result<(), StartError> {
        let at = part.field_path();
        let image = self.ensure_image(stage, part).await?;
        let config = self.configure(stage, part, restarts, &image).await.map_err(|e| {
            self.event(&at, Type::Warning, "Failed", format!("Error: {e}"));
            StartError::new("CreateContainerConfigError", e.0, Timestamp::now(), LATER)
        })?;
        let runtime = &self.shared.runtime;
        let log = PathBuf::from(&stage.config.log_directory).join(&config.log_path);
        let _ = log.parent().map(std::fs::create_dir_all);
        if let Some(unstarted) = self.seen.latest(part.name()).filter(|c| c.is_unstarted()) {
            // Its name is needed for the one that is made instead.
            let removed = runtime.remove_container(&unstarted.id).await;
            self.handle.look();
            removed.map_err(|e| StartError::new("CreateContainerError", e.message, Timestamp::now(), LATER))?;
        }
        self.place.take(&self.shared.starts).await;
        let create = self.place.hold(runtime.create_container(&stage.sandbox, config, stage.config.clone()));
        let id = self.making.call(create).await.map_err(|e| {
            self.handle.look();
            self.event(&at, Type::Warning, "Failed", format!("Error: {}", e.message));
            StartError::new("CreateContainerError", e.message, Timestamp::now(), LATER)
        })?;
        self.shared.ids.lock().insert(id.clone(), pod::uid(&self.pod).to_owned());
        self.event(&at, Type::Normal, "Created", "Container created");
        let hook = part.spec.lifecycle.as_ref().and_then(|l| l.post_start.clone());
        let health = Health {
            hook: hook.is_some(),
            started: hook.is_none() && part.spec.startup_probe.is_none(),
            ready: part.spec.readiness_probe.is_none(),
            failed: None,
        };
        self.handle.memory.lock().health.insert(id.clone(), health);
        if let Err(e) = self.making.call(self.place.hold(runtime.start_container(&id))).await {
            self.handle.memory.lock().health.remove(&id);
            self.handle.look();
            self.event(&at, Type::Warning, "Failed", format!("Error: {}", e.message));
            return Err(StartError::new("RunContainerError", e.message, Timestamp::now(), SignedDuration::ZERO));
        }
        self.place.leave();
        self.event(&at, Type::Normal, "Started", "Container started");
        self.describe(stage, &id).await;
        let link = format!("{}_{}_{}-{id}.log", pod::name(&self.pod), pod::namespace(&self.pod), part.name());
        let link = self.shared.config.container_logs.join(link);
        let _ = link.parent().map(std::fs::create_dir_all);
        let _ = symlink(log, link); // for log collectors only: the log itself is where the runtime writes it
        let Some(hook) = hook else { return Ok(()) };
        let ran = self.hook(&hook, &id, &part.spec, &stage.ips).await;
        if let Some(health) = self.handle.memory.lock().health.get_mut(&id) {
            health.hook = false;
            health.started = part.spec.startup_probe.is_none();
        }
        if let Err(e) = ran {
            self.event(&at, Type::Warning, "FailedPostStartHook", "PostStartHook failed");
            let message = "FailedPostStartHook".to_owned();
            let grace = pod::spec(&self.pod).termination_grace_period_seconds.unwrap_or(30);
            if let Err(e) = self.stop_one(&id, part.name(), grace, Some(message)).await {
                tracing::debug!(container = id, error = %e, "not stopped after its hook failed");
            }
            return Err(StartError::new("PostStartHookError", e, Timestamp::now(), SignedDuration::ZERO));
        }
        Ok(())
    }

    /// Tells what a container is that was started, where it still runs.
    async fn describe(&self, stage: &Stage, id: &str) {
        let status = self.shared.runtime.container_status(id, false).await.ok().and_then(|answer| answer.status);
        match status.map(|status| Seen::new(&stage.sandbox, &status)) {
            Some(seen) if seen.state == State::Running => self.handle.made(Made::Container(Box::new(seen))),
            _ => self.handle.look(),
        }
    }

    async fn configure(
        &self,
        stage: &Stage,
        part: &Part<'_>,
        restarts: u32,
        image: &Image,
    ) -> Result<v1::ContainerConfig, SpecError> {
        let (shared, pod) = (&self.shared, &self.pod);
        if tokio::time::timeout(std::time::Duration::from_secs(5), shared.services.synced()).await.is_err() {
            return Err(SpecError(
                "services have not yet been read at least once, cannot construct envvars".to_owned(),
            ));
        }
        let services: Vec<_> = shared.services.list().iter().map(|s| (**s).clone()).collect();
        let host_ips = shared.host_ips();
        let env = environment(pod, &part.spec, &stage.sources, &services, &stage.ips, &host_ips, &shared.machine)?;
        let target = self.target(part);
        let (config, pod2, spec) = (shared.config.clone(), pod.clone(), part.spec.clone().into_owned());
        let (mounted, vars, mounter) = (stage.mounted.clone(), env.clone(), shared.volumes.mounter().clone());
        let ips = stage.ips.clone();
        let mount = move || {
            let mut mounts = container_mounts(&config, &pod2, &spec, &mounted, &vars, &*mounter)?;
            let own = |e: std::io::Error| SpecError(format!("failed to prepare files of the container: {e}"));
            own_files(&config, &pod2, &spec, restarts, &ips, &mut mounts).map_err(own)?;
            Ok::<_, SpecError>(mounts)
        };
        let mounts = self.making.blocking(mount).await?;
        container_config(ContainerInput {
            pod,
            container: &part.spec,
            restarts,
            image,
            env,
            mounts,
            machine: &shared.machine,
            target: target.as_deref(),
            seccomp_root: &shared.seccomp_root(),
        })
    }

    /// The container whose processes an ephemeral one wants to see.
    fn target(&self, part: &Part<'_>) -> Option<String> {
        if part.kind != Kind::Ephemeral {
            return None;
        }
        let ephemeral = pod::spec(&self.pod).ephemeral_containers.iter().flatten();
        let name = ephemeral.into_iter().find(|c| c.name == part.name())?.target_container_name.clone()?;
        self.seen.active(&name).map(|c| c.id.clone())
    }
}

/// `/etc/hosts` and the place for last words.
fn own_files(
    config: &Arc<crate::Config>,
    pod: &k8s_openapi::api::core::v1::Pod,
    container: &Container,
    restarts: u32,
    ips: &[String],
    mounts: &mut Vec<v1::Mount>,
) -> std::io::Result<()> {
    let dir = config.pod_dir(pod::uid(pod));
    let mount = |host: &PathBuf, at: &str| v1::Mount {
        container_path: at.to_owned(),
        host_path: host.to_string_lossy().into_owned(),
        ..v1::Mount::default()
    };
    let hosts_taken = mounts.iter().any(|m| m.container_path == "/etc/hosts");
    if !hosts_taken && !ips.is_empty() {
        let file = dir.join("etc-hosts");
        let own = if pod::host_network(pod) {
            std::fs::read_to_string("/etc/hosts").unwrap_or_default()
        } else {
            String::new()
        };
        std::fs::write(&file, hosts_file(pod, ips, &config.domain, &own))?;
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644))?;
        mounts.push(mount(&file, "/etc/hosts"));
    }
    let path = container.termination_message_path.as_deref().unwrap_or("/dev/termination-log");
    if !path.is_empty() {
        let file = dir.join(format!("{}.{restarts}", container.name));
        std::fs::write(&file, "")?;
        // Whoever the container runs as may write.
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666))?;
        mounts.push(mount(&file, path));
    }
    Ok(())
}

/// An error of the runtime while pulling, as upstream shows it.
pub(super) fn pull_error(e: &knarr_cri::CriError) -> String {
    rpc_error(e)
}
