//! What can go wrong, by what the caller can do about it.

use std::{io, path::PathBuf, sync::Arc};

use knarr_api::Object;

use crate::DiskError;

/// The store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be made or locked.
    #[error("prepare data directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("data directory {} is in use by another process; stop that one first", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error("{} has format {found}, this version reads {known}; run the newer version again, or restore a snapshot this one made", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The contents cannot be trusted. Nothing was changed.
    #[error("{} is damaged ({detail}); nothing was changed: move it and its -wal file away and put a snapshot in their place, or start empty without them", path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Any other failure of the database.
    #[error("open {}", path.display())]
    Disk {
        /// The database.
        path: PathBuf,
        /// Why.
        source: DiskError,
    },
    /// No thread for the writer.
    #[error("start the store's writer thread")]
    Thread(#[source] io::Error),
}

/// Nothing of a transaction was done.
#[derive(Debug, thiserror::Error)]
#[error("operation {index} of the transaction")]
pub struct CommitError {
    /// The operation that failed; 0 where it was no single one.
    pub index: usize,
    /// Why.
    #[source]
    pub kind: CommitErrorKind,
}

/// Why a transaction was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitErrorKind {
    /// The object to create exists: this one.
    #[error("the object exists")]
    Exists(Object),
    /// The object to change does not exist.
    #[error("the object does not exist")]
    Missing,
    /// The object is not at the expected revision: this is what it is now.
    #[error("the object is at revision {}", .0.revision())]
    Changed(Object),
    /// The body of the object to delete cannot carry a revision.
    #[error("the stored body is not an object")]
    Body(#[source] crate::DraftError),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The disk refused. Reads go on; trying again may succeed once the disk has room. After a failed sync the
    /// write may surface at the next start: like after a lost connection, nobody can know.
    #[error("write to disk")]
    Io(#[source] Arc<DiskError>),
}

/// A revision that cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Older than what is remembered: list again.
    #[error("revision {asked} is no longer known; the oldest is {oldest}")]
    Expired {
        /// What was asked for.
        asked: u64,
        /// The oldest that can be served.
        oldest: u64,
    },
    /// Not reached yet.
    #[error("revision {asked} is in the future; the newest is {newest}")]
    Future {
        /// What was asked for.
        asked: u64,
        /// The newest.
        newest: u64,
    },
}

/// No snapshot was made; no file is left behind.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file system refused.
    #[error("{step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing the database failed.
    #[error("write snapshot {}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DiskError,
    },
}
