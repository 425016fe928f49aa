//! The ring: informers wake it, it computes the model and applies the difference.

use std::{sync::Arc, time::Duration};

use knarr_client::{Api, Cache, Selection, resources};
use knarr_daemon::{Backoff, Stop, Tasks};
use knarr_nft::{Nft, NftError};
use tokio::{sync::Notify, time::Instant};

use crate::{
    change,
    model::Model,
    render::{Settings, render},
    watch::{Service, Slice, model},
};

/// What the proxy needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub node: String,
    /// The table and its constants.
    pub settings: Settings,
}

/// How long after a change others are waited for: a rollout changes several objects within milliseconds.
const SETTLE: Duration = Duration::from_millis(5);
/// After such a rest the first change is written at once. What comes with it goes with the next, which has to wait for
/// that write anyway.
const REST: Duration = Duration::from_millis(50);
/// How often the whole table is rewritten, whatever happened to it meanwhile.
const REPAIR: Duration = Duration::from_secs(3600);

/// The service proxy of a node.
pub struct Proxy {
    config: Config,
    nft: Arc<dyn Nft>,
    services: Arc<Cache<Service>>,
    slices: Arc<Cache<Slice>>,
    wake: Arc<Notify>,
}

impl Proxy {
    /// A proxy; [`Proxy::start`] sets it going.
    pub fn new(config: Config, nft: Arc<dyn Nft>) -> Arc<Self> {
        Arc::new(Self { config, nft, services: Cache::new(), slices: Cache::new(), wake: Arc::default() })
    }

    /// Starts the informers and the writer.
    pub fn start(self: &Arc<Self>, api: &Arc<dyn Api>, tasks: &Tasks) {
        let (wake, cache, client) = (self.wake.clone(), self.services.clone(), api.clone());
        tasks.spawn("proxy: services", |stop| {
            let all = Selection::all(&resources::SERVICES);
            cache.run(client, all, stop, Service::project, move |_| wake.notify_one())
        });
        let (wake, cache, client) = (self.wake.clone(), self.slices.clone(), api.clone());
        tasks.spawn("proxy: endpoints", |stop| {
            let all = Selection::all(&resources::ENDPOINT_SLICES);
            cache.run(client, all, stop, Slice::project, move |_| wake.notify_one())
        });
        let proxy = self.clone();
        tasks.spawn("proxy: writer", |stop| async move { proxy.write(stop).await });
    }

    /// The one writer of the table. Until both informers have read the present state nothing is written: what the
    /// last process left keeps working.
    async fn write(&self, stop: Stop) -> Result<(), NftError> {
        tokio::select! {
            () = async { tokio::join!(self.services.synced(), self.slices.synced()); } => {}
            () = stop.cancelled() => return Ok(()),
        }
        let mut applied: Option<Model> = None;
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        loop {
            let want = model(&self.config.node, &self.services.entries(), &self.slices.entries());
            let script = match &applied {
                Some(have) => change(&self.config.settings, have, &want),
                None => render(&self.config.settings, &want),
            };
            let result = if script.is_empty() { Ok(()) } else { self.nft.apply(&script).await };
            let wait = match result {
                Ok(()) => {
                    backoff.reset();
                    applied = Some(want);
                    REPAIR
                }
                Err(e) => {
                    // What the table holds now is unknown: write it whole.
                    tracing::warn!(error = %knarr_daemon::chain(&e), "the service table was not written");
                    applied = None;
                    backoff.next_delay()
                }
            };
            let written = Instant::now();
            tokio::select! {
                () = self.wake.notified() => tokio::time::sleep(settle(written.elapsed())).await,
                () = tokio::time::sleep(wait) => applied = None,
                () = stop.cancelled() => return Ok(()),
            }
        }
    }
}

/// How long others are waited for when a change comes so long after the last write.
fn settle(rest: Duration) -> Duration {
    if rest < REST { SETTLE } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_out_of_the_blue_is_written_at_once() {
        let millis = |rest| settle(Duration::from_millis(rest)).as_millis();
        assert_eq!([0, 49, 50, 5000].map(millis), [5, 5, 0, 0]);
    }
}
