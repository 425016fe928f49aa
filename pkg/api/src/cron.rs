//! Cron schedules: five fields, or one of the words that begin with `@`.
//!
//! The dialect is the one of `CronJob.spec.schedule`. One reader serves validation and the controller, so that what is
//! accepted is what runs.
//!
//! A schedule names wall-clock times. Over a change of daylight-saving time that has a plain meaning: an instant is due
//! if the clocks of the zone then show a time that fits. An hour that is skipped has no such instants, so what is due
//! in it waits for the next day; an hour that comes twice has them twice.

use std::fmt;

use jiff::{SignedDuration, ToSpan, Zoned};

use crate::duration::Duration;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Names, least and most value of the five fields.
const FIELDS: [(&[&str], u32, u32); 5] = [(&[], 0, 59), (&[], 0, 23), (&[], 1, 31), (&MONTHS, 1, 12), (&DAYS, 0, 6)];

/// What the words stand for.
const WORDS: [(&str, &str); 7] = [
    ("yearly", "0 0 1 1 *"),
    ("annually", "0 0 1 1 *"),
    ("monthly", "0 0 1 * *"),
    ("weekly", "0 0 * * 0"),
    ("daily", "0 0 * * *"),
    ("midnight", "0 0 * * *"),
    ("hourly", "0 * * * *"),
];

/// A schedule that fits no day within so many years fits none.
const YEARS: i16 = 5;

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Clock(Clock),
    /// Seconds between one time and the next.
    Every(i64),
}

/// One set of values for each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
}

/// Values up to 63 as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set {
    bits: u64,
    /// Whether it was written with a star, that is: says nothing.
    star: bool,
}

impl Set {
    fn has(self, n: i8) -> bool {
        u32::try_from(n).is_ok_and(|n| self.bits.checked_shr(n).is_some_and(|bits| bits & 1 == 1))
    }
}

/// Why a text is no schedule; worded for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl Schedule {
    /// The first time after `after`, in its zone; `None` for schedules that fit no day.
    pub fn next(&self, after: &Zoned) -> Option<Zoned> {
        match self.0 {
            Kind::Every(seconds) => whole_second(after)?.checked_add(SignedDuration::from_secs(seconds)).ok(),
            Kind::Clock(clock) => clock.next(after),
        }
    }
}

impl Clock {
    /// Goes forward by the largest unit that does not fit: month, day, hour, minute.
    fn next(&self, after: &Zoned) -> Option<Zoned> {
        let mut t = whole_second(after)?.checked_add(1.second()).ok()?;
        let last = t.year().saturating_add(YEARS);
        while t.year() <= last {
            t = if !self.months.has(t.month()) {
                t.first_of_month().ok()?.checked_add(1.month()).ok()?.start_of_day().ok()?
            } else if !self.fits_day(&t) {
                t.tomorrow().ok()?.start_of_day().ok()?
            } else if !self.hours.has(t.hour()) {
                // By the clock of the zone, not by adding an hour: zones may move by half of one.
                later(&t, 3600 - i64::from(t.minute()) * 60 - i64::from(t.second()))?
            } else if !self.minutes.has(t.minute()) || t.second() != 0 {
                later(&t, 60 - i64::from(t.second()))?
            } else {
                return Some(t);
            };
        }
        None
    }

    /// Two limits on the day are alternatives, unless one of them is a star.
    fn fits_day(&self, t: &Zoned) -> bool {
        let day = self.days.has(t.day());
        let weekday = self.weekdays.has(t.weekday().to_sunday_zero_offset());
        if self.days.star || self.weekdays.star { day && weekday } else { day || weekday }
    }
}

fn later(t: &Zoned, seconds: i64) -> Option<Zoned> {
    t.checked_add(SignedDuration::from_secs(seconds)).ok()
}

fn whole_second(t: &Zoned) -> Option<Zoned> {
    t.checked_sub(SignedDuration::from_nanos(i64::from(t.subsec_nanosecond()))).ok()
}

impl std::str::FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(word) = text.strip_prefix('@') {
            if let Some((_, fields)) = WORDS.iter().find(|(name, _)| *name == word) {
                return fields.parse();
            }
            let every = word.strip_prefix("every ").ok_or_else(|| Error(format!("unrecognized descriptor: {text}")))?;
            let every: Duration = every.parse().map_err(|e| Error(format!("failed to parse duration {text}: {e}")))?;
            return Ok(Self(Kind::Every((every.0 / 1_000_000_000).max(1))));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            let found = format!("[{}]", fields.join(" "));
            return Err(Error(format!("expected exactly 5 fields, found {}: {found}", fields.len())));
        };
        let set = |field: &str, at: usize| {
            let ranges = field.split(',').filter(|range| !range.is_empty());
            ranges.map(|range| read(range, FIELDS[at])).try_fold(Set::default(), |all, one| {
                let one = one?;
                Ok(Set { bits: all.bits | one.bits, star: all.star || one.star })
            })
        };
        let (minutes, hours, days) = (set(minutes, 0)?, set(hours, 1)?, set(days, 2)?);
        let (months, weekdays) = (set(months, 3)?, set(weekdays, 4)?);
        Ok(Self(Kind::Clock(Clock { minutes, hours, days, months, weekdays })))
    }
}

