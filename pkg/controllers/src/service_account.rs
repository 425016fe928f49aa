//! Keeps a ServiceAccount `default` in every namespace.

use std::sync::Arc;

use knarr_api::{Reason, value};
use knarr_client::{ApiExt as _, Cache, Key, WorkQueue, resources};
use knarr_daemon::Tasks;

use crate::Context;

const NAME: &str = "default";

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue = WorkQueue::new();
    let namespaces = crate::namespace::follow_active(cx, tasks, "service-account", &queue);
    let accounts: Arc<Cache<()>> = Cache::new();
    let wake = queue.clone();
    let only_default = |o: &knarr_api::Object| (o.name() == NAME).then_some(());
    cx.follow(tasks, "service-account", &resources::SERVICE_ACCOUNTS, &accounts, only_default, move |change| {
        if change.new.is_none() {
            wake.add(Key::new("", &change.key.namespace));
        }
    });
    let (n, a) = (namespaces.clone(), accounts.clone());
    let ready = move || {
        let (n, a) = (n.clone(), a.clone());
        async move {
            tokio::join!(n.synced(), a.synced());
        }
    };
    let cx2 = cx.clone();
    cx.work(tasks, "service-account", 1, &queue, ready, move |key| {
        let (cx, namespaces, accounts) = (cx2.clone(), namespaces.clone(), accounts.clone());
        async move {
            if namespaces.get(&key).is_none() || accounts.get(&Key::new(&key.name, NAME)).is_some() {
                return Ok(None);
            }
            let body = value!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": NAME } });
            match cx.api.create(&resources::SERVICE_ACCOUNTS, &key.name, body).await {
                Err(e) if !e.is(Reason::AlreadyExists) && !e.is(Reason::NotFound) && !e.is(Reason::Forbidden) => Err(e),
                _ => Ok(None),
            }
        }
    });
}
