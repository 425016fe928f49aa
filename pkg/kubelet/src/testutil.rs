//! Helpers of this crate's tests.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// A directory that goes away with the value.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("knarr-kubelet-{name}-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A mount table in memory. Binding leaves the place as it is.
#[derive(Default)]
pub(crate) struct FakeMounter {
    points: parking_lot::Mutex<Vec<PathBuf>>,
    /// How long a tmpfs takes to be mounted.
    pub(crate) slow: parking_lot::Mutex<Duration>,
}

impl crate::volumes::Mounter for FakeMounter {
    fn tmpfs(&self, at: &Path, _: Option<u64>) -> std::io::Result<()> {
        let slow = *self.slow.lock();
        std::thread::sleep(slow);
        self.bind(at, at)
    }

    fn bind(&self, _: &Path, at: &Path) -> std::io::Result<()> {
        self.points.lock().push(at.to_owned());
        Ok(())
    }

    fn unmount(&self, at: &Path) -> std::io::Result<()> {
        self.points.lock().retain(|p| p != at);
        Ok(())
    }

    fn begins_at(&self, path: &Path) -> bool {
        self.is_mounted(path)
    }

    fn below(&self, path: &Path) -> std::io::Result<Vec<PathBuf>> {
        Ok(self.points.lock().iter().filter(|p| p.starts_with(path)).cloned().collect())
    }
}
