//! Which time is due, and when to look again: pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use knarr_api::cron::Schedule;

use super::model::CronJob;

/// With more missed times than this somebody should have a look.
const MANY: i64 = 100;
/// How long a wait may be. Waiting goes by a clock that knows nothing of the wall's: when that is set, this is how
/// soon it is noticed.
const LONGEST: Duration = Duration::from_secs(60);

/// How a schedule stands at a time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// The newest time that has come and was not served.
    pub(super) at: Option<Timestamp>,
    /// Whether very many were missed.
    pub(super) many: bool,
    /// How long until the next.
    pub(super) again: Duration,
}

/// A schedule that fits no day.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Never;

/// Looks at the time since the last start, at most as far back as the deadline allows.
pub(super) fn due(cron: &CronJob, schedule: &Schedule, zone: &TimeZone, now: Timestamp) -> Result<Due, Never> {
    let next = |t: Timestamp| schedule.next(&t.to_zoned(zone.clone())).map(|z| z.timestamp());
    let mut since = cron.status.last_schedule_time.unwrap_or(cron.created);
    if let Some(start) = cron.deadline.and_then(|d| now.checked_sub(SignedDuration::from_secs(d)).ok()) {
        since = since.max(start);
    }
    let first = next(since).ok_or(Never)?;
    let until = |t: Option<Timestamp>| t.map_or(LONGEST, |t| wait(t, now));
    if now < first {
        return Ok(Due { at: None, many: false, again: until(Some(first)) });
    }
    let (at, missed) = newest(first, now, next);
    Ok(Due { at: Some(at), many: missed > MANY, again: until(next(now)) })
}

/// The newest time up to `now`, and about how many there were since `first`. Nobody wants to step through a decade of
/// minutes: the steps are guessed from the first two, and the last few are walked.
fn newest(first: Timestamp, now: Timestamp, next: impl Fn(Timestamp) -> Option<Timestamp>) -> (Timestamp, i64) {
    let Some(second) = next(first).filter(|t| *t <= now) else { return (first, 1) };
    let step = second.duration_since(first).as_secs().max(1);
    let missed = now.duration_since(first).as_secs() / step + 1;
    let mut back = 1i64;
    loop {
        // A whole number of steps from the first: a schedule without a clock (`@every`) stays in step.
        let jump = SignedDuration::from_secs(step.saturating_mul((missed - 1 - back).max(0)));
        let mut t = if missed - 1 > back { first.checked_add(jump).unwrap_or(first) } else { first };
        let mut found = (t == first).then_some(first);
        while let Some(later) = next(t).filter(|later| *later <= now) {
            (t, found) = (later, Some(later));
        }
        match found {
            Some(at) => return (at, missed),
            // Irregular schedules rest longer than their first step: look further back.
            None => back = back.saturating_mul(2),
        }
    }
}

