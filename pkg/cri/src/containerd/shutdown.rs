//! Ending a private containerd with everything it started.
//!
//! In order: sandboxes through CRI (which tears down networks), containerd, what is left of shims and containers, mounts,
//! directories. Each step goes on after failures of the one before; all failures are returned.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::mount::{MntFlags, umount2};
use rustix::process::{Pid, Signal, kill_process};

use super::{END, Process, Record, Settings, process, record};
use crate::{Cri, Runtime};

/// How long sandboxes may take to end by themselves before they are killed.
const SANDBOXES: Duration = Duration::from_secs(60);
/// How long killed processes may take to vanish.
const VANISH: Duration = Duration::from_secs(10);

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
    kill_shims(&settings.socket(), &mut failures).await;
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

/// A process, as far as we need it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    pid: i32,
    parent: i32,
    command: Vec<String>,
}

/// Shims of the containerd at `socket`, and everything below them; children first.
fn shim_trees(seen: &[Seen], socket: &str) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for p in seen {
        children.entry(p.parent).or_default().push(p.pid);
    }
    let is_shim = |p: &&Seen| {
        p.command.first().is_some_and(|c| c.rsplit('/').next().is_some_and(|name| name.starts_with("containerd-shim")))
            && p.command.windows(2).any(|w| w[0] == "-address" && w[1] == socket)
    };
    let mut order: Vec<i32> = seen.iter().filter(is_shim).map(|p| p.pid).collect();
    let mut known: HashSet<i32> = order.iter().copied().collect();
    let mut next = 0;
    while let Some(pid) = order.get(next).copied() {
        next += 1;
        order.extend(children.get(&pid).into_iter().flatten().copied().filter(|child| known.insert(*child)));
    }
    order.reverse();
    order
}

async fn kill_shims(socket: &Path, failures: &mut Vec<String>) {
    let socket = socket.to_string_lossy();
    let deadline = tokio::time::Instant::now() + VANISH;
    let mut sockets: HashSet<PathBuf> = HashSet::new();
    loop {
        let left = shim_trees(&processes(), &socket);
        if left.is_empty() {
            // A shim that is killed leaves its socket behind.
            sockets.iter().for_each(|path| drop(fs::remove_file(path)));
            return;
        }
        sockets.extend(left.iter().flat_map(|pid| shim_sockets(*pid)));
        if tokio::time::Instant::now() > deadline {
            failures.push(format!("processes {left:?} do not end"));
            return;
        }
        for pid in left.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The sockets a process holds where shims keep theirs.
fn shim_sockets(pid: i32) -> Vec<PathBuf> {
    let held = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let held: HashSet<String> = held
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap_or_default();
    sockets_of(&table, &held)
}

/// Paths in `/run/containerd/s` of a `/proc/net/unix` whose inodes are `held`.
fn sockets_of(table: &str, held: &HashSet<String>) -> Vec<PathBuf> {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(|row| Some((*row.get(6)?, *row.get(7)?)))
        .filter(|(inode, path)| held.contains(*inode) && path.starts_with("/run/containerd/s/"))
        .map(|(_, path)| path.into())
        .collect()
}

/// All processes that are not zombies.
fn processes() -> Vec<Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter_map(process_of).collect()
}

fn process_of(pid: i32) -> Option<Seen> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = command.split(|b| *b == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
    (state != "Z").then_some(Seen { pid, parent, command })
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
    fn shims_of_others_are_left_alone() {
        let p =
            |pid, parent, command: &str| Seen { pid, parent, command: command.split(' ').map(str::to_owned).collect() };
        let seen = [
            p(10, 1, "/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id a -address /run/k/containerd.sock"),
            p(11, 10, "/pause"),
            p(12, 10, "sh"),
            p(13, 12, "sleep 1"),
            p(
                20,
                1,
                "/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id b -address /run/containerd/containerd.sock",
            ),
            p(21, 20, "/pause"),
            p(30, 1, "vi -address /run/k/containerd.sock"),
        ];
        assert_eq!(shim_trees(&seen, "/run/k/containerd.sock"), [13, 12, 11, 10]);
    }

    #[test]
    fn sockets_of_killed_shims_are_found() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0: 2 0 00010000 0001 01 17 /run/containerd/s/aa\n\
            0: 2 0 00010000 0001 01 18 /run/containerd/s/bb\n\
            0: 3 0 00000000 0001 03 19\n\
            0: 3 0 00000000 0001 03 20 /run/other\n";
        let held = ["17", "19", "20"].map(str::to_owned).into();
        assert_eq!(sockets_of(table, &held), [PathBuf::from("/run/containerd/s/aa")]);
    }

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
