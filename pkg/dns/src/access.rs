//! Who may ask: pods, and the node itself. To anyone else this would be an open resolver.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use ipnet::IpNet;
use parking_lot::Mutex;

/// The node's addresses are read again at most so often, and only when somebody unknown asks.
const LOOK: Duration = Duration::from_secs(5);

/// Networks that may ask, and the node's own addresses.
#[derive(Debug)]
pub(crate) struct Access {
    networks: Vec<IpNet>,
    own: Mutex<(Option<Instant>, Vec<IpAddr>)>,
}

impl Access {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, own: Mutex::default() }
    }

    /// Whether this client is answered.
    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        self.allows_at(client, Instant::now(), node_addresses)
    }

    fn allows_at(&self, client: IpAddr, now: Instant, read: impl FnOnce() -> Vec<IpAddr>) -> bool {
        let client = client.to_canonical();
        if client.is_loopback() || self.networks.iter().any(|net| net.contains(&client)) {
            return true;
        }
        let mut own = self.own.lock();
        if own.1.contains(&client) {
            return true;
        }
        if own.0.is_none_or(|at| now.saturating_duration_since(at) >= LOOK) {
            *own = (Some(now), read());
        }
        own.1.contains(&client)
    }
}

/// The addresses of this node; none where the kernel does not tell.
fn node_addresses() -> Vec<IpAddr> {
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    };
    nix::ifaddrs::getifaddrs().map(|all| all.filter_map(address).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_and_the_node_may_ask() {
        let access = Access::new(vec!["10.42.0.0/16".parse().unwrap()]);
        let now = Instant::now();
        let node = || vec!["192.168.1.5".parse().unwrap()];
        for (client, allowed) in [
            ("10.42.3.4", true),
            ("::ffff:10.42.3.4", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("192.168.1.5", true),
            ("192.168.1.6", false),
            ("8.8.8.8", false),
        ] {
            assert_eq!(access.allows_at(client.parse().unwrap(), now, node), allowed, "{client}");
        }
    }

    #[test]
    fn the_node_s_addresses_are_read_again_but_not_at_once() {
        let access = Access::new(Vec::new());
        let (client, now) = ("192.168.1.6".parse().unwrap(), Instant::now());
        assert!(!access.allows_at(client, now, Vec::new));
        assert!(!access.allows_at(client, now, || unreachable!("read a moment ago")));
        assert!(access.allows_at(client, now + LOOK, || vec![client]));
    }
}
