//! The netlink ring: links, addresses, routes, neighbours, each as one call.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    os::fd::AsRawFd as _,
};

use futures_util::TryStreamExt as _;
use ipnet::Ipv4Net;
use netlink_packet_route::{
    AddressFamily,
    address::AddressAttribute,
    link::{InfoData, InfoVeth, LinkAttribute, LinkMessage},
    neighbour::NeighbourState,
    route::{RouteAddress, RouteAttribute, RouteScope},
};
use nix::sched::{CloneFlags, setns};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

/// A netlink step failed.
#[derive(Debug, thiserror::Error)]
#[error("{step}")]
pub struct LinkError {
    step: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl LinkError {
    /// Whether the kernel does not know the kind of thing that was asked for.
    pub(crate) fn is_unsupported(&self) -> bool {
        let cause = self.source.downcast_ref::<rtnetlink::Error>();
        matches!(cause, Some(rtnetlink::Error::NetlinkError(e)) if e.raw_code() == -nix::libc::EOPNOTSUPP)
    }
}

/// Names the step that failed.
pub(crate) fn fail<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    step: impl Into<String>,
) -> impl FnOnce(E) -> LinkError {
    let step = step.into();
    move |e| LinkError { step, source: e.into() }
}

/// A link's index and hardware address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Interface index.
    pub(crate) index: u32,
    /// Hardware address, empty for links without one.
    pub(crate) mac: Vec<u8>,
}

/// Netlink in one network namespace.
pub(crate) struct Netlink {
    handle: Handle,
}

