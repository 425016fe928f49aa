//! Talking to the service manager (`sd_notify`): datagrams to the socket it named.
//!
//! Besides states it takes descriptors and keeps them while the service is restarted ([`crate::listeners`]).

use std::{
    ffi::{OsStr, OsString},
    io::{self, IoSlice, Read as _},
    os::{
        fd::{AsRawFd as _, BorrowedFd},
        unix::{ffi::OsStrExt as _, net::UnixDatagram},
    },
};

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

/// Sends `state` (`READY=1`, `STOPPING=1`) if a service manager asked for it.
pub(crate) fn notify(state: &str) {
    told(state, &[]);
}

/// Asks the manager to keep a descriptor under a name.
pub(crate) fn keep(name: &str, fd: BorrowedFd<'_>) {
    told(&format!("FDSTORE=1\nFDNAME={name}"), &[fd]);
}

/// Asks the manager to close what it keeps under a name, and waits until it has.
pub(crate) fn forget(name: &str) {
    told(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), &[]);
    let barrier = || {
        let (mut ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
        if send("BARRIER=1", &[std::os::fd::AsFd::as_fd(&theirs)])? {
            drop(theirs);
            // The manager closes its copy when it has come so far; nothing is ever written.
            let _ = ours.read(&mut [0])?;
        }
        Ok::<(), io::Error>(())
    };
    if let Err(e) = barrier() {
        tracing::warn!(error = %e, "the service manager does not answer");
    }
}

fn told(state: &str, fds: &[BorrowedFd<'_>]) {
    if let Err(e) = send(state, fds) {
        tracing::warn!(error = %e, "the service manager was not told {}", state.replace('\n', " "));
    }
}

/// Says whether there is a manager.
fn send(state: &str, fds: &[BorrowedFd<'_>]) -> io::Result<bool> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(false) };
    let socket = UnixDatagram::unbound()?;
    let raw: Vec<_> = fds.iter().map(|fd| fd.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let rights = if raw.is_empty() { &[][..] } else { &rights };
    let to = address(&path)?;
    sendmsg(socket.as_raw_fd(), &[IoSlice::new(state.as_bytes())], rights, MsgFlags::MSG_NOSIGNAL, Some(&to))?;
    Ok(true)
}

/// A path, or a name in the kernel's own space of names, written with an `@`.
fn address(path: &OsString) -> nix::Result<UnixAddr> {
    match path.as_bytes() {
        [b'@', name @ ..] => UnixAddr::new_abstract(name),
        path => UnixAddr::new(OsStr::from_bytes(path)),
    }
}
