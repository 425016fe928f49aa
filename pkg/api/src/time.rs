//! `metav1.Time` and `metav1.MicroTime`: RFC 3339, to the second and to the microsecond.
//!
//! Reading is as strict as Go's `time.Parse` and words its errors alike; printing is always in UTC. Go's zero time
//! (midnight of 1 January of the year 1) stands for "none" and prints as `null`.

use std::fmt::Write as _;

use jiff::{Timestamp, ToSpan as _, civil};

use crate::Str;

/// Which of the two types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// `Time`. Reading takes a fraction and forgets it.
    Second,
    /// `MicroTime`. Reading wants exactly six digits of fraction.
    Micro,
}

/// Why a text is no time; worded as Go's parser words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {text:?}{problem}")]
pub struct Error {
    text: Box<str>,
    problem: String,
}

impl Precision {
    fn layout(self) -> &'static str {
        match self {
            Self::Second => "2006-01-02T15:04:05Z07:00",
            Self::Micro => "2006-01-02T15:04:05.000000Z07:00",
        }
    }
}

/// Reads a time.
///
/// # Errors
/// The text is no time in the type's layout.
pub fn parse(text: &str, precision: Precision) -> Result<Timestamp, Error> {
    let error = |problem| Error { text: text.into(), problem };
    let mut scan = Scan { rest: text };
    scan.time(precision).map_err(|problem| match problem {
        Problem::Range(what) => error(format!(": {what} out of range")),
        Problem::Extra(rest) => error(format!(": extra text: {rest:?}")),
        Problem::Element { rest, element } => {
            error(format!(" as {:?}: cannot parse {rest:?} as {element:?}", precision.layout()))
        }
    })
}

/// Prints a time to the second, as upstream prints `Time`.
pub fn print(at: Timestamp) -> Str {
    render(at, Precision::Second)
}

/// Prints a time to the microsecond, as upstream prints `MicroTime`.
pub fn print_micro(at: Timestamp) -> Str {
    render(at, Precision::Micro)
}

/// What upstream prints for a text it has read: None for Go's zero time, which prints as `null`.
///
/// # Errors
/// The text is no time in the type's layout.
pub fn canonical(text: &str, precision: Precision) -> Result<Option<Str>, Error> {
    let at = parse(text, precision)?;
    let nanos = at.subsec_nanosecond();
    // Before 1970 seconds are counted up to the moment, not down.
    let second = at.as_second() - i64::from(nanos < 0);
    let none = second == ZERO_SECOND && (nanos == 0 || precision == Precision::Second);
    Ok((!none).then(|| render(at, precision)))
}

/// Go's zero time in seconds since 1970.
pub(crate) const ZERO_SECOND: i64 = -62_135_596_800;
/// The year 0 begins. What is earlier has no notation that can be read again.
pub(crate) const EARLIEST_SECOND: i64 = -62_167_219_200;

fn render(at: Timestamp, precision: Precision) -> Str {
    let t = jiff::tz::Offset::UTC.to_datetime(at);
    let mut out = Str::default();
    let printed = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    )
    .and_then(|()| match precision {
        Precision::Second => write!(out, "Z"),
        Precision::Micro => write!(out, ".{:06}Z", t.subsec_nanosecond() / 1000),
    });
    printed.expect("writing to memory does not fail");
    out
}

const EARLIEST: Timestamp = Timestamp::constant(EARLIEST_SECOND, 0);

enum Problem<'t> {
    Element { rest: &'t str, element: &'static str },
    Range(&'static str),
    Extra(&'t str),
}

struct Scan<'t> {
    rest: &'t str,
}

