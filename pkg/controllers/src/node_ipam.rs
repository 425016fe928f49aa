//! Gives every node its part of the cluster's pod addresses.

use std::sync::Arc;

use ipnet::Ipv4Net;
use knarr_api::{Object, Reason, value};
use knarr_client::{ApiExt as _, Cache, Key, WorkQueue, resources};
use knarr_daemon::Tasks;
use serde::Deserialize;

use crate::Context;

#[derive(Deserialize, Debug)]
struct Wire {
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize, Debug, Default)]
struct Spec {
    #[serde(rename = "podCIDR")]
    cidr: Option<Ipv4Net>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue = WorkQueue::new();
    let nodes: Arc<Cache<Spec>> = Cache::new();
    let wake = queue.clone();
    let project = |o: &Object| o.decode::<Wire>().ok().map(|w| w.spec);
    cx.follow(tasks, "node-ipam", &resources::NODES, &nodes, project, move |change| {
        if change.new.is_some_and(|n| n.cidr.is_none()) {
            wake.add(change.key.clone());
        }
    });
    let n = nodes.clone();
    let ready = move || {
        let n = n.clone();
        async move { n.synced().await }
    };
    let cx2 = cx.clone();
    // One worker: two nodes are never given the same part.
    cx.work(tasks, "node-ipam", 1, &queue, ready, move |key: Key| {
        let (cx, nodes) = (cx2.clone(), nodes.clone());
        async move {
            if nodes.get(&key).is_none_or(|n| n.cidr.is_some()) {
                return Ok(None);
            }
            // Read again: what this worker gave a moment ago may not have come back through the informer yet.
            let live = cx.api.list(&resources::NODES, "").await?;
            let taken: Vec<Ipv4Net> =
                live.items.iter().filter_map(|o| o.decode::<Wire>().ok()?.spec.cidr).collect();
            if live.items.iter().any(|o| o.name() == key.name && o.decode::<Wire>().is_ok_and(|w| w.spec.cidr.is_some())) {
                return Ok(None);
            }
            let Some(part) = free_part(cx.config.cluster_cidr, cx.config.node_prefix, &taken) else {
                tracing::error!(node = %key.name, range = %cx.config.cluster_cidr, "no pod addresses are left for this node");
                return Ok(None);
            };
            let text = part.to_string();
            let body = value!({ "spec": { "podCIDR": text.as_str(), "podCIDRs": [text.as_str()] } });
            match cx.api.merge(&resources::NODES, "", &key.name, "", body).await {
                Err(e) if !e.is(Reason::NotFound) => Err(e),
                _ => Ok(None),
            }
        }
    });
}

fn free_part(cluster: Ipv4Net, prefix: u8, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let overlaps = |a: &Ipv4Net, b: &Ipv4Net| a.contains(&b.network()) || b.contains(&a.network());
    cluster.subnets(prefix).ok()?.find(|part| !taken.iter().any(|t| overlaps(part, t)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_part_is_given() {
        let net = |s: &str| s.parse::<Ipv4Net>().unwrap();
        let cluster = net("10.42.0.0/22");
        assert_eq!(free_part(cluster, 24, &[]), Some(net("10.42.0.0/24")));
        assert_eq!(free_part(cluster, 24, &[net("10.42.0.0/24"), net("10.42.2.0/24")]), Some(net("10.42.1.0/24")));
        assert_eq!(free_part(cluster, 24, &[net("10.42.0.0/16")]), None);
    }
}
