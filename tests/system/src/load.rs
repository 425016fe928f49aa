//! A load generator that forgives nothing: some workers ask for a page over TLS, on new and on kept connections, until
//! told to stop, and count what is not the expected page.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};

use crate::http::{Client, Connection};

/// Requests on one connection before a new one is made.
const KEPT: u32 = 25;
/// Between two requests of a worker: a load, not a flood, on two cores.
const PAUSE: Duration = Duration::from_millis(10);

/// A running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    workers: Vec<JoinHandle<Vec<String>>>,
}

/// What came of it.
#[derive(Debug)]
pub struct Tally {
    /// Answers as expected.
    pub good: u64,
    /// One line for each that was not.
    pub bad: Vec<String>,
}

impl Load {
    /// Starts `workers` that GET `/` and expect 200 and `text` in the body.
    pub fn start(client: &Client, workers: usize, text: &str) -> Self {
        let (stop, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let begun = Instant::now();
        let worker = |_| {
            let (stop, good, client, text) = (stop.clone(), good.clone(), client.clone(), text.to_owned());
            std::thread::spawn(move || {
                let mut bad = Vec::new();
                let mut connection: Option<(Connection, u32)> = None;
                while !stop.load(Ordering::Relaxed) {
                    match ask(&client, &mut connection, &text) {
                        Ok(()) => drop(good.fetch_add(1, Ordering::Relaxed)),
                        Err(e) => {
                            bad.push(format!("after {:.1} s: {e:#}", begun.elapsed().as_secs_f32()));
                            connection = None;
                        }
                    }
                    std::thread::sleep(PAUSE);
                }
                bad
            })
        };
        let workers = (0..workers).map(worker).collect();
        Self { stop, good, workers }
    }

    /// How many answers were good so far.
    pub fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub fn finish(mut self) -> Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let mut bad = Vec::new();
        for worker in self.workers.drain(..) {
            bad.extend(worker.join().map_err(|_| anyhow!("a worker panicked"))?);
        }
        Ok(Tally { good: self.good(), bad })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn ask(client: &Client, kept: &mut Option<(Connection, u32)>, text: &str) -> Result<()> {
    let (mut connection, used) = match kept.take() {
        Some(kept) => kept,
        None => (client.connect()?, 0),
    };
    let answer = connection.request("GET", "/", "", b"").map_err(|e| e.context(format!("request {}", used + 1)))?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text().trim());
    ensure!(answer.text().contains(text), "the wrong page: {:?}", answer.text());
    if connection.alive && used + 1 < KEPT {
        *kept = Some((connection, used + 1));
    }
    Ok(())
}
