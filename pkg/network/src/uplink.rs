//! The link that leads to the other nodes.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use crate::link::{LinkError, Netlink, fail};

/// What a loopback link is taken for: its own size is no size of any network.
const ETHERNET: u32 = 1500;

/// The link that leads to the other nodes, and our address on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Interface index.
    pub(crate) index: u32,
    /// Our address there; other nodes send to it.
    pub(crate) address: Ipv4Addr,
    /// The network of that address: who is in it can be reached without a router.
    pub(crate) net: Ipv4Net,
    /// Its largest packet.
    pub(crate) mtu: u32,
}

impl Uplink {
    /// Finds it: the link named by the user, else the one with the node's address, else the one of the default route.
    ///
    /// # Errors
    /// The kernel refused, or there is no such link.
    pub(crate) async fn find(n: &Netlink, named: Option<&str>, node: IpAddr) -> Result<Self, LinkError> {
        let only = match named {
            Some(name) => Some(n.get(name).await?.index),
            None => None,
        };
        let address = choose(&n.addresses().await?, only, &n.uplinks().await?, node);
        let (index, address) = address.ok_or_else(|| {
            let what = named.map_or_else(|| format!("{node} is on no link"), |name| format!("{name} has no address"));
            fail("find the link to the other nodes")(what)
        })?;
        let mtu = if address.addr().is_loopback() { ETHERNET } else { n.mtu(index).await? };
        Ok(Self { index, address: address.addr(), net: address.trunc(), mtu })
    }
}

/// Which address to use. `only` is the link the user named, `defaults` are those of default routes.
fn choose(all: &[(u32, Ipv4Net)], only: Option<u32>, defaults: &[u32], node: IpAddr) -> Option<(u32, Ipv4Net)> {
    let on = |link: u32| all.iter().find(|(index, _)| *index == link);
    let nodes = all.iter().find(|(index, net)| IpAddr::V4(net.addr()) == node && only.is_none_or(|o| o == *index));
    let found = match only {
        Some(link) => nodes.or_else(|| on(link)),
        None => nodes.or_else(|| defaults.iter().find_map(|link| on(*link))),
    };
    found.copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_link_then_the_nodes_address_then_the_default_route() {
        let all: Vec<(u32, Ipv4Net)> =
            [(1, "127.0.0.1/8"), (2, "192.0.2.5/24"), (3, "198.51.100.5/24"), (3, "198.51.100.6/24")]
                .map(|(i, n)| (i, n.parse().unwrap()))
                .into();
        for (only, defaults, node, want) in [
            (None, &[3][..], "192.0.2.5", "192.0.2.5/24"),
            (None, &[3], "203.0.113.1", "198.51.100.5/24"),
            (None, &[], "203.0.113.1", ""),
            (None, &[], "127.0.0.1", "127.0.0.1/8"),
            (Some(3), &[2], "192.0.2.5", "198.51.100.5/24"),
            (Some(3), &[2], "198.51.100.6", "198.51.100.6/24"),
            (Some(9), &[2], "192.0.2.5", ""),
            (None, &[2], "2001:db8::1", "192.0.2.5/24"),
        ] {
            let found = choose(&all, only, defaults, node.parse().unwrap());
            let found = found.map(|(_, net)| net.to_string()).unwrap_or_default();
            assert_eq!(found, want, "{only:?} {defaults:?} {node}");
        }
    }
}
