//! Objects a second: create, get, list; and what lists leave in memory.

use std::{sync::Arc, time::Duration};

use anyhow::Result;

use super::{Bench, clear};
use crate::{
    client::{Call, Client},
    disk,
    load::{self, Shape, Tally},
    objects::config_map,
    process::pss,
    stats::{median, quantile},
};

/// ConfigMaps in the list that is measured.
const LISTED: u64 = 5000;

/// Creates and gets.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let syncs = disk::fdatasyncs(&bench.node.file("var/lib/knarr"), bench.options.pick(500, 200))?;
    // On a busy machine the median tells of the scheduler; the fast ones tell of the disk.
    let note = format!("p50 {:.3} ms, p90 {:.3} ms", median(&syncs), quantile(&syncs, 0.9));
    bench.put("disk.fdatasync", quantile(&syncs, 0.1), note);
    let api = bench.node.api()?;
    let time = bench.options.seconds(4.0, 1.5);
    for (clients, key) in [(1, "create.1"), (16, "create.16"), (64, "create.64")] {
        let namespace = format!("create-{clients}");
        bench.namespace(&namespace).await?;
        let tally = create(&api, &namespace, Shape { clients, time, most: u64::MAX }).await?;
        if clients == 1 {
            bench.put("create.1.ms", median(&tally.latencies), spread(&tally));
        }
        bench.put(key, tally.rate(), spread(&tally));
        clear(&api, &format!("/api/v1/namespaces/{namespace}/configmaps")).await?;
    }
    bench.namespace("list").await?;
    create(&api, "list", Shape { clients: 16, time: Duration::from_secs(60), most: LISTED }).await?;
    let shape = Shape { clients: 16, time, most: u64::MAX };
    let get = |n| Call::get(format!("/api/v1/namespaces/list/configmaps/{}", name(n % LISTED)));
    let tally = load::run(&api, shape, get).await?;
    bench.put("get.16", tally.rate(), spread(&tally));
    Ok(())
}

/// Lists, and the memory after them.
pub(super) async fn lists(bench: &mut Bench) -> Result<()> {
    let api = bench.node.api()?;
    let list = |_| Call::get("/api/v1/namespaces/list/configmaps");
    let settle = bench.options.seconds(5.0, 1.0);
    tokio::time::sleep(settle).await;
    let churned = pss(&[bench.node.pid()?])?;
    bench.put("memory.churn", churned, "5,000 live, thousands made and deleted, their past kept for watches");
    // The measure for what lists leave is a process that has answered none.
    bench.restart().await?;
    tokio::time::sleep(settle).await;
    let pid = bench.node.pid()?;
    bench.put("memory.objects", pss(&[pid])?, "after a restart");
    load::run(&api, Shape { clients: 4, time: Duration::from_secs(60), most: 30 }, list).await?;
    tokio::time::sleep(settle).await;
    bench.put("memory.lists", pss(&[pid])?, "4 at a time");
    let shape = Shape { clients: 4, time: bench.options.seconds(4.0, 1.5), most: u64::MAX };
    let tally = load::run(&api, shape, list).await?;
    let size = tally.bytes as f64 / tally.latencies.len() as f64 / 1e6;
    bench.put("list.4", tally.rate(), format!("{size:.1} MB each; {}", spread(&tally)));
    clear(&api, "/api/v1/namespaces/list/configmaps").await
}

fn name(n: u64) -> String {
    format!("list-{n:05}")
}

async fn create(api: &Client, namespace: &str, shape: Shape) -> Result<Tally> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    // The body is cut and joined, so that the client's JSON does not count.
    let whole: Arc<str> = config_map("NAME").to_string().into();
    let make = move |n| {
        let body = whole.replace("NAME", &name(n));
        Call { method: "POST", path: path.clone(), kind: "application/json", body: body.into() }
    };
    load::run(api, shape, make).await
}

fn spread(tally: &Tally) -> String {
    let of = |q| quantile(&tally.latencies, q);
    format!(
        "{} in {:.1} s; p50 {:.2} ms, p99 {:.2} ms",
        tally.latencies.len(),
        tally.took.as_secs_f64(),
        of(0.5),
        of(0.99)
    )
}
