//! Reading how much there is.

use std::{path::PathBuf, sync::Arc};

use super::{
    decide::{Reading, Signals},
    threshold::{Signal, Thresholds},
};
use crate::{shared::Shared, stats::FileSystem};

/// Reads what any line is about. The file system of images is the node's unless the runtime keeps them elsewhere.
pub(super) async fn read(shared: &Arc<Shared>, thresholds: &Thresholds) -> Signals {
    let lines = thresholds.all();
    let watched = |signal: Signal| lines.iter().any(|l| l.signal == signal);
    let (root, cgroups) = (shared.config.root.clone(), shared.cgroups.clone());
    let images = images_at(shared, watched(Signal::ImageDisk) || watched(Signal::ImageInodes)).await;
    knarr_daemon::blocking(move || {
        let mut out = Signals::new();
        if let Some((total, used)) = total_memory().zip(cgroups.and_then(|c| c.usage("/"))) {
            let available = total.saturating_sub(used.working_set);
            out.insert(Signal::Memory, Reading { available, capacity: total });
        }
        let mut disk = |at: &PathBuf, bytes, inodes| {
            let Some(fs) = FileSystem::of(at) else { return };
            out.insert(bytes, Reading { available: fs.available, capacity: fs.capacity });
            // Some file systems make inodes as they need them, and say that they have none.
            if fs.inodes > 0 {
                out.insert(inodes, Reading { available: fs.inodes_free, capacity: fs.inodes });
            }
        };
        disk(&root, Signal::NodeDisk, Signal::NodeInodes);
        if let Some(at) = images {
            disk(&at, Signal::ImageDisk, Signal::ImageInodes);
        }
        if let Some((now, most)) = processes() {
            out.insert(Signal::Pid, Reading { available: most.saturating_sub(now), capacity: most });
        }
        out
    })
    .await
}

/// Where the runtime keeps images. It is asked once: the place does not change while it runs.
async fn images_at(shared: &Shared, wanted: bool) -> Option<PathBuf> {
    if !wanted {
        return None;
    }
    if let Some(known) = shared.image_place.get() {
        return Some(known.clone());
    }
    let info = shared.runtime.image_fs_info().await.ok()?;
    let at = PathBuf::from(info.image_filesystems.into_iter().next()?.fs_id?.mountpoint);
    let _ = shared.image_place.set(at.clone());
    Some(at)
}

fn total_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib: u64 = info.lines().find_map(|l| l.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok())?;
    Some(kib.saturating_mul(1024))
}

fn processes() -> Option<(u64, u64)> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let now = read("/proc/loadavg")?.split(['/', ' ']).nth(4)?.parse().ok()?;
    let limit = |path: &str| read(path).and_then(|t| t.trim().parse::<u64>().ok()).unwrap_or(u64::MAX);
    Some((now, limit("/proc/sys/kernel/pid_max").min(limit("/proc/sys/kernel/threads-max"))))
}