impl Netlink {
    /// Runs `work` with a netlink socket of the calling thread's namespace, driving both on this task.
    ///
    /// # Errors
    /// The socket cannot be opened, or what `work` says.
    pub(crate) async fn with<T, F: Future<Output = Result<T, LinkError>>>(
        work: impl FnOnce(Self) -> F,
    ) -> Result<T, LinkError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(fail("open netlink"))?;
        tokio::select! {
            result = work(Self { handle }) => result,
            () = connection => Err(fail("use netlink")("the connection ended")),
        }
    }

    /// For requests that only one caller makes.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The link called `name`, if there is one.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Link>, LinkError> {
        Ok(self.message(name).await?.map(|m| Link {
            index: m.header.index,
            mac: m
                .attributes
                .into_iter()
                .find_map(|a| if let LinkAttribute::Address(mac) = a { Some(mac) } else { None })
                .unwrap_or_default(),
        }))
    }

    /// All the kernel says of the link called `name`, if there is one.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn message(&self, name: &str) -> Result<Option<LinkMessage>, LinkError> {
        let found = self.handle.link().get().match_name(name.to_owned()).execute().try_next().await;
        match found {
            Ok(message) => Ok(message),
            Err(rtnetlink::Error::NetlinkError(e)) if e.raw_code() == -nix::libc::ENODEV => Ok(None),
            Err(e) => Err(fail(format!("look up link {name}"))(e)),
        }
    }

    /// The link called `name`, which must be there.
    ///
    /// # Errors
    /// The kernel refused, or there is no such link.
    pub(crate) async fn get(&self, name: &str) -> Result<Link, LinkError> {
        self.find(name).await?.ok_or_else(|| fail(format!("look up link {name}"))("there is none"))
    }

    /// Makes a veth pair: `host` here, `peer` in the namespace open at `netns`.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn add_veth(
        &self,
        host: &str,
        peer: &str,
        netns: &std::fs::File,
        mtu: u32,
    ) -> Result<(), LinkError> {
        let there = LinkMessageBuilder::<LinkUnspec>::new().name(peer).mtu(mtu).setns_by_fd(netns.as_raw_fd()).build();
        let pair = LinkMessageBuilder::<LinkVeth>::new(host, peer)
            .mtu(mtu)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(there)))
            .build();
        self.handle.link().add(pair).execute().await.map_err(fail(format!("make veth {host}")))
    }

    /// Removes a link; one that is gone is fine.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), LinkError> {
        match self.find(name).await? {
            Some(link) => {
                self.handle.link().del(link.index).execute().await.map_err(fail(format!("remove link {name}")))
            }
            None => Ok(()),
        }
    }

    /// Brings a link up.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn up(&self, index: u32) -> Result<(), LinkError> {
        let message = LinkUnspec::new_with_index(index).up().build();
        self.handle.link().set(message).execute().await.map_err(fail(format!("bring link {index} up")))
    }

    /// Gives a link an address; one it has is fine.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn add_address(&self, index: u32, ip: Ipv4Addr) -> Result<(), LinkError> {
        let request = self.handle.address().add(index, ip.into(), 32).replace();
        request.execute().await.map_err(fail(format!("add address {ip} to link {index}")))
    }

    /// Takes an address off a link; one it has not is fine.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn remove_address(&self, index: u32, ip: Ipv4Addr) -> Result<(), LinkError> {
        let fault = || format!("remove address {ip} from link {index}");
        let mut found =
            self.handle.address().get().set_link_index_filter(index).set_address_filter(ip.into()).execute();
        while let Some(message) = found.try_next().await.map_err(fail(fault()))? {
            self.handle.address().del(message).execute().await.map_err(fail(fault()))?;
        }
        Ok(())
    }

    /// Routes `to` over a link: directly, or by way of an on-link gateway.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn add_route(&self, to: Ipv4Net, index: u32, gateway: Option<Ipv4Addr>) -> Result<(), LinkError> {
        let mut route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(to.addr(), to.prefix_len())
            .output_interface(index);
        route = match gateway {
            Some(gateway) => route.gateway(gateway).onlink(),
            None => route.scope(RouteScope::Link),
        };
        self.handle.route().add(route.build()).replace().execute().await.map_err(fail(format!("add route to {to}")))
    }

    /// Routes `to` over a link of this host with `source` as the sender's address.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn add_local_route(&self, to: Ipv4Net, index: u32, source: Ipv4Addr) -> Result<(), LinkError> {
        let route = local_route(to, index).pref_source(source).build();
        self.handle.route().add(route).replace().execute().await.map_err(fail(format!("add route to {to}")))
    }

    /// Takes a route made by [`Netlink::add_local_route`] away; one that is gone is fine.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn remove_route(&self, to: Ipv4Net, index: u32) -> Result<(), LinkError> {
        match self.handle.route().del(local_route(to, index).build()).execute().await {
            Err(rtnetlink::Error::NetlinkError(e)) if e.raw_code() == -nix::libc::ESRCH => Ok(()),
            other => other.map_err(fail(format!("remove route to {to}"))),
        }
    }

    /// Tells the kernel, for good, which hardware address an address of a link has.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn add_neighbour(&self, index: u32, ip: Ipv4Addr, mac: &[u8]) -> Result<(), LinkError> {
        let request = self.handle.neighbours().add(index, ip.into()).link_layer_address(mac);
        let request = request.state(NeighbourState::Permanent).replace();
        request.execute().await.map_err(fail(format!("add neighbour {ip}")))
    }

    /// The IPv4 addresses of all links, with their networks.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn addresses(&self) -> Result<Vec<(u32, Ipv4Net)>, LinkError> {
        let mut all = self.handle.address().get().execute();
        let mut out = Vec::new();
        while let Some(message) = all.try_next().await.map_err(fail("list addresses"))? {
            // On a point-to-point link `Address` is the other end.
            let local = message.attributes.iter().find_map(|a| match a {
                AddressAttribute::Local(IpAddr::V4(ip)) => Some(*ip),
                _ => None,
            });
            out.extend(
                local.and_then(|ip| Some((message.header.index, Ipv4Net::new(ip, message.header.prefix_len).ok()?))),
            );
        }
        Ok(out)
    }

    /// The largest packet of a link.
    ///
    /// # Errors
    /// The kernel refused, or there is no such link.
    pub(crate) async fn mtu(&self, index: u32) -> Result<u32, LinkError> {
        let found = self.handle.link().get().match_index(index).execute().try_next().await;
        let message = found.map_err(fail(format!("look up link {index}")))?;
        let attributes = message.map(|m| m.attributes).unwrap_or_default();
        let mtu = attributes.iter().find_map(|a| if let LinkAttribute::Mtu(mtu) = a { Some(*mtu) } else { None });
        mtu.ok_or_else(|| fail(format!("look up the packet size of link {index}"))("there is none"))
    }

    /// Indices of the links that default routes leave through.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn uplinks(&self) -> Result<Vec<u32>, LinkError> {
        let mut routes = self.handle.route().get(RouteMessageBuilder::<Ipv4Addr>::new().build()).execute();
        let mut out = Vec::new();
        while let Some(route) = routes.try_next().await.map_err(fail("list routes"))? {
            let to_all = !route
                .attributes
                .iter()
                .any(|a| matches!(a, RouteAttribute::Destination(RouteAddress::Inet(ip)) if !ip.is_unspecified()));
            if route.header.address_family == AddressFamily::Inet && to_all {
                out.extend(route.attributes.iter().find_map(|a| match a {
                    RouteAttribute::Oif(index) => Some(*index),
                    _ => None,
                }));
            }
        }
        Ok(out)
    }
}

fn local_route(to: Ipv4Net, index: u32) -> RouteMessageBuilder<Ipv4Addr> {
    RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(to.addr(), to.prefix_len())
        .output_interface(index)
        .scope(RouteScope::Link)
}

/// Runs `work` on a thread of its own inside a network namespace, with a small runtime.
///
/// # Errors
/// The namespace cannot be entered, or what `work` says.
pub(crate) fn inside<T: Send>(
    netns: &std::fs::File,
    work: impl AsyncFnOnce() -> Result<T, LinkError> + Send,
) -> Result<T, LinkError> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            setns(netns, CloneFlags::CLONE_NEWNET).map_err(fail("enter the pod's network namespace"))?;
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail("make a runtime"))?;
            runtime.block_on(work())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::link::InfoKind;

    use super::*;

    #[tokio::test]
    #[ignore = "needs root"]
    async fn what_the_kernel_does_not_know_is_told_from_other_failures() {
        let make = async |kind: InfoKind, name: &str| {
            let link = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(kind).name(name).build();
            Netlink::with(async |n| n.handle.link().add(link).execute().await.map_err(fail("make a link"))).await
        };
        assert!(make(InfoKind::Other("knarr-none".to_owned()), "knarr-none").await.unwrap_err().is_unsupported());
        assert!(!make(InfoKind::Bridge, "lo").await.unwrap_err().is_unsupported());
    }
}
