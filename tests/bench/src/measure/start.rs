//! The binary, and from its start to a node that is Ready.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Bench, megabytes};
use crate::{
    client::Call,
    node::{Node, Start},
    objects::IMAGE,
    stats::{median, ms},
};

/// The binary itself.
pub(super) fn binary(bench: &mut Bench) -> Result<()> {
    let size = megabytes(&bench.options.binary)?;
    bench.put("binary", size, "");
    Ok(())
}

/// A first start; then, if asked for, starts with what is there, containerd stopped and not. Leaves the node running.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let first = bench.node.start().await.context("the first start")?;
    bench.put("start.first.api", ms(first.api), "");
    bench.put("start.first.node", ms(first.node), "with the image archives to import");
    images(bench).await?;
    if !bench.options.wants("start") {
        return Ok(());
    }
    let times = bench.options.pick(3, 1);
    let (mut warm, mut adopted, mut stops) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..times {
        stops.push(ms(bench.node.stop().await?));
        bench.node.stop_containerd().await?;
        warm.push(bench.node.start().await.context("a warm start")?);
    }
    for _ in 0..times {
        stops.push(ms(bench.node.stop().await?));
        adopted.push(bench.node.start().await.context("a start with a running containerd")?);
    }
    let middle =
        |starts: &[Start], of: fn(&Start) -> Duration| median(&starts.iter().map(|s| ms(of(s))).collect::<Vec<_>>());
    let note = format!("median of {times}, containerd stopped before");
    bench.put("start.warm.api", middle(&warm, |s| s.api), note.clone());
    bench.put("start.warm.node", middle(&warm, |s| s.node), note);
    let note = format!("API after {:.0} ms; a stop takes {:.0} ms", middle(&adopted, |s| s.api), median(&stops));
    bench.put("start.adopt.node", middle(&adopted, |s| s.node), note);
    Ok(())
}

/// Waits until the images of test pods are there.
async fn images(bench: &mut Bench) -> Result<()> {
    let path = format!("/api/v1/nodes/{}", bench.node.name);
    let (api, pause) = (bench.node.api()?, Duration::from_millis(50));
    let there = async |_: &Node| {
        let node = api.call(Call::get(&path)).await?;
        ensure!(node["status"]["images"].to_string().contains(IMAGE), "the Node has not {IMAGE}");
        Ok(())
    };
    bench.node.until("the images", pause, there).await
}
