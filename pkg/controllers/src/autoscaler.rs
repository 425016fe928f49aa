//! HorizontalPodAutoscalers: as many pods as their use asks for.
//!
//! Every 15 seconds an autoscaler reads its target's size and what its pods use. [`replicas`] says how many there should
//! be, [`behavior`] how fast the size may get there, [`decide`] joins metrics and bounds, and [`status`] is what is told
//! (all pure); [`look`] does it. Any kind with a `scale` subresource will do.

mod behavior;
mod decide;
mod look;
mod metric;
mod model;
mod pods;
mod replicas;
mod scale;
mod status;
mod usage;

use std::{collections::HashMap, sync::Arc, time::Duration};

use knarr_api::{Reason, Status};
use knarr_client::{Cache, Key, WorkQueue, events::Type, resources::HORIZONTAL_POD_AUTOSCALERS};
use knarr_daemon::Tasks;
use parking_lot::Mutex;

use crate::{
    Context,
    context::{Again, reference},
};
use look::{Known, Look};
use model::Autoscaler;

const PERIOD: Duration = Duration::from_secs(15);

#[derive(Clone)]
struct Controller {
    cx: Context,
    autoscalers: Arc<Cache<Autoscaler>>,
    known: Arc<Mutex<HashMap<Key, Known>>>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let me = Controller { cx: cx.clone(), autoscalers: Cache::new(), known: Arc::default() };
    let wake = queue.clone();
    cx.follow(tasks, "autoscaler", &HORIZONTAL_POD_AUTOSCALERS, &me.autoscalers, Autoscaler::project, move |c| {
        // Its own status is not news.
        if c.old.map(|a| &a.spec) != c.new.map(|a| &a.spec) {
            wake.add(c.key.clone());
        }
    });
    let it = me.autoscalers.clone();
    let ready = move || {
        let all = it.clone();
        async move { all.synced().await }
    };
    cx.work(tasks, "autoscaler", 2, &queue, ready, move |key| {
        let me = me.clone();
        async move { me.reconcile(&key).await }
    });
}

impl Controller {
    async fn reconcile(&self, key: &Key) -> Result<Again, Status> {
        let Some(autoscaler) = self.autoscalers.get(key) else {
            self.known.lock().remove(key);
            return Ok(None);
        };
        let said = Look::new(&self.cx, &self.known, &autoscaler).run().await;
        if said != autoscaler.status {
            match self.cx.set_status(&HORIZONTAL_POD_AUTOSCALERS, key, said.print()).await {
                Err(e) if !e.is(Reason::NotFound) => {
                    let about = reference(&HORIZONTAL_POD_AUTOSCALERS, key, &autoscaler.meta.uid);
                    self.cx.recorder.event(&about, Type::Warning, "FailedUpdateStatus", e.message());
                }
                _ => {}
            }
        }
        // Trouble waits its turn like everything else: its causes do not go away in milliseconds.
        Ok(Some(PERIOD))
    }
}

#[cfg(test)]
mod tests;