/// `*`, `5`, `5-9`, each with `/step`; a single number with a step runs to the end.
fn read(range: &str, (names, least, most): (&[&str], u32, u32)) -> Result<Set, Error> {
    let fail = |why: String| Err(Error(format!("{why}: {range}")));
    let (span, step) = match range.split_once('/') {
        Some((span, step)) => (span, Some(step)),
        None => (range, None),
    };
    if step.is_some_and(|s| s.contains('/')) {
        return fail("too many slashes".to_owned());
    }
    let star = span == "*" || span == "?";
    let (from, to) = match span.split_once('-') {
        _ if star => (least, most),
        Some((_, to)) if to.contains('-') => return fail("too many hyphens".to_owned()),
        Some((from, to)) => (number(from, names, least)?, number(to, names, least)?),
        None => {
            let from = number(span, names, least)?;
            (from, if step.is_some() { most } else { from })
        }
    };
    let step = step.map_or(Ok(1), |step| number(step, &[], 0))?;
    if step == 0 {
        return fail("step of range should be a positive number".to_owned());
    }
    if from < least {
        return fail(format!("beginning of range ({from}) below minimum ({least})"));
    }
    if to > most {
        return fail(format!("end of range ({to}) above maximum ({most})"));
    }
    if from > to {
        return fail(format!("beginning of range ({from}) beyond end of range ({to})"));
    }
    let bits = (from..=to).step_by(usize::try_from(step).unwrap_or(usize::MAX)).fold(0, |bits, n| bits | 1 << n);
    // A star with a step says something after all.
    Ok(Set { bits, star: star && step == 1 })
}

