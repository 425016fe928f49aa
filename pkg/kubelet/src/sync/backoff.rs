//! How long to wait before trying something of a pod again: 10 s, doubled to 300 s, forgotten after 10 quiet minutes.

use jiff::{SignedDuration, Timestamp};

const FIRST: SignedDuration = SignedDuration::from_secs(10);
const MAX: SignedDuration = SignedDuration::from_secs(300);
const FORGET: SignedDuration = SignedDuration::from_secs(600);

/// The delay of one container or image. A value: time is a parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CrashBackoff {
    last: Option<(Timestamp, SignedDuration)>,
}

impl CrashBackoff {
    /// The delay that applies to something that ended at `ended`; zero while there is none. What ended before the last try
    /// is what was tried again, and waits no more: its restart is under way.
    pub(crate) fn delay(&self, ended: Timestamp) -> SignedDuration {
        match self.last {
            Some((tried, delay)) if ended >= tried && ended.duration_since(tried) <= FORGET => delay,
            _ => SignedDuration::ZERO,
        }
    }

    /// When something that ended at `ended` may be tried again, if that is after `now`. An end in the future means that
    /// the clock was put back: nobody waits until it gets there again.
    pub(crate) fn until(&self, ended: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let until = ended + self.delay(ended);
        (ended <= now && until > now).then_some(until)
    }

    /// One more try at `now` of something that ended at `ended`: the next delay is longer, unless the last try was of the
    /// same (and did not come to a start).
    pub(crate) fn next(&mut self, ended: Timestamp, now: Timestamp) {
        let delay = match self.last {
            Some((tried, delay)) if ended < tried => delay,
            _ => (self.delay(ended) * 2).clamp(FIRST, MAX),
        };
        self.last = Some((now, delay));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn doubles_to_the_bound_and_forgets() {
        let mut b = CrashBackoff::default();
        let mut now = at(0);
        let mut delays = Vec::new();
        for _ in 0..8 {
            delays.push(b.delay(now).as_secs());
            now += b.delay(now);
            b.next(now, now);
        }
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300]);
        let quiet = now + SignedDuration::from_secs(601);
        assert_eq!(b.delay(quiet), SignedDuration::ZERO);
        b.next(quiet, quiet);
        assert_eq!(b.until(quiet, quiet), Some(quiet + FIRST));
        assert_eq!(b.until(quiet, quiet - SignedDuration::from_hours(1)), None, "the clock was put back");
    }

    #[test]
    fn what_is_being_restarted_does_not_wait() {
        let mut b = CrashBackoff::default();
        b.next(at(100), at(101));
        assert_eq!(b.until(at(100), at(102)), None);
        b.next(at(100), at(103));
        assert_eq!(b.delay(at(104)), FIRST, "the second try was of the same end");
        assert_eq!(b.until(at(104), at(105)), Some(at(114)));
    }
}
