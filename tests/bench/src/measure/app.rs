//! The example: from `apply` to its page over TLS, and what the node needs while it runs.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, ensure};

use super::Bench;
use crate::{client::Call, node::Node, objects::path_of, process::pss, stats::ms};

/// The host its ingress answers for.
pub(super) const HOST: &str = "hello.localhost";

/// Applies the example, waits for its page, and weighs.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello/hello.yaml");
    let manifest = fs::read_to_string(&manifest).with_context(|| format!("read {}", manifest.display()))?;
    let begun = Instant::now();
    let mut api = bench.node.api()?.connect().await?;
    for document in manifest.split("\n---\n") {
        let path = path_of(document).context("a kind of the example is not known here")?;
        let path = format!("{path}?fieldManager=bench");
        api.call(Call::patch(path, "application/apply-patch+yaml", document.to_owned())).await?;
    }
    let pause = std::time::Duration::from_millis(20);
    let page = async |node: &Node| {
        let page = node.page(HOST)?.call(Call::get("/")).await?;
        ensure!(page.to_string().contains("Hello"), "the page says {page}");
        Ok(())
    };
    bench.node.until("the page", pause, page).await?;
    bench.put("app.ready", ms(begun.elapsed()), "two pods of two containers, probes each second");
    let ready = async |node: &Node| {
        let path = "/apis/apps/v1/namespaces/hello/deployments/hello";
        let deployment = node.api()?.call(Call::get(path)).await?;
        ensure!(deployment["status"]["readyReplicas"] == 2, "the status is {}", deployment["status"]);
        Ok(())
    };
    bench.node.until("both replicas", pause, ready).await?;
    tokio::time::sleep(bench.options.seconds(10.0, 2.0)).await;
    let (pid, beside) = (bench.node.pid()?, bench.node.processes());
    bench.put("memory.app", pss(&[pid])?, "after all the loads before");
    bench.put("memory.app.containerd", pss(&beside.containerd)?, "");
    bench.put("memory.app.shims", pss(&beside.shims)?, format!("{} of them", beside.shims.len()));
    Ok(())
}
