//! Listening sockets that outlive the process.
//!
//! The service manager keeps a copy of each (its descriptor store) and hands them to the next process, so that while
//! knarr is restarted, upgraded or killed callers wait in the socket's queue instead of being refused. Without a
//! manager, or one that keeps nothing, sockets are bound as ever.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener},
    os::fd::{AsFd as _, OwnedFd, RawFd},
};

use nix::sys::socket::{Backlog, getsockopt, listen, sockopt::AcceptConn};
use parking_lot::Mutex;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::notify;

/// Callers that may wait while nobody accepts. The kernel takes no more than `net.core.somaxconn`.
const QUEUE: i32 = 4096;
/// The first descriptor that is handed over.
const FIRST: RawFd = 3;

/// What the manager kept from the process before.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    kept: Mutex<BTreeMap<String, TcpListener>>,
}

impl Listeners {
    /// Takes over what the manager handed to this process. Call once, before anything else opens files.
    pub(crate) fn inherit() -> Self {
        let mut kept = BTreeMap::new();
        for (fd, name) in offered(|name| std::env::var(name).ok(), std::process::id()) {
            let socket = own(fd);
            // Children must not get it; what could not be taken over is of no use to us either.
            let _ = nix::unistd::close(fd);
            match socket {
                Ok(socket) => drop(kept.insert(name, TcpListener::from(socket))),
                Err(e) => {
                    tracing::warn!(error = %e, "the listener {name} was not taken over");
                    notify::forget(&name);
                }
            }
        }
        Self { kept: Mutex::new(kept) }
    }

    /// Listens at an address: on the socket kept under this name, if it is there, else on a new one that is kept from
    /// now on.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(crate) fn listen(&self, name: &str, at: SocketAddr) -> io::Result<TcpListener> {
        let kept = self.kept.lock().remove(name);
        if let Some(kept) = kept {
            if kept.local_addr().is_ok_and(|now| now == at) && getsockopt(&kept, AcceptConn).is_ok_and(|on| on) {
                tracing::debug!(name, %at, "going on with the listener of the process before");
                return Ok(kept);
            }
            drop(kept);
            notify::forget(name);
        }
        let socket = TcpListener::bind(at)?;
        listen(&socket, Backlog::new(QUEUE)?)?;
        notify::keep(name, socket.as_fd());
        Ok(socket)
    }

    /// Closes what nobody asked for: it is no longer configured, and its callers should be told.
    pub(crate) fn close_others(&self) {
        for name in std::mem::take(&mut *self.kept.lock()).into_keys() {
            notify::forget(&name);
        }
    }
}

/// The descriptors that were handed to this process, with their names.
fn offered(env: impl Fn(&str) -> Option<String>, pid: u32) -> Vec<(RawFd, String)> {
    let number = |name: &str| env(name).and_then(|n| n.parse::<u32>().ok());
    if number("LISTEN_PID") != Some(pid) {
        return Vec::new(); // meant for a parent of ours
    }
    let count = number("LISTEN_FDS").unwrap_or(0).min(64);
    let names = env("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat("unknown".to_owned()));
    (FIRST..).take(count as usize).zip(names).collect()
}

/// A copy of a descriptor of this process that is ours to close and that children do not get.
fn own(fd: RawFd) -> io::Result<OwnedFd> {
    let myself = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(myself, fd, PidfdGetfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn only_what_is_meant_for_this_process_is_taken() {
        for (env, expected) in [
            ("", ""),
            ("LISTEN_PID=6 LISTEN_FDS=2 LISTEN_FDNAMES=a:b", ""),
            ("LISTEN_PID=7 LISTEN_FDS=2 LISTEN_FDNAMES=a:b", "3 a, 4 b"),
            ("LISTEN_PID=7 LISTEN_FDS=x", ""),
            ("LISTEN_PID=7 LISTEN_FDS=2 LISTEN_FDNAMES=a", "3 a, 4 unknown"),
        ] {
            let get =
                |name: &str| env.split(' ').find_map(|v| v.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
            let found = offered(get, 7).into_iter().map(|(fd, name)| format!("{fd} {name}"));
            assert_eq!(found.collect::<Vec<_>>().join(", "), expected, "{env}");
        }
    }

    #[test]
    fn a_kept_listener_is_used_only_at_its_address() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let kept = TcpListener::from(own(socket.as_raw_fd()).unwrap());
        let listeners = Listeners { kept: Mutex::new([("api".to_owned(), kept)].into()) };
        let caller = std::net::TcpStream::connect(at).unwrap();
        drop(socket);
        // Who waited in the queue is served by the next owner.
        let again = listeners.listen("api", at).unwrap();
        assert_eq!(again.accept().unwrap().1, caller.local_addr().unwrap());

        let listeners = Listeners { kept: Mutex::new([("api".to_owned(), again)].into()) };
        let other = listeners.listen("api", "127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(other.local_addr().unwrap(), at);
        assert!(std::net::TcpStream::connect(at).is_err(), "the old address is given up");
    }
}
