//! Which server to try first. Pure.

use std::{fmt, net::SocketAddr, time::Duration};

use knarr_daemon::Backoff;
use tokio::time::Instant;

/// A server's place: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Name or address.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
}

impl From<SocketAddr> for Place {
    fn from(at: SocketAddr) -> Self {
        Self { host: at.ip().to_string(), port: at.port() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The servers, with what is known of each.
pub(super) struct Servers {
    /// The one the user named: always among them.
    first: Place,
    all: Vec<Server>,
}

struct Server {
    place: Place,
    backoff: Backoff,
    /// Not tried before others until then.
    bad_until: Option<Instant>,
}

impl Server {
    fn new(place: Place) -> Self {
        Self { place, backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)), bad_until: None }
    }
}

impl Servers {
    pub(super) fn new(first: Place) -> Self {
        Self { all: vec![Server::new(first.clone())], first }
    }

    /// The cluster has these servers now. What is known of those that stay is kept.
    pub(super) fn replace(&mut self, learnt: Vec<Place>) {
        let mut old = std::mem::take(&mut self.all);
        let wanted = learnt.into_iter().chain([self.first.clone()]);
        for place in wanted {
            if self.all.iter().any(|s| s.place == place) {
                continue;
            }
            let known = old.iter().position(|s| s.place == place).map(|at| old.swap_remove(at));
            self.all.push(known.unwrap_or_else(|| Server::new(place)));
        }
    }

    /// All of them, the best first: those that failed lately come last, the longest ago of them first. Even when all
    /// failed all are tried: the connection at hand has nothing better.
    pub(super) fn order(&self, now: Instant) -> Vec<Place> {
        let mut all: Vec<&Server> = self.all.iter().collect();
        all.sort_by_key(|s| s.bad_until.filter(|until| *until > now));
        all.into_iter().map(|s| s.place.clone()).collect()
    }

    pub(super) fn worked(&mut self, place: &Place) {
        if let Some(server) = self.all.iter_mut().find(|s| s.place == *place) {
            server.backoff.reset();
            server.bad_until = None;
        }
    }

    pub(super) fn failed(&mut self, place: &Place, now: Instant) {
        if let Some(server) = self.all.iter_mut().find(|s| s.place == *place) {
            server.bad_until = Some(now + server.backoff.next_delay());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: &str) -> Place {
        Place { host: host.to_owned(), port: 6443 }
    }

    fn order(servers: &Servers, now: Instant) -> String {
        servers.order(now).iter().map(|p| p.host.clone()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn those_that_failed_come_last_until_their_time_is_over() {
        let t0 = Instant::now();
        let mut servers = Servers::new(place("first"));
        servers.replace(vec![place("a"), place("b"), place("a")]);
        assert_eq!(order(&servers, t0), "a b first");
        servers.failed(&place("a"), t0);
        assert_eq!(order(&servers, t0), "b first a");
        servers.failed(&place("b"), t0);
        servers.failed(&place("b"), t0);
        servers.failed(&place("first"), t0);
        servers.failed(&place("first"), t0);
        servers.failed(&place("first"), t0);
        assert_eq!(order(&servers, t0), "a b first", "all are tried, the one that is due soonest first");
        assert_eq!(order(&servers, t0 + Duration::from_secs(3)), "a b first");
        servers.worked(&place("first"));
        assert_eq!(order(&servers, t0), "first a b");
    }

    #[test]
    fn the_server_that_was_named_is_never_forgotten() {
        let t0 = Instant::now();
        let mut servers = Servers::new(place("first"));
        servers.failed(&place("first"), t0);
        servers.replace(Vec::new());
        assert_eq!(order(&servers, t0), "first");
        servers.replace(vec![place("x")]);
        assert_eq!(order(&servers, t0), "x first", "what is known of it is kept");
    }
}
