//! Text → quantity.

use std::borrow::Cow;

use compact_str::ToCompactString;

use super::{Error, Format, Quantity, power};
use crate::Str;

/// Digits an `i64` surely holds: upstream's fast path takes no more.
const FAST_DIGITS: i64 = 18;

/// The form in which upstream would print a text it has read.
///
/// # Errors
/// The text is no quantity.
pub fn canonical(text: &str) -> Result<Str, Error> {
    let (quantity, verbatim) = parse(text)?;
    Ok(if verbatim { Str::from(text) } else { quantity.to_compact_string() })
}

struct Parts<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    suffix: &'t str,
}

/// The quantity, and whether upstream keeps its text as it is.
pub(super) fn parse(text: &str) -> Result<(Quantity, bool), Error> {
    if text.is_empty() {
        return Err(Error::Format);
    }
    let parts = split(text)?;
    let (shift, format) = suffix(parts.suffix).ok_or(Error::Suffix)?;
    let shown: Cow<'_, str> = match parts.fraction {
        "" => parts.whole.into(),
        fraction => format!("{}{fraction}", parts.whole).into(),
    };
    let places = i32::try_from(parts.fraction.len()).map_err(|_| Error::Numeric)?;
    let zeros = shown.len() - shown.trim_end_matches('0').len();
    let digits: i128 = match shown[..shown.len() - zeros].trim_start_matches('0') {
        "" => 0,
        digits => digits.parse().map_err(|_| Error::Numeric)?,
    };
    let scale = i32::try_from(zeros).map_err(|_| Error::Numeric)? - places;
    let sign = if parts.negative { -1 } else { 1 };
    let count = i64::try_from(shown.len()).map_err(|_| Error::Numeric)?;

    match format {
        Format::BinarySi => {
            let unit = i64::from(shift) * 3 / 10;
            let fast = parts.fraction.is_empty() && 15 - count - unit > 0;
            let verbatim = fast && shown.parse::<i64>().is_ok_and(|n| n & 7 != 0);
            let quantity = binary(digits, scale, shift, sign)?;
            Ok((quantity, verbatim))
        }
        Format::DecimalSi | Format::DecimalExponent => {
            let exponent = i64::from(shift) - i64::from(places);
            let fast = FAST_DIGITS - count >= 0 && exponent >= -9;
            let verbatim = fast && exponent % 3 == 0 && !shown.ends_with("000") && !shown.starts_with('0');
            let scale = scale.checked_add(shift).ok_or(Error::Numeric)?;
            Ok((rounded(Quantity { digits: digits * sign, scale, format }), verbatim || text == "0"))
        }
    }
}

/// `digits × 10^scale × 2^shift`, at most what an `i64` holds.
fn binary(digits: i128, scale: i32, shift: i32, sign: i128) -> Result<Quantity, Error> {
    const MAX: Quantity = Quantity { digits: i64::MAX as i128, scale: 0, format: Format::BinarySi };
    let q = match digits.checked_mul(1 << shift) {
        Some(digits) => rounded(Quantity { digits, scale, format: Format::BinarySi }).min(MAX),
        // So many digits are either far beyond the cap or a fraction of absurd length.
        None if scale >= 0 => MAX,
        None => return Err(Error::Numeric),
    };
    let one = Quantity::new(1, Format::DecimalSi);
    let format = if q < one && !q.is_zero() { Format::DecimalSi } else { Format::BinarySi };
    Ok(Quantity { digits: q.digits * sign, scale: q.scale, format })
}

/// Rounds to nine fractional digits, away from zero: who asks for a little gets something.
fn rounded(q: Quantity) -> Quantity {
    if q.scale >= -9 {
        return if q.digits == 0 { Quantity { scale: 0, ..q } } else { q };
    }
    let Some(divisor) = (-9i32).checked_sub(q.scale).and_then(power) else {
        return Quantity { digits: q.digits.signum(), scale: -9, ..q };
    };
    let digits = q.digits / divisor + (q.digits % divisor).signum();
    Quantity { digits, scale: -9, ..q }
}

fn split(text: &str) -> Result<Parts<'_>, Error> {
    let (negative, rest) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let rest = rest.trim_start_matches('0');
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (whole, rest) = rest.split_at(end);
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    // Letters, a sign, digits: overly permissive, the table of suffixes decides.
    let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let digits = letters.strip_prefix(['-', '+']).unwrap_or(letters);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::Format);
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(Parts { negative, whole, fraction, suffix })
}

/// The power of ten, or of two for `BinarySi`.
fn suffix(text: &str) -> Option<(i32, Format)> {
    let decimal = |n| Some((n, Format::DecimalSi));
    let binary = |n| Some((n, Format::BinarySi));
    match text {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent = text.strip_prefix(['e', 'E'])?.parse().ok()?;
            Some((exponent, Format::DecimalExponent))
        }
    }
}
