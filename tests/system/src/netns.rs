//! Network namespaces: one for the suite (the outside), one for each node, joined by a veth pair. The nodes of a cluster
//! are on a bridge instead, which stands for their LAN.
//!
//! A node's namespace is held by an open file, not by a name: nothing of it outlives the suite, however that ends.

use std::{fs::File, os::fd::AsRawFd as _, process::Command};

use anyhow::{Context as _, Result, anyhow};
use nix::sched::{CloneFlags, unshare};

use crate::{
    command,
    poll::{secs, until},
};

/// A namespace.
#[derive(Debug)]
pub struct Netns {
    file: File,
    /// The suite's end of the link.
    link: String,
    number: u8,
}

/// The network that the hosts of a cluster are on; the outside is 198.18.`number`.1 there.
#[derive(Debug)]
pub struct Lan {
    number: u8,
}

impl Lan {
    /// A new one.
    pub fn new(number: u8) -> Result<Self> {
        ip(&format!("link add lan{number} type bridge"))?;
        ip(&format!("address add 198.18.{number}.1/24 dev lan{number}"))?;
        ip(&format!("link set lan{number} up"))?;
        Ok(Self { number })
    }

    /// A new host at 198.18.`number`.`host`.
    pub fn host(&self, host: u8) -> Result<Netns> {
        let number = self.number;
        let ns = Netns::plugged(number, format!("n{number}h{host}"), host)?;
        ip(&format!("link set {} master lan{number} up", ns.link))?;
        Ok(ns)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let _ = ip(&format!("link delete lan{}", self.number));
    }
}

/// Puts this process, while it has one thread, into a new namespace.
pub fn leave_the_host() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace (this needs root)")?;
    ip("link set lo up")
}

fn ip(args: &str) -> Result<()> {
    command::ok(Command::new("ip").args(args.split(' ')), secs(10)).map(drop)
}

impl Netns {
    /// A new namespace, reachable at 198.18.`number`.2; the outside has 198.18.`number`.1 on a link of its own.
    pub fn new(number: u8) -> Result<Self> {
        let ns = Self::plugged(number, format!("n{number}"), 2)?;
        ip(&format!("address add 198.18.{number}.1/24 dev {}", ns.link))?;
        ip(&format!("link set {} up", ns.link))?;
        Ok(ns)
    }

    /// A new namespace with an uplink whose other end lies in the suite's, to be connected.
    fn plugged(number: u8, link: String, host: u8) -> Result<Self> {
        let file = std::thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
            File::open("/proc/thread-self/ns/net").context("hold the namespace")
        })
        .join()
        .map_err(|_| anyhow!("the thread that makes the namespace panicked"))??;
        let ns = Self { file, link, number };
        ip(&format!("link add {} type veth peer name eth0 netns {}", ns.link, ns.path()))?;
        ns.ip("link set lo up")?;
        ns.ip(&format!("address add 198.18.{number}.{host}/24 dev eth0"))?;
        ns.ip("link set eth0 up")?;
        ns.ip(&format!("route add default via 198.18.{number}.1"))?;
        Ok(ns)
    }

    /// Pulls the cable of the uplink.
    pub fn cut(&self) -> Result<()> {
        ip(&format!("link set {} down", self.link))
    }

    /// Puts it back.
    pub fn heal(&self) -> Result<()> {
        ip(&format!("link set {} up", self.link))?;
        self.wait_up()
    }

    /// The suite's address on the link.
    pub fn outside(&self) -> String {
        format!("198.18.{}.1", self.number)
    }

    /// Where other processes find it while the suite runs.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Its identity, as `/proc/<pid>/ns/net` shows it.
    pub fn inode(&self) -> Result<u64> {
        use std::os::unix::fs::MetadataExt as _;
        Ok(self.file.metadata().context("look at the namespace")?.ino())
    }

    /// A program inside. `ip netns exec` would hide the cgroups.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg("--").arg(program);
        command
    }

    fn ip(&self, args: &str) -> Result<()> {
        command::ok(self.command("ip").args(args.split(' ')), secs(10)).map(drop)
    }

    /// Links, addresses, routes, rules and nft tables, one a line, without what counts or changes by itself.
    pub fn census(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for args in ["ip -o link", "ip -o address", "ip route show table all", "ip rule", "nft list tables"] {
            let mut words = args.split(' ');
            let program = words.next().unwrap_or_default();
            let out = command::ok(self.command(program).args(words), secs(10))?;
            all.extend(out.lines().filter_map(|line| identity(args, line)));
        }
        all.sort();
        Ok(all)
    }

    /// Waits until the uplink carries packets in both directions.
    pub fn wait_up(&self) -> Result<()> {
        until(secs(5), "the uplink", || {
            command::ok(self.command("ip").args(["-o", "link", "show", "eth0", "up"]), secs(5))
                .and_then(|out| out.contains("LOWER_UP").then_some(()).context("no carrier yet"))
        })
    }
}

/// What a line of the census is about. Names stand for links: index, state and addresses of the link layer may change.
fn identity(of: &str, line: &str) -> Option<String> {
    if of == "ip -o link" {
        let name = line.split_whitespace().nth(1)?;
        return Some(format!("link {name}"));
    }
    // Link-local addresses and their routes appear some time after a link is up.
    if line.contains("fe80:") || line.contains("ff00::") {
        return None;
    }
    let line = line.split(" valid_lft").next()?.split_once(": ").map_or(line, |(_, rest)| rest);
    Some(format!("{of}: {}", line.split_whitespace().collect::<Vec<_>>().join(" ")))
}
