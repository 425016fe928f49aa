//! Waiting for a log to grow: inotify on its directory, so that a rotation is seen too.

use std::{
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::Path,
};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::{fs::File, net::unix::pipe::Receiver};

/// Waits for changes beside one file.
///
/// To the event loop an inotify descriptor is like the reading end of a pipe: readable, and read without blocking.
pub(super) struct Follower(Receiver);

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
        Ok(Self(Receiver::from_owned_fd_unchecked(OwnedFd::from(inotify))?))
    }

    /// Waits until something happened in the directory.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        self.0.readable().await?;
        // What it was does not matter; reading empties the queue.
        let mut events = [0; 4096];
        while self.0.try_read(&mut events).is_ok_and(|n| n > 0) {}
        Ok(())
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
