//! The machine's clock is put back, and forward again to the right time, under everything that runs. All programs of the
//! machine see it.

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

/// How far, in seconds.
const FAR: i64 = 2 * 3600;

/// A clock put back, until this goes: then it is put forward to the right time again.
struct Behind;

impl Behind {
    fn begin() -> Result<Self> {
        step(-FAR)?;
        Ok(Self)
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        if let Err(e) = step(FAR) {
            eprintln!("the clock is {FAR} s behind and stays so: {e:#}");
        }
    }
}

fn step(seconds: i64) -> Result<()> {
    let now = clock_gettime(ClockId::Realtime);
    clock_settime(ClockId::Realtime, Timespec { tv_sec: now.tv_sec + seconds, ..now }).context("set the clock")
}

const HOURLY: &str = "
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
    k.apply(&pod("crashes", "sleep 1; exit 1", ""))?;
    let count =
        || -> Result<u64> { Ok(k.path("get pod crashes", "{.status.containerStatuses[0].restartCount}")?.parse()?) };
    let restarts = |least: u64| {
        until(secs(120), &format!("{least} restarts"), || {
            let now = count()?;
            ensure!(now >= least, "{now}");
            Ok(())
        })
    };
    restarts(2)?;
    let had = count()?;
    let behind = Behind::begin()?;
    all_well(node, &k, &before, 60).context("two hours back")?;
    restarts(had + 1).context("nobody waits for two hours")?;
    k.apply(&pod("made-behind", "sleep 1000", ""))?;
    await_pod(&k, "made-behind")?;
    k.apply(HOURLY)?;
    drop(behind);
    until(secs(10), "the hourly Job", || {
        is(&k.path("get jobs", "{.items[*].metadata.ownerReferences[*].name}")?, "hourly")
    })?;
    all_well(node, &k, &before, 60).context("at the right time again")?;
    k.apply(&pod("made-after", "sleep 1000", ""))?;
    await_pod(&k, "made-after")?;
    k.ok("exec made-behind -- true")?;
    k.ok("delete pod made-behind made-after crashes --wait --timeout=60s").map(drop)
}
