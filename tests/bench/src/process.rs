//! What `/proc` says of processes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// The processes of a node, by what they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes {
    /// containerd.
    pub(crate) containerd: Vec<i32>,
    /// Its shims.
    pub(crate) shims: Vec<i32>,
}

/// Processes that were told a path below `prefix`.
pub(crate) fn of_node(prefix: &Path) -> Processes {
    let mut found = Processes::default();
    for (pid, words) in all() {
        let named = words.iter().any(|w| Path::new(w).starts_with(prefix));
        let program = words.first().and_then(|w| Path::new(w).file_name()?.to_str()).unwrap_or_default();
        match program {
            "containerd" if named => found.containerd.push(pid),
            name if named && name.starts_with("containerd-shim") => found.shims.push(pid),
            _ => {}
        }
    }
    found
}

/// All processes with their command lines.
pub(crate) fn all() -> impl Iterator<Item = (i32, Vec<String>)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| {
        let pid: i32 = e.file_name().to_str()?.parse().ok()?;
        let line = fs::read(e.path().join("cmdline")).ok()?;
        let words = line.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned());
        Some((pid, words.collect()))
    })
}

fn read(pid: i32, file: &str) -> Result<String> {
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// The number behind `name:` in a file of such lines.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Proportional memory of processes, MiB.
pub(crate) fn pss(pids: &[i32]) -> Result<f64> {
    let mut kib = 0;
    for pid in pids {
        kib += field(&read(*pid, "smaps_rollup")?, "Pss").context("smaps_rollup has no Pss")?;
    }
    Ok(kib as f64 / 1024.0)
}

/// Resident memory of a process, pages that it shares included, MiB.
pub(crate) fn resident(pid: i32) -> Result<f64> {
    Ok(field(&read(pid, "status")?, "VmRSS").context("status has no VmRSS")? as f64 / 1024.0)
}

/// The most resident memory a process ever had, MiB.
pub(crate) fn peak(pid: i32) -> Result<f64> {
    Ok(field(&read(pid, "status")?, "VmHWM").context("status has no VmHWM")? as f64 / 1024.0)
}

/// Bytes a process made the kernel write to a disk.
pub(crate) fn written(pid: i32) -> Result<u64> {
    field(&read(pid, "io")?, "write_bytes").context("io has no write_bytes")
}

/// What a process has used so far.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    at: Instant,
    cpu: Duration,
    written: u64,
    /// Voluntary context switches of each thread, with its name.
    switches: BTreeMap<i32, (String, u64)>,
}

/// What it used between two looks.
#[derive(Clone, Debug)]
pub(crate) struct Spent {
    /// Per cent of one core.
    pub(crate) cpu: f64,
    /// Wake-ups a second.
    pub(crate) wakeups: f64,
    /// KiB a second.
    pub(crate) written: f64,
    /// Wake-ups a second by the threads' name, most first.
    pub(crate) threads: Vec<(String, f64)>,
}

impl Usage {
    /// Looks at a process.
    pub(crate) fn of(pid: i32) -> Result<Self> {
        let stat = read(pid, "stat")?;
        // The name, in parentheses, may hold anything; utime and stime are the 12th and 13th field after it.
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
        let hertz = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).context("ask for the tick")?.unwrap_or(100);
        let mut switches = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task")).context("read its threads")?.flatten() {
            let Some(id) = task.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
            // A thread may end while we look.
            let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
            let name = status.lines().next().and_then(|l| l.split('\t').nth(1)).unwrap_or_default().to_owned();
            switches.insert(id, (name, field(&status, "voluntary_ctxt_switches").unwrap_or(0)));
        }
        Ok(Self {
            at: Instant::now(),
            cpu: Duration::from_secs_f64(ticks as f64 / hertz as f64),
            written: written(pid)?,
            switches,
        })
    }

    /// What was used since an earlier look.
    pub(crate) fn since(&self, before: &Self) -> Spent {
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        let mut threads: BTreeMap<&str, u64> = BTreeMap::new();
        for (id, (name, count)) in &self.switches {
            let had = before.switches.get(id).map_or(0, |(_, n)| *n);
            *threads.entry(name).or_default() += count.saturating_sub(had);
        }
        let mut threads: Vec<(String, f64)> =
            threads.into_iter().map(|(name, n)| (name.to_owned(), n as f64 / seconds)).collect();
        threads.sort_by(|a, b| b.1.total_cmp(&a.1));
        Spent {
            cpu: (self.cpu.saturating_sub(before.cpu)).as_secs_f64() / seconds * 100.0,
            wakeups: threads.iter().map(|(_, n)| n).sum(),
            written: self.written.saturating_sub(before.written) as f64 / 1024.0 / seconds,
            threads,
        }
    }
}

impl Spent {
    /// The threads that woke up most.
    pub(crate) fn busiest(&self) -> String {
        let threads: Vec<String> = self.threads.iter().take(3).map(|(name, n)| format!("{name} {n:.1}")).collect();
        format!("voluntary switches: {}", threads.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "Pss_Dirty:  5 kB\nPss:  17 kB\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t9\n";
        assert_eq!(field(text, "Pss"), Some(17));
        assert_eq!(field(text, "voluntary_ctxt_switches"), Some(3));
        assert_eq!(field(text, "Rss"), None);
    }

    #[test]
    fn wakeups_count_threads_that_came_later() {
        let at = Instant::now();
        let usage = |seconds, switches: &[(i32, &str, u64)]| Usage {
            at: at + Duration::from_secs(seconds),
            cpu: Duration::from_millis(100 * seconds),
            written: 2048 * seconds,
            switches: switches.iter().map(|(id, name, n)| (*id, ((*name).to_owned(), *n))).collect(),
        };
        let (before, after) = (usage(0, &[(1, "a", 10)]), usage(2, &[(1, "a", 14), (2, "b", 8), (3, "b", 4)]));
        let spent = after.since(&before);
        assert_eq!(spent.threads, [("b".to_owned(), 6.0), ("a".to_owned(), 2.0)]);
        assert_eq!((spent.wakeups, spent.written), (8.0, 2.0));
        assert!((spent.cpu - 10.0).abs() < 1e-6);
    }
}
