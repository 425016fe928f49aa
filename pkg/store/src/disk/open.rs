//! Opening a data directory: lock, configure, check.

use std::{
    collections::HashMap,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, config::DbConfig};

use super::{
    Disk, DiskError,
    body::Packer,
    export::{APPLICATION, FORMAT, create},
    step,
};
use crate::OpenError;

/// The database in a data directory.
pub(super) const FILE: &str = "state.db";
const LOCK: &str = "lock";
/// How long a lock may be left over by somebody who is gone.
const PATIENCE: Duration = Duration::from_millis(500);

impl Disk {
    /// Opens the database in `directory`, which is made and filled if it is missing or empty.
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        let lock = prepare(directory)?;
        let path = directory.join(FILE);
        let failed = |source| refuse(&path, source);
        let mut db = Connection::open(&path).map_err(step("open")).map_err(failed)?;
        // A database that is refused keeps its log, whatever is wrong with either.
        let keep_log = |yes| db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, yes);
        keep_log(true).map_err(step("configure")).map_err(failed)?;
        let fresh = configure(&db).map_err(failed)?;
        if !fresh {
            check(&db, &path)?;
        }
        log(&db).map_err(failed)?;
        if fresh {
            create(&db, 1).map_err(failed)?; // 0 is not a revision: clients mean "any" by it
            File::open(directory).and_then(|d| d.sync_all()).map_err(at(directory))?;
        }
        let reserved = number(&db, "SELECT reserved FROM state", "read reservation").map_err(failed)?;
        let reserved = u64::try_from(reserved).map_err(|_| corrupt(&path, format!("revision {reserved}")))?;
        let log = Arc::new(AtomicI32::new(0));
        let pages = log.clone();
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, n: i32| {
            pages.store(n, Ordering::Relaxed);
            Ok(())
        }))
        .map_err(step("watch the log"))
        .map_err(failed)?;
        Ok(Self { db, reserved, known: HashMap::new(), packer: Packer::new(), log, _lock: lock })
    }
}

/// Makes the directory and the database file, readable by their owner only, and takes the lock.
fn prepare(directory: &Path) -> Result<File, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at(directory))?;
    let file = |name: &str| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(directory.join(name))
    };
    let lock = file(LOCK).map_err(at(directory))?;
    take(&lock, directory)?;
    file(FILE).map_err(at(directory))?;
    Ok(lock)
}

/// Takes the lock, waiting a moment: a former owner's child holds it too between its fork and its exec.
fn take(lock: &File, directory: &Path) -> Result<(), OpenError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(PATIENCE / 50),
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: directory.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(at(directory)(source)),
        }
    }
}

fn at(directory: &Path) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Directory { path: directory.to_owned(), source }
}

pub(super) fn corrupt(path: &Path, detail: String) -> OpenError {
    OpenError::Corrupt { path: path.to_owned(), detail }
}

pub(super) fn refuse(path: &Path, source: DiskError) -> OpenError {
    match source.is_corrupt() {
        true => corrupt(path, format!("{source}: {}", source.source)),
        false => OpenError::Disk { path: path.to_owned(), source },
    }
}

/// Sets the connection up; tells whether the file has no contents yet: it is new, or its making was interrupted.
fn configure(db: &Connection) -> Result<bool, DiskError> {
    // Exclusive locking must come before the log is opened; without mmap a failing disk is an error, not a signal.
    db.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA mmap_size = 0; PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;
         PRAGMA cell_size_check = ON;",
    )
    .map_err(step("configure"))?;
    let fresh = number(db, "SELECT count(*) FROM sqlite_schema", "read header")? == 0
        && number(db, "PRAGMA application_id", "read header")? == 0;
    if fresh {
        // Before the first page, and only then: it writes.
        db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").map_err(step("configure"))?;
    }
    Ok(fresh)
}

/// Switches to the write-ahead log, synced at each commit and checkpointed by us.
fn log(db: &Connection) -> Result<(), DiskError> {
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 16777216;",
    )
    .map_err(step("switch to the write-ahead log"))
}

/// Refuses files that are not ours, newer than we are, or damaged.
fn check(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| refuse(path, source);
    if number(db, "PRAGMA application_id", "read header").map_err(failed)? != APPLICATION {
        return Err(corrupt(path, "it is not a database of this program".into()));
    }
    let found = number(db, "PRAGMA user_version", "read header").map_err(failed)?;
    if found > FORMAT {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    let verdict = db.query_row("PRAGMA quick_check(1)", [], |r| r.get::<_, String>(0));
    match verdict.map_err(step("check")).map_err(failed)? {
        verdict if verdict == "ok" => Ok(()),
        verdict => Err(corrupt(path, verdict)),
    }
}

/// Marks a file as one of our format: an older one, before anything is written.
pub(super) fn mark(db: &Connection) -> Result<(), DiskError> {
    if number(db, "PRAGMA user_version", "read header")? == FORMAT {
        return Ok(());
    }
    db.execute_batch(&format!("PRAGMA user_version = {FORMAT}")).map_err(step("write header"))
}

fn number(db: &Connection, sql: &str, what: &'static str) -> Result<i64, DiskError> {
    db.query_row(sql, [], |row| row.get(0)).map_err(step(what))
}
