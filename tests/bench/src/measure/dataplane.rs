//! From a changed endpoint to the kernel's rules: the kernel tells who asks when a change of nftables is committed.

use std::{
    os::fd::{AsRawFd as _, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket,
            sockopt,
        },
        time::TimeVal,
    },
};
use serde_json::json;

use super::Bench;
use crate::{
    client::Call,
    objects,
    stats::{median, ms, quantile},
};

/// `NFNLGRP_NFTABLES`, as a bit.
const GROUP: u32 = 1 << 6;
/// Between two changes: the proxy is at rest.
const PAUSE: Duration = Duration::from_millis(120);

/// Moves the one endpoint of a Service and waits for the kernel.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let changes = bench.options.pick(100, 20);
    let api = bench.namespace("dataplane").await?;
    let (service, slice) = objects::service("moving", &address(0));
    let slices = "/apis/discovery.k8s.io/v1/namespaces/dataplane/endpointslices";
    let mut connection = api.connect().await?;
    connection.call(Call::post("/api/v1/namespaces/dataplane/services", &service)).await?;
    connection.call(Call::post(slices, &slice)).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let socket = Arc::new(listen()?);
    let mut times = Vec::with_capacity(changes);
    for i in 1..=changes {
        drain(&socket)?;
        let change = json!({ "endpoints": [{ "addresses": [address(i)], "conditions": { "ready": true } }] });
        let path = format!("{slices}/moving");
        let heard = socket.clone();
        let heard = tokio::task::spawn_blocking(move || wait(&heard));
        connection.call(Call::patch(path, "application/merge-patch+json", change.to_string())).await?;
        let answered = Instant::now();
        times.push(ms(heard.await.context("listen")??.saturating_duration_since(answered)));
        tokio::time::sleep(PAUSE).await;
    }
    let note = format!("{changes} changes, each alone; p50 {:.1} ms", median(&times));
    bench.put("dataplane.p99", quantile(&times, 0.99), note);
    connection.call(Call { method: "DELETE", ..Call::get(format!("{slices}/moving")) }).await?;
    connection.call(Call { method: "DELETE", ..Call::get("/api/v1/namespaces/dataplane/services/moving") }).await?;
    Ok(())
}

fn address(n: usize) -> String {
    format!("10.42.7.{}", n % 250 + 1)
}

fn listen() -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter);
    let socket = socket.context("open a netlink socket")?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUP)).context("listen to nftables")?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(5, 0)).context("set a limit")?;
    Ok(socket)
}

/// When the next change was committed.
fn wait(socket: &OwnedFd) -> Result<Instant> {
    let mut buffer = [0; 64 * 1024];
    match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
        // More was told than the socket holds: it was told now.
        Ok(_) | Err(Errno::ENOBUFS) => Ok(Instant::now()),
        Err(e) => Err(e).context("nothing was changed in nftables"),
    }
}

/// Forgets what was told before.
fn drain(socket: &OwnedFd) -> Result<()> {
    let mut buffer = [0; 64 * 1024];
    for _ in 0..10_000 {
        match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(_) | Err(Errno::ENOBUFS) => {}
            Err(Errno::EAGAIN) => return Ok(()),
            Err(e) => return Err(e).context("listen to nftables"),
        }
    }
    ensure!(false, "nftables changes without end");
    Ok(())
}
