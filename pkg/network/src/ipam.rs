//! Addresses of this node's pods: one small file an address, named by it, holding its owner.
//!
//! The plugin is a new process for each pod, so the state is the directory; a lock file orders the processes. The next
//! address is the one after the last given out, so that an address rests before it is used again.

use std::{
    collections::BTreeSet,
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use ipnet::Ipv4Net;
use nix::fcntl::{Flock, FlockArg};

/// The address directory of one node.
#[derive(Debug)]
pub struct Ipam {
    dir: PathBuf,
    _lock: Flock<fs::File>,
}

/// Addresses could not be managed.
#[derive(Debug, thiserror::Error)]
pub enum IpamError {
    /// The directory is not usable.
    #[error("{step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Every address of the range is taken.
    #[error("no free address in {0}")]
    Exhausted(Ipv4Net),
}

const LAST: &str = "last";

impl Ipam {
    /// Opens the directory (made if missing) and waits for its lock.
    ///
    /// # Errors
    /// See [`IpamError::File`].
    pub fn open(dir: &Path) -> Result<Self, IpamError> {
        let fail = |step| move |source| IpamError::File { step, path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(fail("create"))?;
        let file = fs::File::create(dir.join("lock")).map_err(fail("create the lock of"))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| fail("lock")(io::Error::from(e)))?;
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    /// The first address of the range: the node's own, which DNS listens on.
    pub fn node_address(range: Ipv4Net) -> Ipv4Addr {
        range.hosts().next().unwrap_or_else(|| range.addr())
    }

    /// Gives `owner` an address of `range`; an owner that has one keeps it.
    ///
    /// # Errors
    /// See [`IpamError`].
    pub fn allocate(&self, owner: &str, range: Ipv4Net) -> Result<Ipv4Addr, IpamError> {
        let taken = self.taken()?;
        if let Some((ip, _)) = taken.iter().find(|(_, o)| o == owner) {
            return Ok(*ip);
        }
        let last = fs::read_to_string(self.dir.join(LAST)).ok().and_then(|t| t.trim().parse::<Ipv4Addr>().ok());
        let ip = next_free(range, last, |ip| taken.iter().any(|(t, _)| t == ip)).ok_or(IpamError::Exhausted(range))?;
        self.write(&ip.to_string(), owner)?;
        self.write(LAST, &ip.to_string())?;
        Ok(ip)
    }

    /// Takes the addresses of `owner` back. An owner without any is fine.
    ///
    /// # Errors
    /// See [`IpamError::File`].
    pub fn release(&self, owner: &str) -> Result<(), IpamError> {
        for (ip, _) in self.taken()?.into_iter().filter(|(_, o)| o == owner) {
            let path = self.dir.join(ip.to_string());
            fs::remove_file(&path).map_err(|source| IpamError::File { step: "remove", path, source })?;
        }
        Ok(())
    }

    /// Everybody who has an address.
    ///
    /// # Errors
    /// See [`IpamError::File`].
    pub fn owners(&self) -> Result<BTreeSet<String>, IpamError> {
        Ok(self.taken()?.into_iter().map(|(_, owner)| owner).collect())
    }

    fn taken(&self) -> Result<Vec<(Ipv4Addr, String)>, IpamError> {
        let fail = |source| IpamError::File { step: "read", path: self.dir.clone(), source };
        let mut out = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if let Some(ip) = entry.file_name().to_str().and_then(|n| n.parse().ok()) {
                out.push((ip, fs::read_to_string(entry.path()).map_err(fail)?));
            }
        }
        Ok(out)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), IpamError> {
        let path = self.dir.join(name);
        let beside = self.dir.join(".new");
        let done = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &path));
        done.map_err(|source| IpamError::File { step: "write", path, source })
    }
}

/// The first free address after `last`, going round once. The network's first host is the node's, the last address is
/// the broadcast.
fn next_free(range: Ipv4Net, last: Option<Ipv4Addr>, taken: impl Fn(&Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
    let pods = || range.hosts().skip(1);
    let start = last.and_then(|last| pods().position(|ip| ip == last)).map_or(0, |at| at + 1);
    pods().skip(start).chain(pods().take(start)).find(|ip| !taken(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_round_and_skips_the_node() {
        let range: Ipv4Net = "10.42.0.0/29".parse().unwrap();
        let ip = |n| Ipv4Addr::new(10, 42, 0, n);
        assert_eq!(Ipam::node_address(range), ip(1));
        let table: [(Option<u8>, &[u8], Option<u8>); 5] = [
            (None, &[], Some(2)),
            (Some(2), &[2], Some(3)),
            (Some(6), &[], Some(2)),
            (Some(4), &[5, 6, 2], Some(3)),
            (Some(4), &[2, 3, 4, 5, 6], None),
        ];
        for (last, taken, want) in table {
            let got = next_free(range, last.map(ip), |a| taken.iter().any(|t| ip(*t) == *a));
            assert_eq!(got, want.map(ip), "{last:?} {taken:?}");
        }
    }

    #[test]
    fn an_owner_keeps_its_address_until_released() {
        let dir = std::env::temp_dir().join(format!("knarr-ipam-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let range: Ipv4Net = "10.42.0.0/29".parse().unwrap();
        let ipam = Ipam::open(&dir).unwrap();
        let a = ipam.allocate("a", range).unwrap();
        assert_eq!(ipam.allocate("a", range).unwrap(), a);
        let b = ipam.allocate("b", range).unwrap();
        assert_ne!(a, b);
        ipam.release("a").unwrap();
        ipam.release("a").unwrap();
        assert_ne!(ipam.allocate("c", range).unwrap(), a, "an address rests before it is used again");
        assert_eq!(ipam.owners().unwrap(), ["b", "c"].map(str::to_owned).into());
        fs::remove_dir_all(&dir).unwrap();
    }
}
