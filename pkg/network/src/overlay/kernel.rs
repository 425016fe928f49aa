//! The kernel's side: reads the overlay's state, takes single steps.
//!
//! Which routes are ours is told by their protocol number; neighbours and forwarding entries are those of our link.

use std::{fs, net::Ipv4Addr};

use futures_util::TryStreamExt as _;
use ipnet::Ipv4Net;
use netlink_packet_route::{
    AddressFamily,
    link::{InfoData, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState},
    route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType},
};
use rtnetlink::{LinkVxlan, RouteMessageBuilder};

use super::{
    model::{Hop, Mac, State, Tunnel},
    plan::Step,
};
use crate::link::{LinkError, Netlink, fail};

/// The tunnel's link.
pub(super) const LINK: &str = "knarr-vxlan";
/// Which of the tunnels that may share a port this is.
const VNI: u32 = 1;
/// The port the kernel had before VXLAN was given one, and flannel's: firewalls are set up for it.
const PORT: u16 = 8472;
/// Marks our routes: a number that no routing daemon has.
pub(super) const PROTOCOL: RouteProtocol = RouteProtocol::Other(107);

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) state: State,
    /// Our link's index, if there is a link of that name.
    pub(super) link: Option<u32>,
    /// The link is not made as we make it.
    pub(super) foreign: bool,
}

/// Reads all of it.
///
/// # Errors
/// The kernel refused.
pub(super) async fn observe(n: &Netlink) -> Result<Observed, LinkError> {
    let mut seen = Observed::default();
    if let Some(link) = n.message(LINK).await? {
        seen.link = Some(link.header.index);
        seen.state.tunnel = tunnel(&link);
        seen.foreign = seen.state.tunnel.is_none();
    }
    let mut routes = n.handle().route().get(RouteMessageBuilder::<Ipv4Addr>::new().build()).execute();
    while let Some(route) = routes.try_next().await.map_err(fail("list routes"))? {
        if route.header.protocol == PROTOCOL && route.header.address_family == AddressFamily::Inet {
            seen.state.routes.extend(parse_route(&route, seen.link));
        }
    }
    let Some(link) = seen.link else { return Ok(seen) };
    for entry in entries(n, AddressFamily::Inet, link).await? {
        if let (Some(ip), Some(mac)) = (destination(&entry), mac(&entry)) {
            seen.state.neighbours.insert(ip, mac);
        }
    }
    for entry in entries(n, AddressFamily::Bridge, link).await? {
        if let (Some(ip), Some(mac)) = (destination(&entry), mac(&entry)) {
            seen.state.forwards.insert(mac, ip);
        }
    }
    Ok(seen)
}

/// Takes one step. `link` is our link's index and follows what becomes of it.
///
/// # Errors
/// The kernel refused.
pub(super) async fn take(n: &Netlink, step: &Step, link: &mut Option<u32>) -> Result<(), LinkError> {
    let there = || link.ok_or_else(|| fail("use the tunnel")("there is none"));
    match step {
        Step::RemoveTunnel => {
            *link = None;
            n.remove(LINK).await
        }
        Step::MakeTunnel(tunnel) => {
            *link = Some(make(n, tunnel).await?);
            Ok(())
        }
        Step::AddRoute(to, hop) => {
            let route = route(*to, hop, *link);
            n.handle().route().add(route).replace().execute().await.map_err(fail(format!("add route to {to}")))
        }
        Step::RemoveRoute(to, hop) => {
            let gone = n.handle().route().del(route(*to, hop, *link)).execute().await;
            missing_is_fine(gone).map_err(fail(format!("remove route to {to}")))
        }
        Step::AddNeighbour(ip, mac) => n.add_neighbour(there()?, *ip, &mac.0).await,
        Step::RemoveNeighbour(ip) => {
            let mut entry = NeighbourMessage::default();
            entry.header.family = AddressFamily::Inet;
            entry.header.ifindex = there()?;
            entry.attributes = vec![NeighbourAttribute::Destination(NeighbourAddress::Inet(*ip))];
            let gone = n.handle().neighbours().del(entry).execute().await;
            missing_is_fine(gone).map_err(fail(format!("remove neighbour {ip}")))
        }
        Step::AddForward(mac, ip) => {
            let entry = n.handle().neighbours().add_bridge(there()?, &mac.0).destination((*ip).into());
            let entry = entry.flags(NeighbourFlags::Own).state(NeighbourState::Permanent).replace();
            entry.execute().await.map_err(fail(format!("forward {mac} to {ip}")))
        }
        Step::RemoveForward(mac, ip) => {
            let mut entry = NeighbourMessage::default();
            entry.header.family = AddressFamily::Bridge;
            entry.header.ifindex = there()?;
            entry.header.flags = NeighbourFlags::Own;
            entry.attributes = vec![
                NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()),
                NeighbourAttribute::Destination(NeighbourAddress::Inet(*ip)),
            ];
            let gone = n.handle().neighbours().del(entry).execute().await;
            missing_is_fine(gone).map_err(fail(format!("stop forwarding {mac}")))
        }
    }
}

/// Makes the tunnel's link and gives its index.
///
/// # Errors
/// The kernel refused; see [`LinkError::is_unsupported`].
pub(super) async fn make(n: &Netlink, tunnel: &Tunnel) -> Result<u32, LinkError> {
    let link = LinkVxlan::new(LINK, VNI)
        .port(PORT)
        .local(tunnel.local)
        .learning(false)
        // Pods' packets have checksums of their own, and outer ones are what network cards get wrong (RFC 7348 wants 0).
        .udp_csum(false)
        .address(tunnel.mac.0.to_vec())
        .mtu(tunnel.mtu)
        .build();
    n.handle().link().add(link).execute().await.map_err(fail(format!("make {LINK}")))?;
    // It carries IPv4 and nothing of its own.
    let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{LINK}/disable_ipv6"), "1"); // a kernel may have no IPv6
    fs::write(format!("/proc/sys/net/ipv4/conf/{LINK}/forwarding"), "1")
        .map_err(fail(format!("let {LINK} forward")))?;
    let index = n.get(LINK).await?.index;
    n.up(index).await?;
    Ok(index)
}

