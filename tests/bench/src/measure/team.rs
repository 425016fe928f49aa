//! A whole team's application (`examples/proguru`), and what the node costs while it runs and nobody asks for anything.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{Bench, idle::watch_idle};
use crate::{
    client::Call,
    node::Node,
    objects::{name_of, path_of},
    process::pss,
};

/// Applies the manifest, waits until all of it runs, weighs, and takes it away again.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let Some(file) = bench.options.team.clone() else { return Ok(()) };
    let manifest = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let documents: Vec<&str> = manifest.split("\n---\n").collect();
    let paths: Vec<String> = documents
        .iter()
        .map(|d| path_of(d).with_context(|| format!("{} is not known here", name_of(d))))
        .collect::<Result<_>>()?;
    let mut api = bench.node.api()?.connect().await?;
    // Namespaces first; the others may come in any order.
    let mut order: Vec<(&str, &String)> = documents.into_iter().zip(&paths).collect();
    order.sort_by_key(|(_, path)| !is_namespace(path));
    for (document, path) in order {
        let path = format!("{path}?fieldManager=bench");
        api.call(Call::patch(path, "application/apply-patch+yaml", document.to_owned())).await?;
    }
    let pause = Duration::from_millis(100);
    for path in paths.iter().filter(|p| p.contains("/apis/apps/v1/")) {
        let runs = async |node: &Node| {
            let it = node.api()?.call(Call::get(path)).await?;
            let (status, wanted) = (&it["status"], &it["spec"]["replicas"]);
            let (ready, wanted) = match wanted.as_u64() {
                Some(wanted) => (&status["readyReplicas"], wanted),
                None => (&status["numberReady"], status["desiredNumberScheduled"].as_u64().unwrap_or(u64::MAX)),
            };
            ensure!(ready.as_u64() == Some(wanted), "{path}: {status}");
            Ok(())
        };
        bench.node.until(path, pause, runs).await?;
    }
    tokio::time::sleep(bench.options.seconds(10.0, 3.0)).await;
    let (pid, beside) = (bench.node.pid()?, bench.node.processes());
    bench.put("memory.team", pss(&[pid])?, "two Deployments, DaemonSet, CronJob, Ingress; probes go on");
    bench.put("memory.team.containerd", pss(&beside.containerd)?, "");
    bench.put("memory.team.shims", pss(&beside.shims)?, format!("{} of them", beside.shims.len()));
    let (spent, note) = watch_idle(bench, pid).await?;
    bench.put("cpu.team", spent.cpu, note.clone());
    bench.put("wakeups.team", spent.wakeups, spent.busiest());
    bench.put("writes.team", spent.written, note);
    // An idle connection may have been closed meanwhile.
    let api = bench.node.api()?;
    for path in paths.iter().filter(|p| is_namespace(p)) {
        api.call(Call::delete(path.clone(), &serde_json::json!({}))).await?;
        let gone = async |node: &Node| {
            ensure!(node.api()?.call(Call::get(path)).await.is_err(), "{path} is still there");
            Ok(())
        };
        bench.node.until("the application to go", pause, gone).await?;
    }
    Ok(())
}

fn is_namespace(path: &str) -> bool {
    path.strip_prefix("/api/v1/namespaces/").is_some_and(|rest| !rest.contains('/'))
}
