//! The table in use.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::table::Table;

/// The table that requests and handshakes are answered from; swapped whole.
#[derive(Debug)]
pub(crate) struct Live {
    table: RwLock<Arc<Table>>,
    /// Whether there has been a first table.
    ready: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { table: RwLock::default(), ready: watch::Sender::new(false) })
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.read().clone()
    }

    pub(crate) fn publish(&self, table: Arc<Table>) {
        *self.table.write() = table;
        self.ready.send_replace(true);
    }

    /// Waits for the first table.
    pub(crate) async fn ready(&self) {
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }
}
