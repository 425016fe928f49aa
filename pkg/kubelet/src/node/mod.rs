//! The Node object and its Lease: that this node is here, what it has, and that it is well.
//!
//! `machine` reads the host, `status` computes the Node's status purely, this module registers and patches: what changed
//! at most every 10 seconds, the heartbeat every 5 minutes, the lease every 10 seconds.

mod lease;
mod machine;
mod status;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use knarr_api::{Object, Reason, Status, Value, value};
use knarr_client::{
    Api, ApiExt, PatchKind, Request, Verb,
    events::{ObjectRef, Recorder, Type},
    resources::NODES,
};
use knarr_cri::Runtime;
use knarr_daemon::{Backoff, Stop};
use tokio::sync::{Notify, watch};

use crate::{
    config::Config,
    pressure::Conditions,
    tree::{patch, tree},
};

pub(crate) use lease::renew;
pub(crate) use machine::{Host, machine};

/// How often the status is looked at.
const PERIOD: Duration = Duration::from_secs(10);
/// How often it is written though nothing changed.
const HEARTBEAT: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// The Node's keeper.
pub(crate) struct NodeKeeper {
    pub(crate) config: Arc<Config>,
    pub(crate) api: Arc<dyn Api>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) recorder: Recorder,
    pub(crate) registered: Arc<Notify>,
    /// Told when the Node is not there any more.
    pub(crate) lost: Arc<Notify>,
    /// Told when images came or went.
    pub(crate) images: Arc<Notify>,
    /// What the node is short of.
    pub(crate) conditions: watch::Receiver<Conditions>,
}

impl NodeKeeper {
    /// Registers the Node, then keeps its status, until stopped.
    pub(crate) async fn run(mut self, stop: Stop) -> Result<(), knarr_daemon::Error> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(7));
        let mut node = loop {
            let tried = tokio::select! {
                tried = self.register() => tried,
                () = stop.cancelled() => return Ok(()),
            };
            match tried {
                Ok(node) => break node,
                Err(e) => {
                    tracing::warn!(error = %e, "the node is not registered yet");
                    tokio::select! {
                        () = tokio::time::sleep(backoff.next_delay()) => {}
                        () = stop.cancelled() => return Ok(()),
                    }
                }
            }
        };
        self.registered.notify_one();
        let about = self.about(&node);
        self.recorder.event(&about, Type::Normal, "Starting", "Starting kubelet.");
        let mut written: Option<Timestamp> = None;
        let mut missing = false;
        loop {
            if missing {
                match self.register().await {
                    Ok(new) => {
                        // What another Node was told counts for nothing.
                        if new.metadata.uid != node.metadata.uid {
                            written = None;
                            tracing::info!(node = self.config.node, "the Node was gone and was made again");
                        }
                        (node, missing) = (new, false);
                    }
                    Err(e) => tracing::debug!(error = %e, "the node is not registered"),
                }
            }
            // What others wrote meanwhile (that nobody heard of this node, say) is to be mended too.
            match self.api.get(&NODES, "", &self.config.node).await.and_then(|found| decode(&found)) {
                Ok(found) => node = found,
                Err(e) => {
                    missing = e.is(Reason::NotFound);
                    tracing::debug!(error = %e, "the node's status was not read");
                }
            }
            match self.keep(&node, written).await {
                Ok(Some(new)) => {
                    written = Some(Timestamp::now());
                    node = new;
                }
                Ok(None) => {}
                Err(e) => {
                    missing = e.is(Reason::NotFound);
                    tracing::debug!(error = %e, "node status not written");
                }
            }
            // A node that is not ready is looked at more often: the runtime or the network is about to come.
            let period = if is_ready(&node) { PERIOD } else { Duration::from_millis(500) };
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                () = self.lost.notified() => missing = true,
                () = self.images.notified() => {}
                // When nobody tells any more, this task is about to end too.
                Ok(()) = self.conditions.changed() => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    fn about(&self, node: &Node) -> ObjectRef {
        ObjectRef {
            api_version: "v1".into(),
            kind: "Node".into(),
            name: self.config.node.clone(),
            uid: node.metadata.uid.clone().unwrap_or_default(),
            ..ObjectRef::default()
        }
    }

    /// Makes the Node, or brings its labels up to date.
    async fn register(&self) -> Result<Node, Status> {
        let name = &self.config.node;
        match self.api.get(&NODES, "", name).await {
            Ok(found) => {
                let node = decode(&found)?;
                let have = node.metadata.labels.clone().unwrap_or_default();
                let labels: knarr_api::Map = status::labels(&self.config)
                    .into_iter()
                    .filter(|(k, v)| have.get(k) != Some(v))
                    .map(|(k, v)| (k, Value::from(v)))
                    .collect();
                if labels.is_empty() {
                    return Ok(node);
                }
                let body = value!({ "metadata": { "labels": labels } });
                decode(&self.api.merge(&NODES, "", name, "", body).await?)
            }
            Err(e) if e.is(Reason::NotFound) && self.config.register => {
                let body = status::registration(&self.config);
                match self.api.create(&NODES, "", body).await {
                    Ok(made) => decode(&made),
                    Err(e) if e.is(Reason::AlreadyExists) => decode(&self.api.get(&NODES, "", name).await?),
                    Err(e) => Err(e),
                }
            }
            Err(e) => Err(e),
        }
    }

    /// Patches what changed. The Node as it is then, if something was written.
    async fn keep(&self, node: &Node, written: Option<Timestamp>) -> Result<Option<Node>, Status> {
        let now = Timestamp::now();
        let host = Host::read(&self.config);
        let conditions = self.conditions.borrow().clone();
        let health = self.runtime.status(false).await.map_err(|e| e.to_string());
        let version = self.runtime.version().await.ok();
        let images = self.runtime.list_images(None).await.unwrap_or_default();
        let old = node.status.clone().unwrap_or_default();
        let new = status::status(&self.config, &host, &conditions, &health, version.as_ref(), &images, &old, now);
        let due = written.is_none_or(|at| now.duration_since(at) >= HEARTBEAT);
        let (have, want) = (tree(&old), tree(&new));
        if !due && without_heartbeats(have.clone()) == without_heartbeats(want.clone()) {
            return Ok(None);
        }
        let Some(change) = patch(&have, &want, &[]) else { return Ok(None) };
        let mut body = Value::object();
        body.set(&["status"], change);
        let verb = Verb::Patch(PatchKind::Strategic);
        let request = Request::new(verb, &NODES).name(&self.config.node).subresource("status").body(body);
        let after = decode(&self.api.call(request).await?.into_object()?)?;
        let about = self.about(node);
        match (is_ready(node), is_ready(&after)) {
            (false, true) => {
                let message = format!("Node {} status is now: NodeReady", self.config.node);
                self.recorder.event(&about, Type::Normal, "NodeReady", message);
            }
            (true, false) => {
                let message = format!("Node {} status is now: NodeNotReady", self.config.node);
                self.recorder.event(&about, Type::Normal, "NodeNotReady", message);
            }
            _ => {}
        }
        Ok(Some(after))
    }
}

fn decode(object: &Object) -> Result<Node, Status> {
    object.decode().map_err(|e| Status::internal(format!("decode the node: {e}")))
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.is_some_and(|c| c.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

fn without_heartbeats(mut status: Value) -> Value {
    if let Some(conditions) = status.at_mut(&["conditions"]).and_then(Value::as_array_mut) {
        for condition in conditions {
            condition.remove(&["lastHeartbeatTime"]);
        }
    }
    status
}
