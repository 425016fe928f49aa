//! Conditions: what the status of an object says in the form `type`, `status`, `reason`, `message`.
//!
//! One type reads those of every kind and writes those of the controllers. Kinds differ in which times they keep: a time
//! that nobody set is neither read nor written.

use jiff::Timestamp;
use knarr_api::{Value, value};
use serde::Deserialize;

use crate::context::rfc3339;

/// One condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: Box<str>,
    pub(crate) status: Box<str>,
    pub(crate) reason: Box<str>,
    pub(crate) message: Box<str>,
    pub(crate) observed_generation: i64,
    pub(crate) last_probe_time: Option<Timestamp>,
    pub(crate) last_update_time: Option<Timestamp>,
    pub(crate) last_transition_time: Option<Timestamp>,
}

impl Condition {
    /// A condition without times.
    pub(crate) fn new(kind: &str, on: bool, reason: &str, message: impl Into<Box<str>>) -> Self {
        let status = if on { "True" } else { "False" };
        Self {
            kind: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            ..Self::default()
        }
    }

    /// Since when it has its status: since the one among `old` has it, or since now.
    pub(crate) fn since(mut self, old: &[Self], now: Timestamp) -> Self {
        let same = find(old, &self.kind).filter(|c| c.status == self.status);
        self.last_transition_time = same.and_then(|c| c.last_transition_time).or(Some(to_the_second(now)));
        self
    }

    /// Whether it is true.
    pub(crate) fn holds(&self) -> bool {
        &*self.status == "True"
    }

    /// Whether both say the same, whenever they say it.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        (&self.status, &self.reason, &self.message) == (&other.status, &other.reason, &other.message)
    }

    /// The document.
    pub(crate) fn print(&self) -> Value {
        let mut out = value!({
            "type": &*self.kind,
            "status": &*self.status,
            "reason": &*self.reason,
            "message": &*self.message,
        });
        if self.observed_generation != 0 {
            out.set(&["observedGeneration"], self.observed_generation);
        }
        let times = [
            ("lastProbeTime", self.last_probe_time),
            ("lastUpdateTime", self.last_update_time),
            ("lastTransitionTime", self.last_transition_time),
        ];
        for (name, at) in times {
            if let Some(at) = at {
                out.set(&[name], rfc3339(at));
            }
        }
        out
    }
}

/// The condition of a type.
pub(crate) fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| &*c.kind == kind)
}

/// The condition of a type, if it is true.
pub(crate) fn holding<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    find(conditions, kind).filter(|c| c.holds())
}

/// Says a condition in the place of what was said of its type.
pub(crate) fn put(conditions: &mut Vec<Condition>, new: Condition) {
    match conditions.iter_mut().find(|c| c.kind == new.kind) {
        Some(old) => *old = new,
        None => conditions.push(new),
    }
}

/// The documents of several.
pub(crate) fn print(conditions: &[Condition]) -> Value {
    Value::Array(conditions.iter().map(Condition::print).collect())
}

/// A time as the API keeps it.
pub(crate) fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use knarr_api::value::from_value;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_transition_time_changes_with_the_status() {
        let mut all = Vec::new();
        let mut say = |on, reason, now| {
            let new = Condition::new("Ready", on, reason, "").since(&all, at(now));
            put(&mut all, new);
            assert_eq!(all.len(), 1, "one of a type");
            rfc3339(all[0].last_transition_time.unwrap())
        };
        assert_eq!(say(true, "A", "2026-01-01T00:00:01.5Z"), "2026-01-01T00:00:01Z");
        assert_eq!(say(true, "B", "2026-01-01T00:00:02Z"), "2026-01-01T00:00:01Z");
        assert_eq!(say(false, "B", "2026-01-01T00:00:03Z"), "2026-01-01T00:00:03Z");
        assert!(holding(&all, "Ready").is_none());
        assert_eq!(find(&all, "Ready").map(|c| &*c.reason), Some("B"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let now = Some(at("2026-01-01T00:00:00Z"));
        let some = Condition { last_update_time: now, ..Condition::new("A", true, "R", "m") };
        let all = vec![some.clone(), Condition { observed_generation: 3, last_probe_time: now, ..some.clone() }];
        assert_eq!(from_value::<Vec<Condition>>(&print(&all)).unwrap(), all);
        assert!(all[0].agrees(&all[1]));
        let names: Vec<&str> =
            ["lastProbeTime", "lastTransitionTime"].into_iter().filter(|n| some.print().get(n).is_some()).collect();
        assert!(names.is_empty(), "a time that was not set is not written");
    }
}