impl<'t> Scan<'t> {
    fn time(&mut self, precision: Precision) -> Result<Timestamp, Problem<'t>> {
        let year = self.number(4, "2006")?;
        self.sign('-', "-")?;
        let month = self.ranged(1..=12, "01", "month")?;
        self.sign('-', "-")?;
        let day = self.ranged(1..=31, "02", "day")?;
        self.sign('T', "T")?;
        let hour = self.ranged(0..=23, "15", "hour")?;
        self.sign(':', ":")?;
        let minute = self.ranged(0..=59, "04", "minute")?;
        self.sign(':', ":")?;
        let second = self.ranged(0..=59, "05", "second")?;
        let nanos = self.fraction(precision)?;
        let offset = self.zone()?;
        if !self.rest.is_empty() {
            return Err(Problem::Extra(self.rest));
        }
        let small = |n: i64| n as i8;
        let date = civil::DateTime::new(
            year as i16,
            small(month),
            small(day),
            small(hour),
            small(minute),
            small(second),
            nanos,
        )
        .map_err(|_| Problem::Range("day"))?;
        let utc = jiff::tz::Offset::UTC.to_timestamp(date).map_err(|_| Problem::Range("time"))?;
        let at = utc.checked_sub(offset.seconds()).ok().filter(|at| *at >= EARLIEST);
        at.ok_or(Problem::Range("time"))
    }

    fn number(&mut self, width: usize, element: &'static str) -> Result<i64, Problem<'t>> {
        let rest = self.rest;
        match rest.get(..width).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit())) {
            Some(digits) => {
                self.rest = &rest[width..];
                Ok(digits.bytes().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
            }
            None => Err(Problem::Element { rest, element }),
        }
    }

    fn ranged(
        &mut self,
        range: std::ops::RangeInclusive<i64>,
        element: &'static str,
        name: &'static str,
    ) -> Result<i64, Problem<'t>> {
        let n = self.number(2, element)?;
        if range.contains(&n) { Ok(n) } else { Err(Problem::Range(name)) }
    }

    fn sign(&mut self, sign: char, element: &'static str) -> Result<(), Problem<'t>> {
        let rest = self.rest;
        self.rest = rest.strip_prefix(sign).ok_or(Problem::Element { rest, element })?;
        Ok(())
    }

    /// Nanoseconds.
    fn fraction(&mut self, precision: Precision) -> Result<i32, Problem<'t>> {
        let rest = self.rest;
        let digits = rest.strip_prefix(['.', ',']).unwrap_or_default();
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        match (precision, count) {
            (Precision::Second, 0) => return Ok(0),
            (Precision::Micro, n) if n != 6 => return Err(Problem::Element { rest, element: ".000000" }),
            _ => {}
        }
        self.rest = &digits[count..];
        let nanos = digits.bytes().take(count).chain(std::iter::repeat(b'0')).take(9);
        Ok(nanos.fold(0, |n, b| n * 10 + i32::from(b - b'0')))
    }

    /// Seconds east of UTC.
    fn zone(&mut self) -> Result<i64, Problem<'t>> {
        let rest = self.rest;
        let bad = Problem::Element { rest, element: "Z07:00" };
        if let Some(rest) = rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let sign = match rest.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(bad),
        };
        self.rest = &rest[1..];
        let part = (|| {
            let hours = self.number(2, "")?;
            self.sign(':', "")?;
            Ok::<_, Problem<'t>>((hours, self.number(2, "")?))
        })();
        match part {
            Ok((hours, minutes)) if hours <= 24 && minutes < 60 => Ok(sign * (hours * 3600 + minutes * 60)),
            Ok(_) => Err(Problem::Range("time zone offset")),
            Err(_) => Err(bad),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_form() {
        let table = [
            ("2024-02-29T01:02:03Z", "2024-02-29T01:02:03Z"),
            ("2024-02-29T01:02:03.987Z", "2024-02-29T01:02:03Z"),
            ("2024-02-29T01:02:03+02:00", "2024-02-28T23:02:03Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("1969-12-31T23:59:59.5-00:30", "1970-01-01T00:29:59Z"),
        ];
        for (text, want) in table {
            assert_eq!(canonical(text, Precision::Second).unwrap().as_deref(), Some(want), "{text}");
        }
        assert_eq!(canonical("0001-01-01T00:00:00Z", Precision::Second), Ok(None));
        assert_eq!(canonical("0001-01-01T00:00:00.5Z", Precision::Second), Ok(None));
        let micro = canonical("2024-02-29T01:02:03.000040+01:00", Precision::Micro);
        assert_eq!(micro.unwrap().as_deref(), Some("2024-02-29T00:02:03.000040Z"));
    }

    #[test]
    fn errors_are_worded_as_gos() {
        let layout = r#"as "2006-01-02T15:04:05Z07:00": cannot parse"#;
        let table = [
            ("", format!(r#"parsing time "" {layout} "" as "2006""#)),
            ("yesterday", format!(r#"parsing time "yesterday" {layout} "yesterday" as "2006""#)),
            ("2024-01-01", format!(r#"parsing time "2024-01-01" {layout} "" as "T""#)),
            ("2024-01-01T00:00:00", format!(r#"parsing time "2024-01-01T00:00:00" {layout} "" as "Z07:00""#)),
            ("2024-13-01T00:00:00Z", r#"parsing time "2024-13-01T00:00:00Z": month out of range"#.to_owned()),
            ("2023-02-29T00:00:00Z", r#"parsing time "2023-02-29T00:00:00Z": day out of range"#.to_owned()),
            ("0000-01-01T00:00:00+01:00", r#"parsing time "0000-01-01T00:00:00+01:00": time out of range"#.to_owned()),
            ("2024-01-01T00:00:00Zx", r#"parsing time "2024-01-01T00:00:00Zx": extra text: "x""#.to_owned()),
        ];
        for (text, want) in table {
            assert_eq!(parse(text, Precision::Second).unwrap_err().to_string(), want);
        }
        let micro = parse("2024-01-01T00:00:00Z", Precision::Micro).unwrap_err().to_string();
        assert!(micro.ends_with(r#"cannot parse "Z" as ".000000""#), "{micro}");
    }

    proptest! {
        #[test]
        fn print_then_parse_gives_the_same(micros in -62_000_000_000_000_000i64..250_000_000_000_000_000) {
            let at = Timestamp::from_microsecond(micros).unwrap();
            prop_assert_eq!(parse(&print_micro(at), Precision::Micro), Ok(at));
            let seconds = Timestamp::from_second(at.as_second()).unwrap();
            prop_assert_eq!(parse(&print(seconds), Precision::Second), Ok(seconds));
        }

        #[test]
        fn never_panics(text in "[0-9TZ:.+é-]{0,36}") {
            let _ = parse(&text, Precision::Second);
            let _ = parse(&text, Precision::Micro);
        }
    }
}
