//! `knarr server`: the control plane, and with it the agent, put together.
//!
//! Everything that can fail for a reason the user must mend is built first and fails loudly (ports, store, keys);
//! only then tasks start. The stages become ready in the order printed in the log.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use jiff::Timestamp;
use knarr_apiserver::{
    Caller, Face, FaceParts, Health, LocalApi, Server, User,
    admission::Admission,
    authn::{Authenticator, ServiceAccounts, SigningKey, TokenTable},
    authz::{self, Authority},
    registry::{Clock, Parts, Registry, ServiceNetwork, bootstrap},
};
use knarr_client::{Api, Resource, events::Recorder};
use knarr_controllers::{
    Config as ControllersConfig, Context as Controllers,
    certificates::{self, Authorities},
};
use knarr_daemon::{Stop, Tasks};
use tokio::net::TcpListener;

use crate::{
    agent::{self, Apis, Door},
    component,
    config::{Component, Config},
    credentials::{self, Credentials},
    dialer::Dialer,
    edge,
    exit::Fatal,
    heap,
    join::{self, Cluster, JoinRoutes},
    listeners::Listeners,
    notify::notify,
    renewal::Shown,
    roles,
};

/// How long all tasks together have to stop.
const GRACE: Duration = Duration::from_secs(25);

/// Runs until told to stop.
pub(crate) async fn run(config: Config, listeners: &Listeners) -> Result<(), Fatal> {
    let begun = std::time::Instant::now();
    let credentials = credentials::prepare(&config, Timestamp::now())?;
    let listener = listen(&config, listeners)?;
    let shown = Shown::new(&credentials)?;
    let plane = ControlPlane::build(&config, &credentials, &shown).await?;
    let stop = Stop::new();
    let tasks = Tasks::new(&stop);
    plane.start(&config, &credentials, &shown, listener, &tasks).await?;
    tracing::info!(ms = begun.elapsed().as_millis(), listen = %config.api.listen, "the API answers");
    if !config.disabled.contains(&Component::Controllers) {
        let (plane, config, credentials) = (plane.clone(), config.clone(), credentials.clone());
        tasks.spawn("controllers", move |stop| {
            component::keep("controllers", stop, async move |tasks| plane.controllers(&config, &credentials, tasks))
        });
    }
    roles::start(&plane, &config.node.name, &tasks);
    if !config.disabled.contains(&Component::Scheduler) {
        let plane = plane.clone();
        tasks.spawn("scheduler", move |stop| {
            component::keep("scheduler", stop, async move |tasks| plane.scheduler(tasks))
        });
    }
    if !config.disabled.contains(&Component::Ingress) {
        edge::start_office(&plane, credentials.server_ca.clone(), &tasks);
    }
    if !config.disabled.contains(&Component::Dns) {
        edge::keep_dns_service(&plane, &config, &tasks);
    }
    if !config.disabled.contains(&Component::Agent) {
        let streams = plane.dialer.accept_for(&config.node.name);
        let door = Door { tls: shown.kubelet.subscribe(), streams: Some(streams) };
        agent::start(&plane.apis(&config.node.name), &config, door, listeners, &tasks).await?;
    }
    let path = config.paths.kubeconfig.clone();
    tasks.spawn("heap", heap::keep);
    tasks.spawn("certificates", |stop| shown.keep(config, credentials, stop));
    listeners.close_others();
    notify("READY=1");
    tracing::info!(ms = begun.elapsed().as_millis(), kubeconfig = %path.display(), "knarr is up");
    until_told().await.context("wait for signals")?;
    notify("STOPPING=1");
    tracing::info!("stopping; containers keep running");
    end(&tasks).await;
    plane.store.close().await.map_err(|e| anyhow::anyhow!("close the store: {}", knarr_daemon::chain(&*e)))?;
    Ok(())
}

/// Ends all tasks.
pub(crate) async fn end(tasks: &Tasks) {
    let late = tasks.stop_all(GRACE).await;
    if !late.is_empty() {
        tracing::warn!(?late, "tasks did not stop in time");
    }
}

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn until_told() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

