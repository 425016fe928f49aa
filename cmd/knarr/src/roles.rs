//! Marks the node of a server as control plane. A node may not give itself a role: the server does.

use std::sync::Arc;

use knarr_api::{Object, Reason, Status, value};
use knarr_client::{ApiExt as _, Cache, Key, Selection, WorkQueue, resources::NODES};
use knarr_daemon::Tasks;

use crate::server::ControlPlane;

const ROLE: &str = "node-role.kubernetes.io/control-plane";

/// Keeps the label on `node`.
pub(crate) fn start(plane: &ControlPlane, node: &str, tasks: &Tasks) {
    let api = plane.api("system:apiserver", &["system:masters"]);
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let nodes: Arc<Cache<()>> = Cache::new();
    let (wake, follower) = (queue.clone(), api.clone());
    let selection = Selection::all(&NODES).fields(&format!("metadata.name={node}"));
    let unmarked = |o: &Object| o.meta().label(ROLE).is_none().then_some(());
    let cache = nodes.clone();
    tasks.spawn("roles: node", |stop| {
        cache.run(follower, selection, stop, unmarked, move |change| wake.add(change.key.clone()))
    });
    tasks.spawn("roles: worker", |stop| async move {
        queue
            .work("roles", &stop, async |key: Key| {
                if nodes.get(&key).is_none() {
                    return Ok(None);
                }
                let body = value!({ "metadata": { "labels": { ROLE: "true" } } });
                match api.merge(&NODES, "", &key.name, "", body).await {
                    Err(e) if !e.is(Reason::NotFound) => Err(e),
                    _ => Ok::<_, Status>(None),
                }
            })
            .await;
        Ok::<(), Status>(())
    });
}
