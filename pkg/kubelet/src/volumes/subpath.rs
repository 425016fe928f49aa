//! `subPath`: one file or directory inside a volume.
//!
//! The pod can put symbolic links into its volume, also between our look and the runtime's mount. So the path is opened
//! with the kernel's promise that it stays beneath the volume, and what was opened (not its name) is bound to a place of
//! our own, which the runtime then mounts.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::{Mode, fchmod, fstat, mkdirat},
};

use super::Mounter;

/// Binds `volume/sub` to `place` and returns `place`. Missing directories are made. Blocks.
pub(super) fn bind(volume: &Path, sub: &str, place: &Path, mounter: &dyn Mounter) -> io::Result<PathBuf> {
    let sub = Path::new(sub);
    if !sub.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "subPath must stay inside the volume"));
    }
    let root = open(volume, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let found = match beneath(&root, sub) {
        Err(Errno::ENOENT) => {
            make(&root, sub)?;
            beneath(&root, sub)?
        }
        other => other?,
    };
    let handle = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
    if mounter.is_mounted(place) {
        mounter.unmount(place)?;
    }
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::metadata(&handle)?.is_dir() {
        fs::create_dir_all(place)?;
    } else {
        fs::OpenOptions::new().create(true).append(true).open(place)?;
    }
    mounter.bind(&handle, place)?;
    Ok(place.to_owned())
}

fn beneath(root: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(root.as_fd(), path, how)
}

/// Makes missing directories, as open as the volume itself: whoever may write there may write in them.
fn make(root: &OwnedFd, path: &Path) -> io::Result<()> {
    let mode = Mode::from_bits_truncate(fstat(root.as_fd())?.st_mode & 0o7777);
    let mut parent = root.try_clone()?;
    for part in path.components().filter(|c| matches!(c, Component::Normal(_))) {
        let part = Path::new(part.as_os_str());
        parent = match beneath(&parent, part) {
            Err(Errno::ENOENT) => {
                match mkdirat(parent.as_fd(), part, mode) {
                    Ok(()) => {
                        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
                        let made = openat2(parent.as_fd(), part, OpenHow::new().flags(flags).resolve(resolve))?;
                        fchmod(made.as_fd(), mode)?; // the process's umask has taken some away
                    }
                    Err(Errno::EEXIST) => {}
                    Err(e) => return Err(e.into()),
                }
                beneath(&parent, part)?
            }
            other => other?,
        };
    }
    Ok(())
}
