//! `resource.Quantity`: amounts of CPU, memory and the like (`250m`, `1.5Gi`, `1e3`).
//!
//! A quantity is an exact decimal with at most nine fractional digits that remembers its family of suffixes. Printing
//! gives the canonical form: no fraction, the largest suffix that loses nothing. Upstream keeps a text verbatim when
//! its fast path takes it for canonical already, `1.500` and `+5` among them; [`canonical`] does the same.

mod print;
mod scan;

use std::cmp::Ordering;

use crate::Str;

pub use scan::canonical;

/// Which suffixes a quantity prints with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// `n`, `u`, `m`, nothing, `k`, `M`, `G`, `T`, `P`, `E`.
    #[default]
    DecimalSi,
    /// `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei`.
    BinarySi,
    /// `e3`, `e6`, …
    DecimalExponent,
}

/// Why a text is no quantity; worded as upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a number with a suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// The number is not one, or has more digits than can be kept.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// Nobody knows this suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// An exact amount: `digits × 10^scale`, `scale ≥ -9`.
///
/// Comparison is by amount; the format does not count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    digits: i128,
    scale: i32,
    format: Format,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { digits: 0, scale: 0, format: Format::DecimalSi };

    /// `n` whole units.
    pub fn new(n: i64, format: Format) -> Self {
        Self { digits: n.into(), scale: 0, format }
    }

    /// `n` thousandths.
    pub fn milli(n: i64) -> Self {
        Self { digits: n.into(), scale: -3, format: Format::DecimalSi }
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The family of suffixes.
    pub fn format(self) -> Format {
        self.format
    }

    /// Whole units, rounded away from zero; capped at the ends of `i64`.
    pub fn value(self) -> i64 {
        self.scaled(0)
    }

    /// Thousandths, rounded away from zero; capped at the ends of `i64`.
    pub fn milli_value(self) -> i64 {
        self.scaled(-3)
    }

    fn scaled(self, scale: i32) -> i64 {
        let wide = match self.at_scale(scale) {
            Some((digits, _)) => digits,
            None if self.digits < 0 => i128::MIN,
            None => i128::MAX,
        };
        i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX })
    }

    /// The nearest double.
    pub fn as_f64(self) -> f64 {
        self.digits as f64 * 10f64.powi(self.scale)
    }

    /// The digits at another scale, rounded away from zero, and whether they are exact. None: too many digits.
    fn at_scale(self, scale: i32) -> Option<(i128, bool)> {
        if self.digits == 0 || scale == self.scale {
            return Some((self.digits, true));
        }
        if self.scale > scale {
            let factor = power(self.scale.checked_sub(scale)?)?;
            return Some((self.digits.checked_mul(factor)?, true));
        }
        let Some(divisor) = power(scale.checked_sub(self.scale)?) else {
            return Some((self.digits.signum(), false));
        };
        let (whole, rest) = (self.digits / divisor, self.digits % divisor);
        Some((whole + rest.signum(), rest == 0))
    }

    /// Digits without trailing zeros.
    fn reduced(self) -> (i128, i32) {
        let (mut digits, mut scale) = (self.digits, self.scale);
        if digits == 0 {
            return (0, 0);
        }
        while digits % 10 == 0 {
            digits /= 10;
            scale += 1;
        }
        (digits, scale)
    }

    fn sum(self, other: Self, sign: i128) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        let scale = self.scale.min(other.scale);
        let sum = match (self.at_scale(scale), other.at_scale(scale)) {
            (Some((a, _)), Some((b, _))) => a.saturating_add(b.saturating_mul(sign)),
            // One is so much larger that the other does not show in 38 digits.
            (None, _) => return self,
            (_, None) => return Self { digits: other.digits.saturating_mul(sign), ..other },
        };
        Self { digits: sum, scale, format }
    }
}

impl std::ops::Add for Quantity {
    type Output = Self;
    /// The sum, in the format of the left side unless that is zero.
    fn add(self, other: Self) -> Self {
        self.sum(other, 1)
    }
}

impl std::ops::Sub for Quantity {
    type Output = Self;
    /// The difference, in the format of the left side unless that is zero.
    fn sub(self, other: Self) -> Self {
        self.sum(other, -1)
    }
}

impl std::ops::AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::SubAssign for Quantity {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl std::str::FromStr for Quantity {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        scan::parse(text).map(|(quantity, _)| quantity)
    }
}

impl<'de> serde::Deserialize<'de> for Quantity {
    /// From a string, the only form canonical JSON has.
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Str::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl From<Quantity> for Str {
    fn from(q: Quantity) -> Self {
        compact_str::format_compact!("{q}")
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((a, a_scale), (b, b_scale)) = (self.reduced(), other.reduced());
        if a.signum() != b.signum() || a == 0 {
            return a.signum().cmp(&b.signum());
        }
        // Numbers of different magnitude differ by it; of the same magnitude, the one with the larger scale has
        // fewer digits and can be brought to the other's scale.
        let magnitude = |digits: i128, scale: i32| i64::from(digits.unsigned_abs().ilog10()) + i64::from(scale);
        let by_size = magnitude(a, a_scale).cmp(&magnitude(b, b_scale));
        if by_size != Ordering::Equal {
            return if a > 0 { by_size } else { by_size.reverse() };
        }
        let lift = |digits: i128, by: i32| digits.saturating_mul(power(by.max(0)).unwrap_or(i128::MAX));
        lift(a, a_scale - b_scale).cmp(&lift(b, b_scale - a_scale))
    }
}

/// `10^n`, if it fits.
fn power(n: i32) -> Option<i128> {
    10i128.checked_pow(u32::try_from(n).ok()?)
}

#[cfg(test)]
mod tests;
