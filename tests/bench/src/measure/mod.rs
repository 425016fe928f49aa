//! The measurements, one module an idea, in an order in which none disturbs the next.

mod agent;
mod app;
mod cri;
mod dataplane;
mod gap;
mod idle;
mod objects;
mod pods;
mod start;
mod team;
mod watchers;

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{
    client::{Call, Client},
    node::Node,
    objects::{OURS, namespace},
    options::Options,
    process,
    report::Report,
};

/// A run.
pub(crate) struct Bench {
    /// What was asked for.
    pub(crate) options: Options,
    /// The node.
    pub(crate) node: Node,
    /// What was measured.
    pub(crate) report: Report,
    /// The most memory that any server process of the run had, MiB.
    pub(crate) highest: f64,
}

impl Bench {
    fn put(&mut self, key: &'static str, value: f64, note: impl Into<String>) {
        self.report.put(key, value, note);
    }

    /// Looks at the peak of the running server, which must happen before each stop.
    fn peak(&mut self) -> Result<()> {
        self.highest = self.highest.max(process::peak(self.node.pid()?)?);
        let highest = self.highest;
        self.put("memory.peak", highest, "VmHWM");
        Ok(())
    }

    /// A server process without a past, on the same data.
    async fn restart(&mut self) -> Result<()> {
        self.peak()?;
        self.node.stop().await?;
        self.node.start().await.context("start again").map(drop)
    }

    /// A namespace in which pods can start.
    async fn namespace(&mut self, name: &str) -> Result<Client> {
        let api = self.node.api()?;
        api.call(Call::post("/api/v1/namespaces", &namespace(name))).await?;
        let path = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        let (pause, client) = (Duration::from_millis(10), api.clone());
        let there = async |_: &Node| client.call(Call::get(&path)).await.map(drop);
        self.node.until("the default ServiceAccount", pause, there).await?;
        Ok(api)
    }
}

/// Everything that was asked for.
pub(crate) async fn all(bench: &mut Bench) -> Result<()> {
    let begun = Instant::now();
    let step = |what: &str| eprintln!("{:6.1} s  {what}", begun.elapsed().as_secs_f64());
    start::binary(bench)?;
    step("start");
    start::measure(bench).await.context("measure starts")?;
    if bench.options.wants("idle") {
        step("idle");
        idle::measure(bench).await.context("measure an idle node")?;
    }
    if bench.options.wants("team") {
        step("team");
        team::measure(bench).await.context("measure the team's application")?;
    }
    if bench.options.wants("objects") {
        step("objects");
        objects::measure(bench).await.context("measure objects")?;
        step("watchers");
        watchers::measure(bench).await.context("measure watchers")?;
        step("lists");
        objects::lists(bench).await.context("measure lists")?;
    }
    if bench.options.wants("pods") {
        step("pods");
        pods::measure(bench).await.context("measure pods")?;
    }
    if bench.options.wants("dataplane") {
        step("dataplane");
        dataplane::measure(bench).await.context("measure the dataplane")?;
    }
    if bench.options.wants("app") || bench.options.wants("gap") {
        step("app");
        app::measure(bench).await.context("measure the example")?;
    }
    bench.peak()?;
    if bench.options.wants("gap") {
        step("gap");
        gap::measure(bench).await.context("measure a restart")?;
        bench.peak()?;
    }
    if bench.options.wants("agent") {
        step("agent");
        agent::measure(bench).await.context("measure an agent")?;
    }
    step("done");
    Ok(())
}

/// Deletes the objects of a collection that were made here and waits until they are gone.
async fn clear(client: &Client, collection: &str) -> Result<()> {
    let mut connection = client.connect().await?;
    connection.call(Call::delete(format!("{collection}?{OURS}"), &json!({ "gracePeriodSeconds": 0 }))).await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let left = connection.call(Call::get(format!("{collection}?limit=1&{OURS}"))).await?;
        if left["items"].as_array().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "{collection} was not emptied");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The size of a file, MB.
fn megabytes(path: &std::path::Path) -> Result<f64> {
    let size = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?.len();
    Ok(size as f64 / 1e6)
}
