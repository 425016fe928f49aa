//! ConfigMaps and Secrets that pods of this node refer to, each followed by its own watch.
//!
//! A node may read only what its pods name, so there is no watch over all of them. An object is followed from the first
//! pod that needs it to the last; a change wakes those pods, and their volumes are renewed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use knarr_api::Object;
use knarr_client::{
    Api, Cache, Key, Selection,
    resources::{CONFIG_MAPS, SECRETS},
};
use knarr_daemon::{Crowd, Stop};
use parking_lot::Mutex;

use crate::translate::{Data, Sources};

/// How long a first read may take before the pod is told to wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// Objects followed at once.
const BOUND: usize = 8192;

/// `ConfigMap` or `Secret`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    ConfigMap,
    Secret,
}

type Id = (Kind, Key);

struct Followed {
    cache: Arc<Cache<Data>>,
    users: Arc<Mutex<BTreeSet<String>>>,
    stop: Stop,
}

/// Wakes the worker of a pod.
pub(crate) type Wake = Arc<dyn Fn(&str) + Send + Sync>;

/// The followed objects.
pub(crate) struct Objects {
    api: Arc<dyn Api>,
    crowd: Crowd,
    stop: Stop,
    wake: Wake,
    followed: Mutex<HashMap<Id, Followed>>,
}

impl Objects {
    pub(crate) fn new(api: Arc<dyn Api>, stop: &Stop, wake: Wake) -> Self {
        let crowd = Crowd::new(stop, BOUND);
        Self { api, crowd, stop: stop.clone(), wake, followed: Mutex::default() }
    }

    /// From now on pod `uid` refers to exactly these (none: to nothing).
    pub(crate) fn refer(&self, uid: &str, namespace: &str, maps: &BTreeSet<String>, secrets: &BTreeSet<String>) {
        let id = |kind, name: &String| (kind, Key::new(namespace, name));
        let maps = maps.iter().map(|n| id(Kind::ConfigMap, n));
        let wanted: BTreeSet<Id> = maps.chain(secrets.iter().map(|n| id(Kind::Secret, n))).collect();
        let mut followed = self.followed.lock();
        followed.retain(|id, f| {
            let mut users = f.users.lock();
            if !wanted.contains(id) {
                users.remove(uid);
            }
            let keep = !users.is_empty() || wanted.contains(id);
            if !keep {
                f.stop.cancel();
            }
            keep
        });
        for id in wanted {
            let entry = followed.entry(id.clone()).or_insert_with(|| self.follow(&id));
            entry.users.lock().insert(uid.to_owned());
        }
    }

    /// What is there of the references of a pod.
    ///
    /// # Errors
    /// Something could not be read yet: the API is away, or the node may not.
    pub(crate) async fn sources(
        &self,
        namespace: &str,
        maps: &BTreeSet<String>,
        secrets: &BTreeSet<String>,
    ) -> Result<Sources, String> {
        let mut out = Sources::default();
        for name in maps {
            out.config_maps.insert(name.clone(), self.read(Kind::ConfigMap, namespace, name).await?);
        }
        for name in secrets {
            out.secrets.insert(name.clone(), self.read(Kind::Secret, namespace, name).await?);
        }
        Ok(out)
    }

    async fn read(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Arc<Data>>, String> {
        let key = Key::new(namespace, name);
        let cache = self.followed.lock().get(&(kind, key.clone())).map(|f| f.cache.clone());
        let what = match kind {
            Kind::ConfigMap => "configmap",
            Kind::Secret => "secret",
        };
        let cache = cache.ok_or_else(|| format!("{what} {key} is not registered"))?;
        if tokio::time::timeout(PATIENCE, cache.synced()).await.is_err() {
            return Err(format!("failed to sync {what} cache: timed out waiting for the condition"));
        }
        Ok(cache.get(&key))
    }

    fn follow(&self, (kind, key): &Id) -> Followed {
        let cache = Cache::new();
        let users: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let stop = self.stop.child_token();
        let resource = match kind {
            Kind::ConfigMap => CONFIG_MAPS,
            Kind::Secret => SECRETS,
        };
        let mut selection = Selection::all(&resource).fields(&format!("metadata.name={}", key.name));
        selection.namespace = key.namespace.clone();
        let (run, api, ended) = (cache.clone(), self.api.clone(), stop.clone());
        let (readers, wake, kind) = (users.clone(), self.wake.clone(), *kind);
        let started = self.crowd.try_spawn(move |_| async move {
            let project = move |object: &Object| data(kind, object);
            let changed = move |_: knarr_client::Change<'_, Data>| {
                let users: Vec<String> = readers.lock().iter().cloned().collect();
                users.iter().for_each(|uid| wake(uid));
            };
            let _ = run.run(api, selection, ended, project, changed).await;
        });
        if !started {
            tracing::error!(object = %key, "too many ConfigMaps and Secrets are followed");
        }
        Followed { cache, users, stop }
    }
}

fn data(kind: Kind, object: &Object) -> Option<Data> {
    let mut out = Data::default();
    match kind {
        Kind::ConfigMap => {
            let map: ConfigMap = object.decode().ok()?;
            let text: BTreeMap<_, _> = map.data.unwrap_or_default();
            out.entries.extend(text.into_iter().map(|(k, v)| (k, v.into_bytes())));
            out.entries.extend(map.binary_data.into_iter().flatten().map(|(k, v)| (k, v.0)));
        }
        Kind::Secret => {
            let secret: Secret = object.decode().ok()?;
            out.entries.extend(secret.data.into_iter().flatten().map(|(k, v)| (k, v.0)));
            out.kind = secret.type_.unwrap_or_default();
        }
    }
    Some(out)
}