fn listen(config: &Config, listeners: &Listeners) -> Result<TcpListener, Fatal> {
    let at = config.api.listen;
    let socket = listeners.listen("api", at).and_then(|socket| {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    });
    socket.map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => {
            Fatal::in_use(format!("the API's port {at} is in use"), "stop what uses it or set --https-listen-port")
        }
        _ => Fatal::usage(format!("cannot listen on {at}: {e}"), "correct --bind-address"),
    })
}

/// The parts of the control plane that others are made from.
#[derive(Clone)]
pub(crate) struct ControlPlane {
    store: knarr_store::Store,
    registry: Arc<Registry>,
    authority: Arc<Authority>,
    authenticator: Arc<Authenticator>,
    /// The way to nodes.
    pub(crate) dialer: Arc<Dialer>,
    /// Health checks.
    pub(crate) health: Arc<Health>,
    clock: Clock,
    tokens: Arc<TokenTable>,
}

impl ControlPlane {
    async fn build(config: &Config, credentials: &Credentials, shown: &Shown) -> Result<Self, Fatal> {
        let db = config.paths.data.join("server/db");
        let store = knarr_daemon::blocking(move || knarr_store::Store::open(&db, knarr_store::Config::default()))
            .await
            .context("open the store")?;
        let clock: Clock = Arc::new(Timestamp::now);
        let authority = Authority::new();
        let key = SigningKey::from_pem(&credentials.service_key).context("read the ServiceAccount key")?;
        let issuer = format!("https://kubernetes.default.svc.{}", config.net.domain);
        let audiences = vec![issuer.clone(), "knarr".to_owned()];
        let accounts = ServiceAccounts::new(&issuer, audiences, key, Vec::new(), clock.clone());
        let secrets = std::iter::once(credentials.join_secret.clone()).chain(config.agent_token.clone());
        let tokens = TokenTable::new(join::joiners(secrets));
        let authenticator = Authenticator::new(tokens.clone(), accounts.clone());
        let registry = Registry::new(Parts {
            store: store.clone(),
            resources: served(config),
            authorizer: authority.clone(),
            issuer: accounts.clone(),
            reviewer: authenticator.clone(),
            admission: Admission::standard(authority.clone()),
            network: ServiceNetwork {
                ranges: vec![config.net.service_cidr.into()],
                node_ports: config.net.node_ports.clone(),
            },
            clock: clock.clone(),
        });
        let dialer = Dialer::new(shown.caller.subscribe());
        let plane = Self { store, registry, authority, authenticator, dialer, health: Health::new(), clock, tokens };
        let root = plane.api("system:apiserver", &["system:masters"]);
        accounts.bind(root.clone());
        plane.dialer.follow(root.clone());
        knarr_apiserver::usage::serve(&plane.registry, root, plane.dialer.clone());
        Ok(plane)
    }

    /// The API as a component of this process sees it.
    pub(crate) fn api(&self, user: &str, groups: &[&str]) -> Arc<dyn Api> {
        let mut all = vec!["system:authenticated"];
        all.extend(groups);
        let manager = user.rsplit(':').next().unwrap_or(user);
        let caller = Caller { user: Arc::new(User::new(user, &all)), manager: manager.into() };
        Arc::new(LocalApi::new(self.registry.clone(), self.authority.clone(), caller))
    }

    /// The API as the parts of an agent in this process see it.
    fn apis(&self, node: &str) -> Apis {
        Apis {
            node: self.api(&format!("system:node:{node}"), &["system:nodes"]),
            proxy: self.api("system:kube-proxy", &[]),
            dns: self.api("system:knarr:dns", &[]),
            ingress: self.api("system:knarr:ingress", &[]),
        }
    }

