//! The wall clock, when somebody puts it forward or back.
//!
//! Boards without a battery-backed clock start in the past and are put right when the network is there. Waiting is done
//! by the monotonic clock, so whoever waits for a time of day has to reckon anew then: [`Steps`] tells them. It is the
//! kernel's own notice (`timerfd_create(2)`, `TFD_TIMER_CANCEL_ON_SET`), so nothing wakes up while nothing happens.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::{
    io::Errno,
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec},
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::Stop;

/// Never comes; the timer is there for being cancelled.
const NEVER: Timespec = Timespec { tv_sec: i64::MAX / 1_000_000_000, tv_nsec: 0 };

/// Steps of the wall clock since this was made, each told once; several in between are one.
#[derive(Debug)]
pub struct Steps(Option<AsyncFd<OwnedFd>>);

impl Steps {
    /// Listens from now on. Must be called in a runtime. Where the kernel has no such timer, no step is ever told.
    pub fn new() -> Self {
        Self(
            armed()
                .and_then(|timer| crate::watched(timer, Interest::READABLE))
                .inspect_err(|e| tracing::debug!(error = %e, "steps of the clock are not noticed"))
                .ok(),
        )
    }

    /// Waits for the next step. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) {
        let Some(timer) = &self.0 else { return std::future::pending().await };
        while let Ok(mut ready) = timer.readable().await {
            match rustix::io::read(timer.get_ref(), &mut [0; 8]) {
                Err(Errno::CANCELED) => return,
                Err(Errno::AGAIN) => ready.clear_ready(),
                _ => {} // it has run out after all
            }
            if arm(timer.get_ref()).is_err() {
                break;
            }
        }
        std::future::pending().await
    }
}

/// Waits until the wall clock shows the time that `left` counts down to, however it gets there; false when stopped before.
/// `left` says how long that is by the clock as it is now.
pub async fn wait(stop: &Stop, left: impl Fn() -> Duration) -> bool {
    let mut steps = Steps::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(left()) => return true,
            () = steps.next() => {}
            () = stop.cancelled() => return false,
        }
    }
}

/// Does something at each step, until stopped.
pub async fn each_step(stop: &Stop, mut act: impl FnMut()) {
    let mut steps = Steps::new();
    loop {
        tokio::select! {
            () = steps.next() => act(),
            () = stop.cancelled() => return,
        }
    }
}

impl Default for Steps {
    fn default() -> Self {
        Self::new()
    }
}

fn armed() -> io::Result<OwnedFd> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = rustix::time::timerfd_create(TimerfdClockId::Realtime, flags)?;
    arm(&timer)?;
    Ok(timer)
}

fn arm(timer: &OwnedFd) -> io::Result<()> {
    let never = Itimerspec { it_interval: Timespec::default(), it_value: NEVER };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    rustix::time::timerfd_settime(timer, flags, &never)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// Puts the clock to what it shows: the kernel calls that a step too.
    fn set() {
        use rustix::time::{ClockId, clock_gettime, clock_settime};
        clock_settime(ClockId::Realtime, clock_gettime(ClockId::Realtime)).unwrap();
    }

    #[tokio::test]
    #[ignore = "sets the clock, which needs root"]
    async fn each_step_is_told_once() {
        let mut steps = Steps::new();
        let mut told = async |within| timeout(Duration::from_millis(within), steps.next()).await.is_ok();
        assert!(!told(20).await);
        set();
        set();
        assert!(told(1000).await);
        assert!(!told(20).await);
        set();
        assert!(told(1000).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_is_waited_for_until_it_comes_or_the_stop() {
        let stop = Stop::new();
        assert!(wait(&stop, || Duration::from_secs(5)).await);
        stop.cancel();
        assert!(!wait(&stop, || Duration::from_secs(5)).await);
    }

    #[tokio::test]
    #[ignore = "sets the clock, which needs root"]
    async fn a_step_makes_the_wait_reckon_anew() {
        let (far, stop) = (std::cell::Cell::new(true), Stop::new());
        let waiting = wait(&stop, || if far.get() { Duration::from_secs(60) } else { Duration::ZERO });
        let step = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            far.set(false);
            set();
        };
        let both = async { tokio::join!(waiting, step).0 };
        assert!(timeout(Duration::from_secs(5), both).await.unwrap());
    }
}
