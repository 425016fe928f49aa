//! Connecting one pod and taking it off again.

use std::{fs, io, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::wire::{Ask, Failure, result};
use crate::{
    Attachments, Ipam,
    attachments::{host_link, owner},
    link::{Link, LinkError, Netlink, inside},
};

/// What a pod believes its router to be: the host's end of its own veth. Never on any wire.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

fn failed(what: &str) -> impl FnOnce(LinkError) -> Failure {
    let what = what.to_owned();
    move |e| Failure::new(100, what, knarr_daemon::chain(&e))
}

fn ipam(ask: &Ask) -> Result<Ipam, Failure> {
    Ipam::open(&ask.conf.ipam_dir).map_err(|e| Failure::new(100, "open addresses", knarr_daemon::chain(&e)))
}

fn block_on<T>(work: impl Future<Output = Result<T, LinkError>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::new(100, "make a runtime", e))?;
    runtime.block_on(work).map_err(failed("change links"))
}

pub(super) fn add(ask: &Ask) -> Result<String, Failure> {
    let netns = fs::File::open(&ask.netns).map_err(|e| Failure::new(100, format!("open {}", ask.netns), e))?;
    let host = host_link(&owner(&ask.container, &ask.ifname));
    // The lock is held to the end: a DEL of the same pod waits for us.
    let ipam = ipam(ask)?;
    let owner = owner(&ask.container, &ask.ifname);
    let ip = ipam
        .allocate(&owner, ask.conf.pod_cidr)
        .map_err(|e| Failure::new(100, "give an address", knarr_daemon::chain(&e)))?;
    let joined = join(ask, &netns, &host, ip);
    if joined.is_err() {
        let _ = block_on(Netlink::with(async |n| n.remove(&host).await));
        let _ = ipam.release(&owner);
    }
    let (here, there) = joined?;
    Ok(result(ask, &host, &here.mac, &there.mac, ip, GATEWAY))
}

fn join(ask: &Ask, netns: &fs::File, host: &str, ip: Ipv4Addr) -> Result<(Link, Link), Failure> {
    let here = block_on(Netlink::with(async |n| {
        if n.find(host).await?.is_none() {
            n.add_veth(host, &ask.ifname, netns, ask.conf.mtu).await?;
        }
        n.get(host).await
    }))?;
    let there = inside(netns, async || {
        Netlink::with(async |n| {
            let link = n.get(&ask.ifname).await?;
            n.up(n.get("lo").await?.index).await?;
            n.up(link.index).await?;
            n.add_address(link.index, ip).await?;
            n.add_neighbour(link.index, GATEWAY, &here.mac).await?;
            n.add_route(Ipv4Net::default(), link.index, Some(GATEWAY)).await?;
            Ok(link)
        })
        .await
    })
    .map_err(failed("set the pod's end up"))?;
    sysctl(host, "forwarding", "1").map_err(|e| Failure::new(100, format!("let {host} forward"), e))?;
    block_on(Netlink::with(async |n| {
        n.up(here.index).await?;
        n.add_neighbour(here.index, ip, &there.mac).await?;
        n.add_route(Ipv4Net::from(ip), here.index, None).await
    }))?;
    Ok((here, there))
}

/// Sets an IPv4 switch of one link.
fn sysctl(link: &str, name: &str, value: &str) -> io::Result<()> {
    fs::write(format!("/proc/sys/net/ipv4/conf/{link}/{name}"), value)
}

/// Brings the pod's `lo` up.
pub(super) fn loopback(ask: &Ask) -> Result<String, Failure> {
    let netns = fs::File::open(&ask.netns).map_err(|e| Failure::new(100, format!("open {}", ask.netns), e))?;
    inside(&netns, async || Netlink::with(async |n| n.up(n.get("lo").await?.index).await).await)
        .map_err(failed("bring lo up"))?;
    Ok(super::wire::loopback(ask))
}

pub(super) fn del(ask: &Ask) -> Result<(), Failure> {
    let ipam = ipam(ask)?;
    let host = host_link(&owner(&ask.container, &ask.ifname));
    block_on(Netlink::with(async |n| n.remove(&host).await))?;
    ipam.release(&owner(&ask.container, &ask.ifname))
        .map_err(|e| Failure::new(100, "take the address back", knarr_daemon::chain(&e)))
}

pub(super) fn check(ask: &Ask) -> Result<(), Failure> {
    let host = host_link(&owner(&ask.container, &ask.ifname));
    let found = block_on(Netlink::with(async |n| n.find(&host).await))?;
    found.map(drop).ok_or_else(|| Failure::new(100, format!("link {host} is gone"), ""))
}

/// Takes addresses and links of containers back that the runtime no longer knows.
pub(super) fn gc(ask: &Ask) -> Result<(), Failure> {
    let alive: Vec<String> = ask.conf.valid.iter().map(|a| owner(&a.container_id, &a.ifname)).collect();
    let attachments = Attachments::new(&ask.conf.ipam_dir);
    let fail = |e: &(dyn std::error::Error + 'static)| Failure::new(100, "collect addresses", knarr_daemon::chain(e));
    let owners = attachments.owners().map_err(|e| fail(&e))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| fail(&e))?;
    for owner in owners.iter().filter(|o| !alive.contains(o)) {
        runtime.block_on(attachments.detach(owner)).map_err(|e| fail(&e))?;
    }
    Ok(())
}
