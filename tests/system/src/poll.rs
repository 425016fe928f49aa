//! Waiting for a condition with a deadline, and being told to stop.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};

/// Set when the suite was told to stop: waits end at once, clean-up still runs.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether the suite was told to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Turns SIGINT and SIGTERM into [`interrupted`]. Nothing is blocked, so that children inherit no mask.
pub fn watch_signals() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context("make a runtime")?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
                return;
            };
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
            }
            INTERRUPTED.store(true, Ordering::Relaxed);
            // A second signal must not cut the clean-up short: the runtime keeps its handlers.
            std::future::pending::<()>().await;
        });
    });
    Ok(())
}

/// A deadline in seconds, for `until`.
pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Tries until it works. The last failure is the reason when time runs out.
pub fn until<T>(limit: Duration, what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let error = match attempt() {
            Ok(value) => return Ok(value),
            Err(e) => e,
        };
        if interrupted() {
            return Err(anyhow!("interrupted while waiting for {what}"));
        }
        if Instant::now() >= deadline {
            return Err(error.context(format!("waited {} s for {what}", limit.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
