//! Reading everything into memory, once, at start.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use knarr_api::Object;
use rusqlite::{
    Row,
    types::{Type, ValueRef},
};

use super::{
    Disk, DiskError,
    body::unpack,
    open::{FILE, corrupt, mark, refuse},
    step,
};
use crate::{Collection, OpenError, map::Entry, memory::Memory};

/// Names of nodes, each once.
type Nodes = HashSet<Arc<str>>;

impl Disk {
    /// Puts all objects into memory and checks what the rest of the store relies on.
    pub(crate) fn fill(&mut self, memory: &Memory, directory: &Path) -> Result<(), OpenError> {
        let path = directory.join(FILE);
        let failed = |source| refuse(&path, source);
        let collections = self.collections(memory).map_err(failed)?;
        let mut select = self
            .db
            .prepare("SELECT id, collection, node, body FROM objects")
            .map_err(step("prepare"))
            .map_err(failed)?;
        let read = step("read objects");
        let mut rows = select.query([]).map_err(&read).map_err(failed)?;
        let (mut nodes, mut room) = (Nodes::new(), Vec::new());
        while let Some(row) = rows.next().map_err(&read).map_err(failed)? {
            let (id, collection, node, body) = columns(row, &mut nodes, &mut room).map_err(&read).map_err(failed)?;
            let bad = |detail| corrupt(&path, format!("row {id}: {detail}"));
            let object = Object::from_json(body).map_err(|e| bad(e.to_string()))?;
            let collection = *collections.get(&collection).ok_or_else(|| bad("unknown collection".into()))?;
            if object.revision() > self.reserved || id > object.revision() {
                return Err(bad(format!("revision {} is not between {id} and {}", object.revision(), self.reserved)));
            }
            if let Some(twin) = memory.load(collection, Entry { object, row: id, node }) {
                return Err(bad(format!("the object is also in row {}", twin.row)));
            }
        }
        mark(&self.db).map_err(failed)
    }

    fn collections(&mut self, memory: &Memory) -> Result<HashMap<i64, Collection>, DiskError> {
        let read = step("read collections");
        let mut select = self.db.prepare("SELECT id, name FROM collections ORDER BY id").map_err(step("prepare"))?;
        let mut rows = select.query([]).map_err(&read)?;
        let mut collections = HashMap::new();
        while let Some(row) = rows.next().map_err(&read)? {
            let (id, name) = (row.get(0).map_err(&read)?, row.get::<_, String>(1).map_err(&read)?);
            let collection = memory.collection(&name);
            collections.insert(id, collection);
            self.known.insert(collection, id);
        }
        Ok(collections)
    }
}

type Columns = (u64, i64, Option<Arc<str>>, Bytes);

fn columns(row: &Row<'_>, nodes: &mut Nodes, room: &mut Vec<u8>) -> rusqlite::Result<Columns> {
    let node = match row.get_ref(2)? {
        ValueRef::Null => None,
        text => Some(intern(nodes, text.as_str()?)),
    };
    let id = row.get(0)?;
    let id = u64::try_from(id).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, id))?;
    let body = unpack(row.get_ref(3)?.as_blob()?, room)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(3, Type::Blob, e.into()))?;
    Ok((id, row.get(1)?, node, body))
}

fn intern(nodes: &mut Nodes, node: &str) -> Arc<str> {
    if let Some(known) = nodes.get(node) {
        return known.clone();
    }
    let node: Arc<str> = node.into();
    nodes.insert(node.clone());
    node
}
