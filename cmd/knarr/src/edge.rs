//! DNS and ingress: the node's halves of both, and the server's.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
};

use anyhow::Context as _;
use ipnet::Ipv4Net;
use jiff::Timestamp;
use knarr_client::{Api, events::Recorder};
use knarr_daemon::Tasks;
use knarr_dns::Dns;
use knarr_ingress::{Ingress, Limits, Listen, Office, Signer};
use knarr_pki::{Ca, Leaf};

use crate::{component, config::Config, exit::Fatal, listeners::Listeners, server::ControlPlane};

/// DNS on the node's own pod address.
pub(crate) async fn start_dns(
    api: &Arc<dyn Api>,
    config: &Config,
    address: IpAddr,
    pods: Ipv4Net,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let dns = knarr_dns::Config {
        domain: config.net.domain.clone(),
        listen: vec![SocketAddr::new(address, 53)],
        allow: vec![pods.into()],
        service: vec![config.net.dns.into()],
        resolv_conf: config.node.resolv_conf.clone(),
        node: config.node.name.clone(),
    };
    let dns = Dns::new(dns, api.clone())?;
    dns.start(tasks).await.context("start DNS")
}

/// The Service that pods reach DNS by.
pub(crate) fn keep_dns_service(plane: &ControlPlane, config: &Config, tasks: &Tasks) {
    let (api, address) = (plane.api("system:apiserver", &["system:masters"]), config.net.dns);
    tasks.spawn("dns: service", move |stop| knarr_dns::register::keep_service(api, vec![address.into()], stop));
}

/// The ingress of this node. Its ports are bound here, once: a taken one is an error before anything else starts, and
/// a restart of the component goes on with the same sockets.
pub(crate) fn start_ingress(
    api: &Arc<dyn Api>,
    config: &Config,
    listeners: &Listeners,
    tasks: &Tasks,
) -> Result<(), Fatal> {
    let bind = |port: u16, name: &str, flag: &str| match port {
        0 => Ok(None),
        port => {
            let at = SocketAddr::new(config.api.listen.ip(), port);
            let taken = |e| {
                Fatal::in_use(format!("the ingress cannot listen on {at}: {e}"), format!("free it or set --{flag}"))
            };
            listeners.listen(name, at).map(Some).map_err(taken)
        }
    };
    let http = bind(config.ingress.http, "ingress-http", "ingress-http-port")?;
    let https = bind(config.ingress.https, "ingress-https", "ingress-https-port")?;
    let api = api.clone();
    tasks.spawn("ingress", move |stop| {
        component::keep("ingress", stop, async move |tasks: &Tasks| {
            let again = |socket: &Option<TcpListener>| socket.as_ref().map(TcpListener::try_clone).transpose();
            let ingress = knarr_ingress::Config {
                http: again(&http)?.map(Listen::On),
                https: again(&https)?.map(Listen::On),
                trusted: Vec::new(),
                limits: Limits::default(),
            };
            Ingress::new(ingress, api.clone())?.start(tasks);
            Ok::<(), anyhow::Error>(())
        })
    });
    Ok(())
}

/// The server's half of the ingress: class, status, certificates of the cluster's own CA.
pub(crate) fn start_office(plane: &ControlPlane, ca: Arc<Ca>, tasks: &Tasks) {
    let api = plane.api("system:apiserver", &["system:masters"]);
    let signer = Arc::new(LocalCa(ca));
    tasks.spawn("ingress: office", move |stop| {
        component::keep("ingress office", stop, async move |tasks: &Tasks| {
            let (recorder, writer) = Recorder::new(api.clone(), "knarr-ingress", "");
            tasks.spawn("ingress: events", |stop| writer.run(stop));
            Office::new(api.clone(), recorder, signer.clone()).start(tasks);
            Ok::<(), std::convert::Infallible>(())
        })
    });
}

/// The cluster's CA as the ingress sees it. The key stays on the server.
struct LocalCa(Arc<Ca>);

impl Signer for LocalCa {
    fn sign(&self, hosts: &[String]) -> Result<(String, String), knarr_daemon::Error> {
        let name = hosts.first().map_or("ingress", String::as_str);
        // A common name has room for 64 characters; nobody reads it any more.
        let name: String = name.chars().take(64).collect();
        let identity = self.0.issue(&Leaf::server(&name, hosts.iter().cloned()), Timestamp::now())?;
        Ok((identity.cert, identity.key))
    }
}