/// The wait until `t`: a little more, so that it has come then.
fn wait(t: Timestamp, now: Timestamp) -> Duration {
    let left = Duration::try_from(t.duration_since(now)).unwrap_or_default();
    (left + Duration::from_millis(10)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use knarr_api::Object;
    use serde_json::json;

    use super::*;

    fn cron(created: &str, last: Option<&str>, deadline: Option<i64>) -> CronJob {
        let v = json!({"metadata": {"name": "c", "namespace": "n", "creationTimestamp": created},
            "spec": {"schedule": "", "startingDeadlineSeconds": deadline}, "status": {"lastScheduleTime": last}});
        CronJob::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_newest_missed_time_is_due() {
        let hourly = "0 * * * *";
        for (schedule, last, deadline, now, want, many) in [
            (hourly, None, None, "2026-05-19T10:30:00Z", None, false),
            (hourly, None, None, "2026-05-19T11:00:00Z", Some("2026-05-19T11:00:00Z"), false),
            (hourly, None, None, "2026-05-19T11:59:59Z", Some("2026-05-19T11:00:00Z"), false),
            (hourly, None, None, "2026-05-19T12:00:00Z", Some("2026-05-19T12:00:00Z"), false),
            (hourly, Some("2026-05-19T12:00:00Z"), None, "2026-05-19T12:10:00Z", None, false),
            (hourly, Some("2026-05-19T12:00:00Z"), None, "2026-05-19T15:30:00Z", Some("2026-05-19T15:00:00Z"), false),
            // A week of hours; ten years of them.
            (hourly, None, None, "2026-05-26T10:30:00Z", Some("2026-05-26T10:00:00Z"), true),
            (hourly, None, None, "2036-05-26T10:30:00Z", Some("2036-05-26T10:00:00Z"), true),
            // With a deadline nobody looks further back.
            (hourly, None, Some(600), "2026-05-26T10:30:00Z", None, false),
            (hourly, None, Some(3600), "2026-05-26T10:30:00Z", Some("2026-05-26T10:00:00Z"), false),
            // Work days, from Tuesday over a weekend to Monday.
            ("30 6-16/4 * * 1-5", None, None, "2026-05-25T07:00:00Z", Some("2026-05-25T06:30:00Z"), false),
            ("30 6-16/4 * * 1-5", None, None, "2026-05-24T07:00:00Z", Some("2026-05-22T14:30:00Z"), false),
            // Dense once a year: most of what is guessed does not exist.
            ("* 10 1 6 *", None, None, "2026-12-24T00:00:00Z", Some("2026-06-01T10:59:00Z"), true),
            // In step with the creation at 10:20:30.
            ("@every 1h", None, None, "2026-05-20T11:00:00Z", Some("2026-05-20T10:20:30Z"), false),
        ] {
            let created = if schedule.starts_with("@every") { "2026-05-19T10:20:30Z" } else { "2026-05-19T10:20:00Z" };
            let schedule: Schedule = schedule.parse().unwrap();
            let due = due(&cron(created, last, deadline), &schedule, &TimeZone::UTC, at(now)).unwrap();
            assert_eq!((due.at, due.many), (want.map(at), many), "{schedule:?} at {now}");
        }
    }

    #[test]
    fn the_next_look_is_at_the_next_time_and_never_far() {
        let schedule: Schedule = "*/10 * * * *".parse().unwrap();
        let again = |now: &str| {
            due(&cron("2026-05-19T10:20:00Z", None, None), &schedule, &TimeZone::UTC, at(now)).unwrap().again
        };
        assert_eq!(again("2026-05-19T10:29:50Z"), Duration::from_millis(10_010));
        assert_eq!(again("2026-05-19T10:30:00Z"), LONGEST);
        assert_eq!(again("2026-05-19T10:39:59.5Z"), Duration::from_millis(510));
        let never: Schedule = "59 23 31 2 *".parse().unwrap();
        assert_eq!(
            due(&cron("2026-05-19T10:20:00Z", None, None), &never, &TimeZone::UTC, at("2026-05-19T10:30:00Z")),
            Err(Never)
        );
    }

    #[test]
    fn a_clock_set_back_starts_nothing_twice() {
        let schedule: Schedule = "*/10 * * * *".parse().unwrap();
        let c = cron("2026-05-19T10:20:00Z", Some("2026-05-19T12:00:00Z"), None);
        assert_eq!(due(&c, &schedule, &TimeZone::UTC, at("2026-05-19T11:30:00Z")).unwrap().at, None);
    }

    #[test]
    fn zones_move() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let schedule: Schedule = "30 2 * * *".parse().unwrap();
        let c = cron("2026-10-24T12:00:00Z", None, None);
        // The hour comes twice, and so does the time.
        for (now, want) in [
            ("2026-10-25T00:29:00Z", None),
            ("2026-10-25T00:30:00Z", Some("2026-10-25T00:30:00Z")),
            ("2026-10-25T01:30:00Z", Some("2026-10-25T01:30:00Z")),
        ] {
            assert_eq!(due(&c, &schedule, &berlin, at(now)).unwrap().at, want.map(at), "{now}");
        }
    }
}
