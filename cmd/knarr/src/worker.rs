//! `knarr agent`: a node of a cluster whose control plane is elsewhere.
//!
//! The same parts as beside a control plane, over the network. While the server is away everything goes on: what the
//! parts know is in their caches and in the kernel, and the process neither ends nor stops anything.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use knarr_client::remote::Target;
use knarr_daemon::{Stop, Tasks};
use tokio::net::TcpListener;

use crate::{
    agent::{self, Apis, Door},
    balancer::{Balancer, Place},
    config::Config,
    exit::Fatal,
    heap,
    join::{self, Join},
    kubeconfig,
    listeners::Listeners,
    notify::notify,
    server,
};

/// Runs until told to stop.
pub(crate) async fn run(mut config: Config, join: Join, listeners: &Listeners) -> Result<(), Fatal> {
    let begun = std::time::Instant::now();
    let stop = Stop::new();
    let tasks = Tasks::new(&stop);
    let at = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), config.balancer_port);
    let door = listen(at, listeners)?;
    let balancer = Balancer::new(Place { host: join.server.host.clone(), port: join.server.port });
    let passing = balancer.clone();
    tasks.spawn("balancer", |stop| passing.run(door, stop));
    let target = Target::at(at);
    let told = server::until_told();
    tokio::pin!(told);
    let member = tokio::select! {
        member = join::join(&config, &join, &target, &tasks) => member?,
        told = &mut told => {
            told.context("wait for signals")?;
            server::end(&tasks).await;
            return Ok(());
        }
    };
    config.net = member.cluster.net(&config.net)?;
    kubeconfig::write(&config, at)?;
    balancer.follow(&member.api, &tasks);
    tasks.spawn("heap", heap::keep);
    let door = Door { tls: member.serving, streams: None };
    agent::start(&Apis::all(&member.api), &config, door, listeners, &tasks).await?;
    listeners.close_others();
    notify("READY=1");
    tracing::info!(ms = begun.elapsed().as_millis(), node = config.node.name, server = %join.server, "knarr agent is up");
    told.await.context("wait for signals")?;
    notify("STOPPING=1");
    tracing::info!("stopping; containers keep running");
    server::end(&tasks).await;
    Ok(())
}

fn listen(at: SocketAddr, listeners: &Listeners) -> Result<TcpListener, Fatal> {
    let socket = listeners.listen("balancer", at).and_then(|socket| {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    });
    socket.map_err(|e| Fatal::in_use(format!("cannot listen on {at}: {e}"), "free it or set --lb-server-port"))
}