fn number(text: &str, names: &[&str], least: u32) -> Result<u32, Error> {
    let lower = text.to_ascii_lowercase();
    if let Some(at) = (0u32..).zip(names).find(|(_, name)| **name == lower).map(|(at, _)| at) {
        return Ok(at + least);
    }
    text.parse()
        .map_err(|_| Error(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax")))
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, tz::TimeZone};

    use super::*;

    fn next(schedule: &str, zone: &str, after: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let after = after.parse::<Timestamp>().unwrap().to_zoned(zone);
        let next = schedule.parse::<Schedule>().unwrap().next(&after);
        next.map_or_else(|| "never".to_owned(), |t| t.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
    }

    #[test]
    fn texts() {
        for good in ["* * * * *", "*/5 0-6,8 1 jan-mar MON", "@daily", "@every 1h30m", "5/15 * ? * 0", "1,,2 * * * *"] {
            assert!(good.parse::<Schedule>().is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", "expected exactly 5 fields, found 0: []"),
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("* * * * 7", "end of range (7) above maximum (6): 7"),
            ("5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("@often", "unrecognized descriptor: @often"),
            ("@every x", "failed to parse duration @every x: time: invalid duration \"x\""),
        ] {
            assert_eq!(bad.parse::<Schedule>().map_err(|e| e.to_string()), Err(why.to_owned()));
        }
    }

    #[test]
    fn the_next_time() {
        for (schedule, after, want) in [
            ("*/15 * * * *", "2012-07-09T14:45:00Z", "2012-07-09T15:00:00+00:00"),
            ("*/15 * * * *", "2012-07-09T14:59:59.5Z", "2012-07-09T15:00:00+00:00"),
            ("20-35/15 * * * *", "2012-07-09T15:45:00Z", "2012-07-09T16:20:00+00:00"),
            ("20-35/15 * * * *", "2012-07-09T23:45:00Z", "2012-07-10T00:20:00+00:00"),
            ("20-35/15 1/2 * * *", "2012-07-09T23:35:51Z", "2012-07-10T01:20:00+00:00"),
            ("20-35/15 1/2 */2 * *", "2012-07-09T23:35:51Z", "2012-07-11T01:20:00+00:00"),
            ("0 0 9 Apr-Oct ?", "2012-07-09T23:35:00Z", "2012-08-09T00:00:00+00:00"),
            // The fifth and every fifth day after it, or a Monday.
            ("0 0 */5 Apr,Aug,Oct Mon", "2012-07-09T23:35:00Z", "2012-08-01T00:00:00+00:00"),
            ("0 0 * Feb Mon", "2012-07-09T23:35:00Z", "2013-02-04T00:00:00+00:00"),
            ("* * * * *", "2012-12-31T23:59:45Z", "2013-01-01T00:00:00+00:00"),
            ("0 0 29 Feb ?", "2012-07-09T23:35:00Z", "2016-02-29T00:00:00+00:00"),
            ("0 0 30 Feb ?", "2012-07-09T23:35:00Z", "never"),
            ("0 0 31 Apr ?", "2012-07-09T23:35:00Z", "never"),
            // Two limits on the day are alternatives; a star is no limit.
            ("0 0 1,15 * Sun", "2012-07-02T00:00:00Z", "2012-07-08T00:00:00+00:00"),
            ("0 0 * * Mon", "2012-07-10T00:00:00Z", "2012-07-16T00:00:00+00:00"),
            ("0 0 1,15 * *", "2012-07-02T00:00:00Z", "2012-07-15T00:00:00+00:00"),
            ("@hourly", "2012-07-09T15:00:00Z", "2012-07-09T16:00:00+00:00"),
            ("@weekly", "2012-07-09T15:00:00Z", "2012-07-15T00:00:00+00:00"),
            ("@monthly", "2012-07-09T15:00:00Z", "2012-08-01T00:00:00+00:00"),
            ("@yearly", "2012-07-09T15:00:00Z", "2013-01-01T00:00:00+00:00"),
            ("@every 1h30m", "2012-07-09T15:00:30.25Z", "2012-07-09T16:30:30+00:00"),
            ("@every 10ms", "2012-07-09T15:00:30Z", "2012-07-09T15:00:31+00:00"),
        ] {
            assert_eq!(next(schedule, "UTC", after), want, "{schedule} after {after}");
        }
    }

    #[test]
    fn a_skipped_hour_is_skipped_and_a_doubled_one_comes_twice() {
        for (zone, schedule, after, want) in [
            // Spring in New York: 02:00 -05:00 becomes 03:00 -04:00 on 11 March 2012.
            ("America/New_York", "0 * * * *", "2012-03-11T00:00:00-05:00", "2012-03-11T01:00:00-05:00"),
            ("America/New_York", "0 * * * *", "2012-03-11T01:00:00-05:00", "2012-03-11T03:00:00-04:00"),
            ("America/New_York", "0 2 * * *", "2012-03-11T00:00:00-05:00", "2012-03-12T02:00:00-04:00"),
            ("America/New_York", "30 2 11 Mar ?", "2012-03-11T00:00:00-05:00", "2013-03-11T02:30:00-04:00"),
            ("America/New_York", "0 3 * * *", "2012-03-11T00:00:00-05:00", "2012-03-11T03:00:00-04:00"),
            // Autumn: 02:00 -04:00 becomes 01:00 -05:00 on 4 November 2012.
            ("America/New_York", "0 * * * *", "2012-11-04T01:00:00-04:00", "2012-11-04T01:00:00-05:00"),
            ("America/New_York", "0 * * * *", "2012-11-04T01:00:00-05:00", "2012-11-04T02:00:00-05:00"),
            ("America/New_York", "30 1 4 Nov ?", "2012-11-04T01:45:00-04:00", "2012-11-04T01:30:00-05:00"),
            ("America/New_York", "0 1 * * *", "2012-11-04T01:00:00-05:00", "2012-11-05T01:00:00-05:00"),
            ("America/New_York", "0 2 * * *", "2012-11-04T00:00:00-04:00", "2012-11-04T02:00:00-05:00"),
            // Berlin, 29 March and 25 October 2026.
            ("Europe/Berlin", "30 2 * * *", "2026-03-28T02:30:00+01:00", "2026-03-30T02:30:00+02:00"),
            ("Europe/Berlin", "*/30 * * * *", "2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"),
            ("Europe/Berlin", "30 2 * * *", "2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00"),
            ("Europe/Berlin", "30 2 * * *", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"),
            ("Europe/Berlin", "30 2 * * *", "2026-10-25T02:30:00+01:00", "2026-10-26T02:30:00+01:00"),
            // A zone without such changes.
            ("Asia/Tokyo", "0 6 * * *", "2026-03-29T00:00:00Z", "2026-03-30T06:00:00+09:00"),
            // Midnight itself is skipped in São Paulo.
            ("America/Sao_Paulo", "0 9 10 * ?", "2018-10-17T05:00:00-04:00", "2018-11-10T09:00:00-02:00"),
            ("America/Sao_Paulo", "0 0 * * *", "2018-11-03T00:00:00-03:00", "2018-11-05T00:00:00-02:00"),
            // Half an hour on Lord Howe: 02:00 becomes 02:30 on 4 October 2026, and back on 5 April.
            ("Australia/Lord_Howe", "45 2 * * *", "2026-10-03T15:00:00Z", "2026-10-04T02:45:00+11:00"),
            ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T15:00:00Z", "2026-10-05T02:15:00+11:00"),
        ] {
            assert_eq!(next(schedule, zone, after), want, "{schedule} in {zone} after {after}");
        }
    }
}
