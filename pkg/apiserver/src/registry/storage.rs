//! The store as the registry uses it: collections by resource, lists as a whole or in pages.

use knarr_api::Object;
use knarr_store::{At, Class, CommitError, HistoryError, Op, Page, Query, Scope, Store, Transaction, Watcher};

pub(super) use knarr_store::Collection;

pub(super) struct Storage(Store);

impl Storage {
    pub(super) fn new(store: Store) -> Self {
        Self(store)
    }

    /// Core resources have plain names, all others carry their group: what the store's files call them.
    pub(super) fn collection(&self, group: &str, plural: &str) -> Collection {
        if group.is_empty() { self.0.collection(plural) } else { self.0.collection(&format!("{group}/{plural}")) }
    }

    pub(super) fn revision(&self) -> u64 {
        self.0.revision()
    }

    pub(super) fn get(&self, collection: Collection, namespace: &str, name: &str) -> Option<Object> {
        self.0.get(collection, namespace, name)
    }

    /// All objects of a collection as they are now.
    pub(super) fn all(&self, collection: Collection) -> Vec<Object> {
        self.page(collection, Query { namespace: None, at: At::Newest, after: None, limit: 0 })
            .map_or_else(|_| Vec::new(), |page| page.items) // the present is always known
    }

    /// Those of one namespace.
    pub(super) fn in_namespace(&self, collection: Collection, namespace: &str) -> Vec<Object> {
        self.page(collection, Query { namespace: Some(namespace), at: At::Newest, after: None, limit: 0 })
            .map_or_else(|_| Vec::new(), |page| page.items) // the present is always known
    }

    pub(super) fn page(&self, collection: Collection, query: Query<'_>) -> Result<Page, HistoryError> {
        self.0.list(collection, query)
    }

    pub(super) async fn commit(&self, ops: Vec<Op>, class: Class) -> Result<Vec<Object>, CommitError> {
        self.0.commit(Transaction { ops, class }).await
    }

    pub(super) fn watch(&self, collection: Collection, scope: Scope, from: u64) -> Result<Watcher, HistoryError> {
        self.0.watch(collection, scope, from)
    }
}
