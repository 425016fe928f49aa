//! The node's half of the ingress: informers → table → listeners.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use knarr_client::Api;
use knarr_daemon::{Crowd, Stop, Tasks};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::{
    caches::Caches, front::Front, limits::Limits, live::Live, pool::Pool, server::Server, table::Table, table::build,
    tls,
};

/// How long after a change others are waited for: a rollout changes several objects within milliseconds.
const SETTLE: Duration = Duration::from_millis(5);

/// What the ingress of a node needs to know.
pub struct Config {
    /// Where HTTP is served; none: nowhere.
    pub http: Option<Listen>,
    /// Where HTTPS is served; none: nowhere, and nothing is redirected there.
    pub https: Option<Listen>,
    /// Proxies before us whose `X-Forwarded-*` headers are believed.
    pub trusted: Vec<IpAddr>,
    /// Bounds.
    pub limits: Limits,
}

/// Where to listen.
pub enum Listen {
    /// At an address; port 0 takes a free one.
    At(SocketAddr),
    /// With a socket that listens already: handed over by a predecessor, or made by a test.
    On(StdListener),
}

/// The ingress cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum IngressError {
    /// Another process listens there: choose another address, or leave the ingress out.
    #[error("{address} is in use by another process")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened at.
    #[error("listen at {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A socket handed in is of no use.
    #[error("take over a listening socket")]
    Socket(#[source] io::Error),
    /// TLS cannot be set up.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
}

/// The ingress of a node.
pub struct Ingress {
    api: Arc<dyn Api>,
    caches: Caches,
    front: Arc<Front>,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    /// Taken by [`Ingress::start`].
    servers: Mutex<Vec<(&'static str, Server)>>,
}

impl Config {
    /// Ports 80 and 443 of an address, trusting nobody.
    pub fn standard(ip: IpAddr) -> Self {
        let at = |port| Some(Listen::At(SocketAddr::new(ip, port)));
        Self { http: at(80), https: at(443), trusted: Vec::new(), limits: Limits::default() }
    }
}

impl Listen {
    fn open(self) -> Result<(StdListener, SocketAddr), IngressError> {
        let listener = match self {
            Self::On(listener) => listener,
            Self::At(address) => StdListener::bind(address).map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => IngressError::InUse { address },
                _ => IngressError::Bind { address, source },
            })?,
        };
        listener.set_nonblocking(true).map_err(IngressError::Socket)?;
        let address = listener.local_addr().map_err(IngressError::Socket)?;
        Ok((listener, address))
    }
}

impl Ingress {
    /// Binds; [`Ingress::start`] sets it going. Call it within the runtime.
    ///
    /// # Errors
    /// A listener cannot be had.
    pub fn new(config: Config, api: Arc<dyn Api>) -> Result<Arc<Self>, IngressError> {
        let Config { http, https, trusted, limits } = config;
        let http = http.map(Listen::open).transpose()?;
        let https = https.map(Listen::open).transpose()?;
        let live = Live::new();
        let front = Arc::new(Front {
            live: live.clone(),
            pool: Arc::new(Pool::new(limits)),
            tunnels: Crowd::new(&Stop::new(), limits.backends),
            limits,
            https: https.as_ref().map(|(_, address)| address.port()),
        });
        let trusted: Arc<[IpAddr]> = trusted.into();
        let (http_at, https_at) = (http.as_ref().map(|(_, at)| *at), https.as_ref().map(|(_, at)| *at));
        let mut servers = Vec::new();
        let mut add = |name, listener, tls| {
            let listener = TcpListener::from_std(listener).map_err(IngressError::Socket)?;
            let over = Stop::new();
            servers.push((name, Server { listener, tls, front: front.clone(), trusted: trusted.clone(), over }));
            Ok(())
        };
        if let Some((listener, _)) = http {
            add("ingress: http", listener, None)?;
        }
        if let Some((listener, _)) = https {
            let tls = Arc::new(tls::config(live).map_err(IngressError::Tls)?);
            add("ingress: https", listener, Some(tls))?;
        }
        let servers = Mutex::new(servers);
        Ok(Arc::new(Self { api, caches: Caches::new(true), front, http: http_at, https: https_at, servers }))
    }

    /// Where HTTP is served.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where HTTPS is served.
    pub fn https(&self) -> Option<SocketAddr> {
        self.https
    }

    /// The table in use.
    pub fn table(&self) -> Arc<Table> {
        self.front.live.table()
    }

    /// Starts the informers, the table and the listeners. A second call starts nothing.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        let servers = std::mem::take(&mut *self.servers.lock());
        if servers.is_empty() {
            return;
        }
        self.caches.start("ingress", &self.api, tasks);
        let me = self.clone();
        tasks.spawn("ingress: table", |stop| async move {
            me.follow(stop).await;
            Ok::<(), io::Error>(())
        });
        let over: Vec<Stop> = servers.iter().map(|(_, server)| server.over.clone()).collect();
        let me = self.clone();
        tasks.spawn("ingress: connections", |stop| async move {
            me.front.pool.tidy(&stop).await;
            me.close(&over).await;
            Ok::<(), io::Error>(())
        });
        for (name, server) in servers {
            tasks.spawn(name, |stop| server.run(stop));
        }
    }

    /// The end: tunnels get their grace while the servers let requests finish; then nobody needs pods any more.
    async fn close(&self, over: &[Stop]) {
        let late = self.front.tunnels.stop_all(self.front.limits.grace).await;
        for server in over {
            server.cancelled().await;
        }
        self.front.pool.close().await;
        if late > 0 {
            tracing::debug!(tunnels = late, "cut after the grace period");
        }
    }

    /// Keeps the table as the cluster wants it.
    async fn follow(&self, stop: Stop) {
        tokio::select! {
            () = self.caches.synced() => {}
            () = stop.cancelled() => return,
        }
        loop {
            let table = Arc::new(build(&self.caches.view()));
            let endpoints = table.endpoints();
            self.front.live.publish(table);
            self.front.pool.keep(&endpoints);
            tokio::select! {
                () = self.caches.wake.notified() => tokio::time::sleep(SETTLE).await,
                () = stop.cancelled() => return,
            }
        }
    }
}
