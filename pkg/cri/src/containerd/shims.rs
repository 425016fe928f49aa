//! The shims of one containerd: processes that hold a sandbox and its containers, and outlive containerd.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};

use super::{
    leftovers::{Kind, Needed, Remnant},
    process,
};
use crate::NAMESPACE;

/// How long killed processes may take to vanish.
const VANISH: Duration = Duration::from_secs(10);

/// A process, as far as we need it.
#[derive(Debug)]
struct Seen {
    pid: i32,
    parent: i32,
    command: Vec<String>,
}

/// Shims as things that containerd may forget: when it is killed, one that it started and had not yet recorded, or whose task
/// it had deleted and that it had not yet told to end; and when whoever asked for a sandbox goes away, one that is just
/// starting.
#[derive(Debug)]
pub(super) struct Shims {
    socket: String,
    bundles: PathBuf,
}

impl Shims {
    /// Those of the containerd at `socket`.
    pub(super) fn of(socket: &Path, state: &Path) -> Self {
        let bundles = state.join("io.containerd.runtime.v2.task").join(NAMESPACE);
        Self { socket: socket.to_string_lossy().into_owned(), bundles }
    }
}

#[async_trait]
impl Kind for Shims {
    fn name(&self) -> &'static str {
        "shims"
    }

    async fn list(&self) -> Vec<Remnant> {
        let (socket, bundles) = (self.socket.clone(), self.bundles.clone());
        knarr_daemon::blocking(move || {
            let seen = processes();
            let shims = seen.iter().filter(|p| is_shim(p, &socket)).filter_map(|p| {
                let sandbox = p.command.windows(2).find(|w| w[0] == "-id")?[1].clone();
                // The bundle is there before the shim, and goes with it.
                let settled = !bundles.join(&sandbox).exists();
                Some(Remnant { name: name_of(p.pid)?, needed: Needed::WhileAlive(sandbox), settled })
            });
            shims.collect()
        })
        .await
    }

    async fn end(&self, name: &str) -> Result<(), String> {
        let mut failures = Vec::new();
        let this = |p: &Seen| is_shim(p, &self.socket) && name_of(p.pid).as_deref() == Some(name);
        kill(|seen| trees(seen, this), &mut failures).await;
        if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
    }
}

/// A process and its start: no other has both.
fn name_of(pid: i32) -> Option<String> {
    Some(format!("{pid}@{}", process::start_time(u32::try_from(pid).ok()?)?))
}

/// Kills all shims of the containerd at `socket` with everything below them.
pub(super) async fn kill_all(socket: &Path, failures: &mut Vec<String>) {
    let socket = socket.to_string_lossy();
    kill(|seen| trees(seen, |p| is_shim(p, &socket)), failures).await;
}

/// Kills what `choose` names until it names nothing.
async fn kill(choose: impl Fn(&[Seen]) -> Vec<i32>, failures: &mut Vec<String>) {
    let deadline = tokio::time::Instant::now() + VANISH;
    let mut sockets: HashSet<PathBuf> = HashSet::new();
    loop {
        let left = choose(&processes());
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

fn is_shim(p: &Seen, socket: &str) -> bool {
    p.command.first().is_some_and(|c| c.rsplit('/').next().is_some_and(|name| name.starts_with("containerd-shim")))
        && p.command.windows(2).any(|w| w[0] == "-address" && w[1] == socket)
}

/// The processes `is_root` chooses and everything below them; children first.
fn trees(seen: &[Seen], is_root: impl Fn(&Seen) -> bool) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for p in seen {
        children.entry(p.parent).or_default().push(p.pid);
    }
    let mut order: Vec<i32> = seen.iter().filter(|p| is_root(p)).map(|p| p.pid).collect();
    let mut known: HashSet<i32> = order.iter().copied().collect();
    let mut next = 0;
    while let Some(pid) = order.get(next).copied() {
        next += 1;
        order.extend(children.get(&pid).into_iter().flatten().copied().filter(|child| known.insert(*child)));
    }
    order.reverse();
    order
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
    pids().filter_map(process_of).collect()
}

/// The numbers of all processes.
pub(super) fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok())
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
        assert_eq!(trees(&seen, |p| is_shim(p, "/run/k/containerd.sock")), [13, 12, 11, 10]);
        assert_eq!(trees(&seen, |p| p.pid == 12), [13, 12]);
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
}
