//! The handle everyone holds.

use std::{path::Path, sync::Arc, thread};

use knarr_api::Object;
use tokio::sync::watch as channel;

use crate::{
    Collection, CommitError, Config, DiskError, HistoryError, OpenError, Page, Query, Scope, SnapshotError, Stats,
    Transaction, Watcher,
    disk::Disk,
    memory::Memory,
    queue::Queue,
    snapshot,
    writer::{Ended, Pending, Writer},
};

/// An open store. Cloning clones a pointer.
///
/// An orderly end is [`Store::close`]. When the last clone is dropped without it, the writer thread does the same on
/// its own a little later.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    memory: Arc<Memory>,
    queue: Arc<Queue>,
    ended: channel::Receiver<Ended>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Store {
    /// Opens the store in a data directory, which is made if it is missing and locked until the store is closed.
    /// Blocks while the objects are read.
    ///
    /// # Errors
    /// See [`OpenError`]; what is on disk is then as it was.
    pub fn open(directory: &Path, config: Config) -> Result<Self, OpenError> {
        let mut disk = Disk::open(directory)?;
        let memory = Self::load(&mut disk, directory, &config)?;
        Self::start(disk, memory, config)
    }

    fn load(disk: &mut Disk, directory: &Path, config: &Config) -> Result<Arc<Memory>, OpenError> {
        if config.floor > disk.reserved() {
            let path = directory.to_owned();
            // At once: what reads show from now on must not be taken back by a start without this floor.
            disk.raise(config.floor).map_err(|source| OpenError::Disk { path, source })?;
        }
        let memory = Arc::new(Memory::new(config, disk.reserved()));
        disk.fill(&memory, directory)?;
        Ok(memory)
    }

    fn start(disk: Disk, memory: Arc<Memory>, config: Config) -> Result<Self, OpenError> {
        let revision = memory.applied();
        let queue = Arc::new(Queue::new(config.max_commits));
        let (tell, ended) = channel::channel(None);
        let writer = Writer {
            config,
            disk,
            memory: memory.clone(),
            queue: queue.clone(),
            revision,
            pending: Pending::default(),
        };
        let thread = thread::Builder::new().name("store-writer".into());
        thread.spawn(move || writer.run(tell)).map_err(OpenError::Thread)?;
        Ok(Self(Arc::new(Inner { memory, queue, ended })))
    }

    /// The collection of a resource (`"pods"`, `"apps/deployments"`), made on first use.
    pub fn collection(&self, resource: &str) -> Collection {
        self.0.memory.collection(resource)
    }

    /// The newest revision that reads show.
    pub fn revision(&self) -> u64 {
        self.0.memory.applied()
    }

    /// The newest version of an object.
    pub fn get(&self, collection: Collection, namespace: &str, name: &str) -> Option<Object> {
        self.0.memory.get(collection, namespace, name)
    }

    /// The objects of a collection, now or at an older revision.
    ///
    /// # Errors
    /// The revision is forgotten or not reached.
    pub fn list(&self, collection: Collection, query: Query<'_>) -> Result<Page, HistoryError> {
        self.0.memory.list(collection, query)
    }

    /// Does all operations or none. Answers with the object of each: as stored, or a deleted one's last state.
    ///
    /// Waits while too many transactions are under way. Dropping the future after that does not undo anything.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn commit(&self, transaction: Transaction) -> Result<Vec<Object>, CommitError> {
        self.0.queue.commit(transaction).await
    }

    /// Follows a collection: every event of the scope after revision `from`, once, in order.
    ///
    /// # Errors
    /// The revision is forgotten or not reached.
    pub fn watch(&self, collection: Collection, scope: Scope, from: u64) -> Result<Watcher, HistoryError> {
        self.0.memory.watch(collection, scope, from)
    }

    /// Follows the newest revision whose event every watcher has been offered; for bookmarks together with
    /// [`Watcher::progress`].
    pub fn progress(&self) -> channel::Receiver<u64> {
        self.0.memory.told()
    }

    /// Writes all objects at one revision, relaxed writes included, into a new file in the format of the store's
    /// own. Commits go on meanwhile. To restore, put the file into an empty data directory as `state.db` and open it
    /// with a [`Config::floor`] above all revisions given since.
    ///
    /// # Errors
    /// The file exists or cannot be written.
    pub async fn snapshot_to(&self, path: &Path) -> Result<u64, SnapshotError> {
        let (memory, path) = (self.0.memory.clone(), path.to_owned());
        knarr_daemon::blocking(move || snapshot::write(&memory, &path)).await
    }

    /// Sizes, for metrics.
    pub fn stats(&self) -> Stats {
        self.0.memory.stats()
    }

    /// Finishes the transactions handed over, flushes, ends all watches, closes the database. Reads still work.
    ///
    /// # Errors
    /// The last flush failed: relaxed writes may be lost, durable ones are not.
    pub async fn close(&self) -> Result<(), Arc<DiskError>> {
        self.0.queue.close();
        let mut ended = self.0.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.clone().expect("waited for it"),
            Err(_) => unreachable!("the writer sends its end or ends the process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, CommitErrorKind, Draft, Op};

    fn create(collection: Collection, name: &str, size: usize) -> Op {
        let json = format!(r#"{{"metadata":{{"name":"{name}"}},"data":"{}"}}"#, "x".repeat(size));
        let object = Object::from_json(json.into()).unwrap();
        Op::Create { collection, draft: Draft::of(&object).unwrap() }
    }

    #[tokio::test]
    async fn a_full_disk_fails_commits_but_not_reads_nor_relaxed_writes() {
        let directory = std::env::temp_dir().join(format!("knarr-store-full-{}", std::process::id()));
        let mut disk = Disk::open(&directory).unwrap();
        disk.limit(64);
        let config = Config { relaxed_ride: std::time::Duration::ZERO, ..Config::default() };
        let memory = Store::load(&mut disk, &directory, &config).unwrap();
        let store = Store::start(disk, memory, config).unwrap();
        let c = store.collection("configmaps");
        let mut stored = 0;
        let error = loop {
            match store.commit(Transaction::durable([create(c, &format!("a{stored}"), 10_000)])).await {
                Ok(_) => stored += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error.kind, CommitErrorKind::Io(e) if e.is_full()));
        let before = store.revision();
        assert!(stored > 2);
        assert_eq!(store.list(c, Query::default()).unwrap().items.len(), stored);
        store.commit(Transaction { ops: vec![create(c, "waiting", 20_000)], class: Class::Relaxed }).await.unwrap();
        assert!(store.revision() > before + 1, "the revision of the failed commit is not given again");
        for n in 0..stored {
            let (namespace, name) = (Box::default(), format!("a{n}").into());
            let delete = Op::Delete { collection: c, namespace, name, expect: None, last: None };
            store.commit(Transaction::durable([delete])).await.unwrap();
        }
        store.commit(Transaction::durable([create(c, "room again", 10_000)])).await.unwrap();
        store.close().await.unwrap();
        let store = Store::open(&directory, Config::default()).unwrap();
        let names: Vec<_> = store.list(store.collection("configmaps"), Query::default()).unwrap().items;
        assert_eq!(names.iter().map(Object::name).collect::<Vec<_>>(), ["room again", "waiting"]);
        store.close().await.unwrap();
        std::fs::remove_dir_all(directory).unwrap();
    }
}
