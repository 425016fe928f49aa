//! A server without sockets.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use knarr_apiserver::{
    Caller, Face, FaceParts, Health, LocalApi, NoRoutes, Peer, User,
    admission::Admission,
    authn::{Authenticator, ServiceAccounts, SigningKey, TokenTable},
    authz::{self, Authority},
    registry::{Clock, Parts, Registry, ServiceNetwork, bootstrap},
    reply::{self, Body, Reply},
};
use knarr_client::{Api, BoxIo, NodeDialer};
use knarr_daemon::{Stop, Tasks};

/// A face over a cluster with the default policy.
pub(crate) struct World {
    pub(crate) face: Arc<Face>,
    registry: Arc<Registry>,
    authority: Arc<Authority>,
    pub(crate) stop: Stop,
    _tasks: Tasks,
    directory: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// No node, no Service.
pub(crate) struct Nowhere;

#[async_trait]
impl NodeDialer for Nowhere {
    async fn dial(&self, _: &str) -> std::io::Result<BoxIo> {
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused"))
    }

    async fn dial_service(&self, _: &str, _: &str, _: &str) -> std::io::Result<BoxIo> {
        Err(std::io::ErrorKind::ConnectionRefused.into())
    }
}

/// A row of a table: request line, headers, and a third thing.
pub(crate) type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// The moment it always is.
const NOW: &str = "2026-01-02T03:04:05Z";

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Arc::new(Nowhere)).await
    }

    pub(crate) async fn with(nodes: Arc<dyn NodeDialer>) -> Self {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("knarr-face-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let stop = Stop::new();
        let clock: Clock = Arc::new(|| NOW.parse::<Timestamp>().unwrap());
        let authority = Authority::new();
        let key = SigningKey::from_pem(&rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let accounts = ServiceAccounts::new("https://issuer", vec!["api".to_owned()], key, Vec::new(), clock.clone());
        let table = TokenTable::new([
            ("admin".to_owned(), User::new("admin", &["system:masters"])),
            ("nobody".to_owned(), User::new("nobody", &[])),
        ]);
        let authenticator = Authenticator::new(table, accounts.clone());
        let registry = Registry::new(Parts {
            store: knarr_store::Store::open(&directory, knarr_store::Config::default()).unwrap(),
            resources: knarr_catalog::resources(),
            authorizer: authority.clone(),
            issuer: accounts.clone(),
            reviewer: authenticator.clone(),
            admission: Admission::standard(authority.clone()),
            network: ServiceNetwork::default(),
            clock: clock.clone(),
        });
        let user = Arc::new(User::new("system:apiserver", &["system:masters"]));
        let root = Caller { user, manager: "kube-apiserver".into() };
        let api: Arc<dyn Api> = Arc::new(LocalApi::new(registry.clone(), authority.clone(), root));
        accounts.bind(api.clone());
        let tasks = Tasks::new(&stop);
        authority.follow(&api, &tasks);
        let endpoint = bootstrap::Endpoint { address: [192, 0, 2, 1].into(), port: 6443 };
        bootstrap::run(&registry, &endpoint).await.unwrap();
        authz::defaults::ensure(&*api).await.unwrap();
        authority.rbac().synced().await;
        let face = Face::new(FaceParts {
            registry: registry.clone(),
            authorizer: authority.clone(),
            authenticator,
            nodes,
            health: Health::new(),
            routes: Arc::new(NoRoutes),
            ca: "the CA\n".to_owned(),
            address: "10.0.0.1:6443".to_owned(),
            clock,
            stop: stop.child_token(),
        });
        Self { face, registry, authority, stop, _tasks: tasks, directory }
    }

    /// The API without a network between, for a user.
    pub(crate) fn api(&self, name: &str, groups: &[&str]) -> Arc<dyn Api> {
        let groups: Vec<&str> = groups.iter().copied().chain(["system:authenticated"]).collect();
        let caller = Caller { user: Arc::new(User::new(name, &groups)), manager: "tester".into() };
        Arc::new(LocalApi::new(self.registry.clone(), self.authority.clone(), caller))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        self.face.answer(&Peer::default(), request).await
    }

    /// Sends `METHOD URI` with header lines and a body, as the administrator unless a header says otherwise.
    pub(crate) async fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let response = self.send(request(line, headers, body)).await;
        Answer::of(response).await
    }

    /// Asks again until the answer has `code`: what follows a watch follows soon, not at once.
    pub(crate) async fn until(&self, code: u16, line: &str, headers: &[(&str, &str)]) {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let answer = self.ask(line, headers, "").await;
            if answer.code == code {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{line}: still {}", answer.text());
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    /// The same with JSON, expecting success.
    pub(crate) async fn make(&self, line: &str, body: &str) -> Answer {
        let answer = self.ask(line, &[("content-type", "application/json")], body).await;
        assert!(answer.code < 300, "{line}: {}", answer.text());
        answer
    }
}

pub(crate) fn request(line: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let (method, uri) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri);
    if !headers.iter().any(|(k, _)| *k == "authorization") {
        request = request.header("authorization", "Bearer admin");
    }
    for (name, value) in headers.iter().filter(|(_, v)| !v.is_empty()) {
        request = request.header(*name, *value);
    }
    request.body(reply::full(body.to_owned())).unwrap()
}

/// A response read whole.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(response: Reply) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { code: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Code and message: what most refusals are about.
    pub(crate) fn refusal(&self) -> String {
        format!("{} {}", self.code, self.json()["message"].as_str().unwrap_or_default())
    }
}