    /// Makes what every cluster has, then lets the listener answer.
    async fn start(
        &self,
        config: &Config,
        credentials: &Credentials,
        shown: &Shown,
        listener: TcpListener,
        tasks: &Tasks,
    ) -> anyhow::Result<()> {
        let root = self.api("system:apiserver", &["system:masters"]);
        self.authority.follow(&root, tasks);
        let endpoint = bootstrap::Endpoint { address: config.api.advertise, port: config.api.listen.port() };
        bootstrap::run(&self.registry, &endpoint).await.context("make the cluster's first objects")?;
        authz::defaults::ensure(&*root).await.context("make the default roles")?;
        self.authority.rbac().synced().await;
        if !config.disabled.contains(&Component::Agent) {
            join::claim_own(&*root, config).await.context("claim this node's name")?;
        }
        let routes = JoinRoutes {
            api: root,
            cluster: Cluster::of(config, credentials.client_ca.cert()),
            tokens: self.tokens.clone(),
            dir: config.paths.data.join("server"),
            ca: credentials.server_ca.cert().to_owned(),
            agent_token: config.agent_token.clone(),
        };
        let face = Face::new(FaceParts {
            registry: self.registry.clone(),
            authorizer: self.authority.clone(),
            authenticator: self.authenticator.clone(),
            nodes: self.dialer.clone(),
            health: self.health.clone(),
            routes: Arc::new(routes),
            ca: credentials.server_ca.cert().to_owned(),
            address: format!("{}:{}", config.api.advertise, config.api.listen.port()),
            clock: self.clock.clone(),
            stop: tasks.stop_token().child_token(),
        });
        let server = Server::new(listener, shown.api.subscribe(), face);
        tasks.spawn("api", |stop| server.run(stop));
        Ok(())
    }

    fn controllers(&self, config: &Config, credentials: &Credentials, tasks: &Tasks) -> Result<(), anyhow::Error> {
        let api = self.api("system:kube-controller-manager", &["system:masters"]);
        let (recorder, writer) = Recorder::new(api.clone(), "kube-controller-manager", "");
        tasks.spawn("controllers: events", |stop| writer.run(stop));
        let cx = Controllers {
            api,
            recorder,
            config: Arc::new(ControllersConfig {
                cluster_cidr: config.net.cluster_cidr,
                node_prefix: 24,
                root_ca: credentials.server_ca.cert().to_owned(),
                resources: deletable(),
            }),
        };
        knarr_controllers::start(&cx, tasks);
        let authorities = Authorities {
            client: credentials.client_ca.clone(),
            server: credentials.server_ca.clone(),
            life: config.signing,
        };
        certificates::start(&cx, authorities, tasks);
        Ok(())
    }

    fn scheduler(&self, tasks: &Tasks) -> Result<(), anyhow::Error> {
        let api = self.api("system:kube-scheduler", &[]);
        let (recorder, writer) = Recorder::new(api.clone(), "default-scheduler", "");
        tasks.spawn("scheduler: events", |stop| writer.run(stop));
        knarr_scheduler::Scheduler::new(api, recorder).start(tasks);
        Ok(())
    }
}

/// The resources this server answers for.
fn served(config: &Config) -> Vec<knarr_catalog::Resource> {
    let mut resources = knarr_catalog::resources();
    if config.disabled.contains(&Component::Metrics) {
        resources.retain(|r| r.faces[r.storage].group != knarr_apiserver::usage::GROUP);
    }
    resources
}

/// The resources whose objects can be deleted, under their storage version.
fn deletable() -> Vec<Resource> {
    use knarr_catalog::Verbs;
    let all = knarr_catalog::resources();
    let resources = all.iter().filter(|r| r.stored && r.verbs.has(Verbs::DELETE.and(Verbs::LIST).and(Verbs::WATCH)));
    resources
        .map(|r| {
            let face = &r.faces[0];
            Resource {
                group: face.group.to_string().into(),
                version: face.version.to_string().into(),
                plural: r.plural.to_string().into(),
                kind: r.kind.to_string().into(),
                namespaced: r.namespaced,
            }
        })
        .collect()
}
