//! An API server in a temporary directory, for trying clients by hand:
//! `cargo run -p knarr-apiserver --example serve -- /tmp/knarr-example`, then use the kubeconfig it writes there.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use knarr_apiserver::{
    Caller, Face, FaceParts, Health, LocalApi, NoRoutes, Server, TlsMaterial, User,
    admission::Admission,
    authn::{Authenticator, ServiceAccounts, SigningKey, TokenTable},
    authz::{self, Authority},
    registry::{Clock, Parts, Registry, ServiceNetwork, bootstrap},
};
use knarr_client::{Api, BoxIo, NodeDialer};
use knarr_daemon::{Stop, Tasks};

type Error = Box<dyn std::error::Error>;

/// No node can be reached.
struct Nowhere;

#[async_trait]
impl NodeDialer for Nowhere {
    async fn dial(&self, _node: &str) -> std::io::Result<BoxIo> {
        Err(std::io::ErrorKind::ConnectionRefused.into())
    }

    async fn dial_service(&self, _namespace: &str, _name: &str, _port: &str) -> std::io::Result<BoxIo> {
        Err(std::io::ErrorKind::ConnectionRefused.into())
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    knarr_daemon::telemetry::init("info");
    let directory = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "/tmp/knarr-example".to_owned()));
    let port: u16 = std::env::args().nth(2).map_or(Ok(16443), |p| p.parse())?;
    std::fs::create_dir_all(&directory)?;
    let stop = Stop::new();
    let clock: Clock = Arc::new(Timestamp::now);

    let authority = Authority::new();
    let key = SigningKey::from_pem(&rcgen::KeyPair::generate()?.serialize_pem())?;
    let issuer = "https://kubernetes.default.svc.cluster.local";
    let accounts = ServiceAccounts::new(issuer, vec![issuer.to_owned()], key, Vec::new(), clock.clone());
    let table = TokenTable::new([
        ("admin".to_owned(), User::new("admin", &["system:masters"])),
        ("nobody".to_owned(), User::new("nobody", &[])),
    ]);
    let authenticator = Authenticator::new(table, accounts.clone());
    let registry = Registry::new(Parts {
        store: knarr_store::Store::open(&directory.join("store"), knarr_store::Config::default())?,
        resources: knarr_catalog::resources(),
        authorizer: authority.clone(),
        issuer: accounts.clone(),
        reviewer: authenticator.clone(),
        admission: Admission::standard(authority.clone()),
        network: ServiceNetwork::default(),
        clock: clock.clone(),
    });
    let root =
        Caller { user: Arc::new(User::new("system:apiserver", &["system:masters"])), manager: "kube-apiserver".into() };
    let api: Arc<dyn Api> = Arc::new(LocalApi::new(registry.clone(), authority.clone(), root));
    accounts.bind(api.clone());
    let tasks = Tasks::new(&stop);
    authority.follow(&api, &tasks);
    // The endpoint of the service `kubernetes` must not be loopback; nothing connects to it here.
    let endpoint = bootstrap::Endpoint { address: std::net::Ipv4Addr::new(192, 0, 2, 1).into(), port };
    bootstrap::run(&registry, &endpoint).await?;
    authz::defaults::ensure(&*api).await?;
    authority.rbac().synced().await;

    let health = Health::new();
    let face = Face::new(FaceParts {
        registry,
        authorizer: authority,
        authenticator,
        nodes: Arc::new(Nowhere),
        health,
        routes: Arc::new(NoRoutes),
        ca: String::new(),
        address: format!("127.0.0.1:{port}"),
        clock,
        stop: stop.child_token(),
    });
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let pem = certified.cert.pem();
    let material = TlsMaterial { chain: pem.clone(), key: certified.signing_key.serialize_pem(), client_ca: pem };
    let (_tls, config) = tokio::sync::watch::channel(material.server_config()?);
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters:\n- name: x\n  cluster: {{server: 'https://127.0.0.1:{port}', insecure-skip-tls-verify: true}}\nusers:\n- name: x\n  user: {{token: admin}}\ncontexts:\n- name: x\n  context: {{cluster: x, user: x}}\n"
    );
    std::fs::write(directory.join("kubeconfig"), kubeconfig)?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    tasks.spawn("server", |stop| Server::new(listener, config, face).run(stop));
    tracing::info!(port, directory = %directory.display(), "serving");
    tokio::signal::ctrl_c().await?;
    tracing::info!("stopping");
    let late = tasks.stop_all(Duration::from_secs(30)).await;
    tracing::info!("stopped");
    if !late.is_empty() {
        tracing::warn!(?late, "did not stop");
    }
    Ok(())
}
