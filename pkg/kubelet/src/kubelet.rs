//! Putting the agent together.

use std::{path::Path, sync::Arc, time::Duration};

use knarr_client::{
    Api, Cache, Selection,
    events::{EventWriter, Recorder},
    resources::SERVICES,
};
use knarr_cri::{Runtime, events::Event};
use knarr_daemon::{Crowd, Stop, Tasks, clock};
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use crate::{
    cgroups::{Cgroups, Layout},
    config::{Config, ConfigError},
    gc, logs,
    node::{self, Host, NodeKeeper},
    objects::{Objects, Wake},
    pods::Pods,
    pressure::{self, Conditions},
    probes::{Checker, Prober},
    registry::Registry,
    server::Server,
    services,
    shared::Shared,
    status_writer::StatusWriter,
    translate::pause_profile,
    volumes::{Kernel, Mounter, Volumes},
    worker::places,
};

/// HTTP connections of probes and hooks at once.
const CONNECTIONS: usize = 512;
/// How long workers may take to notice that the agent stops.
const STOP: Duration = Duration::from_secs(5);

/// The agent cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum KubeletError {
    /// The configuration cannot work.
    #[error("check the node agent's configuration")]
    Config(#[from] ConfigError),
    /// A directory or file that every pod needs cannot be made.
    #[error("make {}", path.display())]
    Place {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The agent, built but not running.
pub struct Kubelet {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    pods: Arc<Pods>,
    server: Server,
    events: mpsc::Receiver<Event>,
    writer: EventWriter,
    registered: Arc<Notify>,
    conditions: watch::Sender<Conditions>,
}

impl Kubelet {
    /// Builds the agent of one node: checks the configuration and makes its directories. `events` are the runtime's
    /// (`knarr_cri::events::subscribe`); `stop` ends everything the agent runs.
    ///
    /// # Errors
    /// The configuration cannot work, or a directory cannot be made.
    pub fn new(
        config: Config,
        api: Arc<dyn Api>,
        runtime: Arc<dyn Runtime>,
        events: mpsc::Receiver<Event>,
        stop: &Stop,
    ) -> Result<Self, KubeletError> {
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let cgroups = Cgroups::new(Layout::detect(&mountinfo, &config.cgroup_mount), &config.cgroup_root);
        Self::build(config, api, runtime, events, stop, Some(cgroups), Arc::new(Kernel))
    }

    /// The same with the kernel's parts given: tests leave cgroups and mounts alone.
    pub(crate) fn build(
        config: Config,
        api: Arc<dyn Api>,
        runtime: Arc<dyn Runtime>,
        events: mpsc::Receiver<Event>,
        stop: &Stop,
        cgroups: Option<Cgroups>,
        mounter: Arc<dyn Mounter>,
    ) -> Result<Self, KubeletError> {
        config.check()?;
        let made = |path: &Path, result: std::io::Result<()>| {
            result.map_err(|source| KubeletError::Place { path: path.to_owned(), source })
        };
        for path in [&config.root.join("pods"), &config.pod_logs, &config.container_logs] {
            made(path, std::fs::create_dir_all(path))?;
        }
        let pause = config.pause_profile();
        made(&pause, std::fs::write(&pause, pause_profile()))?;
        let config = Arc::new(config);
        let volumes = Volumes::new(config.clone(), api.clone(), mounter);
        made(&config.memory_dir(), volumes.prepare())?;
        let registry = Arc::new(Registry::default());
        let (recorder, writer) = Recorder::new(api.clone(), "kubelet", &config.node);
        let checker = Checker::new(runtime.clone(), Crowd::new(stop, CONNECTIONS));
        let (verdicts, told) = (registry.clone(), recorder.clone());
        let prober = Prober::new(checker.clone(), move |verdict| {
            if let Some((reason, message)) = &verdict.event {
                let pod = &verdict.target.pod;
                let path = crate::pod::part(pod, &verdict.target.container).map(|p| p.field_path()).unwrap_or_default();
                let about = crate::pod::object_ref(pod, &path);
                told.event(&about, knarr_client::events::Type::Warning, reason, message.clone());
            }
            if let Some(handle) = verdicts.get(&verdict.uid) {
                handle.verdict(&verdict);
            }
        });
        let users = registry.clone();
        let wake: Wake = Arc::new(move |uid| {
            if let Some(handle) = users.get(uid) {
                handle.sources_changed();
            }
        });
        let conditions = watch::Sender::default();
        let host = Host::read(&config);
        let machine = node::machine(&config, &host, cgroups.as_ref().is_some_and(Cgroups::is_v2));
        let shared = Arc::new(Shared {
            volumes,
            objects: Objects::new(api.clone(), stop, wake),
            services: Cache::new(),
            writer: StatusWriter::new(api.clone()),
            prober: Arc::new(prober),
            ids: Default::default(),
            runtime_found: Notify::new(),
            images_changed: Arc::default(),
            starts: Arc::new(Semaphore::new(places())),
            pulls: Semaphore::new(config.parallel_pulls.into()),
            conditions: conditions.subscribe(),
            image_place: Default::default(),
            config,
            api,
            runtime,
            recorder,
            cgroups,
            machine,
            checker,
        });
        let pods = Arc::new(Pods::new(shared.clone(), registry.clone(), stop));
        let server = Server::new(shared.clone(), registry.clone(), stop);
        let registered = Arc::new(Notify::new());
        Ok(Self { shared, registry, pods, server, events, writer, registered, conditions })
    }

    /// The kubelet API, to hand connections to.
    pub fn server(&self) -> Server {
        self.server.clone()
    }

    /// Starts everything as tasks of the owner. Pods are followed when the Node is registered.
    pub fn run(self, tasks: &Tasks) {
        let Self { shared, registry, pods, server: _, events, writer, registered, conditions } = self;
        tasks.spawn("kubelet-events", |stop| writer.run(stop));
        tasks.spawn("kubelet-prober", |stop| shared.prober.clone().run(stop));
        tasks.spawn("kubelet-status", |stop| shared.writer.clone().run(stop));
        let services = shared.services.clone();
        let api = shared.api.clone();
        tasks.spawn("kubelet-services", |stop| {
            services.run(api, Selection::all(&SERVICES), stop, services::project, |_| {})
        });
        let lost = Arc::new(Notify::new());
        let keeper = NodeKeeper {
            config: shared.config.clone(),
            api: shared.api.clone(),
            runtime: shared.runtime.clone(),
            recorder: shared.recorder.clone(),
            registered: registered.clone(),
            lost: lost.clone(),
            images: shared.images_changed.clone(),
            conditions: shared.conditions.clone(),
        };
        tasks.spawn("kubelet-node", |stop| keeper.run(stop));
        let (api, name) = (shared.api.clone(), shared.config.node.clone());
        tasks.spawn("kubelet-lease", |stop| node::renew(api, name, lost, stop));
        tasks.spawn("kubelet-runtime-events", |stop| pods.clone().events(events, stop));
        tasks.spawn("kubelet-log-rotation", |stop| logs::rotate(shared.clone(), registry.clone(), stop));
        let cache = Cache::new();
        let followed = cache.clone();
        tasks.spawn("kubelet-pods", |stop| async move {
            let end = pods.clone().follow(followed, stop).await;
            pods.stop(STOP).await;
            end
        });
        let awake = registry.clone();
        tasks.spawn("kubelet-clock", |stop| async move {
            clock::each_step(&stop, || awake.all().iter().for_each(|handle| handle.wake())).await;
            Ok::<(), KubeletError>(())
        });
        let (look_at, of) = (shared.clone(), registry.clone());
        tasks.spawn("kubelet-pressure", |stop| pressure::run(look_at, of, conditions, stop));
        tasks.spawn("kubelet-gc", |stop| async move {
            tokio::select! {
                () = cache.synced() => {}
                () = stop.cancelled() => return Ok(()),
            }
            gc::run(shared, registry, stop).await
        });
    }
}
