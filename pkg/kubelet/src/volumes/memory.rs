//! The place for what must not reach a disk: Secrets, tokens, and what is projected beside them.
//!
//! It is one tmpfs for all pods. Each mount of the host is copied for every container that starts, so one for each volume
//! would slow down what comes after it. Nobody but us writes there (containers see these volumes read-only), so no pod can
//! fill it for the others.

use std::{fs, io, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use parking_lot::Mutex;

use super::Mounter;
use crate::config::Config;

/// The place. Everything here blocks.
pub(super) struct Memory {
    dir: PathBuf,
    mounter: Arc<dyn Mounter>,
    /// Held while it is mounted, so that this is done once.
    mounting: Mutex<()>,
}

impl Memory {
    pub(super) fn new(config: &Config, mounter: Arc<dyn Mounter>) -> Self {
        Self { dir: config.memory_dir(), mounter, mounting: Mutex::new(()) }
    }

    /// Where a pod's volumes are in it.
    pub(super) fn pod_dir(&self, uid: &str) -> PathBuf {
        self.dir.join(uid)
    }

    /// Makes sure that it is there: when the agent starts, and before anything is written. It outlives the agent, as pods
    /// do.
    pub(super) fn ensure(&self) -> io::Result<()> {
        let _once = self.mounting.lock();
        if self.mounter.begins_at(&self.dir) {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)?;
        self.mounter.tmpfs(&self.dir, None)?;
        fs::set_permissions(&self.dir, fs::Permissions::from_mode(0o700))
    }
}
