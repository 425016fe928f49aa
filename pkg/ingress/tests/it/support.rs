//! A cluster in memory, an ingress on free ports, and a client.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use knarr_api::{Object, Value, json, yaml};
use knarr_client::{Api, ApiExt as _, Resource, fake::FakeApi, resources};
use knarr_daemon::{Crowd, Error, Stop, Tasks};
use knarr_ingress::{Config, Ingress, Limits, Listen};
use knarr_pki::{Ca, Leaf};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// What this suite serves, kind by kind.
fn resource(kind: &str) -> Resource {
    match kind {
        "Ingress" => resources::INGRESSES,
        "IngressClass" => resources::INGRESS_CLASSES,
        "Service" => resources::SERVICES,
        "EndpointSlice" => resources::ENDPOINT_SLICES,
        "Secret" => resources::SECRETS,
        "Node" => resources::NODES,
        other => panic!("no resource for {other}"),
    }
}

/// The documents of a manifest.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let limits = json::Limits::default();
    yaml::parse_all(text.as_bytes(), &limits).unwrap().into_iter().map(|p| p.value).collect()
}

/// The objects of a manifest.
pub(crate) fn objects(text: &str) -> Vec<Object> {
    let read = |tree: Value| {
        let mut text = Vec::new();
        json::write(&tree, &mut text);
        Object::from_json(text.into()).unwrap()
    };
    documents(text).into_iter().map(read).collect()
}

pub(crate) type Body = UnsyncBoxBody<Bytes, Error>;

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(Into::into).boxed_unsync()
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|e| match e {}).boxed_unsync()
}

/// A cluster with one ingress; ends when dropped.
pub(crate) struct World {
    pub(crate) api: Arc<FakeApi>,
    pub(crate) ingress: Arc<Ingress>,
    pub(crate) tasks: Tasks,
    pub(crate) crowd: Crowd,
    pub(crate) ca: Ca,
}

impl World {
    pub(crate) async fn new(manifest: &str) -> Self {
        Self::with(manifest, Limits::default()).await
    }

    pub(crate) async fn with(manifest: &str, limits: Limits) -> Self {
        let api = Arc::new(FakeApi::new());
        apply(&api, manifest).await;
        let free = || Some(Listen::At(SocketAddr::from(([127, 0, 0, 1], 0))));
        let config = Config { http: free(), https: free(), trusted: Vec::new(), limits };
        let ingress = Ingress::new(config, api.clone() as Arc<dyn Api>).unwrap();
        let stop = Stop::new();
        let tasks = Tasks::new(&stop);
        ingress.start(&tasks);
        let (ca, _) = Ca::create("test", Timestamp::now()).unwrap();
        Self { api, ingress, tasks, crowd: Crowd::new(&stop, 1000), ca }
    }

    /// Makes the objects of a manifest and waits until the ingress serves them all.
    pub(crate) async fn apply(&self, manifest: &str) {
        apply(&self.api, manifest).await;
    }

    /// A TLS Secret signed by the test's CA.
    pub(crate) async fn secret(&self, namespace: &str, name: &str, hosts: &[&str]) {
        let signed = self.ca.issue(&Leaf::server(name, hosts.iter().copied()), Timestamp::now()).unwrap();
        let body = secret(namespace, name, &signed.cert, &signed.key);
        self.api.apply(&resources::SECRETS, namespace, name, "test", body).await.unwrap();
    }

    /// Waits until the table in use is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&knarr_ingress::Table) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while !wanted(&self.ingress.table()) {
            assert!(tokio::time::Instant::now() < deadline, "the table stays at\n{}", self.ingress.table());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the table's text contains `text`.
    pub(crate) async fn shows(&self, text: &str) {
        self.until(|table| table.to_string().contains(text)).await;
    }

    /// One request over plain HTTP on a connection of its own.
    pub(crate) async fn get(&self, host: &str, path: &str) -> (u16, String) {
        let request = Request::get(path).header("host", host).body(empty()).unwrap();
        read(self.request(request).await).await
    }

    /// One request over plain HTTP on a connection of its own.
    pub(crate) async fn request(&self, request: Request<Body>) -> Response<Incoming> {
        self.connect().await.send_request(request).await.unwrap()
    }

    pub(crate) async fn connect(&self) -> http1::SendRequest<Body> {
        let stream = TcpStream::connect(self.ingress.http().unwrap()).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        assert!(self.crowd.try_spawn(|_| async move { drop(connection.with_upgrades().await) }));
        sender
    }

    /// A TLS connection that trusts the test's CA alone. An empty name sends no SNI.
    pub(crate) async fn tls(&self, name: &str, alpn: &str) -> Result<TlsStream<TcpStream>, std::io::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.cert().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let name = if name.is_empty() { "127.0.0.1" } else { name };
        let stream = TcpStream::connect(self.ingress.https().unwrap()).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// A body as text, with its status.
pub(crate) async fn read(response: Response<Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Makes or replaces the objects of a manifest.
pub(crate) async fn apply(api: &FakeApi, manifest: &str) {
    for tree in documents(manifest) {
        let (kind, ns, name) = (
            tree.str_at(&["kind"]).to_owned(),
            tree.str_at(&["metadata", "namespace"]).to_owned(),
            tree.str_at(&["metadata", "name"]).to_owned(),
        );
        let r = &resource(&kind);
        match api.tree(r, &ns, &name) {
            Some(_) => drop(api.apply(r, &ns, &name, "test", tree).await.unwrap()),
            None => drop(api.create(r, &ns, tree).await.unwrap()),
        }
    }
}

pub(crate) fn secret(namespace: &str, name: &str, cert: &str, key: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    knarr_api::value!({
        "metadata": { "name": name, "namespace": namespace },
        "type": "kubernetes.io/tls",
        "data": { "tls.crt": STANDARD.encode(cert), "tls.key": STANDARD.encode(key) },
    })
}

/// An Ingress with one rule that leads to a Service's port 80, and the Service.
pub(crate) fn site(host: &str, service: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{ name: {service}, namespace: shop }}
spec:
  ingressClassName: knarr
  rules:
  - host: {host:?}
    http: {{ paths: [ {{ path: /, pathType: Prefix, backend: {{ service: {{ name: {service}, port: {{ number: 80 }} }} }} }} ] }}
---
{}",
        service_named(service, "")
    )
}

/// A Service with port 80; `more` is put into the port.
pub(crate) fn service_named(name: &str, more: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: shop }}
spec: {{ ports: [ {{ name: web, port: 80 {more} }} ] }}
"
    )
}

/// The slice of one pod of a Service of [`service_named`]; a slice a pod, because each listens at its own port.
pub(crate) fn slice(service: &str, pod: &str, at: SocketAddr, conditions: &str) -> String {
    format!(
        "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{ name: {pod}, namespace: shop, labels: {{ kubernetes.io/service-name: {service} }} }}
addressType: IPv4
ports: [ {{ name: web, port: {} }} ]
endpoints: [ {{ addresses: [ {} ], conditions: {{ {conditions} }} }} ]
",
        at.port(),
        at.ip()
    )
}
