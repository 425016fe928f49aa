//! Waiting for a log to grow: inotify on its directory, so that a rotation is seen too.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, RawFd},
        unix::fs::MetadataExt,
    },
    path::Path,
    time::Duration,
};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::{fs::File, io::unix::AsyncFd};

/// However quiet the file is, so often somebody looks whether the container still runs.
const PATIENCE: Duration = Duration::from_secs(5);

struct Handle(Inotify);

impl AsRawFd for Handle {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Waits for changes beside one file.
pub(super) struct Follower(AsyncFd<Handle>);

impl Follower {
    /// From now on no change is missed.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        let flags = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_DELETE;
        inotify.add_watch(dir, flags)?;
        Ok(Self(AsyncFd::new(Handle(inotify))?))
    }

    /// Waits until something happened in the directory, or for a while.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        match tokio::time::timeout(PATIENCE, self.0.readable()).await {
            Err(_) => Ok(()),
            Ok(ready) => {
                let mut ready = ready?;
                // What it was does not matter; reading empties the queue.
                while ready.get_inner().0.read_events().is_ok_and(|events| !events.is_empty()) {}
                ready.clear_ready();
                Ok(())
            }
        }
    }

    /// The new file, if the one at `path` is no longer the one that is open.
    pub(super) async fn rotated(&self, path: &Path, open: &File) -> Option<File> {
        let (have, there) = (open.metadata().await.ok()?, tokio::fs::metadata(path).await.ok()?);
        if (have.dev(), have.ino()) == (there.dev(), there.ino()) {
            return None;
        }
        File::open(path).await.ok()
    }
}

