//! When it is worth giving memory back.
//!
//! A C library keeps what was freed for the next who asks, in pieces between what stays. After a burst of large answers
//! that can be as much as the process itself needs. Finding those pieces takes milliseconds in which others wait for
//! memory, so it is done when the burst is over. Who takes in, sends out or forgets bytes says so ([`passed`]); [`over`]
//! comes when many have passed and it is quiet again. Nothing wakes up while little happens.
//!
//! The heap is the process's, and so is this count.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

/// So many bytes make a burst.
const MANY: usize = 4 << 20;
/// It is over when fewer than this have passed in [`PAUSE`].
const FEW: usize = 256 << 10;
const PAUSE: Duration = Duration::from_secs(2);
/// After so many pauses what does not end counts as over: it is a load, and may have begun with a burst.
const LONGEST: usize = 30;

static PROCESS: Burst = Burst::new();

/// So many bytes were taken in, sent out or forgotten.
pub fn passed(bytes: usize) {
    PROCESS.passed(bytes);
}

/// Waits until a burst has come and gone. For one task.
pub async fn over() {
    PROCESS.over().await;
}

struct Burst {
    /// Since the last one was over.
    passed: AtomicUsize,
    begun: Notify,
}

impl Burst {
    const fn new() -> Self {
        Self { passed: AtomicUsize::new(0), begun: Notify::const_new() }
    }

    fn passed(&self, bytes: usize) {
        let before = self.passed.fetch_add(bytes, Ordering::Relaxed);
        if before < MANY && before.saturating_add(bytes) >= MANY {
            self.begun.notify_one();
        }
    }

    async fn over(&self) {
        self.begun.notified().await;
        let mut before = self.passed.load(Ordering::Relaxed);
        for _ in 0..LONGEST {
            tokio::time::sleep(PAUSE).await;
            let now = self.passed.load(Ordering::Relaxed);
            if now.wrapping_sub(before) < FEW {
                break;
            }
            before = now;
        }
        self.passed.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_over_when_it_is_quiet() {
        let burst = Burst::new();
        burst.passed(MANY - 1);
        assert!(timeout(PAUSE * 10, burst.over()).await.is_err(), "little has passed");
        let begun = Instant::now();
        let goes_on = async {
            for _ in 0..5 {
                burst.passed(MANY);
                tokio::time::sleep(PAUSE / 2).await;
            }
        };
        tokio::join!(burst.over(), goes_on);
        assert!(begun.elapsed() >= PAUSE * 3, "it went on for two pauses and a half");
        assert!(timeout(PAUSE * 10, burst.over()).await.is_err(), "nothing has passed since");
        burst.passed(MANY);
        burst.over().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_is_over_after_a_minute() {
        let burst = Burst::new();
        let load = async {
            loop {
                burst.passed(FEW);
                tokio::time::sleep(PAUSE / 2).await;
            }
        };
        let begun = Instant::now();
        tokio::select! {
            () = burst.over() => {}
            () = load => {}
        }
        assert!((PAUSE * 30..PAUSE * 50).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
}
