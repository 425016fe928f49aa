//! The running server of a prefix: one at a time, found by a locked file that holds its process id.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::Path,
};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::exit::Fatal;

const FILE: &str = "knarr.pid";

/// Proof that this process is the only server of its prefix; ends with the process.
pub(crate) struct Claim(#[expect(dead_code, reason = "held for its lock")] Flock<File>);

/// Claims `run` for this process.
pub(crate) fn claim(run: &Path) -> Result<Claim, Fatal> {
    let path = run.join(FILE);
    let unusable = |e: io::Error| Fatal::host(format!("cannot write {}: {e}", path.display()), "mend the directory");
    std::fs::create_dir_all(run).map_err(unusable)?;
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(unusable)?;
    let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| Fatal::in_use("another knarr runs on this host", "stop it or give this one a --prefix"))?;
    lock.set_len(0).map_err(unusable)?;
    writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
    Ok(Claim(lock))
}

/// A server that holds the lock.
pub(crate) struct Running(Pid);

/// The server of `run`, if one is running.
pub(crate) fn running(run: &Path) -> io::Result<Option<Running>> {
    let mut file = match File::options().read(true).write(true).open(run.join(FILE)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
        return Ok(None); // nobody holds it: what is written there is old
    }
    Ok(text.trim().parse().ok().map(|pid| Running(Pid::from_raw(pid))))
}

impl Running {
    /// Asks it to stop.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        Ok(kill(self.0, Signal::SIGTERM)?)
    }

    /// Ends it.
    pub(crate) fn kill(&self) -> io::Result<()> {
        Ok(kill(self.0, Signal::SIGKILL)?)
    }

    /// Whether it is still there (a zombie is not).
    pub(crate) fn is_alive(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
    }
}
