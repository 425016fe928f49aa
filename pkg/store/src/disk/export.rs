//! The format of the file, and writing one at once.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{DiskError, body::Packer, number, step};
use crate::map::Entry;

/// "knar": tells our files from others.
pub(super) const APPLICATION: i64 = 0x6b6e_6172;
/// Raised when older versions could not read what this one writes. 2: long bodies are packed.
pub(super) const FORMAT: i64 = 2;

/// `objects.id` is the revision of the object's creation. There is no index on names: memory knows the rows.
pub(super) const SCHEMA: &str = "
    CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        reserved INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE objects (
        id INTEGER PRIMARY KEY,
        collection INTEGER NOT NULL,
        node TEXT,
        body BLOB NOT NULL
    ) STRICT;
";

pub(super) const RESERVE: &str = "INSERT INTO state (id, reserved) VALUES (0, ?1)
    ON CONFLICT (id) DO UPDATE SET reserved = excluded.reserved";

pub(super) const PUT: &str = "INSERT INTO objects (id, collection, node, body) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (id) DO UPDATE SET node = excluded.node, body = excluded.body";

/// Makes an empty database of our format in an empty file.
pub(super) fn create(db: &Connection, revision: u64) -> Result<(), DiskError> {
    let sql = format!(
        "BEGIN; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; {SCHEMA}
         INSERT INTO state (id, reserved) VALUES (0, {revision}); COMMIT;"
    );
    db.execute_batch(&sql).map_err(step("make tables"))
}

/// Writes a database with these objects into an empty file. The caller syncs the file.
pub(crate) fn export(path: &Path, revision: u64, objects: &[(Box<str>, Vec<Entry>)]) -> Result<(), DiskError> {
    let db = Connection::open(path).map_err(step("open"))?;
    db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        .map_err(step("configure"))?;
    create(&db, revision)?;
    db.execute_batch("BEGIN").map_err(step("begin"))?;
    let mut put = db.prepare(PUT).map_err(step("prepare"))?;
    let mut rows = Vec::new();
    for (name, entries) in objects {
        db.execute("INSERT INTO collections (name) VALUES (?1)", [name]).map_err(step("write collection"))?;
        let id = db.last_insert_rowid();
        rows.extend(entries.iter().map(|e| (id, e)));
    }
    let mut packer = Packer::new();
    rows.sort_unstable_by_key(|(_, e)| e.row); // rows in order are appended, others split pages
    for (id, entry) in rows {
        put.execute(params![number(entry.row), id, entry.node.as_deref(), packer.pack(entry.object.json())])
            .map_err(step("write object"))?;
    }
    drop(put);
    db.execute_batch("COMMIT").map_err(step("commit"))?;
    db.close().map_err(|(_, source)| step("close")(source))
}
