//! Owning components: each has its own tasks, and is started again when one of them fails.
//!
//! A task that ends by itself is fine (it did what it had to do); an error or a panic stops the component's other tasks
//! and starts all of it again after a growing pause. Components never take each other down.

use std::time::Duration;

use knarr_daemon::{Backoff, Outcome, Stop, Tasks};

/// How long the tasks of a component have to stop.
const GRACE: Duration = Duration::from_secs(10);
/// A component that ran so long starts its pauses over.
const STABLE: Duration = Duration::from_secs(60);

/// Keeps a component running until `stop`. `start` builds it and spawns its tasks.
pub(crate) async fn keep<E: std::fmt::Display>(
    name: &'static str,
    stop: Stop,
    mut start: impl AsyncFnMut(&Tasks) -> Result<(), E>,
) -> Result<(), std::convert::Infallible> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
    loop {
        let tasks = Tasks::new(&stop);
        let begun = tokio::time::Instant::now();
        let end = tokio::select! {
            end = run(&tasks, &mut start) => end,
            () = stop.cancelled() => return end_all(name, &tasks).await,
        };
        tracing::error!(component = name, error = end, "stopped; starting it again");
        end_all(name, &tasks).await?;
        if begun.elapsed() > STABLE {
            backoff.reset();
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_delay()) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// Starts, then waits for the first task that fails; says how.
async fn run<E: std::fmt::Display>(tasks: &Tasks, start: &mut impl AsyncFnMut(&Tasks) -> Result<(), E>) -> String {
    if let Err(e) = start(tasks).await {
        return format!("{e:#}"); // with its causes, where it has them
    }
    loop {
        let exit = tasks.next_exit().await;
        match exit.outcome {
            Outcome::Done => {}
            Outcome::Failed(e) => return format!("{}: {}", exit.name, knarr_daemon::chain(&*e)),
            Outcome::Panicked(text) => return format!("{} panicked: {text}", exit.name),
            Outcome::Aborted => return format!("{} was aborted", exit.name),
        }
    }
}

async fn end_all(name: &str, tasks: &Tasks) -> Result<(), std::convert::Infallible> {
    let late = tasks.stop_all(GRACE).await;
    if !late.is_empty() {
        tracing::warn!(component = name, ?late, "tasks did not stop in time");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_component_that_panics_is_started_again() {
        let starts = std::sync::Arc::new(AtomicU32::new(0));
        let (stop, seen) = (Stop::new(), starts.clone());
        let end = stop.clone();
        keep("x", stop, async move |tasks: &Tasks| {
            let (n, end) = (seen.fetch_add(1, Ordering::Relaxed), end.clone());
            tasks.spawn("task", move |_| async move {
                match n {
                    0 => panic!("first"),
                    1 => return Err::<(), knarr_daemon::Error>("second".into()),
                    _ => end.cancel(),
                }
                Ok(())
            });
            Ok::<(), String>(())
        })
        .await
        .unwrap();
        assert_eq!(starts.load(Ordering::Relaxed), 3);
    }
}
