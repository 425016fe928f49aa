//! Where objects live: revisions, transactions, watch history, snapshots.
//!
//! The API server is the only user. Every object is in memory once, as a shared [`knarr_api::Object`]: reads, lists
//! and watches never touch the disk. The disk (SQLite) holds the newest version of each object and is read once, at
//! start. The history that watches and lists at older revisions need is a ring in memory, bounded by time, count and
//! bytes; what is older is answered `Expired`.
//!
//! ```text
//!   commit ─▶ queue ─▶ writer thread: stage a group ─▶ one SQLite transaction ─▶ apply to memory ─▶ watchers ─▶ answers
//!                      (preconditions, revisions)      (one fsync for many)      (map, ring)
//! ```
//!
//! One thread owns the database, so preconditions need no locks: they are checked against memory and the uncommitted
//! writes of the same group. An answer is given only after the commit. If anything panics between commit and the end
//! of apply, memory and disk disagree; the process is then ended, and the next start reads the disk.
//!
//! Revisions are one sequence for all collections. They are reserved on disk in blocks, so that relaxed writes (see
//! [`Class`]) need no disk and still no revision is ever given twice: after an unclean stop numbering goes on at the
//! end of the block.
//!
//! Considered and left out: reading through SQLite (a second copy in its cache, and latency), history on disk (every
//! write twice), a key index on disk (memory knows the row of each object, so the table has none to maintain).

mod config;
mod disk;
mod draft;
mod error;
mod event;
mod map;
mod memory;
mod queue;
mod ring;
mod snapshot;
mod splice;
mod stage;
mod store;
mod transaction;
mod watch;
mod writer;

pub use config::Config;
pub use disk::DiskError;
pub use draft::{Draft, restamp};
pub use error::{CommitError, CommitErrorKind, HistoryError, OpenError, SnapshotError};
pub use event::{Event, Scope};
pub use map::Collection;
pub use memory::{At, Page, Query, Stats};
pub use splice::DraftError;
pub use store::Store;
pub use transaction::{Class, Op, Transaction};
pub use watch::{WatchEnd, Watcher};