/// Takes everything of the overlay away, going on after failures.
///
/// # Errors
/// All of them.
pub(super) async fn remove_all(n: &Netlink) -> Result<(), Vec<LinkError>> {
    let seen = observe(n).await.map_err(|e| vec![e])?;
    let mut link = seen.link;
    let mut errors = Vec::new();
    // Another's link that only has our name is not ours to remove.
    let ours = if seen.foreign { None } else { seen.link.map(|_| Step::RemoveTunnel) };
    let routes = seen.state.routes.iter().map(|(to, hop)| Step::RemoveRoute(*to, hop.clone()));
    for step in routes.chain(ours) {
        errors.extend(take(n, &step, &mut link).await.err());
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// A link as a tunnel of ours; `None` if it is made otherwise or is down.
fn tunnel(link: &LinkMessage) -> Option<Tunnel> {
    let mut made = (None, None, None, None);
    let (mut address, mut mtu) = (None, None);
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::Address(bytes) => address = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            LinkAttribute::Mtu(bytes) => mtu = Some(*bytes),
            LinkAttribute::LinkInfo(infos) => {
                let data = infos.iter().find_map(|i| match i {
                    LinkInfo::Data(InfoData::Vxlan(data)) => Some(data),
                    _ => None,
                })?;
                for info in data {
                    match info {
                        InfoVxlan::Id(id) => made.0 = Some(*id),
                        InfoVxlan::Port(port) => made.1 = Some(*port),
                        InfoVxlan::Learning(on) => made.2 = Some(*on),
                        InfoVxlan::Local(ip) => made.3 = Some(*ip),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let (Some(VNI), Some(PORT), Some(false), Some(local)) = made else { return None };
    link.header.flags.contains(LinkFlags::Up).then_some(Tunnel { mac: Mac(address?), local, mtu: mtu? })
}

fn route(to: Ipv4Net, hop: &Hop, tunnel: Option<u32>) -> RouteMessage {
    let route =
        RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(to.addr(), to.prefix_len()).protocol(PROTOCOL);
    match hop {
        Hop::Tunnel { gateway, source } => {
            // Without a link the kernel refuses, which is right.
            route.output_interface(tunnel.unwrap_or_default()).gateway(*gateway).pref_source(*source).onlink().build()
        }
        Hop::Direct { gateway, link } => route.output_interface(*link).gateway(*gateway).build(),
        Hop::Nowhere => route.kind(RouteType::Unreachable).build(),
    }
}

fn parse_route(route: &RouteMessage, tunnel: Option<u32>) -> Option<(Ipv4Net, Hop)> {
    if route.header.table != RouteHeader::RT_TABLE_MAIN {
        return None;
    }
    let (mut to, mut gateway, mut source, mut link) = (None, None, None, None);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(ip)) => to = Some(*ip),
            RouteAttribute::Gateway(RouteAddress::Inet(ip)) => gateway = Some(*ip),
            RouteAttribute::PrefSource(RouteAddress::Inet(ip)) => source = Some(*ip),
            RouteAttribute::Oif(index) => link = Some(*index),
            _ => {}
        }
    }
    let to = Ipv4Net::new(to?, route.header.destination_prefix_length).ok()?;
    let hop = match (route.header.kind, gateway, link) {
        (RouteType::Unreachable, ..) => Hop::Nowhere,
        (_, Some(gateway), link) if link == tunnel && tunnel.is_some() => {
            // One without a source was not made by us as we are: the comparison shows it.
            Hop::Tunnel { gateway, source: source.unwrap_or(Ipv4Addr::UNSPECIFIED) }
        }
        (_, gateway, link) => {
            Hop::Direct { gateway: gateway.unwrap_or(Ipv4Addr::UNSPECIFIED), link: link.unwrap_or_default() }
        }
    };
    Some((to, hop))
}

/// Entries of one kind that belong to a link and stay there for good.
async fn entries(n: &Netlink, family: AddressFamily, link: u32) -> Result<Vec<NeighbourMessage>, LinkError> {
    let all = n.handle().neighbours().get().set_address_family(family).execute();
    let mut all: Vec<NeighbourMessage> = all.try_collect().await.map_err(fail("list neighbours"))?;
    all.retain(|e| e.header.ifindex == link && e.header.state == NeighbourState::Permanent);
    Ok(all)
}

fn destination(entry: &NeighbourMessage) -> Option<Ipv4Addr> {
    entry.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(*ip),
        // Entries of the bridge family do not say which kind of address theirs is.
        NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => {
            <[u8; 4]>::try_from(bytes.as_slice()).ok().map(Ipv4Addr::from)
        }
        _ => None,
    })
}

fn mac(entry: &NeighbourMessage) -> Option<Mac> {
    entry.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::LinkLayerAddress(bytes) => bytes.as_slice().try_into().ok().map(Mac),
        _ => None,
    })
}

fn missing_is_fine(result: Result<(), rtnetlink::Error>) -> Result<(), rtnetlink::Error> {
    match result {
        Err(rtnetlink::Error::NetlinkError(e)) if [nix::libc::ESRCH, nix::libc::ENOENT].contains(&-e.raw_code()) => {
            Ok(())
        }
        other => other,
    }
}
