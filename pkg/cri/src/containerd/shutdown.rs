//! Ending a private containerd with everything it started.
//!
//! In order: sandboxes through CRI (which tears down networks), containerd, what is left of shims and containers, mounts,
//! directories. Each step goes on after failures of the one before; all failures are returned.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::mount::{MntFlags, umount2};

use super::{END, Process, Record, Settings, process, record, shims};
use crate::{Cri, Runtime};

/// How long sandboxes may take to end by themselves before they are killed.
const SANDBOXES: Duration = Duration::from_secs(60);

/// What stays on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Images and containerd's metadata, for the next start.
    Images,
    /// Nothing.
    Nothing,
}

/// What could not be ended or removed.
#[derive(Debug, thiserror::Error)]
#[error("containerd was not removed cleanly: {}", .0.join("; "))]
pub struct ShutdownError(pub Vec<String>);

/// Ends the private containerd of `settings`, running or not, with all its containers. Stop its supervisor (the tasks
/// given to [`super::Containerd::start`]) first, or it will be started again.
pub async fn shutdown(settings: &Settings, leave: Leave) -> Result<(), ShutdownError> {
    let mut failures = Vec::new();
    if let Some(pid) = running(settings) {
        match tokio::time::timeout(SANDBOXES, remove_sandboxes(settings)).await {
            Ok(errors) => failures.extend(errors),
            Err(_) => failures.push(format!("sandboxes did not end within {SANDBOXES:?}")),
        }
        if let Ok(mut containerd) = Process::open(pid) {
            containerd.stop(END).await;
        }
    }
    shims::kill_all(&settings.socket(), &mut failures).await;
    for dir in [&settings.run, &settings.root] {
        unmount_below(dir, &mut failures);
    }
    remove_dir(&settings.run, &mut failures);
    if leave == Leave::Nothing {
        remove_dir(&settings.root, &mut failures);
    }
    // Shims of all containerds keep their sockets here; nobody else does. Succeeds only if empty.
    let _ = fs::remove_dir("/run/containerd/s").and_then(|()| fs::remove_dir("/run/containerd"));
    if failures.is_empty() { Ok(()) } else { Err(ShutdownError(failures)) }
}

fn running(settings: &Settings) -> Option<u32> {
    let recorded = || {
        let record = Record::read(&settings.record_file())?;
        (process::start_time(record.pid)? == record.start_time).then_some(record.pid)
    };
    record::listener(&settings.socket()).or_else(recorded)
}

async fn remove_sandboxes(settings: &Settings) -> Vec<String> {
    let cri = Cri::new(settings.socket());
    let sandboxes = match cri.list_pod_sandboxes(None).await {
        Ok(sandboxes) => sandboxes,
        Err(e) => return vec![e.to_string()],
    };
    let removals = sandboxes.iter().map(|sandbox| async {
        cri.stop_pod_sandbox(&sandbox.id).await?;
        cri.remove_pod_sandbox(&sandbox.id).await
    });
    let results = futures_util::future::join_all(removals).await;
    results.into_iter().filter_map(Result::err).map(|e| e.to_string()).collect()
}

fn unmount_below(dir: &Path, failures: &mut Vec<String>) {
    let Ok(info) = fs::read_to_string("/proc/self/mountinfo") else { return };
    for mount in mounts_below(&info, dir) {
        if let Err(e) = umount2(&mount, MntFlags::MNT_DETACH) {
            failures.push(format!("unmount {}: {e}", mount.display()));
        }
    }
}

/// The mount points in `dir`, innermost first (later mounts cover earlier ones).
fn mounts_below(mountinfo: &str, dir: &Path) -> Vec<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(|p| PathBuf::from(unescape(p)));
    let mut found: Vec<PathBuf> = points.filter(|p| p.starts_with(dir) && p != dir).collect();
    found.reverse();
    found
}

/// `\040` and the like in `/proc/self/mountinfo`.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                out.push_str(&part[3..]);
            }
            None => {
                out.push('\\');
                out.push_str(part);
            }
        }
    }
    out
}

fn remove_dir(dir: &Path, failures: &mut Vec<String>) {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => failures.push(format!("remove {}: {e}", dir.display())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_undone_innermost_first() {
        let info = "1 0 0:1 / / rw - ext4 /dev/a rw\n\
            2 1 0:2 / /run/k/state/a rw - tmpfs t rw\n\
            3 2 0:3 / /run/k/state/a/my\\040dir rw - tmpfs t rw\n\
            4 1 0:4 / /run/kk rw - tmpfs t rw\n";
        assert_eq!(
            mounts_below(info, Path::new("/run/k")),
            [Path::new("/run/k/state/a/my dir"), Path::new("/run/k/state/a")]
        );
    }
}
