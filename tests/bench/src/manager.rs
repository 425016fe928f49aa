//! The service manager's part: keeps the listening sockets that the node gives it, and hands them to the next process, as
//! systemd's descriptor store does.
//!
//! Descriptors are passed by a shell that moves them to where the program looks for them: that needs no code between
//! fork and exec in this program.

use std::{
    collections::BTreeMap,
    io::IoSliceMut,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::net::UnixDatagram,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};
use nix::{
    cmsg_space,
    fcntl::{FcntlArg, fcntl},
    sys::socket::{ControlMessageOwned, MsgFlags, recvmsg},
    unistd::close,
};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// Where kept descriptors are moved to: clear of those the next process gets.
const APART: RawFd = 100;

/// A manager of one service.
pub(crate) struct Manager {
    path: PathBuf,
    socket: Arc<UnixDatagram>,
    kept: Arc<Mutex<BTreeMap<String, RawFd>>>,
    reader: Option<JoinHandle<()>>,
}

/// What a message asks for.
#[derive(Debug, PartialEq)]
enum Ask {
    Keep(String),
    Forget(String),
    Nothing,
}

impl Manager {
    /// Listens at a socket of this name.
    pub(crate) fn start(path: &Path) -> Result<Self> {
        let socket = Arc::new(UnixDatagram::bind(path).with_context(|| format!("listen at {}", path.display()))?);
        let kept: Arc<Mutex<BTreeMap<String, RawFd>>> = Arc::default();
        let (from, into) = (socket.clone(), kept.clone());
        let reader = std::thread::spawn(move || while receive(&from, &into).is_some() {});
        Ok(Self { path: path.to_owned(), socket, kept, reader: Some(reader) })
    }

    /// The command with what is kept for it.
    pub(crate) fn command(&self, command: &Command) -> Command {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let moves: Vec<String> =
            (3..).zip(kept.values()).map(|(to, from)| format!(" {to}<&{from} {from}<&-")).collect();
        let script = format!("export LISTEN_PID=$$; exec \"$@\"{}", moves.concat());
        let mut shell = Command::new("bash");
        shell.args(["-c", &script, "bash"]).arg(command.get_program()).args(command.get_args());
        shell.env("NOTIFY_SOCKET", &self.path).env("LISTEN_FDS", kept.len().to_string());
        shell.env("LISTEN_FDNAMES", kept.keys().cloned().collect::<Vec<_>>().join(":"));
        shell
    }

    /// The names of what is kept.
    pub(crate) fn names(&self) -> Vec<String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        for fd in std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner)).into_values() {
            let _ = close(fd);
        }
    }
}

/// Takes one message; `None` at the end. Descriptors that nobody asked to keep are closed, which also answers a barrier.
fn receive(from: &UnixDatagram, kept: &Mutex<BTreeMap<String, RawFd>>) -> Option<()> {
    let (mut text, mut space) = ([0; 4096], cmsg_space!([RawFd; 8]));
    let mut parts = [IoSliceMut::new(&mut text)];
    let message = recvmsg::<()>(from.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC).ok()?;
    let (length, mut fds) = (message.bytes, Vec::new());
    for part in message.cmsgs().ok()? {
        if let ControlMessageOwned::ScmRights(more) = part {
            fds.extend(more);
        }
    }
    if length == 0 {
        return None;
    }
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    match ask(&String::from_utf8_lossy(&text[..length])) {
        Ask::Keep(name) => {
            let moved = fds.first().and_then(|fd| apart(*fd));
            if let Some(old) = moved.and_then(|fd| kept.insert(name, fd)) {
                let _ = close(old);
            }
        }
        Ask::Forget(name) => {
            let _ = kept.remove(&name).map(close);
        }
        Ask::Nothing => {}
    }
    for fd in fds {
        let _ = close(fd);
    }
    Some(())
}

/// A copy out of the way, which children get.
fn apart(fd: RawFd) -> Option<RawFd> {
    let myself = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    let owned = pidfd_getfd(myself, fd, PidfdGetfdFlags::empty()).ok()?;
    fcntl(owned, FcntlArg::F_DUPFD(APART)).ok()
}

fn ask(text: &str) -> Ask {
    let value = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
    let name = || value("FDNAME").unwrap_or("stored").to_owned();
    match (value("FDSTORE"), value("FDSTOREREMOVE")) {
        (Some("1"), _) => Ask::Keep(name()),
        (_, Some("1")) => Ask::Forget(name()),
        _ => Ask::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        assert_eq!(ask("FDSTORE=1\nFDNAME=api"), Ask::Keep("api".to_owned()));
        assert_eq!(ask("FDNAME=api\nFDSTOREREMOVE=1\n"), Ask::Forget("api".to_owned()));
        for other in ["READY=1", "BARRIER=1", "FDSTORE=0", ""] {
            assert_eq!(ask(other), Ask::Nothing, "{other}");
        }
    }
}
