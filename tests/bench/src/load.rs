//! Clients that ask again as soon as they are answered, each on a connection of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    client::{Call, Client},
    stats::ms,
};

/// What a load is: how many clients, until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Clients.
    pub(crate) clients: usize,
    /// How long; the requests under way then still count.
    pub(crate) time: Duration,
    /// At most so many requests.
    pub(crate) most: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Milliseconds of each request.
    pub(crate) latencies: Vec<f64>,
    /// Bytes of all answers.
    pub(crate) bytes: usize,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

impl Tally {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }
}

/// Runs a load; `make` gets the number of the request. A request that fails ends it.
pub(crate) async fn run(
    client: &Client,
    shape: Shape,
    make: impl Fn(u64) -> Call + Send + Sync + 'static,
) -> Result<Tally> {
    let make = Arc::new(make);
    let number = Arc::new(AtomicU64::new(0));
    let together = Arc::new(Barrier::new(shape.clients + 1));
    let mut workers = JoinSet::new();
    for _ in 0..shape.clients {
        // Connected before the clock runs.
        let mut connection = client.connect().await?;
        let (make, number, together) = (make.clone(), number.clone(), together.clone());
        workers.spawn(async move {
            together.wait().await;
            let deadline = Instant::now() + shape.time;
            let mut tally = Tally::default();
            loop {
                let n = number.fetch_add(1, Ordering::Relaxed);
                if n >= shape.most || Instant::now() >= deadline {
                    return Ok::<_, anyhow::Error>(tally);
                }
                let call = make(n);
                let what = format!("{} {}", call.method, call.path);
                let begun = Instant::now();
                let (status, length) = connection.run(call).await.with_context(|| what.clone())?;
                tally.latencies.push(ms(begun.elapsed()));
                tally.bytes += length;
                ensure!((200..300).contains(&status), "{what} was answered with {status}");
            }
        });
    }
    together.wait().await;
    let begun = Instant::now();
    let mut all = Tally::default();
    while let Some(worker) = workers.join_next().await {
        let one = worker.context("a client")??;
        all.latencies.extend(one.latencies);
        all.bytes += one.bytes;
    }
    all.took = begun.elapsed();
    ensure!(!all.latencies.is_empty(), "no request was made");
    Ok(all)
}
