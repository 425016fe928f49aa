//! `metav1.Duration`: spans in Go's notation (`1h30m0s`, `250ms`).

use std::fmt;

/// A span in nanoseconds, at most some 292 years either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub i64);

/// Why a text is no duration; worded as Go's parser words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a duration at all, or too long a one.
    #[error("time: invalid duration {0:?}")]
    Invalid(Box<str>),
    /// A number without unit.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(Box<str>),
    /// A unit nobody knows.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The unit.
        unit: Box<str>,
        /// The whole text.
        text: Box<str>,
    },
}

const SECOND: u64 = 1_000_000_000;
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3600 * SECOND),
];

impl Duration {
    /// Whole seconds.
    pub const fn seconds(n: i64) -> Self {
        Self(n.saturating_mul(1_000_000_000))
    }
}

impl std::str::FromStr for Duration {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Invalid(text.into());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (whole, after) = digits(rest);
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => digits(after),
                None => ("", after),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            if unit.is_empty() {
                return Err(Error::MissingUnit(text.into()));
            }
            let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
            let scale = scale.ok_or_else(|| Error::UnknownUnit { unit: unit.into(), text: text.into() })?;
            let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
            let part = whole.checked_mul(scale).and_then(|n| n.checked_add(part_of(fraction, scale)));
            total = part.and_then(|n| total.checked_add(n)).filter(|n| *n <= 1 << 63).ok_or_else(invalid)?;
            rest = after;
        }
        match (i64::try_from(total), negative) {
            (Ok(n), false) => Ok(Self(n)),
            (Ok(n), true) => Ok(Self(-n)),
            (Err(_), true) => Ok(Self(i64::MIN)),
            (Err(_), false) => Err(invalid()),
        }
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The fraction `0.digits` of a unit; digits below a nanosecond are dropped.
fn part_of(digits: &str, unit: u64) -> u64 {
    // 18 digits times an hour of nanoseconds fit 128 bits.
    let digits = &digits[..digits.len().min(18)];
    let count = u32::try_from(digits.len()).unwrap_or(0);
    let n: u128 = digits.parse().unwrap_or(0);
    u64::try_from(n * u128::from(unit) / 10u128.pow(count)).unwrap_or(u64::MAX)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if nanos == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            ..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => with_fraction(nanos, 1_000, f).and_then(|()| f.write_str("µs")),
            1_000_000..SECOND => with_fraction(nanos, 1_000_000, f).and_then(|()| f.write_str("ms")),
            _ => {
                let (minutes, rest) = (nanos / (60 * SECOND), nanos % (60 * SECOND));
                match minutes {
                    0 => {}
                    1..60 => write!(f, "{minutes}m")?,
                    _ => write!(f, "{}h{}m", minutes / 60, minutes % 60)?,
                }
                with_fraction(rest, SECOND, f)?;
                f.write_str("s")
            }
        }
    }
}

fn with_fraction(n: u64, unit: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}", n / unit)?;
    let (mut rest, mut width) = (n % unit, unit.ilog10() as usize);
    if rest == 0 {
        return Ok(());
    }
    while rest % 10 == 0 {
        rest /= 10;
        width -= 1;
    }
    write!(f, ".{rest:0width$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn go_notation() {
        let table = [
            ("0", "0s"),
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("1.5h", "1h30m0s"),
            ("-1m", "-1m0s"),
            ("+.5s", "500ms"),
            ("1500us", "1.5ms"),
            ("1500µs", "1.5ms"),
            ("15ns", "15ns"),
            ("1h1ms", "1h0m0.001s"),
            ("0.000000001s", "1ns"),
            ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
        ];
        for (text, want) in table {
            assert_eq!(text.parse::<Duration>().map(|d| d.to_string()), Ok(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn errors_are_worded_as_gos() {
        let table = [
            ("", r#"time: invalid duration """#),
            ("x", r#"time: invalid duration "x""#),
            (".s", r#"time: invalid duration ".s""#),
            ("5", r#"time: missing unit in duration "5""#),
            ("5d", r#"time: unknown unit "d" in duration "5d""#),
            ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
        ];
        for (text, want) in table {
            assert_eq!(text.parse::<Duration>().unwrap_err().to_string(), want);
        }
    }

    proptest! {
        #[test]
        fn print_then_parse_gives_the_same(n: i64) {
            prop_assert_eq!(Duration(n).to_string().parse(), Ok(Duration(n)));
        }

        #[test]
        fn never_panics(text in "[-+]?[0-9.hmsnuµ]{0,30}") {
            let _ = text.parse::<Duration>();
        }
    }
}
