//! How fast the size may follow what is measured: stabilization windows and scaling policies.
//!
//! An autoscaler remembers what it recommended and what it did, in memory only. Time is a parameter.

use jiff::{SignedDuration, Timestamp};

use super::model::{Behavior, PolicyKind, Rules, Select, Spec};

/// The window for shrinking where none is given.
const WINDOW: i32 = 300;

/// What an autoscaler remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    recommended: Vec<(Timestamp, i32)>,
    grown: Vec<(Timestamp, i32)>,
    shrunk: Vec<(Timestamp, i32)>,
}

/// A size within bounds, and what bounds it.
#[derive(Debug, PartialEq)]
pub(super) struct Limited {
    pub(super) replicas: i32,
    /// Reason and message of the stabilization, if it changed anything.
    pub(super) stabilized: Option<(&'static str, &'static str)>,
    pub(super) limited: bool,
    pub(super) reason: &'static str,
    pub(super) message: &'static str,
}

const WITHIN: (&str, &str) = ("DesiredWithinRange", "the desired count is within the acceptable range");
const TOO_FEW: (&str, &str) = ("TooFewReplicas", "the desired replica count is less than the minimum replica count");
const TOO_MANY: (&str, &str) = ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const UP_FAST: (&str, &str) =
    ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const DOWN_FAST: (&str, &str) =
    ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");
const UP_STABLE: (&str, &str) = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);
const DOWN_STABLE: (&str, &str) = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);

impl Memory {
    /// Before the first recommendation the size is what it is: a restart must not shrink anything.
    pub(super) fn begin(&mut self, current: i32, now: Timestamp) {
        if self.recommended.is_empty() {
            self.recommended.push((now, current));
        }
    }

    /// The size was changed.
    pub(super) fn rescaled(&mut self, spec: &Spec, from: i32, to: i32, now: Timestamp) {
        let Some(behavior) = &spec.behavior else { return };
        let longest = |rules: &Rules| rules.policies.iter().map(|p| p.period_seconds).max().unwrap_or(0);
        let longest = longest(&behavior.scale_up).max(longest(&behavior.scale_down));
        for events in [&mut self.grown, &mut self.shrunk] {
            events.retain(|(at, _)| within(*at, longest, now));
        }
        match to > from {
            true => self.grown.push((now, to - from)),
            false => self.shrunk.push((now, from - to)),
        }
    }

    /// Brings a recommended size into bounds, and remembers it.
    pub(super) fn limit(&mut self, spec: &Spec, current: i32, desired: i32, now: Timestamp) -> Limited {
        match &spec.behavior {
            None => self.plain(spec, current, desired, now),
            Some(behavior) => self.by_rules(spec, behavior, current, desired, now),
        }
    }

    fn plain(&mut self, spec: &Spec, current: i32, desired: i32, now: Timestamp) -> Limited {
        self.recommended.retain(|(at, _)| within(*at, WINDOW, now));
        let stable = self.recommended.iter().map(|(_, n)| *n).fold(desired, i32::max);
        self.recommended.push((now, desired));
        // Not more than doubled at once, or four where that is more.
        let fastest = current.saturating_mul(2).max(4);
        let (most, why) = if spec.max_replicas > fastest { (fastest, UP_FAST) } else { (spec.max_replicas, TOO_MANY) };
        let (replicas, why) = match stable {
            n if n < spec.min_replicas() => (spec.min_replicas(), TOO_FEW),
            n if n > most => (most, why),
            n => (n, WITHIN),
        };
        Limited::of(replicas, stable, why, (stable != desired).then_some(DOWN_STABLE))
    }

    fn by_rules(&mut self, spec: &Spec, behavior: &Behavior, current: i32, desired: i32, now: Timestamp) -> Limited {
        let up = behavior.scale_up.stabilization_window_seconds.unwrap_or(0);
        let down = behavior.scale_down.stabilization_window_seconds.unwrap_or(WINDOW);
        let recent =
            |seconds| self.recommended.iter().filter(move |(at, _)| within(*at, seconds, now)).map(|(_, n)| *n);
        // Up to the lowest recommendation of the one window, down to the highest of the other.
        let lowest = recent(up).fold(desired, i32::min);
        let highest = recent(down).fold(desired, i32::max);
        let stable = current.max(lowest).min(highest);
        self.recommended.retain(|(at, _)| within(*at, up.max(down), now));
        self.recommended.push((now, desired));
        let words = if desired >= current { UP_STABLE } else { DOWN_STABLE };
        let (replicas, why) = self.by_rate(spec, behavior, current, stable, now);
        Limited::of(replicas, stable, why, (stable != desired).then_some(words))
    }

    /// Not faster than the policies allow.
    fn by_rate(
        &self,
        spec: &Spec,
        behavior: &Behavior,
        current: i32,
        desired: i32,
        now: Timestamp,
    ) -> (i32, (&'static str, &'static str)) {
        if desired > current {
            let limit = self.highest(&behavior.scale_up, current, now).max(current);
            let (most, why) = if spec.max_replicas > limit { (limit, UP_FAST) } else { (spec.max_replicas, TOO_MANY) };
            if desired > most {
                return (most, why);
            }
        } else if desired < current {
            let limit = self.lowest(&behavior.scale_down, current, now).min(current);
            let least = spec.min_replicas();
            let (least, why) = if least < limit { (limit, DOWN_FAST) } else { (least, TOO_FEW) };
            if desired < least {
                return (least, why);
            }
        }
        (desired, WITHIN)
    }

    /// The size up to which the policies let it grow.
    fn highest(&self, rules: &Rules, current: i32, now: Timestamp) -> i32 {
        let each = rules.policies.iter().map(|p| {
            let start = self.at_start(p.period_seconds, current, now);
            match p.kind {
                PolicyKind::Pods => start.saturating_add(p.value),
                // Rounded up: a small percentage of few must still be something.
                PolicyKind::Percent => (f64::from(start) * (1.0 + f64::from(p.value) / 100.0)).ceil() as i32,
            }
        });
        match rules.select_policy {
            Select::Disabled => Some(current),
            Select::Min => each.min(),
            Select::Max => each.max(),
        }
        .unwrap_or(current)
    }

    /// The size down to which the policies let it shrink.
    fn lowest(&self, rules: &Rules, current: i32, now: Timestamp) -> i32 {
        let each = rules.policies.iter().map(|p| {
            let start = self.at_start(p.period_seconds, current, now);
            match p.kind {
                PolicyKind::Pods => start.saturating_sub(p.value),
                PolicyKind::Percent => (f64::from(start) * (1.0 - f64::from(p.value) / 100.0)) as i32,
            }
        });
        match rules.select_policy {
            Select::Disabled => Some(current),
            Select::Min => each.max(),
            Select::Max => each.min(),
        }
        .unwrap_or(current)
    }

    /// The size when a period that ends now began.
    fn at_start(&self, seconds: i32, current: i32, now: Timestamp) -> i32 {
        let sum = |events: &[(Timestamp, i32)]| {
            events.iter().filter(|(at, _)| within(*at, seconds, now)).map(|(_, n)| n).sum::<i32>()
        };
        current - sum(&self.grown) + sum(&self.shrunk)
    }
}

impl Limited {
    fn of(
        replicas: i32,
        stable: i32,
        (reason, message): (&'static str, &'static str),
        stabilized: Option<(&'static str, &'static str)>,
    ) -> Self {
        Self { replicas, stabilized, limited: replicas != stable, reason, message }
    }
}

fn within(at: Timestamp, seconds: i32, now: Timestamp) -> bool {
    now.duration_since(at) < SignedDuration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests;
