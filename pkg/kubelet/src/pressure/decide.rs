//! From signals to conditions, and to whether something must be done. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Condition, Conditions,
    threshold::{Signal, Threshold, Thresholds},
};

/// How much of something there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) available: u64,
    pub(super) capacity: u64,
}

/// What was read.
pub(super) type Signals = BTreeMap<Signal, Reading>;

/// What earlier looks have seen. Times are since some beginning, by a clock that nobody puts forward or back.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Lines (by their place among all) that are crossed, and since when.
    crossed: BTreeMap<usize, Duration>,
    /// When a condition was seen last.
    told: BTreeMap<Condition, Duration>,
}

/// What follows from a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) conditions: Conditions,
    /// What must be freed, if anything.
    pub(super) starved: Option<Starved>,
}

/// What must be freed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Starved {
    pub(super) signal: Signal,
    pub(super) resource: &'static str,
    /// It cannot wait.
    pub(super) hard: bool,
    /// The line, as a message shows it.
    pub(super) line: String,
    /// What there is, as a message shows it.
    pub(super) available: String,
}

/// Whether a line is crossed; one that was crossed before must be left behind by what is to be reclaimed.
fn crossed(threshold: &Threshold, signals: &Signals, before: bool) -> bool {
    let Some(reading) = signals.get(&threshold.signal) else { return false };
    let more = if before { threshold.reclaim.of(reading.capacity) } else { 0 };
    reading.available < threshold.amount.of(reading.capacity).saturating_add(more)
}

/// Whether any line is crossed, counting what is to be reclaimed.
pub(super) fn is_met(thresholds: &Thresholds, signals: &Signals) -> bool {
    thresholds.all().iter().any(|t| crossed(t, signals, true))
}

pub(super) fn decide(thresholds: &Thresholds, memory: &mut Memory, signals: &Signals, now: Duration) -> Decision {
    let lines = thresholds.all();
    let mut since = BTreeMap::new();
    for (i, line) in lines.iter().enumerate() {
        let before = memory.crossed.get(&i).copied();
        if crossed(line, signals, before.is_some()) {
            since.insert(i, before.unwrap_or(now));
        }
    }
    memory.crossed = since;
    for i in memory.crossed.keys() {
        memory.told.insert(condition(lines[*i].signal), now);
    }
    memory.told.retain(|_, last| *last == now || now.saturating_sub(*last) < thresholds.transition);
    let conditions: BTreeSet<Condition> = memory.told.keys().copied().collect();
    let due = memory.crossed.iter().map(|(i, since)| (&lines[*i], *since));
    let mut due: Vec<&Threshold> =
        due.filter(|(line, since)| now.saturating_sub(*since) >= line.grace).map(|(line, _)| line).collect();
    // Memory first: without it nothing else can be done.
    due.sort_by_key(|line| line.signal != Signal::Memory);
    let starved = due.first().and_then(|line| {
        let reading = signals.get(&line.signal)?;
        Some(Starved {
            signal: line.signal,
            resource: line.signal.resource(),
            hard: line.grace.is_zero(),
            line: line.signal.show(line.amount.of(reading.capacity)),
            available: line.signal.show(reading.available),
        })
    });
    Decision { conditions, starved }
}

fn condition(signal: Signal) -> Condition {
    match signal {
        Signal::Memory => Condition::Memory,
        Signal::Pid => Condition::Pid,
        _ => Condition::Disk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at `seconds:available MiB of memory`, of 1000; what is told and done at each.
    #[track_caller]
    fn check(flags: &[(&str, &str)], looks: &str, want: &str) {
        let mut thresholds = Thresholds::default();
        for (flag, value) in flags {
            assert!(thresholds.set(flag, value).unwrap());
        }
        let mut memory = Memory::default();
        let seen = looks.split(' ').map(|look| {
            let (at, mib) = look.split_once(':').unwrap();
            let reading = Reading { available: mib.parse::<u64>().unwrap() << 20, capacity: 1000 << 20 };
            let signals = [(Signal::Memory, reading)].into();
            let now = Duration::from_secs(at.parse().unwrap());
            let decision = decide(&thresholds, &mut memory, &signals, now);
            let told = if decision.conditions.is_empty() { "-" } else { "M" };
            match decision.starved {
                Some(s) => format!("{told}:{}{}<{}", if s.hard { "" } else { "soft " }, s.available, s.line),
                None => told.to_owned(),
            }
        });
        assert_eq!(seen.collect::<Vec<_>>().join(", "), want);
    }

    #[test]
    fn a_hard_line_acts_at_once_and_is_told_for_a_while() {
        check(&[], "0:200 10:99 20:101 309:500 310:500", "-, M:99Mi<100Mi, M, M, -");
        check(&[("eviction-hard", "memory.available<50%")], "0:499 1:500", "M:499Mi<500Mi, M");
        check(&[("eviction-hard", "")], "0:1", "-");
        check(&[("eviction-pressure-transition-period", "0s")], "0:99 1:101", "M:99Mi<100Mi, -");
    }

    #[test]
    fn a_soft_line_waits() {
        let soft = [
            ("eviction-hard", "memory.available<10Mi"),
            ("eviction-soft", "memory.available<100Mi"),
            ("eviction-soft-grace-period", "memory.available=30s"),
        ];
        check(&soft, "0:90 29:90 30:90", "M, M, M:soft 90Mi<100Mi");
        check(&soft, "0:90 10:200 20:90 45:90 50:90", "M, M, M, M, M:soft 90Mi<100Mi");
        check(&soft, "0:90 1:5", "M, M:5Mi<10Mi");
    }

    #[test]
    fn what_is_reclaimed_must_be_worth_it() {
        let reclaim = [("eviction-minimum-reclaim", "memory.available=50Mi")];
        check(&reclaim, "0:120 1:90 2:120 3:150", "-, M:90Mi<100Mi, M:120Mi<100Mi, M");
    }
}
