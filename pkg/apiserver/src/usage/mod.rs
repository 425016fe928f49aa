//! `metrics.k8s.io`: what nodes and pods use now.
//!
//! ```text
//! kubectl top, HPA ──► registry ──► Pods/Nodes ──► Collector ──► NodeDialer ──► agent's /metrics/resource
//!                      (computed)    (objects)      (two samples → rate)
//! ```
//!
//! Nothing runs while nobody asks. The first question after a silence takes two samples a second apart; whoever asks
//! regularly is answered from one new sample and the one before. Answers are kept for a few seconds, and several who
//! ask at once wait for the same sample.
//!
//! Another server of this API (metrics-server) takes its place when these resources are left out of the registry.

mod collect;
mod objects;
mod rate;
mod scrape;
mod text;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use knarr_api::{Object, Reason, Status, Value};
use knarr_client::{Api, ApiExt as _, NodeDialer, resources};
use serde::Deserialize;

use crate::registry::{Registry, Source, Wanted};
use collect::Collector;

/// The group.
pub const GROUP: &str = "metrics.k8s.io";

/// Serves the metrics API of a registry, if that has it. `api` reads nodes and pods.
pub fn serve(registry: &Registry, api: Arc<dyn Api>, nodes: Arc<dyn NodeDialer>) {
    let collector = Arc::new(Collector::new(nodes));
    registry.compute(GROUP, "nodes", Arc::new(Nodes { api: api.clone(), collector: collector.clone() }));
    registry.compute(GROUP, "pods", Arc::new(Pods { api, collector }));
}

/// NodeMetrics.
struct Nodes {
    api: Arc<dyn Api>,
    collector: Arc<Collector>,
}

/// PodMetrics.
struct Pods {
    api: Arc<dyn Api>,
    collector: Arc<Collector>,
}

impl Nodes {
    async fn measure(&self, node: &Object) -> Option<Value> {
        let usage = self.collector.usage(node.name()).await?;
        Some(objects::node(node, usage.node.as_ref()?))
    }
}

#[async_trait]
impl Source for Nodes {
    async fn get(&self, _namespace: &str, name: &str) -> Result<Value, Status> {
        let not_found = || Status::not_found(GROUP, "nodemetrics", name);
        let node = found(self.api.get(&resources::NODES, "", name).await, not_found)?;
        self.measure(&node).await.ok_or_else(not_found)
    }

    async fn list(&self, _namespace: &str, wanted: Wanted<'_>) -> Result<Vec<Value>, Status> {
        let mut nodes = self.api.list(&resources::NODES, "").await?.items;
        self.collector.retain(nodes.iter().map(Object::name));
        nodes.retain(|node| wanted(node));
        Ok(join_all(nodes.iter().map(|node| self.measure(node))).await.into_iter().flatten().collect())
    }
}

#[async_trait]
impl Source for Pods {
    async fn get(&self, namespace: &str, name: &str) -> Result<Value, Status> {
        let not_found = || Status::not_found(GROUP, "podmetrics", &format!("{namespace}/{name}"));
        let pod = found(self.api.get(&resources::PODS, namespace, name).await, not_found)?;
        let node = running_on(&pod).ok_or_else(not_found)?;
        let usage = self.collector.usage(&node).await.ok_or_else(not_found)?;
        usage.pod(namespace, name).map(|containers| objects::pod(&pod, containers)).ok_or_else(not_found)
    }

    async fn list(&self, namespace: &str, wanted: Wanted<'_>) -> Result<Vec<Value>, Status> {
        let pods = self.api.list(&resources::PODS, namespace).await?.items;
        let pods: Vec<(Object, String)> = pods
            .into_iter()
            .filter(|pod| wanted(pod))
            .filter_map(|pod| running_on(&pod).map(|node| (pod, node)))
            .collect();
        let mut nodes: Vec<&str> = pods.iter().map(|(_, node)| node.as_str()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let usages = join_all(nodes.iter().map(|node| self.collector.usage(node))).await;
        let measured = pods.iter().filter_map(|(pod, node)| {
            let usage = usages[nodes.binary_search(&node.as_str()).ok()?].as_ref()?;
            Some(objects::pod(pod, usage.pod(pod.namespace(), pod.name())?))
        });
        Ok(measured.collect())
    }
}

/// An object, or that it has no metrics.
fn found(answer: Result<Object, Status>, not_found: impl Fn() -> Status) -> Result<Object, Status> {
    answer.map_err(|e| if e.is(Reason::NotFound) { not_found() } else { e })
}

/// The node of a pod that runs.
fn running_on(pod: &Object) -> Option<String> {
    #[derive(Deserialize)]
    struct Pod {
        spec: Spec,
        status: Option<PodStatus>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec {
        node_name: Option<String>,
    }
    #[derive(Deserialize)]
    struct PodStatus {
        phase: Option<String>,
    }
    let pod: Pod = pod.decode().ok()?;
    let running = pod.status.and_then(|s| s.phase).is_some_and(|phase| phase == "Running");
    pod.spec.node_name.filter(|_| running)
}
