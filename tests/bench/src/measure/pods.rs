//! Pods: one after another and many at once, beside what the container runtime takes for the same by itself.
//!
//! Both are measured in turns, so that what else the machine does falls on both.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Bench, clear, cri::Alone};
use crate::{
    client::{Call, Client, Connection, Watch},
    objects::{is_ready, pod},
    process::written,
    stats::{median, ms, quantile},
};

const PODS: &str = "/api/v1/namespaces/pods/pods";
/// Between bursts: what the one before left to be cleared up must not burden the next.
const REST: Duration = Duration::from_secs(3);
/// For any number of pods.
const LIMIT: Duration = Duration::from_secs(90);

/// Everything about pods.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let api = bench.namespace("pods").await?;
    let alone = Alone::new(&bench.node).await?;
    let pid = bench.node.pid()?;
    let mut pods = Pods::new(&api).await?;
    // The first of each pays for what later ones find in caches.
    alone.one().await?;
    pods.one("warm-up").await?;
    let n = bench.options.pick(20, 6);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let before = written(pid)?;
    for i in 0..n {
        without.push(ms(alone.one().await?));
        with.push(ms(pods.one(&format!("one-{i}")).await?));
    }
    let bytes = written(pid)? - before;
    let note = format!("{n} one after another, in turns with pods");
    bench.put("cri.p50", median(&without), note);
    bench.put("cri.p90", quantile(&without, 0.9), "");
    bench.put("pod.p50", median(&with), format!("{n} one after another, image present, no probes"));
    bench.put("pod.p90", quantile(&with, 0.9), "");
    bench.put("pod.writes", bytes as f64 / 1024.0 / f64::from(n), "create, run, delete");
    let n = bench.options.pick(30, 10);
    let rounds = bench.options.pick(5, 1);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    alone.emptied().await?;
    for round in 0..rounds {
        if round > 0 {
            tokio::time::sleep(REST).await;
        }
        without.push(rate(n, alone.many(n).await?));
        tokio::time::sleep(REST).await;
        with.push(rate(n, pods.many(round, n).await?));
        clear(&api, PODS).await?;
        alone.emptied().await?;
    }
    let note = format!("median of {rounds} rounds of {n}, in turns with pods");
    bench.put("cri.burst", median(&without), note);
    bench.put(
        "pod.burst",
        median(&with),
        format!("median of {rounds} rounds of {n}, from the first create to the last Ready"),
    );
    Ok(())
}

fn rate(n: usize, took: Duration) -> f64 {
    n as f64 / took.as_secs_f64()
}

/// Pods through the API.
struct Pods {
    asking: Connection,
    watch: Watch,
}

impl Pods {
    async fn new(api: &Client) -> Result<Self> {
        let list = api.call(Call::get(PODS)).await?;
        let since = list["metadata"]["resourceVersion"].as_str().context("the list's revision")?;
        let watch = api.connect().await?.watch(format!("{PODS}?watch=true&resourceVersion={since}")).await?;
        Ok(Self { asking: api.connect().await?, watch })
    }

    /// From asking for a pod to seeing it Ready. The pod is gone afterwards.
    async fn one(&mut self, name: &str) -> Result<Duration> {
        let begun = Instant::now();
        self.asking.call(Call::post(PODS, &pod(name))).await?;
        self.wait(|kind, pod| kind != "DELETED" && pod["metadata"]["name"] == name && is_ready(pod)).await?;
        let took = begun.elapsed();
        self.asking.call(Call { method: "DELETE", ..Call::get(format!("{PODS}/{name}")) }).await?;
        self.wait(|kind, pod| kind == "DELETED" && pod["metadata"]["name"] == name).await?;
        Ok(took)
    }

    /// From asking for the first pod to seeing the last of them Ready.
    async fn many(&mut self, round: usize, n: usize) -> Result<Duration> {
        let mut left: BTreeSet<String> = (0..n).map(|i| format!("many-{round}-{i}")).collect();
        let begun = Instant::now();
        for name in &left {
            self.asking.call(Call::post(PODS, &pod(name))).await?;
        }
        self.wait(|_, pod| {
            if is_ready(pod) {
                left.remove(pod["metadata"]["name"].as_str().unwrap_or_default());
            }
            left.is_empty()
        })
        .await?;
        Ok(begun.elapsed())
    }

    async fn wait(&mut self, mut seen: impl FnMut(&str, &Value) -> bool) -> Result<()> {
        let watch = async {
            loop {
                let (kind, pod) = self.watch.event().await?;
                if seen(&kind, &pod) {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(LIMIT, watch).await.context("a pod did not become what it should")?
    }
}
