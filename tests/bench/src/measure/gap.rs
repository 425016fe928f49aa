//! A restart as clients see it: they connect again and again, and note how long they were without an answer.

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

/// Stops and starts the server under the eyes of two clients.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let end = Arc::new(AtomicBool::new(false));
    let (api, page) = (bench.node.api()?, bench.node.page(HOST)?);
    let mut clients = JoinSet::new();
    for (name, client, path) in [("api", api, "/readyz"), ("ingress", page, "/")] {
        let end = end.clone();
        clients.spawn(async move { (name, follow(client, path, end).await) });
    }
    tokio::time::sleep(AROUND).await;
    let stop = bench.node.stop().await?;
    let start = bench.node.start_api().await?;
    tokio::time::sleep(AROUND).await;
    end.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        let (name, seen) = client.context("a client")?;
        ensure!(seen.answered > 0, "the {name} answered nothing: {}", seen.why);
        let (gap, failed) = match name {
            "api" => ("gap.api", "gap.api.failed"),
            _ => ("gap.ingress", "gap.ingress.failed"),
        };
        let note = format!("SIGTERM; exit after {:.0} ms; API ready {:.0} ms after start", ms(stop), ms(start));
        bench.put(gap, ms(seen.longest), note);
        bench.put(failed, seen.failed as f64, seen.told());
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
        format!("{} answered, {} refused{last}", self.answered, self.refused)
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
