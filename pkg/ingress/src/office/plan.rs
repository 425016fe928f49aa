//! What the server's half wants of the cluster. Pure.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use knarr_api::{Value, value};
use knarr_client::Key;

use crate::{
    CLASS,
    objects::{CONTROLLER, ClassInfo, NodeInfo},
    table::{Table, View},
};

/// Our class, if it is missing. It is the default unless somebody else's is.
pub(super) fn class(have: &[ClassInfo]) -> Option<Value> {
    if have.iter().any(|c| c.name == CLASS) {
        return None;
    }
    let mut class = value!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": { "name": CLASS },
        "spec": { "controller": CONTROLLER },
    });
    if !have.iter().any(|c| c.default) {
        let annotations = value!({ "ingressclass.kubernetes.io/is-default-class": "true" });
        class.set(&["metadata", "annotations"], annotations);
    }
    Some(class)
}

/// The addresses where Ingresses are reached: those of the nodes that work, sorted.
pub(super) fn addresses(nodes: &[Arc<NodeInfo>]) -> Vec<String> {
    let working: BTreeSet<IpAddr> = nodes.iter().filter(|n| n.ready).filter_map(|n| n.address).collect();
    working.iter().map(ToString::to_string).collect()
}

/// The addresses the default certificate is for: those of all nodes, so that it stays while they come and go.
pub(super) fn certified(nodes: &[Arc<NodeInfo>]) -> BTreeSet<IpAddr> {
    nodes.iter().filter_map(|n| n.address).collect()
}

/// The Ingresses whose status does not say `addresses`. While no node works nothing is taken back: the words of
/// yesterday help more than none.
pub(super) fn stale(view: &View, table: &Table, addresses: &[String]) -> Vec<Key> {
    if addresses.is_empty() {
        return Vec::new();
    }
    let served: BTreeSet<&Key> = table.served.iter().collect();
    let stale = view.ingresses.iter().filter(|i| served.contains(&i.key) && i.published != addresses);
    stale.map(|i| i.key.clone()).collect()
}
