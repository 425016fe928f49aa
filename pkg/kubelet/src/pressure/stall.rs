//! The kernel tells when programs wait for memory (PSI): then it is time to look, not ten seconds later.
//!
//! Waiting costs nothing. Without PSI (an old kernel, or switched off) the slow period is all there is.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    time::Duration,
};

use tokio::io::{Interest, unix::AsyncFd};

/// Some program waited for 100 ms within a second.
const TRIGGER: &[u8] = b"some 100000 1000000\0";
/// After a stall the next look is not before this: stalls come in swarms.
const PAUSE: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Stall(Option<AsyncFd<OwnedFd>>);

impl Stall {
    /// Asks the kernel to tell.
    pub(super) fn open() -> Self {
        let opened = || -> std::io::Result<AsyncFd<OwnedFd>> {
            let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
            let mut file =
                OpenOptions::new().read(true).write(true).custom_flags(flags).open("/proc/pressure/memory")?;
            file.write_all(TRIGGER)?;
            knarr_daemon::watched(file.into(), Interest::PRIORITY)
        };
        match opened() {
            Ok(fd) => Self(Some(fd)),
            Err(e) => {
                tracing::debug!(error = %e, "the kernel does not tell of memory stalls");
                Self(None)
            }
        }
    }

    /// Waits for a stall.
    pub(super) async fn felt(&mut self) {
        let Some(fd) = &self.0 else { return std::future::pending().await };
        match fd.ready(Interest::PRIORITY).await {
            Ok(mut guard) => {
                guard.clear_ready();
                drop(guard);
                tokio::time::sleep(PAUSE).await;
            }
            Err(e) => {
                tracing::debug!(error = %e, "memory stalls are told no longer");
                self.0 = None;
                std::future::pending().await
            }
        }
    }
}
