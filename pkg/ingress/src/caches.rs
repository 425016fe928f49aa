//! The informers both halves of the ingress use, and the view they give.

use std::sync::Arc;

use knarr_api::Object;
use knarr_client::{Api, Cache, Resource, Selection, resources};
use knarr_daemon::Tasks;
use tokio::sync::Notify;

use crate::{
    objects::{ClassInfo, IngressInfo, ServiceInfo, SliceInfo},
    table::View,
    tls::Certificate,
};

/// The caches. Every change of any of them wakes `wake`.
pub(crate) struct Caches {
    ingresses: Arc<Cache<IngressInfo>>,
    classes: Arc<Cache<ClassInfo>>,
    services: Arc<Cache<ServiceInfo>>,
    /// The server's half asks only whether Services exist, not where they lead.
    slices: Option<Arc<Cache<SliceInfo>>>,
    secrets: Arc<Cache<Certificate>>,
    pub(crate) wake: Arc<Notify>,
}

impl Caches {
    pub(crate) fn new(slices: bool) -> Self {
        Self {
            ingresses: Cache::new(),
            classes: Cache::new(),
            services: Cache::new(),
            slices: slices.then(Cache::new),
            secrets: Cache::new(),
            wake: Arc::default(),
        }
    }

    pub(crate) fn start(&self, who: &str, api: &Arc<dyn Api>, tasks: &Tasks) {
        let tls = Selection::all(&resources::SECRETS).fields("type=kubernetes.io/tls");
        let all = |resource: &Resource| Selection::all(resource);
        self.follow(who, &self.ingresses, all(&resources::INGRESSES), IngressInfo::project, api, tasks);
        self.follow(who, &self.classes, all(&resources::INGRESS_CLASSES), ClassInfo::project, api, tasks);
        self.follow(who, &self.services, all(&resources::SERVICES), ServiceInfo::project, api, tasks);
        if let Some(slices) = &self.slices {
            self.follow(who, slices, all(&resources::ENDPOINT_SLICES), SliceInfo::project, api, tasks);
        }
        self.follow(who, &self.secrets, tls, Certificate::project, api, tasks);
    }

    pub(crate) fn follow<P: Send + Sync + 'static>(
        &self,
        who: &str,
        cache: &Arc<Cache<P>>,
        selection: Selection,
        project: fn(&Object) -> Option<P>,
        api: &Arc<dyn Api>,
        tasks: &Tasks,
    ) {
        let (cache, api, wake) = (cache.clone(), api.clone(), self.wake.clone());
        let name = format!("{who}: {}", selection.resource.plural);
        tasks.spawn(name, |stop| cache.run(api, selection, stop, project, move |_| wake.notify_one()));
    }

    /// Waits until all have read the present state.
    pub(crate) async fn synced(&self) {
        self.ingresses.synced().await;
        self.classes.synced().await;
        self.services.synced().await;
        if let Some(slices) = &self.slices {
            slices.synced().await;
        }
        self.secrets.synced().await;
    }

    pub(crate) fn view(&self) -> View {
        View {
            ingresses: self.ingresses.list(),
            classes: self.classes.list().iter().map(|c| (**c).clone()).collect(),
            services: self.services.list(),
            slices: self.slices.as_ref().map(|s| s.list()).unwrap_or_default(),
            secrets: self.secrets.entries().into_iter().collect(),
        }
    }
}
