//! What the kernel should have, and the steps from what it has. Pure.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::model::{Backend, Hop, Mac, Peer, State, Tunnel};
use crate::{Ipam, Uplink};

/// This node.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) name: String,
    /// Addresses of its pods.
    pub(super) pods: Ipv4Net,
    /// Addresses of all pods; what a Node claims outside of them is not believed.
    pub(super) cluster: Ipv4Net,
    pub(super) backend: Backend,
    pub(super) uplink: Uplink,
}

/// What the kernel should have for these nodes, and which of them cannot be reached: `name: reason`.
pub(super) fn want<'a>(local: &Local, peers: impl Iterator<Item = &'a Peer>) -> (State, Vec<String>) {
    let mut state = State::default();
    let mut unreachable = Vec::new();
    if local.backend == Backend::None {
        return (state, unreachable);
    }
    let ours = Ipam::node_address(local.pods);
    if local.backend == Backend::Vxlan {
        let mtu = local.uplink.mtu.saturating_sub(local.backend.overhead());
        state.tunnel = Some(Tunnel { mac: Mac::of(ours), local: local.uplink.address, mtu });
    }
    // A pod that is gone must not be looked for at the default gateway.
    state.routes.insert(local.pods, Hop::Nowhere);
    for peer in peers.filter(|p| p.name != local.name) {
        // A node without addresses yet will be heard of again.
        let (Some(address), Some(pods)) = (peer.address, peer.pods) else { continue };
        match hop(local, ours, peer, address, pods) {
            Ok(Some(hop)) => {
                if let Hop::Tunnel { gateway, .. } = hop {
                    state.neighbours.insert(gateway, Mac::of(gateway));
                    state.forwards.insert(Mac::of(gateway), address);
                }
                state.routes.insert(pods, hop);
            }
            Ok(None) => {}
            Err(why) => unreachable.push(format!("{}: {why}", peer.name)),
        }
    }
    (state, unreachable)
}

/// The way to a peer's pods. Two nodes use the tunnel if both have it, so that a change of the backend can go through
/// the cluster node by node.
fn hop(local: &Local, ours: Ipv4Addr, peer: &Peer, address: Ipv4Addr, pods: Ipv4Net) -> Result<Option<Hop>, String> {
    if !local.cluster.contains(&pods) || pods.contains(&local.pods) || local.pods.contains(&pods) {
        return Err(format!("its pod addresses {pods} are not its own"));
    }
    match (local.backend, peer.backend.unwrap_or(local.backend)) {
        (_, Backend::None) => Ok(None),
        (Backend::Vxlan, Backend::Vxlan) => Ok(Some(Hop::Tunnel { gateway: Ipam::node_address(pods), source: ours })),
        _ if local.uplink.net.contains(&address) => {
            Ok(Some(Hop::Direct { gateway: address, link: local.uplink.index }))
        }
        _ => Err(format!("{address} is not on our network {}, and one of us has no VXLAN", local.uplink.net)),
    }
}

/// One change of the kernel's state. Additions replace what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    RemoveTunnel,
    MakeTunnel(Tunnel),
    RemoveRoute(Ipv4Net, Hop),
    RemoveNeighbour(Ipv4Addr),
    RemoveForward(Mac, Ipv4Addr),
    AddForward(Mac, Ipv4Addr),
    AddNeighbour(Ipv4Addr, Mac),
    AddRoute(Ipv4Net, Hop),
}

/// The steps from `have` to `want`. `foreign` says that the tunnel's name is taken by a link that is not as ours.
///
/// Nothing about a peer is added before what it stands on, and a way that only changes is replaced, not interrupted.
pub(super) fn plan(want: &State, have: &State, foreign: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut have = have.clone();
    if foreign || (have.tunnel.is_some() && have.tunnel != want.tunnel) {
        steps.push(Step::RemoveTunnel);
        // With the link goes all that went through it.
        have = State { routes: have.routes, ..State::default() };
        have.routes.retain(|_, hop| !matches!(hop, Hop::Tunnel { .. }));
    }
    if let Some(tunnel) = want.tunnel.as_ref().filter(|_| have.tunnel.is_none()) {
        steps.push(Step::MakeTunnel(tunnel.clone()));
    }
    for (to, hop) in have.routes.iter().filter(|(to, _)| !want.routes.contains_key(*to)) {
        steps.push(Step::RemoveRoute(*to, hop.clone()));
    }
    let stale = have.neighbours.keys().filter(|ip| !want.neighbours.contains_key(*ip));
    steps.extend(stale.map(|ip| Step::RemoveNeighbour(*ip)));
    let stale = have.forwards.iter().filter(|(mac, _)| !want.forwards.contains_key(*mac));
    steps.extend(stale.map(|(mac, ip)| Step::RemoveForward(*mac, *ip)));

    let missing = want.forwards.iter().filter(|(mac, ip)| have.forwards.get(*mac) != Some(*ip));
    steps.extend(missing.map(|(mac, ip)| Step::AddForward(*mac, *ip)));
    let missing = want.neighbours.iter().filter(|(ip, mac)| have.neighbours.get(*ip) != Some(*mac));
    steps.extend(missing.map(|(ip, mac)| Step::AddNeighbour(*ip, *mac)));
    let missing = want.routes.iter().filter(|(to, hop)| have.routes.get(*to) != Some(*hop));
    steps.extend(missing.map(|(to, hop)| Step::AddRoute(*to, hop.clone())));
    steps
}

#[cfg(test)]
mod tests;
