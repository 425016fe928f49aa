//! From an acknowledged write to the last of a hundred watchers.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use super::{Bench, clear};
use crate::{
    client::Call,
    objects::{OURS, config_map},
    stats::{ms, quantile},
};

const WATCHERS: usize = 100;
/// Between two writes: each is alone.
const PAUSE: Duration = Duration::from_millis(15);

/// Watchers note when each event is there; the writer, when each write was answered.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let writes = bench.options.pick(300, 100);
    let api = bench.namespace("watch").await?;
    let path = "/api/v1/namespaces/watch/configmaps";
    let list = api.call(Call::get(path)).await?;
    let since = list["metadata"]["resourceVersion"].as_str().context("the list's revision")?.to_owned();
    let mut watchers = JoinSet::new();
    for _ in 0..WATCHERS {
        let from = format!("{path}?watch=true&resourceVersion={since}&{OURS}");
        let mut watch = api.connect().await?.watch(from).await?;
        watchers.spawn(async move {
            let mut arrivals = Vec::with_capacity(writes);
            for _ in 0..writes {
                let _ = watch.line().await?;
                arrivals.push(Instant::now());
            }
            Ok::<_, anyhow::Error>(arrivals)
        });
    }
    let mut writer = api.connect().await?;
    let mut times = Vec::with_capacity(writes);
    for n in 0..writes {
        let object = config_map(&format!("watch-{n}"));
        let sent = Instant::now();
        writer.call(Call::post(path, &object)).await?;
        times.push((sent, Instant::now()));
        tokio::time::sleep(PAUSE).await;
    }
    let mut last: Vec<Option<Instant>> = vec![None; writes];
    let all = async {
        while let Some(watcher) = watchers.join_next().await {
            for (last, arrived) in last.iter_mut().zip(watcher.context("a watcher")??) {
                *last = (*last).max(Some(arrived));
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.context("the watchers did not see all writes")??;
    let after = |from: fn(&(Instant, Instant)) -> Instant| -> Vec<f64> {
        let pairs = last.iter().flatten().zip(&times);
        pairs.map(|(last, time)| ms(last.saturating_duration_since(from(time)))).collect()
    };
    let (answered, sent) = (after(|t| t.1), after(|t| t.0));
    let (p50, from_sent) = (quantile(&answered, 0.5), quantile(&sent, 0.99));
    let note = format!("{writes} writes; p50 {p50:.2} ms; from sending the write p99 {from_sent:.2} ms");
    bench.put("watch.p99", quantile(&answered, 0.99), note);
    clear(&api, path).await
}
