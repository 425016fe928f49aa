//! The line to the kernel's mount table.

use std::{io, os::unix::fs::MetadataExt, path::Path};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Mounting, and a fake of it in tests.
pub(crate) trait Mounter: Send + Sync + 'static {
    /// Mounts a tmpfs, of `size` bytes if given.
    ///
    /// # Errors
    /// The kernel's.
    fn tmpfs(&self, at: &Path, size: Option<u64>) -> io::Result<()>;
    /// Makes `what` visible at `at`.
    ///
    /// # Errors
    /// The kernel's.
    fn bind(&self, what: &Path, at: &Path) -> io::Result<()>;
    /// Takes away the mount at a path.
    ///
    /// # Errors
    /// The kernel's.
    fn unmount(&self, at: &Path) -> io::Result<()>;
    /// Mount points at or below a path, outer ones first.
    ///
    /// # Errors
    /// The mount table cannot be read.
    fn below(&self, path: &Path) -> io::Result<Vec<std::path::PathBuf>>;

    /// Whether something is mounted exactly there. Reads the whole mount table.
    fn is_mounted(&self, path: &Path) -> bool {
        self.below(path).is_ok_and(|points| points.iter().any(|p| p == path))
    }

    /// Whether another file system begins there than the one around it: quicker, and enough for all but binds.
    fn begins_at(&self, path: &Path) -> bool;
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kernel;

impl Mounter for Kernel {
    fn tmpfs(&self, at: &Path, size: Option<u64>) -> io::Result<()> {
        let options = size.map(|bytes| format!("size={bytes}"));
        mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), options.as_deref())?;
        Ok(())
    }

    fn bind(&self, what: &Path, at: &Path) -> io::Result<()> {
        mount(Some(what), at, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        Ok(())
    }

    fn unmount(&self, at: &Path) -> io::Result<()> {
        match umount2(at, MntFlags::UMOUNT_NOFOLLOW) {
            // A process may still stand in it: it keeps the files, we lose the name.
            Err(nix::errno::Errno::EBUSY) => umount2(at, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH)?,
            // Not a mount point (any more).
            Err(nix::errno::Errno::EINVAL) => {}
            other => other?,
        }
        Ok(())
    }

    fn begins_at(&self, path: &Path) -> bool {
        let device = |path: &Path| std::fs::symlink_metadata(path).ok().map(|m| m.dev());
        let (here, around) = (device(path), path.parent().and_then(device));
        here.is_some() && around.is_some() && here != around
    }

    fn below(&self, path: &Path) -> io::Result<Vec<std::path::PathBuf>> {
        let table = std::fs::read_to_string("/proc/self/mountinfo")?;
        let points = table.lines().filter_map(|l| l.split(' ').nth(4)).map(unescape);
        let mut out: Vec<std::path::PathBuf> = points.map(Into::into).collect();
        out.retain(|p| p.starts_with(path));
        Ok(out)
    }
}

/// `\040` and the like in the mount table.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let code = (bytes[i] == b'\\').then(|| text.get(i + 1..i + 4)).flatten();
        match code.and_then(|c| u8::from_str_radix(c, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 4;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_with_spaces_are_read_back() {
        assert_eq!(super::unescape(r"/a\040b\134c"), r"/a b\c");
    }
}
