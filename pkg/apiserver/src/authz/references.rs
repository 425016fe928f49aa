//! What a pod names, and with it its node may read.

mod wire;

use std::sync::Arc;

use knarr_client::{Api, Cache, Resource, Selection, resources};
use knarr_daemon::Tasks;
use serde::Deserialize;

use super::Authority;
use wire::{Pod, Volume};

/// The sort of an object a node asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sort {
    Pod,
    Secret,
    ConfigMap,
    Claim,
    Volume,
    Attachment,
    ServiceAccount,
    ResourceClaim,
}

/// One object named by a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    sort: Sort,
    namespace: String,
    name: String,
}

impl Link {
    pub(super) fn new(sort: Sort, namespace: &str, name: &str) -> Self {
        Self { sort, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// A pod that is bound to a node: what it names, each thing once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodLinks {
    pub(super) node: String,
    pub(super) links: Vec<Link>,
}

/// A PersistentVolume: its claim and the secrets it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct VolumeLinks {
    pub(super) claim: Target,
    pub(super) secrets: Vec<Target>,
}

/// Namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Target {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl PodLinks {
    /// Reads a pod; `None` while it is bound to no node.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        let pod: Pod = serde_json::from_slice(json).ok()?;
        if pod.spec.node_name.is_empty() {
            return None;
        }
        let mut named = vec![(Sort::Pod, pod.metadata.name.clone())];
        // A node makes its own mirror pods: they must not let it name things.
        if !pod.metadata.annotations.unwrap_or_default().contains_key("kubernetes.io/config.mirror") {
            named.push((Sort::ServiceAccount, pod.spec.service_account_name.clone()));
            pod.spec.secrets_and_maps(&mut named);
            pod.spec.volumes(&pod.metadata.name, &mut named);
            let claims = pod.status.resource_claim_statuses.into_iter().flatten();
            named.extend(claims.filter_map(|c| Some((Sort::ResourceClaim, c.resource_claim_name?))));
        }
        let namespace = &pod.metadata.namespace;
        let mut links: Vec<Link> = Vec::new();
        for link in named.into_iter().filter(|(_, name)| !name.is_empty()).map(|(s, n)| Link::new(s, namespace, &n)) {
            if !links.contains(&link) {
                links.push(link);
            }
        }
        Some(Self { node: pod.spec.node_name, links })
    }
}

impl VolumeLinks {
    /// Reads a PersistentVolume; `None` while it is bound to no claim.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        let volume: Volume = serde_json::from_slice(json).ok()?;
        let mut links = Self { claim: volume.spec.claim_ref?, secrets: Vec::new() };
        let secrets = volume.spec.csi.into_iter().flat_map(|csi| [csi.node_publish, csi.node_stage, csi.node_expand]);
        links.secrets.extend(secrets.flatten());
        let flex = [volume.spec.flex_volume, volume.spec.cephfs, volume.spec.rbd, volume.spec.iscsi];
        links.secrets.extend(flex.into_iter().flatten().filter_map(|source| source.secret_ref).map(|mut secret| {
            if secret.namespace.is_empty() {
                secret.namespace.clone_from(&links.claim.namespace);
            }
            secret
        }));
        Some(links)
    }
}

/// Starts the informers of [`Authority::node`].
pub(super) fn follow(authority: &Arc<Authority>, api: &Arc<dyn Api>, tasks: &Tasks) {
    let target = (authority.clone(), api.clone());
    tasks.spawn("node graph: pods", |stop| {
        let (authority, api) = target;
        // Pods of no node name nothing yet: the selector keeps them out.
        let selection = Selection::all(&resources::PODS).fields("spec.nodeName!=");
        Cache::new().run(
            api,
            selection,
            stop,
            |o| PodLinks::read(o.json()),
            move |c| {
                authority.node.pod_changed(c.old.map(|l| &**l), c.new.map(|l| &**l));
            },
        )
    });
    let target = (authority.clone(), api.clone());
    tasks.spawn("node graph: volumes", |stop| {
        let (authority, api) = target;
        let selection = Selection::all(&resources::PERSISTENT_VOLUMES);
        Cache::new().run(
            api,
            selection,
            stop,
            |o| VolumeLinks::read(o.json()),
            move |c| {
                authority.node.volume_changed(&c.key.name, c.new.map(|l| &**l));
            },
        )
    });
    let target = (authority.clone(), api.clone());
    tasks.spawn("node graph: attachments", |stop| {
        let (authority, api) = target;
        let attachments = Resource {
            group: "storage.k8s.io".into(),
            version: "v1".into(),
            plural: "volumeattachments".into(),
            kind: "VolumeAttachment".into(),
            namespaced: false,
        };
        Cache::new().run(
            api,
            Selection::all(&attachments),
            stop,
            |o| attached_to(o.json()),
            move |c| {
                authority.node.attachment_changed(&c.key.name, c.new.map(|n| &**n));
            },
        )
    });
}

fn attached_to(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec {
        node_name: String,
    }
    #[derive(Deserialize)]
    struct Attachment {
        spec: Spec,
    }
    serde_json::from_slice::<Attachment>(json).ok().map(|a| a.spec.node_name)
}
