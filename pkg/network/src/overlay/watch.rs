//! The kernel says when something of the overlay was changed behind our back.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use knarr_daemon::Stop;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::{RouteNetlinkMessage, address::AddressAttribute, link::LinkAttribute};
use rtnetlink::MulticastGroup;
use tokio::sync::Notify;

use super::kernel::{LINK, PROTOCOL};
use crate::link::{LinkError, fail};

/// Before following begins anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Wakes the worker at changes that may matter, until stopped.
///
/// # Errors
/// None: when messages are lost the worker is woken, and following begins anew.
pub(super) async fn run(wake: Arc<Notify>, stop: Stop) -> Result<(), Infallible> {
    loop {
        let end = tokio::select! {
            end = follow(&wake) => end,
            () = stop.cancelled() => return Ok(()),
        };
        tracing::debug!(error = %knarr_daemon::chain(&end), "no longer told of changes; asking again");
        wake.notify_one();
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// Follows links, addresses and routes for as long as the kernel tells.
async fn follow(wake: &Notify) -> LinkError {
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv4Route];
    let (connection, _handle, mut messages) = match rtnetlink::new_multicast_connection(&groups) {
        Ok(open) => open,
        Err(e) => return fail("follow the kernel's links")(e),
    };
    let read = async {
        while let Some((message, _)) = messages.next().await {
            if matters(&message.payload) {
                wake.notify_one();
            }
        }
    };
    tokio::select! {
        () = connection => {}
        () = read => {}
    }
    fail("follow the kernel's links")("the connection ended")
}

/// Pods come and go with links, addresses and routes of their own: those do not matter.
fn matters(payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
    let NetlinkPayload::InnerMessage(message) = payload else {
        return true; // messages were lost: look
    };
    match message {
        RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link) => {
            let pods = |name: &str| name != LINK && name.starts_with("kn");
            let name = link.attributes.iter().find_map(|a| match a {
                LinkAttribute::IfName(name) => Some(name.as_str()),
                _ => None,
            });
            !name.is_some_and(pods)
        }
        RouteNetlinkMessage::NewAddress(address) | RouteNetlinkMessage::DelAddress(address) => {
            !address.attributes.iter().any(|a| matches!(a, AddressAttribute::Label(l) if l == "lo"))
        }
        RouteNetlinkMessage::DelRoute(route) => route.header.protocol == PROTOCOL,
        _ => false,
    }
}
