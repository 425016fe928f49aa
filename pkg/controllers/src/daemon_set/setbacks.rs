//! How often a failed daemon's pod is replaced: a node that refuses it must not be fought.
//!
//! Kept for each node and generation of a set, in memory only. Time is a parameter.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The setbacks of one DaemonSet.
#[derive(Debug, Default)]
pub(super) struct Setbacks {
    generation: i64,
    nodes: HashMap<Box<str>, Setback>,
}

#[derive(Debug)]
struct Setback {
    at: Timestamp,
    pause: Duration,
}

impl Setbacks {
    /// A new generation starts over: it may be the cure.
    pub(super) fn for_generation(&mut self, generation: i64) {
        if self.generation != generation {
            *self = Self { generation, nodes: HashMap::new() };
        }
    }

    /// A pod on `node` failed: whether it may be replaced at once (which is noted), or after which wait.
    pub(super) fn meet(&mut self, node: &str, now: Timestamp) -> Result<(), Duration> {
        // What has not happened for long is forgotten.
        self.nodes.retain(|_, s| since(s.at, now) <= LONGEST * 2);
        let pause = match self.nodes.get(node) {
            None => FIRST,
            Some(s) if since(s.at, now) < s.pause => return Err(s.pause - since(s.at, now)),
            Some(s) => (s.pause * 2).min(LONGEST),
        };
        self.nodes.insert(node.into(), Setback { at: now, pause });
        Ok(())
    }
}

fn since(at: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(at).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_forgotten() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let wait = |seconds| Err(Duration::from_secs(seconds));
        let mut s = Setbacks::default();
        assert_eq!(s.meet("a", at(0)), Ok(()));
        assert_eq!(s.meet("a", at(0)), wait(1));
        assert_eq!(s.meet("b", at(0)), Ok(()), "each node by itself");
        assert_eq!(s.meet("a", at(1)), Ok(()));
        assert_eq!(s.meet("a", at(1)), wait(2));
        assert_eq!(s.meet("a", at(3)), Ok(()));
        assert_eq!(s.meet("a", at(4)), wait(3));
        assert_eq!(s.meet("a", at(3 + 1801)), Ok(()));
        assert_eq!(s.meet("a", at(3 + 1801)), wait(1), "after half an hour it starts over");
        s.for_generation(2);
        assert_eq!(s.meet("a", at(3 + 1801)), Ok(()));
    }
}
