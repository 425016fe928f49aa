//! The machine's clock is put forward, and back again, under everything that runs. All programs of the machine see it.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

use super::{app, await_pod, faults::containers, pod};
use crate::{
    kubectl::Kubectl,
    node::{Node, condition},
    poll::{secs, until},
    suite::{Case, Env, Place::Own, asked},
    text::is,
};

pub const CASES: &[Case] = &[asked("faults/a clock that jumps", Own(jumps))];

/// A clock put forward, until this goes.
struct Ahead(i64);

impl Ahead {
    fn by(seconds: i64) -> Result<Self> {
        step(seconds)?;
        Ok(Self(seconds))
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Err(e) = step(-self.0) {
            eprintln!("the clock is {} s ahead and stays so: {e:#}", self.0);
        }
    }
}

fn step(seconds: i64) -> Result<()> {
    let now = clock_gettime(ClockId::Realtime);
    clock_settime(ClockId::Realtime, Timespec { tv_sec: now.tv_sec + seconds, ..now }).context("set the clock")
}

const NIGHTLY: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: hourly}
spec:
  schedule: '0 * * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          terminationGracePeriodSeconds: 0
          containers: [{name: main, image: 'knarr.local/busybox:1', command: ['true']}]
";

/// For so long: the node is Ready, the page answers, nothing was started again.
fn all_well(node: &Node, k: &Kubectl, before: &std::collections::BTreeSet<String>, seconds: u64) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < secs(seconds) {
        let object = k.json(&format!("get node {}", node.name))?;
        ensure!(condition(&object, "Ready") == Some("True"), "{:#}", object["status"]["conditions"]);
        app::answers(node)?;
        let now = containers(k, "app=hello")?;
        ensure!(now == *before, "containers changed: {before:?} {now:?}");
        std::thread::sleep(secs(1));
    }
    Ok(())
}

fn jumps(_: &Env, node: &Node) -> Result<()> {
    let k = app::deploy(node)?;
    let before = containers(&k, "app=hello")?;
    k.apply(NIGHTLY)?;
    k.apply(&pod("crashes", "sleep 1; exit 1", ""))?;
    let restarts = |least: u64| {
        until(secs(90), &format!("{least} restarts"), || {
            let count = k.path("get pod crashes", "{.status.containerStatuses[0].restartCount}")?;
            ensure!(count.parse::<u64>()? >= least, "{count}");
            Ok(())
        })
    };
    restarts(1)?;
    let ahead = Ahead::by(2 * 3600)?;
    until(secs(10), "the hourly Job", || {
        is(&k.path("get jobs", "{.items[*].metadata.ownerReferences[*].name}")?, "hourly")
    })?;
    all_well(node, &k, &before, 60).context("two hours ahead")?;
    k.apply(&pod("made-ahead", "sleep 1000", ""))?;
    await_pod(&k, "made-ahead")?;
    restarts(3)?;
    drop(ahead);
    let count: u64 = k.path("get pod crashes", "{.status.containerStatuses[0].restartCount}")?.parse()?;
    all_well(node, &k, &before, 60).context("back again")?;
    k.apply(&pod("made-after", "sleep 1000", ""))?;
    await_pod(&k, "made-after")?;
    k.ok("exec made-ahead -- true")?;
    restarts(count + 1).context("nobody waits for two hours")?;
    k.ok("delete pod made-ahead made-after crashes --wait --timeout=60s").map(drop)
}
