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
    /// The delay that applies to something that ended at `ended`; zero while there is none.
    pub(crate) fn delay(&self, ended: Timestamp) -> SignedDuration {
        match self.last {
            Some((at, delay)) if ended.duration_since(at) <= FORGET => delay,
            _ => SignedDuration::ZERO,
        }
    }

    /// When something that ended at `ended` may be tried again, if that is after `now`. An end in the future means that
    /// the clock was put back: nobody waits until it gets there again.
    pub(crate) fn until(&self, ended: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let until = ended + self.delay(ended);
        (ended <= now && until > now).then_some(until)
    }

    /// One more try at `now` of something that ended at `ended`: the next delay is longer.
    pub(crate) fn next(&mut self, ended: Timestamp, now: Timestamp) {
        let delay = self.delay(ended);
        let delay = if delay.is_zero() { FIRST } else { (delay * 2).min(MAX) };
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
}
