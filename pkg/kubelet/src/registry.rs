//! Which pods this node has: the workers by pod UID.

use std::{collections::HashMap, sync::Arc};

use k8s_openapi::api::core::v1::Pod;
use parking_lot::RwLock;

use crate::{pod, worker::Handle};

/// The workers. Everyone who has something to tell a pod finds it here.
#[derive(Default)]
pub(crate) struct Registry(RwLock<HashMap<String, Arc<Handle>>>);

impl Registry {
    pub(crate) fn get(&self, uid: &str) -> Option<Arc<Handle>> {
        self.0.read().get(uid).cloned()
    }

    /// The pod of that name; of two with the same name the one that is not going away.
    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<Arc<Handle>> {
        let all = self.0.read();
        let mut found: Vec<_> = all
            .values()
            .filter(|h| {
                let pod = h.pod();
                pod::name(&pod) == name && pod::namespace(&pod) == namespace
            })
            .cloned()
            .collect();
        found.sort_by_key(|h| pod::is_deleting(&h.pod()));
        found.into_iter().next()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.0.read().values().cloned().collect()
    }

    pub(crate) fn pods(&self) -> Vec<Arc<Pod>> {
        self.all().iter().map(|h| h.pod()).collect()
    }

    pub(crate) fn insert(&self, uid: &str, handle: Arc<Handle>) {
        self.0.write().insert(uid.to_owned(), handle);
    }

    pub(crate) fn remove(&self, uid: &str) {
        self.0.write().remove(uid);
    }
}
