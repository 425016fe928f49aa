//! A restart as clients see it: they connect again and again, and note how long they were without an answer. The bench
//! is the service manager, which keeps the listening sockets.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use super::{Bench, app::HOST};
use crate::{
    client::{Call, Client},
    stats::ms,
};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(2);
/// For one try.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before and after the restart.
const AROUND: Duration = Duration::from_secs(1);

/// How the server ends, and where the figures go: the longest gap, what failed, what was refused.
struct Way {
    kill: bool,
    api: [&'static str; 3],
    ingress: [&'static str; 3],
}

const WAYS: [Way; 2] = [
    Way {
        kill: false,
        api: ["gap.api", "gap.api.failed", "gap.api.refused"],
        ingress: ["gap.ingress", "gap.ingress.failed", "gap.ingress.refused"],
    },
    Way {
        kill: true,
        api: ["gap.kill.api", "gap.kill.api.failed", "gap.kill.api.refused"],
        ingress: ["gap.kill.ingress", "gap.kill.ingress.failed", "gap.kill.ingress.refused"],
    },
];

/// Stops or kills the server and starts it again, under the eyes of two clients.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let kept = bench.node.kept();
    for name in ["api", "ingress-http", "ingress-https"] {
        ensure!(kept.iter().any(|k| k == name), "the manager keeps {kept:?}, without {name}");
    }
    for way in WAYS {
        restart(bench, &way).await?;
    }
    Ok(())
}

async fn restart(bench: &mut Bench, way: &Way) -> Result<()> {
    let end = Arc::new(AtomicBool::new(false));
    let (api, page) = (bench.node.api()?, bench.node.page(HOST)?);
    let mut clients = JoinSet::new();
    for (keys, client, path) in [(way.api, api, "/readyz"), (way.ingress, page, "/")] {
        let end = end.clone();
        clients.spawn(async move { (keys, follow(client, path, end).await) });
    }
    tokio::time::sleep(AROUND).await;
    let how = if way.kill {
        bench.node.kill().await?;
        "SIGKILL".to_owned()
    } else {
        format!("SIGTERM; exit after {:.0} ms", ms(bench.node.stop().await?))
    };
    let start = bench.node.start_api().await?;
    tokio::time::sleep(AROUND).await;
    end.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        let ([gap, failed, refused], seen) = client.context("a client")?;
        ensure!(seen.answered > 0, "{gap}: nothing was answered: {}", seen.why);
        bench.put(gap, ms(seen.longest), format!("{how}; API ready {:.0} ms after start", ms(start)));
        bench.put(failed, seen.failed as f64, seen.told());
        bench.put(refused, seen.refused as f64, "");
    }
    Ok(())
}

/// What a client saw.
#[derive(Default)]
struct Seen {
    answered: usize,
    failed: usize,
    refused: usize,
    longest: Duration,
    why: String,
}

impl Seen {
    fn told(&self) -> String {
        let last = if self.why.is_empty() { String::new() } else { format!("; the last: {}", self.why) };
        format!("{} answered{last}", self.answered)
    }
}

async fn follow(client: Client, path: &'static str, end: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    let mut last = Instant::now();
    while !end.load(Ordering::Relaxed) {
        match tokio::time::timeout(PATIENCE, client.call(Call::get(path))).await {
            Ok(Ok(_)) => {
                seen.answered += 1;
                seen.longest = seen.longest.max(last.elapsed());
                last = Instant::now();
            }
            Ok(Err(e)) => {
                let kind = e.chain().find_map(|c| c.downcast_ref::<io::Error>()).map(io::Error::kind);
                seen.refused += usize::from(kind == Some(io::ErrorKind::ConnectionRefused));
                seen.failed += 1;
                seen.why = format!("{e:#}").chars().take(80).collect();
            }
            Err(_) => {
                seen.failed += 1;
                seen.why = "no answer in time".to_owned();
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    seen
}
