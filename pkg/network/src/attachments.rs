//! What the plugin holds for containers, seen from outside of the runtime: addresses and the links they belong to.
//!
//! A runtime that is killed while it makes a sandbox forgets it, and never asks for its DEL. Whoever knows which sandboxes
//! there are compares them with [`Attachments::owners`] and takes the rest away with [`Attachments::detach`].

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    Ipam, IpamError,
    link::{LinkError, Netlink},
};

/// The attachments of one node.
#[derive(Clone, Debug)]
pub struct Attachments {
    ipam_dir: PathBuf,
}

/// An attachment could not be taken away.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    /// Its link stays.
    #[error("remove the link of {owner}")]
    Link {
        /// Whose.
        owner: String,
        /// The cause.
        #[source]
        source: LinkError,
    },
    /// Its address stays.
    #[error("take the address back")]
    Address(#[from] IpamError),
}

impl Attachments {
    /// Those whose addresses are kept in `ipam_dir`.
    pub fn new(ipam_dir: &Path) -> Self {
        Self { ipam_dir: ipam_dir.to_owned() }
    }

    /// Everybody who holds an address, as `container/link`. Blocks while a pod is being connected.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn owners(&self) -> Result<BTreeSet<String>, IpamError> {
        if !self.ipam_dir.is_dir() {
            return Ok(BTreeSet::new());
        }
        Ipam::open(&self.ipam_dir)?.owners()
    }

    /// Does what the DEL of an owner would have done. One that holds nothing is fine.
    ///
    /// # Errors
    /// See [`DetachError`].
    pub async fn detach(&self, owner: &str) -> Result<(), DetachError> {
        let link = host_link(owner);
        let gone = Netlink::with(async |n| n.remove(&link).await).await;
        gone.map_err(|source| DetachError::Link { owner: owner.to_owned(), source })?;
        let (dir, owner) = (self.ipam_dir.clone(), owner.to_owned());
        Ok(knarr_daemon::blocking(move || Ipam::open(&dir)?.release(&owner)).await?)
    }
}

/// The owner of an address: container and link.
pub(crate) fn owner(container: &str, ifname: &str) -> String {
    format!("{container}/{ifname}")
}

/// The host's end: at most 15 bytes, the same for the same pod, told apart from other links by its prefix.
pub(crate) fn host_link(owner: &str) -> String {
    // FNV-1a: short, stable, and collisions only fail an ADD, which the runtime tries again under a new id.
    let hash = owner.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("kn{:012x}", hash & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names_fit_and_differ() {
        let a = host_link(&owner("c1", "eth0"));
        assert!(a.len() <= 15 && a.starts_with("kn"));
        assert_eq!(a, host_link("c1/eth0"));
        assert_ne!(a, host_link("c2/eth0"));
    }

    #[test]
    fn a_node_without_addresses_has_no_owners() {
        assert_eq!(Attachments::new(Path::new("/nonexistent")).owners().unwrap(), BTreeSet::new());
    }
}
