//! Who is asked for other names: the node's resolv.conf.
//!
//! The file is looked at when a question comes and the last look is a few seconds old; an idle server does not look.
//! Two kinds of entries are not used. Our own addresses (a node that resolves through the cluster would ask itself for
//! ever), and systemd-resolved's stub where the list behind it can be read: the stub may lead back here as well.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

/// systemd-resolved's stub.
const STUB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));
/// As many as a C library uses.
const MAX_SERVERS: usize = 3;
/// How often the files are looked at, at most.
const LOOK: Duration = Duration::from_secs(3);

/// Where to look.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The file.
    pub(crate) path: PathBuf,
    /// The list behind systemd-resolved's stub.
    pub(crate) behind_stub: PathBuf,
    /// Addresses that lead back here.
    pub(crate) own: Vec<IpAddr>,
    /// Where upstream servers listen.
    pub(crate) port: u16,
}

impl Settings {
    /// For the file of a node.
    pub(crate) fn new(path: PathBuf, own: Vec<IpAddr>) -> Self {
        Self { path, behind_stub: "/run/systemd/resolve/resolv.conf".into(), own, port: 53 }
    }
}

/// The servers, the one that answered last first.
#[derive(Debug)]
pub(crate) struct Upstreams {
    settings: Settings,
    looked: Option<Instant>,
    /// What the files were when they were read.
    stamps: [Option<(SystemTime, u64)>; 2],
    servers: Vec<SocketAddr>,
}

impl Upstreams {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, looked: None, stamps: [None; 2], servers: Vec::new() }
    }

    /// The servers to ask, in order. A file that cannot be read is one without servers.
    pub(crate) fn current(&mut self, now: Instant) -> Vec<SocketAddr> {
        if self.looked.is_none_or(|at| now.saturating_duration_since(at) >= LOOK) {
            let Settings { path, behind_stub, .. } = &self.settings;
            let stamps = [path, behind_stub].map(|path| {
                let about = fs::metadata(path).ok()?;
                Some((about.modified().ok()?, about.len()))
            });
            if self.looked.is_none() || stamps != self.stamps {
                self.servers = self.read();
                tracing::info!(servers = ?self.servers, file = %path.display(), "upstream name servers");
            }
            (self.looked, self.stamps) = (Some(now), stamps);
        }
        self.servers.clone()
    }

    /// This one answered: it is asked first from now on.
    pub(crate) fn prefer(&mut self, server: SocketAddr) {
        if let Some(at) = self.servers.iter().position(|s| *s == server) {
            self.servers[..=at].rotate_right(1);
        }
    }

    fn read(&self) -> Vec<SocketAddr> {
        let Settings { path, behind_stub, own, port } = &self.settings;
        let list = |path| nameservers(&fs::read_to_string(path).unwrap_or_default(), *port);
        let mut servers = list(path);
        if servers.iter().any(|s| s.ip() == STUB) {
            let behind = list(behind_stub);
            if !behind.is_empty() {
                servers.retain(|s| s.ip() != STUB);
                servers.extend(behind);
            }
        }
        servers.retain(|s| !own.contains(&s.ip()) && !s.ip().is_unspecified());
        let mut seen = Vec::new();
        servers.retain(|s| {
            !seen.contains(s) && {
                seen.push(*s);
                true
            }
        });
        servers.truncate(MAX_SERVERS);
        servers
    }
}

/// The `nameserver` lines of a resolv.conf. Search domains and options are for its other readers.
fn nameservers(text: &str, port: u16) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        match address.split_once('%') {
            None => Some(SocketAddr::new(address.parse().ok()?, port)),
            Some((address, link)) => {
                let scope = link.parse().or_else(|_| nix::net::if_::if_nametoindex(link)).ok()?;
                Some(SocketAddrV6::new(address.parse().ok()?, port, 0, scope).into())
            }
        }
    };
    text.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_name_servers_and_nothing_else() {
        let text = "# nameserver 9.9.9.9\nsearch a.b\n nameserver\t1.1.1.1 # one\nnameserver 2606:4700::1111\n\
                    nameserver fe80::1%7\nnameserver bogus\nnameserver\noptions ndots:5\n";
        let servers: Vec<_> = nameservers(text, 53).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["1.1.1.1:53", "[2606:4700::1111]:53", "[fe80::1%7]:53"]);
    }

    #[test]
    fn the_one_that_answered_is_first() {
        let mut upstreams = Upstreams::new(Settings::new("/nowhere".into(), Vec::new()));
        let server = |n| SocketAddr::from(([1, 1, 1, n], 53));
        upstreams.servers = vec![server(1), server(2), server(3)];
        upstreams.prefer(server(3));
        assert_eq!(upstreams.servers, [server(3), server(1), server(2)]);
        upstreams.prefer(server(9));
        assert_eq!(upstreams.servers, [server(3), server(1), server(2)]);
    }
}
