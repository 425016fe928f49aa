//! The database file: the newest version of each object, nothing else.
//!
//! Only the writer thread has it open, in SQLite's exclusive mode (no shared memory file, no lock calls), with a
//! write-ahead log synced at each commit. Checkpoints are made here and not by SQLite, because SQLite would make
//! them inside a commit that somebody waits for.

mod body;
mod export;
mod load;
mod open;

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use rusqlite::{Connection, ErrorCode, config::DbConfig, params};

use self::body::Packer;
pub(crate) use self::export::export;
use crate::{Collection, Event};

/// The last event of each row that is to be written.
pub(crate) type Rows = BTreeMap<u64, Arc<Event>>;

/// Pages in the log that are worth a checkpoint when nobody waits.
const CHECKPOINT_IDLE: i32 = 1000;
/// Pages in the log at which waiting is cheaper than going on.
const CHECKPOINT_FULL: i32 = 8000;
/// Free pages that are worth returning to the file system, and how many at a time.
const FREE_PAGES: i64 = 1024;
const FREE_AT_ONCE: i64 = 256;

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
#[error("{step}")]
pub struct DiskError {
    /// What was tried.
    pub step: &'static str,
    /// Why it failed.
    #[source]
    source: rusqlite::Error,
}

impl DiskError {
    /// Whether there is no room on the disk.
    pub fn is_full(&self) -> bool {
        self.source.sqlite_error_code() == Some(ErrorCode::DiskFull)
    }

    fn is_corrupt(&self) -> bool {
        use rusqlite::Error as E;
        let code = self.source.sqlite_error_code();
        matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            || matches!(
                self.source,
                E::InvalidColumnType(..) | E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..)
            )
    }
}

/// Names the step of a failure: `result.map_err(step("read objects"))`.
fn step(step: &'static str) -> impl Fn(rusqlite::Error) -> DiskError {
    move |source| DiskError { step, source }
}

pub(crate) struct Disk {
    db: Connection,
    /// No revision above this is given before it is raised on disk.
    reserved: u64,
    /// The ids of collections on disk.
    known: HashMap<Collection, i64>,
    packer: Packer,
    /// Pages in the write-ahead log.
    log: Arc<AtomicI32>,
    /// Keeps other processes out.
    _lock: File,
}

impl Disk {
    /// The last revision that may be given without writing.
    pub(crate) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Writes rows, and a new reservation, in one transaction that is on disk when this returns.
    pub(crate) fn commit(
        &mut self,
        rows: &Rows,
        reserve: Option<u64>,
        name: impl Fn(Collection) -> Box<str>,
    ) -> Result<(), DiskError> {
        let mut new = HashMap::new();
        let result = self.write(rows, reserve, name, &mut new);
        match result {
            Ok(()) => {
                self.known.extend(new);
                self.reserved = reserve.unwrap_or(self.reserved);
            }
            Err(_) if !self.db.is_autocommit() => {
                // The first error counts; if this fails too, so will the next commit, with its own error.
                let _ = self.db.execute_batch("ROLLBACK");
            }
            Err(_) => {}
        }
        result
    }

    /// Makes numbering continue above `revision`.
    pub(crate) fn raise(&mut self, revision: u64) -> Result<(), DiskError> {
        self.commit(&Rows::new(), Some(revision), |_| Box::default())
    }

    fn write(
        &mut self,
        rows: &Rows,
        reserve: Option<u64>,
        name: impl Fn(Collection) -> Box<str>,
        new: &mut HashMap<Collection, i64>,
    ) -> Result<(), DiskError> {
        let Self { db, known, packer, .. } = self;
        db.prepare_cached("BEGIN IMMEDIATE").and_then(|mut s| s.execute([])).map_err(step("begin"))?;
        for (&row, event) in rows {
            let id = match known.get(&event.collection).or_else(|| new.get(&event.collection)) {
                Some(&id) => id,
                None => {
                    let sql = "INSERT INTO collections (name) VALUES (?1)";
                    db.execute(sql, [name(event.collection)]).map_err(step("write collection"))?;
                    new.insert(event.collection, db.last_insert_rowid());
                    db.last_insert_rowid()
                }
            };
            match &event.new {
                Some(object) => {
                    let mut put = db.prepare_cached(export::PUT).map_err(step("prepare"))?;
                    put.execute(params![number(row), id, event.node.as_deref(), packer.pack(object.json())])
                        .map_err(step("write object"))?;
                }
                None => {
                    let mut delete = db.prepare_cached("DELETE FROM objects WHERE id = ?1").map_err(step("prepare"))?;
                    delete.execute([number(row)]).map_err(step("delete object"))?;
                }
            }
        }
        if let Some(revision) = reserve {
            let mut set = db.prepare_cached(export::RESERVE).map_err(step("prepare"))?;
            set.execute([number(revision)]).map_err(step("reserve revisions"))?;
        }
        db.prepare_cached("COMMIT").and_then(|mut s| s.execute([])).map_err(step("commit")).map(drop)
    }

    /// Moves the log into the database and returns free pages, if that is due. Failures are only logged: the log
    /// stays valid, and a disk that is in trouble tells the next commit.
    pub(crate) fn tidy(&mut self, idle: bool) {
        let pages = self.log.load(Ordering::Relaxed);
        if pages < CHECKPOINT_IDLE || !(idle || pages >= CHECKPOINT_FULL) {
            return;
        }
        let result = self.checkpoint().and_then(|()| self.give_back());
        if let Err(error) = result {
            tracing::warn!(error = &error as &dyn std::error::Error, "tidy the database");
        }
        // Also after a failure: the next attempt comes with new pages, not with each commit.
        self.log.store(0, Ordering::Relaxed);
    }

    fn checkpoint(&self) -> Result<(), DiskError> {
        self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(step("checkpoint"))
    }

    fn give_back(&self) -> Result<(), DiskError> {
        let free: i64 =
            self.db.query_row("PRAGMA freelist_count", [], |r| r.get(0)).map_err(step("count free pages"))?;
        if free < FREE_PAGES {
            return Ok(());
        }
        let mut vacuum =
            self.db.prepare_cached(&format!("PRAGMA incremental_vacuum({FREE_AT_ONCE})")).map_err(step("prepare"))?;
        let mut rows = vacuum.query([]).map_err(step("free pages"))?;
        while rows.next().map_err(step("free pages"))?.is_some() {} // a page a step
        Ok(())
    }

    /// Flushes `rows`, notes that numbering may go on right behind `revision`, closes.
    pub(crate) fn close(
        mut self,
        rows: &Rows,
        revision: u64,
        name: impl Fn(Collection) -> Box<str>,
    ) -> Result<(), DiskError> {
        let mut new = HashMap::new();
        self.write(rows, Some(revision), name, &mut new)?;
        self.db.flush_prepared_statement_cache();
        self.db
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
            .map_err(step("allow the last checkpoint"))?;
        let Self { db, _lock, .. } = self;
        db.close().map_err(|(_, source)| step("close")(source))
    }
}

/// SQLite's integers are signed; revisions stay below 2^63 by about 10^11 years.
fn number(revision: u64) -> i64 {
    i64::try_from(revision).expect("a revision is a count of writes")
}

#[cfg(test)]
impl Disk {
    /// Makes the disk "full" at so many pages.
    pub(crate) fn limit(&self, pages: u32) {
        self.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    }
}
