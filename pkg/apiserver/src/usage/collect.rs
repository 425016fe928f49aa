//! The last samples of each node, and when new ones are due.

use std::{collections::HashMap, sync::Arc, time::Duration};

use knarr_client::NodeDialer;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    rate::{self, Usage},
    scrape,
    text::Sample,
};

/// How long an answer is good: less than the 15 seconds in which an autoscaler asks again.
const FRESH: Duration = Duration::from_secs(10);
/// How old the earlier of two samples may be: "now" is at most the last two minutes.
const OLDEST: Duration = Duration::from_secs(120);
/// Between two samples where there is no earlier one.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Collector {
    nodes: Arc<dyn NodeDialer>,
    /// What is known of each node, behind a lock that is held while it is asked: others wait for the same answer.
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>,
}

#[derive(Default)]
struct Known {
    sample: Option<(Instant, Sample)>,
    usage: Arc<Usage>,
}

impl Known {
    fn sample_younger_than(&self, age: Duration) -> Option<&Sample> {
        self.sample.as_ref().filter(|(at, _)| at.elapsed() < age).map(|(_, sample)| sample)
    }
}

impl Collector {
    pub(super) fn new(nodes: Arc<dyn NodeDialer>) -> Self {
        Self { nodes, known: Mutex::default() }
    }

    /// What a node uses; `None` where it cannot be asked.
    pub(super) async fn usage(&self, node: &str) -> Option<Arc<Usage>> {
        let known = self.known.lock().entry(node.to_owned()).or_default().clone();
        let mut known = known.lock().await;
        if known.sample_younger_than(FRESH).is_none()
            && let Err(e) = self.refresh(node, &mut known).await
        {
            tracing::debug!(node, error = %knarr_daemon::chain(&e), "metrics not read");
            return None;
        }
        Some(known.usage.clone())
    }

    async fn refresh(&self, node: &str, known: &mut Known) -> std::io::Result<()> {
        let earlier = match known.sample_younger_than(OLDEST) {
            Some(sample) => sample.clone(),
            None => {
                let first = scrape::sample(&*self.nodes, node).await?;
                tokio::time::sleep(PAUSE).await;
                first
            }
        };
        let later = scrape::sample(&*self.nodes, node).await?;
        known.usage = Arc::new(rate::usage(&earlier, &later));
        known.sample = Some((Instant::now(), later));
        Ok(())
    }

    /// Forgets all nodes but these.
    pub(super) fn retain<'a>(&self, nodes: impl Iterator<Item = &'a str>) {
        let nodes: std::collections::HashSet<&str> = nodes.collect();
        self.known.lock().retain(|name, _| nodes.contains(name.as_str()));
    }
}
