//! One probe of one container.
//!
//! ```text
//!            initialDelay                  every period
//!  started ───────────────► ask ──► result ──┬── same as before: count ── threshold reached ──► verdict
//!                            ▲               └── different: count from 1
//!                            └──── next = asked + period
//!  startup success, liveness or startup failure: done, never asks again
//! ```

use std::time::Duration;

use k8s_openapi::api::core::v1::Probe;
use tokio::time::Instant;

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ProbeKind {
    /// Until it succeeds the others wait; failure kills.
    Startup,
    /// Failure kills.
    Liveness,
    /// Decides whether the pod is ready.
    Readiness,
}

impl ProbeKind {
    /// As events name it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }

    /// As messages name it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Liveness => "liveness",
            Self::Readiness => "readiness",
        }
    }
}

/// The state of one probe. Time is a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    kind: ProbeKind,
    period: Duration,
    timeout: Duration,
    success: u32,
    failure: u32,
    next: Option<Instant>,
    last: Option<bool>,
    run: u32,
    verdict: Option<bool>,
}

fn seconds(n: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(n.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(default))
}

fn count(n: Option<i32>, default: u32) -> u32 {
    n.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(default)
}

impl Machine {
    /// A probe of a container that started `age` before `now`.
    pub(crate) fn new(kind: ProbeKind, probe: &Probe, age: Duration, now: Instant) -> Self {
        let delay = seconds(probe.initial_delay_seconds, 0).saturating_sub(age);
        Self {
            kind,
            period: seconds(probe.period_seconds, 10),
            timeout: seconds(probe.timeout_seconds, 1),
            success: count(probe.success_threshold, 1),
            failure: count(probe.failure_threshold, 3),
            next: Some(now + delay),
            last: None,
            run: 0,
            verdict: None,
        }
    }

    /// When to ask next; `None` when it is done.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.next
    }

    /// How long an answer may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The question is being asked at `now`.
    pub(crate) fn on_ask(&mut self, now: Instant) {
        self.next = Some(now + self.period);
    }

    /// An answer. The new verdict, if it changed.
    pub(crate) fn on_result(&mut self, ok: bool) -> Option<bool> {
        if self.last == Some(ok) {
            self.run = self.run.saturating_add(1);
        } else {
            self.last = Some(ok);
            self.run = 1;
        }
        if self.run < if ok { self.success } else { self.failure } {
            return None;
        }
        let done = match self.kind {
            ProbeKind::Startup => true,
            ProbeKind::Liveness => !ok,
            ProbeKind::Readiness => false,
        };
        if done {
            self.next = None;
        }
        (self.verdict.replace(ok) != Some(ok)).then_some(ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(success: i32, failure: i32) -> Probe {
        Probe {
            initial_delay_seconds: Some(5),
            period_seconds: Some(10),
            success_threshold: Some(success),
            failure_threshold: Some(failure),
            ..Probe::default()
        }
    }

    #[track_caller]
    fn check(kind: ProbeKind, probe: &Probe, answers: &str, want: &str) {
        let mut m = Machine::new(kind, probe, Duration::ZERO, Instant::now());
        let mut got = String::new();
        for c in answers.chars() {
            if m.next_deadline().is_none() {
                got.push('#');
                break;
            }
            got.push(match m.on_result(c == '+') {
                None => '.',
                Some(true) => 'Y',
                Some(false) => 'N',
            });
        }
        assert_eq!(got, want);
    }

    #[test]
    fn thresholds_count_in_a_row() {
        check(ProbeKind::Readiness, &probe(1, 3), "+--+---+", "Y.....NY");
        check(ProbeKind::Readiness, &probe(2, 1), "+-++-", ".N.YN");
        check(ProbeKind::Liveness, &probe(1, 3), "+---+", "Y..N#");
        check(ProbeKind::Startup, &probe(1, 3), "--+-", "..Y#");
        check(ProbeKind::Startup, &probe(1, 2), "--+", ".N#");
    }

    #[test]
    fn asks_after_the_delay_and_every_period() {
        let t0 = Instant::now();
        let age = Duration::from_secs(2);
        let mut m = Machine::new(ProbeKind::Readiness, &probe(1, 1), age, t0);
        assert_eq!(m.next_deadline(), Some(t0 + Duration::from_secs(3)));
        m.on_ask(t0 + Duration::from_secs(3));
        assert_eq!(m.next_deadline(), Some(t0 + Duration::from_secs(13)));
    }
}
