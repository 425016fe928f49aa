//! One containerd process: ours to reap, or an adopted one watched through a pidfd.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::OwnedFd,
    path::Path,
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, test_kill_process_group};
use tokio::{
    io::{Interest, unix::AsyncFd},
    process::{Child, Command},
};

use super::Settings;

/// A log larger than this at a start is put aside.
const LOG: u64 = 16 << 20;

/// A process that is known not to be another one with its number: the pidfd was opened before its start time was read.
pub(super) struct Process {
    pid: u32,
    start_time: u64,
    fd: AsyncFd<OwnedFd>,
    child: Option<Child>,
}

impl Process {
    /// The process `pid`, if it lives.
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let fd = pidfd_open(raw.ok_or(io::ErrorKind::NotFound)?, PidfdFlags::empty())?;
        let start_time = start_time(pid).ok_or(io::ErrorKind::NotFound)?;
        let fd = knarr_daemon::watched(fd, Interest::READABLE)?;
        Ok(Self { pid, start_time, fd, child: None })
    }

    /// Starts containerd. It does not end with us: its own process group, its log in a file, nothing inherited from a
    /// service manager.
    pub(super) fn start(settings: &Settings) -> io::Result<Self> {
        let log = open_log(&settings.log_file())?;
        let mut command = Command::new(&settings.binary);
        command
            .arg("--config")
            .arg(settings.config_file())
            .env("PATH", settings.search_path(std::env::var_os("PATH")))
            .env_remove("NOTIFY_SOCKET")
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS")
            .env_remove("WATCHDOG_PID")
            .env_remove("WATCHDOG_USEC")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(false);
        let child = command.spawn()?;
        let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { child: Some(child), ..Self::open(pid)? })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn start_time(&self) -> u64 {
        self.start_time
    }

    /// Waits for its end. Cancel safe.
    pub(super) async fn exited(&mut self) -> String {
        match &mut self.child {
            Some(child) => match child.wait().await {
                Ok(status) => status.to_string(),
                Err(e) => e.to_string(),
            },
            None => match self.fd.readable().await {
                Ok(_) => "it ended".to_owned(),
                Err(e) => e.to_string(),
            },
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        // The only failure is that it has ended.
        let _ = pidfd_send_signal(self.fd.get_ref(), signal);
    }

    /// Asks it to end, kills it after `grace`.
    pub(super) async fn stop(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(grace, self.exited()).await.is_err() {
            self.signal(Signal::KILL);
            self.exited().await;
        }
    }
}

/// Waits until no process of a group is alive, at most `limit`. What containerd starts for a moment is in its group, shims
/// and containers are not. Asked again and again: nothing tells of the end of a stranger's child. The dead that their
/// parent has not collected yet do nothing any more: some hosts' first process takes seconds for that.
pub(super) async fn group_ended(leader: u32, limit: Duration) {
    let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) else { return };
    let gone = async {
        // The kernel's answer is cheap and counts the dead; where it is yes, the list of processes decides.
        while test_kill_process_group(group).is_ok() && knarr_daemon::blocking(move || is_alive(leader)).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(limit, gone).await.is_err() {
        tracing::warn!(group = leader, "helpers of the last containerd do not end");
    }
}

/// Whether a process of the group is alive.
fn is_alive(group: u32) -> bool {
    let mut stats = super::shims::pids().filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    stats.any(|stat| living_group(&stat) == Some(group))
}

fn open_log(path: &Path) -> io::Result<File> {
    if path.metadata().is_ok_and(|m| m.len() > LOG) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// When a process started, in clock ticks since boot: with the pid it names one process until the next boot.
pub(super) fn start_time(pid: u32) -> Option<u64> {
    parse_start_time(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The fields of a `/proc/PID/stat` from the parent (4) on. The name in field 2 may hold anything, so what follows its
/// end is read; a zombie has ended.
fn living_fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then_some(fields)
}

/// Field 22.
fn parse_start_time(stat: &str) -> Option<u64> {
    living_fields(stat)?.nth(18)?.parse().ok()
}

/// Field 5.
fn living_group(stat: &str) -> Option<u32> {
    living_fields(stat)?.nth(1)?.parse().ok()
}

/// Whether processes that we start may get a lower OOM score than ours; without `CAP_SYS_RESOURCE` in the first user
/// namespace they may not, and runc would fail for every sandbox. The kernel decides, so we try on ourselves.
pub fn may_lower_oom_score() -> bool {
    const FILE: &str = "/proc/self/oom_score_adj";
    let Some(now) = std::fs::read_to_string(FILE).ok().and_then(|t| t.trim().parse::<i32>().ok()) else { return false };
    if now <= -999 {
        return true;
    }
    let lowered = std::fs::write(FILE, (now - 1).to_string()).is_ok();
    if lowered {
        // Raising needs no permission.
        let _ = std::fs::write(FILE, now.to_string());
    }
    lowered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = |name: &str, state: &str| {
            format!("7 ({name}) {state} 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 9 0 4711 0 0")
        };
        assert_eq!(parse_start_time(&line("containerd", "S")), Some(4711));
        assert_eq!(parse_start_time(&line("a) S 1 (b", "R")), Some(4711));
        assert_eq!(parse_start_time(&line("containerd", "Z")), None);
        assert_eq!(parse_start_time("7 (x"), None);
        assert!(start_time(std::process::id()).is_some());
        assert_eq!(living_group(&line("containerd", "S")), Some(7));
        assert_eq!(living_group(&line("a) Z 1 (b", "R")), Some(7));
        assert_eq!(living_group(&line("containerd", "Z")), None);
    }

    #[tokio::test]
    async fn a_group_is_waited_for_but_not_for_ever() {
        let group = |seconds: &str| {
            let mut command = std::process::Command::new("sleep");
            std::os::unix::process::CommandExt::process_group(command.arg(seconds), 0).spawn().expect("sleep exists")
        };
        let (mut long, begun) = (group("100"), std::time::Instant::now());
        group_ended(long.id(), Duration::from_millis(50)).await;
        assert!(begun.elapsed() >= Duration::from_millis(50));
        // Dead, and not collected before the end of the test.
        long.kill().unwrap();
        group_ended(long.id(), Duration::from_secs(1000)).await;
        long.wait().unwrap();
        group_ended(long.id(), Duration::from_secs(1000)).await;
    }

    #[tokio::test]
    async fn an_adopted_process_is_seen_to_end() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().expect("sleep exists");
        let mut process = Process::open(child.id()).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(20), process.exited()).await.is_err());
        process.stop(Duration::from_secs(5)).await;
        child.wait().unwrap();
        assert!(Process::open(child.id()).is_err());
    }
}
