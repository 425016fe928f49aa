//! Publishes the cluster's CA to every namespace as ConfigMap `kube-root-ca.crt`, which pods mount beside their token.

use std::sync::Arc;

use knarr_api::{Object, Reason, Status, value};
use knarr_client::{ApiExt as _, Cache, Key, WorkQueue, resources};
use knarr_daemon::Tasks;
use serde::Deserialize;

use crate::{Context, context::Again};

const NAME: &str = "kube-root-ca.crt";

#[derive(Deserialize)]
struct Published {
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize, Default)]
struct Data {
    #[serde(rename = "ca.crt", default)]
    ca: String,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue = WorkQueue::new();
    let namespaces = crate::namespace::follow_active(cx, tasks, "root-ca-publisher", &queue);
    // The cache says whether what is published is right; other ConfigMaps are not kept.
    let published: Arc<Cache<bool>> = Cache::new();
    let (wake, ca) = (queue.clone(), cx.config.root_ca.clone());
    let project = move |object: &Object| {
        (object.name() == NAME).then(|| object.decode::<Published>().is_ok_and(|p| p.data.ca == ca))
    };
    cx.follow(tasks, "root-ca-publisher", &resources::CONFIG_MAPS, &published, project, move |change| {
        if change.new.is_none_or(|right| !**right) {
            wake.add(Key::new("", &change.key.namespace));
        }
    });
    let cx2 = cx.clone();
    let (n, p) = (namespaces.clone(), published.clone());
    let ready = move || {
        let (n, p) = (n.clone(), p.clone());
        async move {
            tokio::join!(n.synced(), p.synced());
        }
    };
    cx.work(tasks, "root-ca-publisher", 1, &queue, ready, move |key| {
        let (cx, namespaces, published) = (cx2.clone(), namespaces.clone(), published.clone());
        async move {
            let right = published.get(&Key::new(&key.name, NAME)).map(|right| *right);
            if namespaces.get(&key).is_none() || right == Some(true) {
                return Ok(None);
            }
            publish(&cx, &key.name, right.is_some()).await
        }
    });
}

async fn publish(cx: &Context, namespace: &str, exists: bool) -> Result<Again, Status> {
    let data = value!({ "ca.crt": cx.config.root_ca.as_str() });
    let result = if exists {
        cx.api.merge(&resources::CONFIG_MAPS, namespace, NAME, "", value!({ "data": data })).await
    } else {
        let about = "The certificate authority of the API server, for verifying connections from inside the cluster.";
        let annotations = value!({ "kubernetes.io/description": about });
        let body = value!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": NAME, "annotations": annotations },
            "data": data,
        });
        cx.api.create(&resources::CONFIG_MAPS, namespace, body).await
    };
    match result {
        Err(e) if !e.is(Reason::AlreadyExists) && !e.is(Reason::NotFound) && !e.is(Reason::Forbidden) => Err(e),
        _ => Ok(None),
    }
}
