//! CPU use as a rate: what was used since the last time somebody asked.

use std::collections::HashMap;

use jiff::Timestamp;
use parking_lot::Mutex;

/// Older readings say nothing of the present, nanoseconds.
const OLDEST: i128 = 120_000_000_000;
/// Over less time there is no rate worth telling, nanoseconds.
const SHORTEST: i128 = 500_000_000;

/// A reading: when, the CPU time then, and the rate it gave.
#[derive(Clone, Copy)]
struct Reading {
    at: i128,
    cpu: u64,
    rate: Option<u64>,
}

/// The last readings by cgroup.
#[derive(Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Reading>>);

impl Rates {
    /// Billionths of a core that a cgroup used since it was read last, if that was a useful while ago.
    pub(crate) fn rate(&self, group: &str, cpu: u64, at: Timestamp) -> Option<u64> {
        let at = at.as_nanosecond();
        let mut all = self.0.lock();
        let last = all.get(group).copied();
        let rate = match last {
            Some(last) if at - last.at < SHORTEST => return last.rate,
            Some(last) if at - last.at < OLDEST && last.cpu <= cpu => {
                u64::try_from(i128::from(cpu - last.cpu) * 1_000_000_000 / (at - last.at)).ok()
            }
            _ => None,
        };
        all.insert(group.to_owned(), Reading { at, cpu, rate });
        rate
    }

    /// Forgets what is too old to be of use.
    pub(crate) fn prune(&self, now: Timestamp) {
        let now = now.as_nanosecond();
        self.0.lock().retain(|_, reading| now - reading.at < OLDEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_two_readings() {
        let (rates, at) = (Rates::default(), |ms| Timestamp::from_millisecond(ms).unwrap());
        assert_eq!(rates.rate("a", 0, at(0)), None);
        assert_eq!(rates.rate("a", 500_000_000, at(1000)), Some(500_000_000));
        assert_eq!(rates.rate("a", 600_000_000, at(1100)), Some(500_000_000), "too soon: the last one");
        assert_eq!(rates.rate("a", 700_000_000, at(2000)), Some(200_000_000));
        assert_eq!(rates.rate("a", 1, at(3000)), None, "the counter began anew");
        assert_eq!(rates.rate("a", 2, at(300_000)), None, "too long ago");
        rates.prune(at(500_000));
        assert!(rates.0.lock().is_empty());
    }
}
